"""What a signal is and what its detectors see: shared by cabinet, controller, twin and benchmark.

A *link* is one connection from a lane before the signal to a lane behind it; a state is a text with
one character a link, in SUMO's letters: ``G`` protected green, ``g`` green that yields, ``y``
yellow, ``r`` red.

>>> read_programme([(30, "Gr"), (3, "yr"), (20, "rG"), (3, "ry")])
((Phase(state='Gr', minimum_s=5.0, maximum_s=60.0, walk_s=0.0, clear_s=0.0), \
Phase(state='rG', minimum_s=5.0, maximum_s=60.0, walk_s=0.0, clear_s=0.0)), ((0, 30.0), (1, 20.0)))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

GREEN = "Gg"
MINIMUM_S, MAXIMUM_S = 5.0, 60.0


class Vehicle(NamedTuple):
    """A road user on a lane, as detectors see it."""

    distance: float
    """To the stop line (lane before a signal), or past it (lane behind). [m]"""
    speed: float
    """[m/s]"""
    wait: float = 0.0
    """Since it last moved faster than 0.1 m/s. [s]"""
    kind: str = "passenger"
    """SUMO vehicle class: passenger, bus, bicycle, emergency, truck …"""


class Seen(NamedTuple):
    """What is known of a signal at a moment."""

    phase: int
    """Green phase that shows, or that an intergreen leads to."""
    elapsed_s: float
    """Since it began to be green. [s]"""
    lanes: Mapping[str, tuple[Vehicle, ...]]
    """By lane before the signal, nearest first; detectors reach 200 m, across edges."""
    out: Mapping[str, tuple[Vehicle, ...]]
    """By lane behind the signal, nearest first."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Links that have green together."""

    state: str
    minimum_s: float = MINIMUM_S
    """Shortest green for vehicles. [s]"""
    maximum_s: float = MAXIMUM_S
    """Longest green while somebody waits elsewhere. [s]"""
    walk_s: float = 0.0
    """So long people may step onto the crossings beside it, from its beginning. [s]"""
    clear_s: float = 0.0
    """So long the last of them needs to the other side. [s]"""

    @property
    def least_s(self) -> float:
        """Shortest time it may show: vehicles start safely, people get across. [s]"""
        return max(self.minimum_s, self.walk_s + self.clear_s)

    def serves(self, link: int) -> bool:
        """Return whether a link has green."""
        return self.state[link] in GREEN


@dataclass(frozen=True, slots=True)
class Signal:
    """What is fixed about one signal."""

    id: str
    phases: tuple[Phase, ...]
    links: tuple[tuple[tuple[str, str], ...], ...]
    """By link: pairs of a lane before the signal and a lane behind it."""
    in_lanes: tuple[str, ...]
    out_lanes: tuple[str, ...]
    lane_length: Mapping[str, float]
    """Of those lanes. [m]"""
    lane_speed: Mapping[str, float]
    """Limits on those lanes. [m/s]"""
    plan: tuple[tuple[int, float], ...]
    """Fixed-time plan: phases in their order and how long each is green. [s]"""
    feeds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By lane behind the signal: the next signals and how far their stop lines are. [m]"""
    yellow_s: float = 3.0
    all_red_s: float = 1.0
    foes: tuple[frozenset[int], ...] = ()
    """By link: links whose ways cross or join its own; empty if nothing is known of them."""
    offset_s: float = 0.0
    """When the plan's cycle begins. [s]"""

    @property
    def intergreen_s(self) -> float:
        """Between the end of one green and the beginning of another. [s]"""
        return self.yellow_s + self.all_red_s


def is_green(state: str) -> bool:
    """Return whether a state of a programme is a green phase, and not on the way to one."""
    return "y" not in state.lower() and any(letter in GREEN for letter in state)


def read_programme(
    steps: Iterable[tuple[float, str]],
    minimum_s: float = MINIMUM_S,
    maximum_s: float = MAXIMUM_S,
) -> tuple[tuple[Phase, ...], tuple[tuple[int, float], ...]]:
    """Return the green phases and the plan of a programme given as states and their durations.

    Args:
        steps: seconds and state, as in a ``tlLogic`` of SUMO.
        minimum_s: shortest green. [s]
        maximum_s: longest green while somebody waits elsewhere. [s]
    """
    phases: dict[str, Phase] = {}
    plan: list[tuple[int, float]] = []
    for seconds, state in steps:
        if is_green(state):
            phases.setdefault(state, Phase(state, minimum_s, maximum_s))
            plan.append((list(phases).index(state), max(float(seconds), minimum_s)))
    return tuple(phases.values()), tuple(plan)
