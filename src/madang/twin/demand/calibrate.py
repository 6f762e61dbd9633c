"""Demand and a parameter of route choice fitted to counts, and proved on counts kept apart.

Three things are fitted, in turns with SUMO's own assignment: how many trips begin in each hour,
how many go from each part of the city to each other (bounded least squares on the counts, held to
the demand there was: E. Cascetta, Estimation of trip matrices from traffic counts, Transportation
Research B 18, 1984), and how far drivers stray from the quickest way (tried on a few values).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from madang.twin.demand.assign import Day, Passed, assign
from madang.twin.demand.counts import Counts, Fit, fit
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario

SPREADS: Final = (1.0, 1.5, 2.5)
"""Values of the spread that are tried."""
_LOW, _HIGH = 0.1, 6.0  # bounds of what trips are multiplied by
_SURE = (0.5, 0.5, 0.3)
"""How far off the trips of a part of the city may be, and of a pair of parts: the standard
deviation of what they are to be multiplied by, before a count is seen. [1]"""
_STEP = 0.8  # how far each round goes towards its solution
_ZONES = 4  # parts of the city a side

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """How well the demand meets counts, before and after, on fitted and on held-out detectors."""

    fitted_before: Fit
    fitted_after: Fit
    held_out_before: Fit
    held_out_after: Fit
    held_out: tuple[str, ...]
    trips_before: int
    trips_after: int
    hours: dict[int, float]
    """What trips of each counted hour were multiplied by."""
    spread: float
    rounds: int

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "fitted": {"before": self.fitted_before.told(), "after": self.fitted_after.told()},
            "held_out": {
                "before": self.held_out_before.told(),
                "after": self.held_out_after.told(),
            },
            "held_out_edges": list(self.held_out),
            "trips": {"before": self.trips_before, "after": self.trips_after},
            "hours": {str(hour): round(factor, 4) for hour, factor in self.hours.items()},
            "parameters": {"spread": self.spread},
            "rounds": self.rounds,
        }


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Trips of the day after fitting, the spread they are meant for, and the report."""

    day: Day
    spread: float
    report: Report


def calibrate(
    scenario: Scenario,
    day: Day,
    counts: Counts,
    *,
    held_out: float = 0.25,
    rounds: int = 4,
    seed: int = 1,
    spreads: tuple[float, ...] = SPREADS,
    tell: Tell = lambda _what: None,
) -> Calibrated:
    """Fit the trips of a day to counts.

    Args:
        scenario: network and vehicle types.
        day: trips as they are thought to be.
        counts: vehicles that left edges.
        held_out: share of the edges whose counts are not fitted, but met or not. [1]
        rounds: of assignment and fitting.
        seed: which edges are held out, and of SUMO.
        spreads: values of the spread that are tried.
        tell: is told what is being done.

    Returns:
        All trips of the day, also of hours without counts: those go by the mean of the others.
    """
    away = _held_out(counts, held_out, seed)
    kept = np.flatnonzero(~np.isin(counts.edge, away))
    groups = _Groups.made(scenario, day)
    state = _State(day, groups, np.ones(len(groups.start)), {})
    seen = _Seen(scenario, counts, kept, seed, tell)
    before = best = seen.run(state, spreads[0], "as it is")
    for number in range(rounds):
        state = state.next(best.passed, best.copies, counts, kept)
        found = seen.run(state, best.spread, f"round {number + 1} of {rounds}")
        if number == 0:  # the spread changes little about how many drive: once is enough
            tried = [
                seen.run(state, one, f"spread {one:g}") for one in spreads if one != best.spread
            ]
            found = min([found, *tried], key=lambda one: one.fit.error)
        if found.fit.error >= best.fit.error:
            break  # another round would begin where this one did
        best = found
    chosen = best.state
    rest = np.setdiff1d(np.arange(len(counts)), kept)
    report = Report(
        fitted_before=before.fit, fitted_after=best.fit,
        held_out_before=fit(before.vehicles[rest], counts.some(rest)),
        held_out_after=fit(best.vehicles[rest], counts.some(rest)),
        held_out=tuple(away.tolist()), trips_before=len(day), trips_after=len(best.copies),
        hours=chosen.hours, spread=best.spread, rounds=rounds,
    )  # fmt: skip
    return Calibrated(day.some(best.copies), best.spread, report)


def _held_out(counts: Counts, share: float, seed: int) -> NDArray[np.str_]:
    edges = np.unique(counts.edge)
    number = min(round(len(edges) * share), len(edges) - 1)
    return np.sort(np.random.default_rng([seed, 11]).permutation(edges)[:number])


