"""What sensors measure: how a quantity goes over the day, and how it comes to vary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

_OFFSET_H: Final = 9  # Seoul is nine hours ahead of UTC


def hour_of(at: datetime) -> float:
    """Return the hour by the clock of Seoul."""
    return (at.hour + _OFFSET_H + at.minute / 60) % 24


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured quantity: its mean, how it swings over the day, how it drifts, its bounds."""

    name: str
    unit: str | None
    mean: float
    swing: float
    noise: float
    low: float
    high: float
    peak_hour: float = 15.0
    digits: int = 1

    def expected(self, hour: float) -> float:
        """Return the value usual at a time of day [h]."""
        turn = math.cos((hour - self.peak_hour) / 24.0 * math.tau)
        return self.mean + self.swing * turn

    def within(self, value: float) -> float:
        """Return a value within the bounds, as precise as such a sensor is."""
        rounded = round(min(max(value, self.low), self.high), self.digits)
        return int(rounded) if self.digits == 0 else rounded


class Walk:
    """The way of one quantity at one place: back to what is usual, and a little chance.

    Args:
        quantity: which.
        random: the chance.
        level: by what this place differs from others, as a share of the mean.
    """

    __slots__ = ("_level", "_pushed", "_random", "_until", "_value", "quantity")

    def __init__(self, quantity: Quantity, random: Random, level: float = 0.0) -> None:
        self.quantity = quantity
        self._random = random
        self._level = level * quantity.mean
        self._value: float | None = None
        self._pushed, self._until = 0.0, 0.0

    def push(self, by: float, until: datetime) -> None:
        """Let something happen here: values are that much higher for a while."""
        self._pushed, self._until = by, until.timestamp()

    def step(self, at: datetime) -> float:
        """Return the next value."""
        expected = self.quantity.expected(hour_of(at)) + self._level
        if self._value is None:
            self._value = expected + self._random.gauss(0, self.quantity.noise * 2)
        moved = (self._value + expected) / 2 + self._random.gauss(0, self.quantity.noise)
        self._value = moved
        pushed = self._pushed if at.timestamp() < self._until else 0.0
        return self.quantity.within(moved + pushed)
