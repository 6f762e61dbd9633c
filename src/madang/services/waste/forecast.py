"""When a container will be full: learned from its own filling, with the chance of being wrong.

Pure functions. The level rises like a Wiener process with drift: steadily on the whole, unevenly
from day to day. When such a process first reaches a height has an inverse Gaussian distribution,
so that a forecast is a formula. Drift and unevenness are those of the container, drawn towards the
mean of all as long as little of it is known. Levels are 0 to 1, times days.

Source: J. L. Folks and R. S. Chhikara, The inverse Gaussian distribution and its statistical
application, Journal of the Royal Statistical Society B 40 (1978) 263-289.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, exp, inf, sqrt
from typing import NamedTuple, TypedDict

MEMORY = 60.0  # after so long an observation counts a third [d]
PRIOR_DAYS = 1.0  # of a container that count as much as all others together
PRIOR_SPANS = 6.0  # the same of its unevenness
FIRST_RATE = 0.2  # of a city of which nothing is known [1/d]
FIRST_SPREAD = 0.02  # [1/d]
SHORTEST = 1 / 24  # a span of which something can be learned [d]
LONGEST = 366.0  # no forecast looks further [d]


class Sums(TypedDict):
    """What is kept of filling, newer spans counting more."""

    days: float
    """Time observed. [d]"""
    filled: float
    """By how much the level rose in it."""
    spans: float
    """How many spans it was observed in."""
    spread: float
    """Of each span, the square of what was not foreseen, by its length. [1/d]"""


class Filling(NamedTuple):
    """How a container fills."""

    rate: float
    """Rise of the level. [1/d]"""
    spread: float
    """Variance of the rise. [1/d]"""
    known: float
    """Time that the rate is learned from. [d]"""

    def over(self, days: float) -> float:
        """Return the variance of a day's rise when one looks so far ahead. [1/d]

        The rate is an estimate too: its error grows with the square of the time.
        """
        return self.spread * (1 + days / self.known)


def nothing() -> Sums:
    """Return sums of what has not been observed yet."""
    return {"days": 0.0, "filled": 0.0, "spans": 0.0, "spread": 0.0}


def filling(own: Sums, everyone: Sums) -> Filling:
    """Return how a container fills, from what is known of it and of all.

    >>> filling(nothing(), nothing())
    Filling(rate=0.2, spread=0.02, known=1.0)
    """
    common = (everyone["filled"] + FIRST_RATE) / (everyone["days"] + 1)
    usual = (everyone["spread"] + FIRST_SPREAD) / (everyone["spans"] + 1)
    known = own["days"] + PRIOR_DAYS
    rate = max((own["filled"] + common * PRIOR_DAYS) / known, 1e-6)
    spread = (own["spread"] + usual * PRIOR_SPANS) / (own["spans"] + PRIOR_SPANS)
    return Filling(rate, max(spread, 1e-6), known)


def learn(own: Sums, everyone: Sums, days: float, rise: float, at_least: bool = False) -> None:
    """Add a span between two levels; sums are changed in place.

    Args:
        own: of the container.
        everyone: of all containers.
        days: length of the span; a short one is left out. [d]
        rise: of the level in it.
        at_least: the container was full at its end, and may have been for long.
    """
    if days < SHORTEST:
        return
    foreseen = filling(own, everyone).rate * days
    if at_least:
        rise = max(rise, foreseen)
    surprise = (rise - foreseen) ** 2 / days
    for sums in (own, everyone):
        fade = exp(-days / MEMORY) if sums is own else 1 - 1e-4
        sums["days"] = sums["days"] * fade + days
        sums["filled"] = sums["filled"] * fade + rise
        sums["spans"] = sums["spans"] * fade + 1
        sums["spread"] = sums["spread"] * fade + surprise


def chance_full(room: float, days: float, how: Filling) -> float:
    """Return the probability that a container is full within some time.

    Args:
        room: that is left.
        days: the time. [d]
        how: it fills.

    >>> how = Filling(0.25, 0.01, 60.0)
    >>> [round(chance_full(0.5, days, how), 2) for days in (0, 1, 2, 3, 8)]
    [0.0, 0.01, 0.56, 0.94, 1.0]
    """
    if room <= 0:
        return 1.0
    if days <= 0:
        return 0.0
    spread = how.over(days)
    scale = sqrt(spread * days)
    reached = _below((how.rate * days - room) / scale)
    # The second term is of levels that were reached before; its factors are far apart.
    lift = 2 * how.rate * room / spread
    beyond = (how.rate * days + room) / scale
    return min(reached + (exp(lift) * _below(-beyond) if lift < 700 else 0.0), 1.0)


def days_until(room: float, how: Filling, chance: float) -> float:
    """Return after how long a container is full with a probability. [d]

    >>> how = Filling(0.25, 0.01, 60.0)
    >>> [round(days_until(0.5, how, chance), 1) for chance in (0.1, 0.5, 0.9)]
    [1.3, 1.9, 2.8]
    """
    if room <= 0:
        return 0.0
    low, high = 0.0, LONGEST
    if chance_full(room, high, how) < chance:
        return inf
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if chance_full(room, middle, how) < chance else (low, middle)
    return high


def level_after(level: float, days: float, how: Filling) -> tuple[float, float]:
    """Return the level that is expected after some time, and its standard deviation."""
    return level + how.rate * days, sqrt(how.over(days) * max(days, 0.0))


def ranges(rooms: Sequence[tuple[float, Filling]]) -> list[tuple[float, float, float]]:
    """Return of containers after how long each is full, in the middle and from when to when. [d]

    Args:
        rooms: that are left, and how each container fills.
    """
    return [
        (days_until(room, how, 0.5), days_until(room, how, 0.1), days_until(room, how, 0.9))
        for room, how in rooms
    ]


def _below(z: float) -> float:
    """Return the normal distribution function."""
    return 0.5 * erfc(-z / sqrt(2))