@dataclass(frozen=True, slots=True)
class _Groups:
    """Trips by the part of the city they begin in and the part they end in."""

    of: NDArray[np.int64]
    """Group of each trip."""
    start: NDArray[np.int64]
    """Part that each group begins in."""
    end: NDArray[np.int64]

    @classmethod
    def made(cls, scenario: Scenario, day: Day) -> _Groups:
        edges = Roads.read(scenario.net).edges
        names = np.unique(np.concatenate([day.start, day.end]))
        middle = np.array([np.mean(edges[str(name)].line, axis=0) for name in names])
        low, high = middle.min(axis=0), middle.max(axis=0)
        share = (middle - low) / np.maximum(high - low, 1.0)
        cell = (share * _ZONES).astype(int).clip(0, _ZONES - 1)
        zone = cell[:, 0] * _ZONES + cell[:, 1]
        start, end = (zone[np.searchsorted(names, one)] for one in (day.start, day.end))
        pairs, of = np.unique(start * _ZONES**2 + end, return_inverse=True)
        return cls(of.astype(np.int64), pairs // _ZONES**2, pairs % _ZONES**2)


@dataclass(frozen=True, slots=True)
class _State:
    """What trips are multiplied by: by group and by hour of departure."""

    day: Day
    groups: _Groups
    weights: NDArray[np.float64]
    hours: dict[int, float]

    def factors(self) -> NDArray[np.float64]:
        usual = float(np.mean(list(self.hours.values()))) if self.hours else 1.0
        by_hour = np.array([self.hours.get(hour, usual) for hour in range(25)])
        return np.asarray(
            self.weights[self.groups.of] * by_hour[(self.day.depart_s // 3600).astype(int)]
        )

    def copies(self, seed: int) -> NDArray[np.int64]:
        """Return numbers of trips, each as often as its factor says.

        Within a group they are drawn systematically, so that their number is right to one.
        """
        order = np.lexsort((self.day.depart_s, self.groups.of))
        first = np.random.default_rng([seed, 3]).random()
        ends = np.floor(np.cumsum(self.factors()[order]) + first).astype(int)
        times = np.diff(ends, prepend=0)
        return np.sort(np.repeat(order, times))

    def next(
        self, passed: Passed, copies: NDArray[np.int64], counts: Counts, kept: NDArray[np.int64]
    ) -> _State:
        """Return what trips should be multiplied by after an assignment of those copies."""
        hours = self._next_hours(passed, counts, kept)
        relative = {hour: hours[hour] / self.hours.get(hour, 1.0) for hour in hours}
        weights = self._next_weights(passed, copies, counts, kept, relative)
        return _State(self.day, self.groups, weights, hours)

    def _next_hours(
        self, passed: Passed, counts: Counts, kept: NDArray[np.int64]
    ) -> dict[int, float]:
        found = dict(self.hours)
        vehicles = passed.vehicles(len(counts))
        hour = (counts.start_s // 3600).astype(int)
        for one in np.unique(hour[kept]).tolist():
            of_hour = kept[hour[kept] == one]
            ratio = counts.vehicles[of_hour].sum() / max(vehicles[of_hour].sum(), 1.0)
            found[one] = float(np.clip(found.get(one, 1.0) * ratio**_STEP, _LOW, _HIGH))
        return found

    def _next_weights(
        self, passed: Passed, copies: NDArray[np.int64], counts: Counts,
        kept: NDArray[np.int64], hours: dict[int, float],
    ) -> NDArray[np.float64]:  # fmt: skip
        """Return the groups' weights: by where trips begin, then by where they end, then by both.

        First what few numbers explain: that holds on roads without counts, too.
        """
        size = len(self.weights)
        row = np.full(len(counts), -1)
        row[kept] = np.arange(len(kept))
        used = row[passed.count] >= 0
        by = np.zeros((len(kept), size))
        np.add.at(by, (row[passed.count[used]], self.groups.of[copies[passed.trip[used]]]), 1.0)
        hour = (counts.start_s[kept] // 3600).astype(int)
        by *= np.array([hours.get(one, 1.0) for one in hour.tolist()])[:, None]
        found = np.ones(size)
        labels = (self.groups.start, self.groups.end, np.arange(size))
        for label, sure in zip(labels, _SURE, strict=True):
            found *= _solved(by * found, label, counts.vehicles[kept], sure)[label]
        return np.clip(self.weights * found**_STEP, _LOW, _HIGH)


def _solved(
    by: NDArray[np.float64], label: NDArray[np.int64], vehicles: NDArray[np.float64], sure: float
) -> NDArray[np.float64]:
    """Return what the trips of each label are to be multiplied by.

    It minimises |(A w - c) / sqrt 2c|² + |(w - 1) / sure|²: counts and trips are both of chance, as
    those of a Poisson process are, and what few counts tell of stays as it was.

    Args:
        by: vehicles of each count by group, (count, group).
        label: of each group.
        vehicles: counted.
        sure: standard deviation of the multipliers before a count is seen. [1]
    """
    from scipy.optimize import lsq_linear

    size = int(label.max()) + 1
    summed = np.zeros((size, len(by)))
    np.add.at(summed, label, by.T)
    scale = 1 / np.sqrt(2 * (vehicles + 1))
    matrix = np.vstack([summed.T * scale[:, None], np.eye(size) / sure])
    target = np.concatenate([vehicles * scale, np.full(size, 1 / sure)])
    return np.asarray(lsq_linear(matrix, target, (_LOW, _HIGH)).x)


@dataclass(frozen=True, slots=True)
class _Run:
    state: _State
    copies: NDArray[np.int64]
    spread: float
    passed: Passed
    vehicles: NDArray[np.float64]
    fit: Fit


@dataclass(frozen=True, slots=True)
class _Seen:
    """Assigns, and tells how well the fitted counts are met."""

    scenario: Scenario
    counts: Counts
    kept: NDArray[np.int64]
    seed: int
    tell: Tell

    def run(self, state: _State, spread: float, what: str) -> _Run:
        self.tell(what)
        copies = state.copies(self.seed)
        passed = assign(
            self.scenario, state.day.some(copies), self.counts, seed=self.seed, spread=spread
        )
        vehicles = passed.vehicles(len(self.counts))
        near = fit(vehicles[self.kept], self.counts.some(self.kept))
        return _Run(state, copies, spread, passed, vehicles, near)
