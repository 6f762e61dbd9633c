"""Sensors that drift, found by their neighbours.

Pure functions. Once a day the mean of a sensor is compared with the median of its neighbours', as a
logarithm of their ratio. A fast average of that ratio is compared with a slow one: a place that is
dirtier than its neighbours stays so, a season that changes this comes slowly, and a sensor that
loses or gains sensitivity makes the two part. Averages are exponential (S. W. Roberts, Control
chart tests based on geometric moving averages, Technometrics 1 (1959) 239-250); what counts as far
apart is learned from how far they usually are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from statistics import median
from typing import TypedDict

FAST = 10.0  # [d]
SLOW = 90.0  # [d]
USUAL = 120.0  # [d]
WARM_UP = 45  # comparisons before anything is said
FIRST_USUAL = 0.15  # of the difference of the averages [1]
DAY_CUT = 3.0  # times the usual: no single day counts for more
USUAL_CUT = 1.5  # the same of what is usual, which must not grow as fast as a drift
FEWEST = 3  # neighbours: of two nobody knows which one is wrong


class Track(TypedDict):
    """What is kept of a sensor."""

    days: int
    fast: float
    slow: float
    square: float
    """Mean square of the difference of the two."""
    drifting: bool


def new() -> Track:
    """Return what is kept of a sensor that nothing is known of."""
    return {"days": 0, "fast": 0.0, "slow": 0.0, "square": FIRST_USUAL**2, "drifting": False}


def drifts(tracks: Mapping[str, Track], id: str, pollutant: str) -> bool:
    """Return whether a sensor drifts at present."""
    track = tracks.get(f"{id} {pollutant}")
    return track is not None and track["drifting"]


def ratio(own: float, neighbours: Sequence[float], least: float) -> float | None:
    """Return the logarithm of a sensor's mean by its neighbours'; None of too few neighbours.

    Args:
        own: mean of the day.
        neighbours: theirs.
        least: values below count as this, for the noise of sensors is no ratio.
    """
    if len(neighbours) < FEWEST:
        return None
    return log(max(own, least) / max(median(neighbours), least))


def compare(track: Track, value: float, limit: float, least: float) -> float:
    """Add a day to what is kept; return by which factor the sensor now reads too high.

    Args:
        track: changed in place; ``drifting`` is set when the averages part by more than ``limit``
            times what is usual and by more than ``least``, and unset at half of both.
        value: by :func:`ratio`.
        limit: [1]
        least: smallest drift that matters, as a share. [1]
    """
    track["days"] += 1
    days = track["days"]
    usual = sqrt(track["square"])
    if days > WARM_UP:  # one strange day is no drift
        cut = DAY_CUT * usual
        value = min(max(value, track["fast"] - cut), track["fast"] + cut)
    track["fast"] += (value - track["fast"]) * max(1 - exp(-1 / FAST), 1 / days)
    if not track["drifting"]:  # what it drifts from must not follow
        track["slow"] += (value - track["slow"]) * max(1 - exp(-1 / SLOW), 1 / days)
    apart = track["fast"] - track["slow"]
    if days > WARM_UP:
        bar = max(limit * usual, log(1 + least))
        track["drifting"] = abs(apart) > (bar / 2 if track["drifting"] else bar)
    if not track["drifting"]:
        square = min(apart**2, (USUAL_CUT * usual) ** 2)
        track["square"] += (square - track["square"]) * (1 - exp(-1 / USUAL))
    return exp(apart)
