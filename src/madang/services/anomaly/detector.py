"""Finds what is unusual in a series, one value at a time, and says why.

Six signs are watched, each against its own past: does the value leave the range of all values
before (level); does the mean of the latest leave that of means before (shift); do the latest
scatter as never before (spread); do they differ from what this time of the day, or of the week,
usually brings, more than such differences usually do (day, week); is one value repeated as never
before (flat). How far a sign leaves its past is divided by a size at which it counts in full, and
what the signs give is added up. After a finding there is a rest, in which only something much worse
is told.

Nothing looks ahead, and nothing must be known of the series. What is kept fits into some kilobytes
of JSON. Differences from a daily course are judged as in S. Ahmad et al., Unsupervised real-time
anomaly detection for streaming data, Neurocomputing 262 (2017) 134-147: not the error itself is
unusual, but an error that is unusual among errors.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal, NamedTuple

Sign = Literal["level", "shift", "spread", "day", "week", "flat"]

State = dict[str, Any]
"""What is kept of a series: JSON values."""

DAY, WEEK = 86_400.0, 604_800.0  # [s]
FIRST = 21  # times by which the usual interval of a series is found
SLOTS = 300.0, 1800.0  # shortest of the day's and the week's course [s]
NEAR = 3, 1  # slots before and after, whose values are no surprise either
KEEP = 50  # latest values
SHORT, LONG = 25, 40  # values over which differences are averaged, and those means again
SHIFT = 15  # values over which a shift is looked for
FORGET = 4000.0  # values, after which a third of a range's reach is left
CENTRE = 2000.0  # values over which the middle of a range is taken
ERRORS = 3000.0  # values over which the usual errors are learned
AGAIN = 4.0  # so many times worse than a finding something must be to be told in its rest
FAINT = 0.26  # what is less unusual is nothing

FULL = {"level": 0.00814, "day far": 0.391, "day ever": 0.0462, "day long": 0.0815,
        "week": 0.139, "spread": 0.776, "shift": 0.776, "flat": 3.44}  # fmt: skip
"""At these sizes a sign counts 1, which is the usual threshold. Found on the Numenta benchmark."""


class Finding(NamedTuple):
    """What is thought of one value."""

    score: float
    """0 is usual; from 1 on people should look."""
    sign: Sign
    """The one that counts most."""
    low: float
    """What was expected: of the value (level, day, week), of means (shift), of the scatter
    (spread), or the longest repetition so far (flat)."""
    high: float
    came: float
    """The figure that was compared with it."""


def begin() -> State:
    """Return what is kept of a series of which nothing has come."""
    return {"n": 0, "at": 0.0, "times": [], "day": [], "week": [], "x": [], "far": [], "near": [],
            "weekly": [], "means": [], "range": {}, "error": {}, "run": [0.0, 0, 0],
            "told": []}  # fmt: skip


def step(state: State, at: float, value: float, learn: int) -> Finding:
    """Return what is thought of the next value.

    Args:
        state: what is kept; changed in place.
        at: when it was measured, by the clock that days go by. [s since 1970]
        value: at most 1e150 from zero.
        learn: after half as many values findings begin; a fifth of it is the rest. [values]
    """
    n, warm = state["n"], max(30, learn // 2)
    state["n"], state["at"] = n + 1, at
    if not state["day"]:
        _find_slots(state, at)
    exact, far, usual_day = _course(state["day"], at, DAY, NEAR[0], 0.3, value)
    _, odd, usual_week = _course(state["week"], at, WEEK, NEAR[1], 0.5, value)
    near = _mean(_kept(state["near"], abs(exact), SHORT))
    distant = _mean(_kept(state["far"], abs(far), SHORT))
    weekly = _mean(_kept(state["weekly"], abs(odd), KEEP))
    latest = _kept(state["x"], value, KEEP)
    shift, spread = _mean(latest[-SHIFT:]), _spread(latest)
    ranges, run = state["range"], _run(state["run"], value)
    bounds = {
        name: tuple(ranges.get(name, (0.0, 0.0))[:2]) for name in ("level", "shift", "spread")
    }
    sizes: dict[str, float] = {
        "level": _leaves(ranges, "level", value, n, True, 0.0),
        "shift": _leaves(ranges, "shift", shift, n, True, FORGET),
        "spread": _leaves(ranges, "spread", spread, n, False, FORGET),
        "day ever": _leaves(ranges, "day ever", near, n, False, 0.0),
        "week": _leaves(ranges, "week", weekly, n, False, FORGET),
        "day far": _unusual(state["error"], "day far", distant, n),
        "day long": _unusual(
            state["error"], "day long", _mean(_kept(state["means"], near, LONG)), n
        ),
        "flat": run,
    }
    parts = {name: size / FULL[name] for name, size in sizes.items()}
    total = sum(parts.values()) if n >= warm else 0.0
    score = _rested(state["told"], n, total, learn / 5)
    return _explained(score, parts, bounds, value, shift, spread, usual_day, usual_week, state)


def _find_slots(state: State, at: float) -> None:
    """Gather times until the usual interval is known; then lay out the courses."""
    times = state["times"]
    times.append(at)
    if len(times) > FIRST:
        gaps = sorted(later - one for one, later in pairwise(times))
        usual = gaps[len(gaps) // 2]
        for name, period, shortest in (("day", DAY, SLOTS[0]), ("week", WEEK, SLOTS[1])):
            state[name] = [None] * max(1, int(period // max(shortest, usual)))
        times.clear()


def _course(
    course: list[float | None], at: float, period: float, near: int, learns: float, value: float
) -> tuple[float, float, tuple[float, float] | None]:
    """Compare a value with what its time usually brings, and learn it.

    Returns:
        The difference from its slot, that from the range of near slots, and that range.
    """
    count = len(course)
    if not count:
        return 0.0, 0.0, None
    slot = int(at % period / (period / count)) % count
    known = [one for shift in range(-near, near + 1)
             if (one := course[(slot + shift) % count]) is not None]  # fmt: skip
    usual = course[slot]
    course[slot] = value if usual is None else usual + learns * (value - usual)
    exact = 0.0 if usual is None else value - usual
    if not known:
        return exact, 0.0, None
    low, high = min(known), max(known)
    return exact, max(value - high, 0.0) + min(value - low, 0.0), (low, high)


def _leaves(
    ranges: dict[str, list[float]], name: str, value: float, n: int, both: bool, forget: float
) -> float:
    """Return how far a value lies outside of the range so far, in units of it; widen the range.

    Args:
        ranges: by name: low end, high end, middle.
        name: of the range.
        value: the next.
        n: how many came before.
        both: below counts too; else above the high end alone, in units of its height over the
            middle.
        forget: values after which the ends have come closer to the middle; 0 is never.
    """
    if name not in ranges:
        ranges[name] = [value, value, value]
        return 0.0
    one = ranges[name]
    low, high, middle = one
    size = max(high - low if both else high - middle, 1e-9 * abs(middle) + 1e-12)
    outside = max(value - high, low - value if both else 0.0, 0.0) / size
    middle += (value - middle) * max(1 / (n + 1), 1 / CENTRE)
    closer = 1 - math.exp(-1 / forget) if forget else 0.0
    one[0] = min(value, low + closer * (middle - low))
    one[1] = max(value, high - closer * (high - middle))
    one[2] = middle
    return outside


def _unusual(errors: dict[str, list[float]], name: str, value: float, n: int) -> float:
    """Return by how many tens of standard deviations an error is unusual, beyond two of them."""
    one = errors.setdefault(name, [0.0, 0.0])
    mean, variance = one
    gap = value - mean
    beyond = abs(gap) / (math.sqrt(variance) + 1e-9 * abs(mean) + 1e-12) - 2
    share = max(1 / (n + 1), 1 / ERRORS)
    one[0] = mean + share * gap
    one[1] = (1 - share) * (variance + share * gap * gap)
    return max(beyond, 0.0) / 10


def _run(run: list[float], value: float) -> float:
    """Return by how much a repetition is longer than all before, in units of the longest."""
    last, length, longest = run
    if value != last:
        run[0], run[1], run[2] = value, 1, max(longest, length)
        return 0.0
    run[1] = length + 1
    return max(length + 1 - max(longest, 4), 0) / max(longest, 4) if longest else 0.0


def _rested(told: list[list[float]], n: int, total: float, rest: float) -> float:
    """Return a score, or 0 if one like it was told a short while ago."""
    while told and told[0][0] < n - rest:
        told.pop(0)
    if total <= FAINT or (told and total <= AGAIN * max(score for _, score in told)):
        return 0.0
    told.append([n, total])
    return total


def _explained(
    score: float,
    parts: dict[str, float],
    bounds: dict[str, tuple[float, ...]],
    value: float,
    shift: float,
    spread: float,
    day: tuple[float, float] | None,
    week: tuple[float, float] | None,
    state: State,
) -> Finding:
    """Name the sign that counts most, with what was expected and what came."""
    signs: dict[Sign, float] = {
        "level": parts["level"], "shift": parts["shift"], "spread": parts["spread"],
        "day": parts["day far"] + parts["day ever"] + parts["day long"], "week": parts["week"],
        "flat": parts["flat"],
    }  # fmt: skip
    sign = max(signs, key=lambda one: signs[one])
    low, high, came = value, value, value
    if sign == "day" and day:
        low, high = day
    elif sign == "week" and week:
        low, high = week
    elif sign == "level":
        low, high = bounds["level"]
    elif sign == "shift":
        (low, high), came = bounds["shift"], shift
    elif sign == "spread":
        (low, high), came = bounds["spread"], spread
    elif sign == "flat":
        low, high, came = 0, state["run"][2], state["run"][1]
    return Finding(score, sign, low, high, came)


def _kept(latest: list[float], value: float, count: int) -> list[float]:
    latest.append(value)
    if len(latest) > count:
        del latest[0]
    return latest


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _spread(values: list[float]) -> float:
    middle = _mean(values)
    return math.sqrt(sum((one - middle) ** 2 for one in values) / len(values))
