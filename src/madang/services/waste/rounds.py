"""Rounds of collection vehicles: which containers, in which order, at what time.

Pure. The rounds are the answer to a prize-collecting vehicle routing problem with capacities and
time windows, found by PyVRP (N. A. Wouda, L. Lan and W. Kool, PyVRP: a high-performance VRP solver
package, INFORMS Journal on Computing 36 (2024) 943-955): a container is left out if the way to it
is longer than it is worth. With the same input the rounds are the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MUST = 1_000_000  # worth of a container that has to be emptied: longer than any way in a city [m]
LONGEST = 10_000_000  # way or time between two places [m, s]
SEED = 1
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_HOURS = re.compile(r"(?:([A-Z][a-z])(?:-([A-Z][a-z]))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class Stop:
    """A container that may be emptied."""

    id: str
    place: tuple[float, float]
    """Longitude and latitude. [degree]"""
    litres: int
    worth: int
    """The detour that may be driven for it; :data:`MUST` is any. [m]"""
    window: tuple[int, int]
    """From when until when one may come. [s since midnight]"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What drives, and how."""

    depot: tuple[float, float]
    vehicles: int
    litres: int
    shift: tuple[int, int]
    """[s since midnight]"""
    service_s: int
    """At a container."""
    speed_m_s: float
    detour: float
    """Length of a way by length as the crow flies."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Lengths and times of ways that are known; others are as the crow flies."""

    places: Sequence[str] = ()
    """Ids of containers, and ``depot``."""
    metres: Sequence[Sequence[float]] = ()
    seconds: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, slots=True)
class Round:
    """One way of one vehicle from the depot and back."""

    metres: int
    litres: int
    start: int
    """[s since midnight]"""
    end: int
    stops: list[tuple[str, int]] = field(default_factory=list)
    """Containers in their order, and when each is reached. [s since midnight]"""


def plan(stops: Sequence[Stop], fleet: Fleet, ways: Ways, iterations: int) -> list[Round]:
    """Return the rounds that empty what must be emptied, as far as it can be, on short ways.

    Args:
        stops: containers; those that do not fit into the day are left out, least worth first.
        fleet: what drives.
        ways: between them.
        iterations: of the search; more take longer and give shorter rounds.
    """
    if not stops:
        return []
    from pyvrp import Client, Depot, Location, ProblemData, VehicleType, solve
    from pyvrp.stop import MaxIterations

    metres, seconds = matrices(stops, fleet, ways)
    early, late = fleet.shift
    vehicle = VehicleType(fleet.vehicles, [fleet.litres], tw_early=early, tw_late=late)
    data = ProblemData(
        [Location(*fleet.depot), *(Location(*one.place) for one in stops)],
        [_client(Client, number, one, fleet) for number, one in enumerate(stops, 1)],
        [Depot(0)],
        [vehicle],
        [metres],
        [seconds],
    )
    best = solve(data, MaxIterations(iterations), seed=SEED, collect_stats=False).best
    if not best.is_feasible():  # nobody is made to drive what cannot be driven
        return []
    return sorted((_round(one, stops) for one in best.routes()), key=lambda one: one.start)


def _client(make: Any, number: int, stop: Stop, fleet: Fleet) -> Any:
    early, late = stop.window
    return make(
        number, pickup=[min(stop.litres, fleet.litres)], service_duration=fleet.service_s,
        tw_early=early, tw_late=late, prize=stop.worth, required=False,
    )  # fmt: skip


def _round(route: Any, stops: Sequence[Stop]) -> Round:
    visits = [(stops[one.idx].id, one.start_time) for one in route.schedule() if one.is_client()]
    litres = sum(route.pickup())
    return Round(route.distance(), litres, route.start_time(), route.end_time(), visits)


def matrices(stops: Sequence[Stop], fleet: Fleet, ways: Ways) -> tuple[Any, Any]:
    """Return lengths [m] and times [s] from each place to each, the depot first."""
    import numpy as np

    from madang.query.distance import vector

    points = np.array([vector(*fleet.depot), *(vector(*one.place) for one in stops)])
    gaps = np.sqrt(((points[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)) * fleet.detour
    metres = np.rint(gaps).astype(np.int64)
    seconds = np.rint(gaps / fleet.speed_m_s).astype(np.int64)
    if ways.places:
        index = {id: place for place, id in enumerate(ways.places)}
        ids = ["depot", *(one.id for one in stops)]
        here = [place for place, id in enumerate(ids) if id in index]
        there = [index[ids[place]] for place in here]
        metres[np.ix_(here, here)] = np.array(ways.metres)[np.ix_(there, there)]
        seconds[np.ix_(here, here)] = np.array(ways.seconds)[np.ix_(there, there)]
    return metres, seconds


def is_square(ways: Ways) -> bool:
    """Return whether lengths and times from each place to each are there.

    >>> is_square(Ways(["a"], [[0]], [[0]])), is_square(Ways(["a"], [[0], [1]], [[0]]))
    (True, False)
    """
    size = len(ways.places) if isinstance(ways.places, list) else -1
    return all(
        isinstance(rows, list)
        and len(rows) == size
        and all(isinstance(row, list) and len(row) == size for row in rows)
        and all(type(one) in (int, float) and 0 <= one < LONGEST for row in rows for one in row)
        for rows in (ways.metres, ways.seconds)
    )


def window(hours: str, weekday: int, shift: tuple[int, int]) -> tuple[int, int] | None:
    """Return when on a day a container may be emptied; None if it may not. [s since midnight]

    Args:
        hours: as schema.org writes opening hours, such as ``Mo-Fr 08:00-12:00``; else any time.
        weekday: 0 is Monday.
        shift: outside of which nobody comes.

    >>> [window("Mo-Fr 08:00-12:00", day, (0, 86400)) for day in (0, 6)]
    [(28800, 43200), None]
    >>> window("any time", 0, (25200, 54000))
    (25200, 54000)
    """
    found = _HOURS.fullmatch(hours.strip())
    if found is None or not {found[1], found[2]} <= {*_DAYS, None}:
        return shift
    first, last = found[1] or "Mo", found[2] or found[1] or "Su"
    start, end = _DAYS.index(first), _DAYS.index(last)
    if not (start <= weekday <= end or (start > end and (weekday >= start or weekday <= end))):
        return None
    early = max(int(found[3]) * 3600 + int(found[4]) * 60, shift[0])
    late = min(int(found[5]) * 3600 + int(found[6]) * 60, shift[1])
    return (early, late) if early <= late else None
