"""Leaks of a district from its night flow and its pressures: when, how large, and where.

Pure functions on days, from six o'clock to six. Of four weeks is learned how pressures follow the
flow into the district, so that what remains tells of water that goes where it usually does not.
What a leak at each junction would leave there is known from the network
(:mod:`madang.services.water.hydraulics`), so each junction has a matched filter; the last days are
compared with those before, for each day that may be the first of a leak: the generalised likelihood
ratio test (M. Basseville and I. Nikiforov, Detection of Abrupt Changes, 1993, chapter 2.4).
What was before the last change that was found is left out, so that no leak is found twice.
"""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from madang.services.water.hydraulics import EXPONENT, Network, response

Array = NDArray[np.float64]
Row = list[float | None]

WEEKDAY, FLOW, POWER, OUT, LEVEL, NIGHT, PRESSURES = range(7)
"""Columns of a day: Monday is 0; means of the flow into the district, less what
goes out and what its tanks take [m3/h], of that to the power of 1.852, of what goes out [m3/h], of
the level of tanks [m]; the flow from midnight to six that is not accounted for [m3/h]; from there
on pressures [m]."""
RECENT, BEFORE, LEAST_BEFORE = 14, 21, 4  # days that are compared with days before
DAILY = 4  # features of pressures; those of the flow by night come after
LEAST_NOISE_M, LEAST_NOISE_FLOW = 0.01, 0.3  # of a day
OWN = 0.3  # share of noise that sensors have for themselves; four weeks are few to learn the rest
SAME = 5.0  # a change is one of a known leak if that explains it less well by no more
CLEAR = 6.0  # places that explain it less well by no more are where it may be
NEAR_M = 150.0  # so far from a leak a change may still be its own
SETTLED = 6  # days after which a leak keeps its place


class Model(TypedDict):
    """What is learned of a district, as JSON."""

    follows: list[list[float]]  # by feature and sensor; the last column is the flow by night
    noise: list[list[float]]  # covariance of them
    flow: float  # mean [m3/h]


class Leak(TypedDict):
    """A leak that is known."""

    node: int  # of the network; -1 is unknown
    start: int  # number of its first day
    size: float  # [m3/h]; 0 if it has ended
    base: int  # first of the days that it is compared with
    since: int  # day since which it has this size
    before: float  # size before that [m3/h]
    within: float  # radius in which it lies [m]


class Finding(NamedTuple):
    """What the last day has brought to light."""

    kind: str
    """``new``, ``grown``, ``ended``, or ``moved``: is better known by now."""
    leak: int
    score: float


class Limits(NamedTuple):
    """From which on a leak is told."""

    score: float
    size: float
    """[m3/h]"""
    drift: float
    """Size of lasting change that is no leak. [m3/h]"""


class District(NamedTuple):
    """The part of a network that is watched."""

    network: Network
    sensors: tuple[int, ...]
    """Nodes of its pressures."""
    places: list[list[float]]
    """East and north of each node. [m]"""


def features(days: Array) -> Array:
    """Return what pressures depend on by day, then what the flow by night depends on."""
    weekday = days[:, WEEKDAY].astype(int)
    weekend = (weekday >= 5).astype(np.float64)
    nights = np.eye(7)[weekday]
    return np.hstack([np.ones((len(days), 1)), weekend[:, None], days[:, [POWER, OUT]], nights])


def learn(rows: list[Row]) -> Model:
    """Return how pressures follow the flow.

    Args:
        rows: days of some weeks.
    """
    days = _filled(rows)
    known = features(days)
    follows = np.zeros((known.shape[1], days.shape[1] - PRESSURES + 1))
    follows[:DAILY, :-1] = _fit(known[:, :DAILY], _heads(days))
    follows[DAILY:, -1:] = _fit(known[:, DAILY:], days[:, [NIGHT]])
    rest = _rest(days, follows)
    free = max(len(rest) - 7, 1)
    noise = rest.T @ rest / free
    own = np.diag(noise).copy()
    noise *= 1 - OWN
    least = np.full(len(own), LEAST_NOISE_M**2)
    least[-1] = LEAST_NOISE_FLOW**2
    noise[np.diag_indices(len(own))] = own + least
    return {
        "follows": follows.round(9).tolist(),
        "noise": noise.round(8).tolist(),
        "flow": float(days[:, FLOW].mean()),
    }


