"""A home's rhythm, and when it is too quiet: half hours of electricity, and nothing else.

Pure functions; what is kept of a home is JSON of some kilobytes. What the home uses when nobody
does anything (standby, a fridge that comes and goes) is learned from the quietest four hours of the
calmer half of days; what it uses at each half hour of the week from the last six weeks, recent days
and the same weekday counting more. Each half hour then speaks for one or the other by the logarithm
of their ratio, and the sum over twelve hours is compared with what it would be if nobody did
anything: the test of J. Neyman and E. Pearson, On the problem of the most efficient tests of
statistical hypotheses, Philosophical Transactions A 231, 1933, 289-337.

Three things keep alarms few. A silence is not judged again and again, but twelve hours after each
half hour that may have been the last activity, and after a whole day at any time. The mean of the
twelve hours must be that of standby, which varies much less than single half hours do. And the
silences of a home that ended by themselves are remembered: how many a month were as clear as this
one and stood at this time of the day is what alarms like it would cost, so the more there were, the
clearer it must be.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from math import exp, log, sqrt
from typing import Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SLOTS = 48  # half hours of a day
WINDOW = 24  # half hours that are judged together
CALM = 8  # half hours of the quietest time of a day
DAYS, CALM_DAYS = 42, 28  # that are remembered
LEARNING_DAYS = 28  # before the first alarm
HALF_LIFE_DAYS = 21.0
MOST_UNKNOWN = 4  # half hours of a window without readings
MAY = 0.95  # share of quiet half hours above which somebody may act
RARE = 1e-6  # chance that a home in which nobody acts uses clearly more
MONTH = 365 / 12 * SLOTS  # half hours
SILENCES_HALF_LIFE = 30 * SLOTS  # half hours after which a silence that ended counts half
MOST_SILENCES = 120  # that are remembered
NEAR = 2  # half hours by which the time of the day of a silence may differ
LEVEL = 2.0  # that each standard deviation takes off by which the mean is not that of standby
FARTHEST = 8.0  # standard deviations of the mean that count
COST = 2.0  # standard deviations that each silence a month like this one takes off
LEAST_WH, STEP = 2.0, 0.085  # of the classes in which days are remembered: 2 Wh to 6 kWh
UNKNOWN = " "
FIRST = ord("!")  # character of the lowest class
CLASSES = 94
MORNING = 8  # half hours after midnight from which on people get up
WEEK = 7

News = Literal["", "alarm", "over"]


class Home(TypedDict):
    """What is kept of a home."""

    today: str  # a character for each half hour
    recent: list[float | None]  # energy of the last half hours, to find quiet ones [Wh]
    calm: list[float]  # the quietest half hours of today [Wh]
    days: list[str]
    calms: list[str]  # of the days before, apart by spaces [Wh]
    told: list[list[float]]  # of each half hour: what it says, mean, variance, energy [Wh]
    active: int  # number of the last half hour in which somebody acted
    sure: int  # the last in which that was beyond doubt
    now: int  # number of the last half hour
    alarm: bool
    since: int  # number of the first half hour that was judged
    clearest: float | None  # of this silence: how far it speaks for nobody acting
    ended: list[list[float]]  # silences: the half hours before and after, and how clear it was


class Rhythm(NamedTuple):
    """What is learned of a home for a day of the week."""

    edges: list[float]
    """Borders of classes of energy. [Wh]"""
    says: list[list[float]]
    """How much a class speaks for nobody acting, by half hour and class."""
    mean: list[float]
    """Of it if nobody acts, by half hour."""
    variance: list[float]
    level: float
    """Mean of half hours in which nobody acts. [Wh]"""
    scatter: float
    """Standard deviation of that of twelve hours. [Wh]"""
    may: float
    """From which energy on somebody may act. [Wh]"""
    acts: float
    """From which on somebody acts. [Wh]"""
    surely: float
    """From which on there is no doubt. [Wh]"""


def new(number: int) -> Home:
    """Return a home of which nothing is known yet."""
    return {
        "today": UNKNOWN * SLOTS, "recent": [], "calm": [], "days": [], "calms": [], "told": [],
        "active": number, "sure": number, "now": number, "alarm": False,
        "since": -1, "clearest": None, "ended": [],
    }  # fmt: skip


def renewed(home: Home) -> Home:
    """Return a home as an earlier version kept it, with what that did not know of.

    What half hours of its last day told is another thing now and is told anew, and silences are
    remembered anew, for they were as clear by another measure.
    """
    known = {**home, "told": [], "since": -1, "clearest": None}
    return {**new(home["now"]), **{name: known[name] for name in new(0) if name in known}}  # type: ignore[typeddict-item]


def step(home: Home, energy: float | None, number: int, place: int, certainty: float) -> News:
    """Take over a half hour; return what is new.

    Args:
        home: changed in place.
        energy: that was used; None if that is not known. [Wh]
        number: of the half hour, since 1970.
        place: of the half hour in the week, from Monday 0:00 by the clock of the city.
        certainty: standard deviations; the higher, the sooner there is an alarm.
    """
    weekday, slot = divmod(place, SLOTS)
    home["now"] = number
    _remember(home, energy, slot)
    news: News = ""
    if len(home["days"]) >= LEARNING_DAYS:
        known = _learned(home, weekday)
        news = _judge(home, known, energy, slot, certainty)
    if slot == SLOTS - 1:
        _end_day(home)
    return news


def _learned(home: Home, weekday: int) -> Rhythm:
    """Return what is learned, without yesterday: a silence must not be held against itself."""
    return rhythm(tuple(home["days"][:-1]), tuple(home["calms"][:-1]), weekday)


def _judge(home: Home, known: Rhythm, energy: float | None, slot: int, certainty: float) -> News:
    now = home["now"]
    if home["since"] < 0:
        home["since"] = now
    if energy is None:
        told = [0.0, 0.0, -1.0, 0.0]
    else:
        says = known.says[slot][bisect_left(known.edges, energy)]
        told = [says, known.mean[slot], known.variance[slot], round(energy, 2)]
        if energy > known.acts:
            home["active"] = now
        if energy > known.surely:
            return _acted(home, told)
    home["told"] = [*home["told"], told][-WINDOW - 1 :]
    clear = _clear(home, known)
    if clear is None:
        return ""
    before = home["clearest"]
    home["clearest"] = clear if before is None else max(clear, before)
    if home["alarm"] or clear - COST * _like_it(home, clear) <= -certainty:
        return ""
    home["alarm"] = True
    return "alarm"


def _acted(home: Home, told: list[float]) -> News:
    """Take over a half hour in which somebody acted beyond doubt."""
    home["told"] = [*home["told"], told][-WINDOW - 1 :]
    if home["clearest"] is not None:
        ended = [home["sure"], home["now"], round(home["clearest"], 2)]
        home["ended"] = [*home["ended"], ended][-MOST_SILENCES:]
        home["clearest"] = None
    home["sure"] = home["now"]
    was, home["alarm"] = home["alarm"], False
    return "over" if was else ""


def _clear(home: Home, learned: Rhythm) -> float | None:
    """Return how far the last half day speaks for nobody acting; None if it is not to be judged.

    Returns:
        Standard deviations above what it would be on average if nobody acted, less those by which
        the mean energy is not that of standby.
    """
    silent = home["now"] - home["sure"]
    if silent < WINDOW or len(home["told"]) <= WINDOW:
        return None
    before, *last = home["told"]
    if silent < 2 * WINDOW and before[2] >= 0 and before[3] <= learned.may:
        return None
    known = [one for one in last if one[2] >= 0]
    if len(known) < WINDOW - MOST_UNKNOWN:
        return None
    spread = sqrt(sum(one[2] for one in known)) + 1e-9
    level = sum(one[3] for one in known) / len(known)
    odd = min(abs(level - learned.level) / learned.scatter, FARTHEST)
    return sum(one[0] - one[1] for one in known) / spread - LEVEL * odd


def _like_it(home: Home, clear: float) -> float:
    """Return how many silences a month were as clear as this one at this time, and ended."""
    now = home["now"]
    weight: float = sum(
        0.5 ** ((now - after) / SILENCES_HALF_LIFE)
        for before, after, one in home["ended"]
        if one >= clear and _stood(before, after, now)
    )
    seen: float = 1 - 0.5 ** ((now - home["since"]) / SILENCES_HALF_LIFE)
    return weight / (seen * SILENCES_HALF_LIFE / log(2) / MONTH + 0.5)


def _stood(before: float, after: float, now: int) -> bool:
    """Tell whether a silence was twelve hours old at this time of the day, or nearly so."""
    first, last = before + WINDOW - NEAR, after - 1 + NEAR
    return (now - first) % SLOTS <= last - first


def _remember(home: Home, energy: float | None, slot: int) -> None:
    mark = UNKNOWN if energy is None else _mark(energy)
    home["today"] = home["today"][:slot] + mark + home["today"][slot + 1 :]
    recent = home["recent"] = [*home["recent"], energy][-CALM:]
    values = [round(one, 1) for one in recent if one is not None]
    if len(values) == CALM and (not home["calm"] or sum(values) < sum(home["calm"])):
        home["calm"] = values


def _end_day(home: Home) -> None:
    if home["today"].count(UNKNOWN) <= SLOTS // 2:
        home["days"] = [*home["days"], home["today"]][-DAYS:]
        if home["calm"]:
            home["calms"] = [*home["calms"], " ".join(map(str, home["calm"]))][-CALM_DAYS:]
    home["today"], home["calm"] = UNKNOWN * SLOTS, []
    home["recent"] = []  # so that the quietest hours of two days are not the same


def _mark(energy: float) -> str:
    kind = 0 if energy <= LEAST_WH else 1 + int(log(energy / LEAST_WH) / STEP)
    return chr(FIRST + min(kind, CLASSES - 1))


@lru_cache(1)
def _values() -> Array:
    """Return the energy of each character, the middle of its class; nan if unknown. [Wh]"""
    found = np.full(FIRST + CLASSES, np.nan)
    found[FIRST] = LEAST_WH / 2
    for kind in range(1, CLASSES):
        found[FIRST + kind] = LEAST_WH * exp((kind - 0.5) * STEP)
    return found


def energies(days: tuple[str, ...]) -> Array:
    """Return the energy of half hours, by day. [Wh]"""
    codes = np.frombuffer("".join(days).encode("ascii"), dtype=np.uint8)
    found: Array = _values()[codes].reshape(len(days), SLOTS)
    return found


@lru_cache(2048)
def rhythm(days: tuple[str, ...], calms: tuple[str, ...], weekday: int) -> Rhythm:
    """Return what is learned of a home.

    Args:
        days: the last ones until the day before yesterday, the newest last.
        calms: quietest half hours of the last ones, apart by spaces. [Wh]
        weekday: of today, Monday is 0.
    """
    quiet = standby(calms)
    most = float(quiet.max())
    low = np.quantile(quiet, [0.05, 0.25, 0.5, 0.75, 0.9, 0.97])
    high = [most + 2, most * 1.15 + 10, most * 1.5 + 50, most * 2 + 200]
    edges = np.unique(np.concatenate([low, high]))
    many = len(edges) + 1
    idle = np.bincount(np.searchsorted(edges, quiet), minlength=many) + 0.3
    idle /= idle.sum()
    above = int(np.searchsorted(edges, high[0])) + 1
    idle[above:] = RARE * np.array([1, 0.3, 0.1, 0.03])[: many - above]
    idle /= idle.sum()

    past = energies(days)
    age = np.arange(len(past) + 1, 1, -1)
    weights = 0.5 ** (age / HALF_LIFE_DAYS) * (1.0 + (age % WEEK == 0))
    weights = np.where(np.isnan(past), 0.0, weights[:, None])
    kinds = np.searchsorted(edges, np.nan_to_num(past))
    usual = np.stack([((kinds == kind) * weights).sum(axis=0) for kind in range(many)], axis=1)
    usual += (np.roll(usual, 1, axis=0) + np.roll(usual, -1, axis=0)) / 2 + idle
    usual /= usual.sum(axis=1, keepdims=True)

    says = np.log(idle) - np.log(usual)
    calm = idle.copy()
    calm[above:] = 0.0
    calm /= calm.sum()
    mean = says @ calm
    variance = np.maximum((says**2) @ calm - mean**2, 0.0)  # rounding leaves less than none
    level, may = float(quiet.mean()), float(np.quantile(quiet, MAY))
    calms_a_window = WINDOW / CALM
    scatter = float(quiet.reshape(-1, CALM).mean(axis=1).std()) / sqrt(calms_a_window)
    return Rhythm(
        edges.tolist(), says.tolist(), mean.tolist(), variance.tolist(),
        level, scatter + 0.02 * level + 0.5, may, high[0], high[1],
    )  # fmt: skip


def standby(calms: tuple[str, ...]) -> Array:
    """Return the quietest half hours of the calmer half of days. [Wh]"""
    each = np.array([one.split() for one in calms], dtype=np.float64)
    means = each.mean(axis=1)
    found: Array = each[means <= np.median(means)].ravel()
    return found


def usual_start(home: Home, weekday: int) -> int | None:
    """Return by which half hour of the day somebody has usually acted on a day of the week.

    The day of the week of which it is told must be today's. None if there is no such time.
    """
    if len(home["days"]) < LEARNING_DAYS:
        return None
    known = _learned(home, weekday)
    same = energies(tuple(home["days"]))[-WEEK::-WEEK]
    acts = same[:, MORNING:] > known.acts
    firsts = sorted(int(row.argmax()) if row.any() else SLOTS for row in acts)
    late = firsts[max(len(firsts) - 2, 0)]  # all but one of some weeks
    return None if late >= SLOTS - MORNING else MORNING + late + 1
