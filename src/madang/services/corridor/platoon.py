"""Groups of bicycles, as the detectors of their lane see them, and when they get somewhere.

>>> groups([(20.0, 5.5), (26.0, 5.4), (31.0, 5.6), (38.0, 5.5), (44.0, 5.5), (120.0, 5.0)])
[Group(head=20.0, tail=44.0, riders=5, speed=5.5)]
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

LEAST = 5
GAP_M = 30.0  # between two riders of one group
PACE = 20 / 3.6  # of a group [m/s]
SLOWEST = 3.0  # [m/s] a group that starts is soon faster


class Group(NamedTuple):
    """Some bicycles that ride together towards a stop line."""

    head: float
    """From the stop line to the first. [m]"""
    tail: float
    """And to the last. [m]"""
    riders: int
    speed: float
    """Of the middle one. [m/s]"""

    def arrives(self, further: float = 0.0) -> float:
        """Return after how long the first is at the stop line, or so much further. [s]"""
        return (self.head + further) / max(self.speed, SLOWEST)

    def passed(self, further: float = 0.0) -> float:
        """Return after how long the last has passed it. [s]"""
        return (self.tail + further) / max(self.speed, SLOWEST)


def groups(
    riders: Iterable[tuple[float, float]], least: int = LEAST, gap_m: float = GAP_M
) -> list[Group]:
    """Return the groups among bicycles on one lane.

    Args:
        riders: of each, how far it is from the stop line [m], and its speed [m/s].
        least: riders of a group.
        gap_m: between two of one group. [m]
    """
    found: list[Group] = []
    together: list[tuple[float, float]] = []
    for one in [*sorted(riders), (float("inf"), 0.0)]:
        if together and one[0] - together[-1][0] > gap_m:
            if len(together) >= least:
                pace = median(speed for _, speed in together)
                found.append(Group(together[0][0], together[-1][0], len(together), pace))
            together = []
        together.append(one)
    return found