def _filled(rows: list[Row]) -> Array:
    """Return rows with the mean of a column where nothing was measured."""
    values = np.array(rows, dtype=np.float64)
    known = ~np.isnan(values)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, values, mean)


def _fit(known: Array, values: Array) -> Array:
    scale = np.maximum(np.abs(known).max(axis=0), 1e-9)
    scaled = known / scale
    ridge = np.eye(known.shape[1]) * 1e-6 * len(known)
    found: Array = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ values)
    unscaled: Array = found / scale[:, None]
    return unscaled


def _heads(days: Array) -> Array:
    """Return pressures as if the tanks were empty: they rise with the level one to one."""
    found: Array = days[:, PRESSURES:] - days[:, [LEVEL]]
    return found


def _rest(days: Array, follows: Array) -> Array:
    told = np.hstack([_heads(days), days[:, [NIGHT]]])
    found: Array = told - features(days) @ follows
    return found


def judge(
    model: Model, rows: list[Row], first: int, changed: int, district: District,
    leaks: list[Leak], limits: Limits,
) -> tuple[list[Leak], list[Finding]]:  # fmt: skip
    """Return the leaks that are known now, and what is new of them.

    Args:
        model: of :func:`learn`.
        rows: the last days; the last of them is new.
        first: number of the first of them.
        changed: number of the first day since the last change that was found.
        district: what is watched.
        leaks: that were known before.
        limits: from which on a leak is told.
    """
    found: list[Leak] = [{**one} for one in leaks]
    filters = _Filters(model, rows, district)
    news = _settle(filters, first, found, limits.drift)
    starts, score, sizes = filters.changes(max(changed - first, 0), limits.drift)
    if not len(starts):
        return found, news
    rising = np.where(sizes >= limits.size, score, 0.0)
    falling = _falling(filters, score, sizes, found)
    if max(rising.max(), falling.max()) < limits.score:
        return found, news
    rises = rising.max() >= falling.max()
    row, column = np.unravel_index((rising if rises else falling).argmax(), score.shape)
    start, change = first + int(starts[row]), float(sizes[row, column])
    told = float(score[row, column])
    known = _nearest(filters, np.where(sizes[row] * change > 0, score[row], 0.0), found)
    grows = known is not None and known[1] > told - SAME and change < 2 * found[known[0]]["size"]
    if known is not None and (not rises or grows):
        leak = found[known[0]]
        size = max(leak["size"] + change, 0.0)
        over = not rises and size < max(limits.size, 0.5 * leak["size"])
        leak["before"], leak["since"] = leak["size"], start
        leak["size"] = 0.0 if over else round(size, 2)
        return found, [*news, Finding("ended" if over else "grown", known[0], told)]
    if not rises:
        return found, news
    within = filters.radius(score[row], int(column))
    leak = Leak(node=int(filters.nodes[column]), start=start, size=round(change, 2), base=changed,
                since=start, before=0.0, within=within)  # fmt: skip
    return [*found, leak], [*news, Finding("new", len(found), told)]


def _falling(filters: _Filters, score: Array, sizes: Array, leaks: list[Leak]) -> Array:
    """Return the scores of leaks that become smaller; only one that is known can."""
    found = np.zeros_like(score)
    for leak in leaks:
        if leak["size"] > 0:
            near = filters.around(leak)
            fits = (sizes[:, near] < 0) & (sizes[:, near] > -2 * leak["size"])
            found[:, near] = np.maximum(found[:, near], np.where(fits, score[:, near], 0.0))
    return found


def _nearest(filters: _Filters, score: Array, leaks: list[Leak]) -> tuple[int, float] | None:
    """Return the open leak that explains a change best, and how well."""
    open = [
        (float(score[filters.around(leak)].max()), number)
        for number, leak in enumerate(leaks)
        if leak["size"] > 0
    ]
    best = max(open, default=None)
    return None if best is None or best[0] <= 0 else (best[1], best[0])


