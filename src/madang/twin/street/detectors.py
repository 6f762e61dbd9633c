"""What stations have counted: the induction loops in all lanes of an edge count together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Count(NamedTuple):
    """What a station has seen in its last whole period."""

    vehicles: int
    speed: float | None
    """Mean of those who passed; None: nobody did. [m/s]"""
    occupancy: float
    """Share of the time in which somebody stood or drove over a loop. [1]"""


def count(sumo: Any, loops: Sequence[str]) -> Count:
    """Return what the loops of a station have seen in their last whole period."""
    loop = sumo.inductionloop
    numbers = [loop.getLastIntervalVehicleNumber(id) for id in loops]
    passed = sum(numbers)
    metres = sum(
        loop.getLastIntervalMeanSpeed(id) * number
        for id, number in zip(loops, numbers, strict=True)
        if number
    )
    occupied = sum(loop.getLastIntervalOccupancy(id) for id in loops) / max(1, len(loops))
    return Count(passed, metres / passed if passed else None, round(occupied / 100, 4))