def _settle(filters: _Filters, first: int, leaks: list[Leak], drift: float) -> list[Finding]:
    """Place new leaks by all that is known by now."""
    news = []
    last = first + len(filters.rest)
    for number, leak in enumerate(leaks):
        start = leak["start"] - first
        young = leak["size"] > 0 and leak["since"] == leak["start"]
        days = last - leak["start"]
        if not young or not 2 <= days <= SETTLED or start < LEAST_BEFORE:
            continue
        # Its first day is left out: it may have begun at any hour.
        score, sizes = filters.change(
            max(0, leak["base"] - first, start - BEFORE), start, drift, start + 1
        )
        column = int(np.where(sizes > 0, score, 0.0).argmax())
        if sizes[column] > 0:
            node, within = int(filters.nodes[column]), filters.radius(score, column)
            if (node, within) != (leak["node"], leak["within"]):
                news.append(Finding("moved", number, float(score[column])))
            leak["node"], leak["within"] = node, within
            leak["size"] = round(float(sizes[column]), 2)
    return news


class _Filters:
    """A matched filter for each junction of a district, run over its last days."""

    def __init__(self, model: Model, rows: list[Row], district: District) -> None:
        days = np.array(rows, dtype=np.float64)
        follows = np.array(model["follows"])
        filled = _filled(rows)
        days[:, :NIGHT] = filled[:, :NIGHT]
        self.rest = np.nan_to_num(_rest(days, follows))  # what was not measured tells nothing
        self.places = np.array(district.places).reshape(-1, 2)
        sharp = np.linalg.inv(np.array(model["noise"]))
        self.signs = self._signatures(model["flow"], district, follows[2, :-1])
        self.weights = self.signs @ sharp
        self.power = np.einsum("jk,jk->j", self.weights, self.signs)

    def _signatures(self, flow: float, district: District, follows: Array) -> Array:
        """Return what a leak of 1 m3/h at each junction leaves, by junction and sensor."""
        network, sensors = district.network, district.sensors
        drop = np.zeros((len(sensors), 1))
        self.nodes = np.array([-1])
        if network.pipes and sensors:
            part = response(network, sensors, 1.0).part
            inside = np.isin(part, part[list(sensors)])
            inside[[node for node, _ in network.heads]] = False
            self.nodes = np.flatnonzero(inside)
            whole = float(np.array(network.demands)[inside].sum())
            factor = round(max(flow, 0.1) / max(whole, 0.1), 2)
            drop = response(network, sensors, factor).drop[:, inside]
        rise = EXPONENT * max(flow, 0.0) ** (EXPONENT - 1)
        left = -drop - (follows * rise)[:, None]
        return np.vstack([left, np.ones((1, left.shape[1]))]).T

    def changes(self, least: int, drift: float) -> tuple[NDArray[np.int64], Array, Array]:
        """Return days on which something may have changed, and score and size of it by place."""
        last = len(self.rest)
        starts = np.arange(max(least + LEAST_BEFORE, last - RECENT), last)
        if not len(starts):
            return starts, np.zeros((0, 0)), np.zeros((0, 0))
        both = [self.change(max(least, start - BEFORE), start, drift) for start in starts.tolist()]
        return starts, np.stack([one for one, _ in both]), np.stack([two for _, two in both])

    def change(
        self, before: int, start: int, drift: float, since: int | None = None
    ) -> tuple[Array, Array]:
        """Return score and size, by place, of a change on a day; perhaps only days since one."""
        now, then = self.rest[since or start :], self.rest[before:start]
        told = self.weights @ (now.mean(axis=0) - then.mean(axis=0))
        spread = 1 / len(now) + 1 / len(then)
        score: Array = told**2 / (spread * self.power + (drift * self.power) ** 2)
        return score, told / self.power

    def around(self, leak: Leak) -> NDArray[np.int64]:
        """Return the candidates within the radius of a leak."""
        if leak["node"] < 0 or len(self.nodes) < 2:
            return np.array([0])
        far = np.hypot(*(self.places[self.nodes] - self.places[leak["node"]]).T)
        return np.flatnonzero(far <= min(max(leak["within"], 1.0), NEAR_M))

    def radius(self, score: Array, column: int) -> float:
        """Return the radius in which a leak lies: places that explain it almost as well. [m]"""
        if len(self.nodes) < 2:
            return 0.0
        near = self.nodes[score >= score[column] - CLEAR]
        middle = self.places[self.nodes[column]]
        return float(round(np.hypot(*(self.places[near] - middle).T).max()))
