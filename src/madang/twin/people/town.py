"""A town: places and figures together, and how its people choose places and ways to go.

Ways are chosen by a multinomial logit model (D. McFadden, Conditional logit analysis of qualitative
choice behavior, 1974) of minutes and money, whose constants are fitted so that the modes' shares
are those of the figures. Places are chosen by their weight and distance (a gravity model) among a
few drawn ones (M. Ben-Akiva, S. Lerman, Discrete Choice Analysis, 1985: sampling of alternatives).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from madang.twin.people.figures import MODES, PURPOSES, USES, Figures
from madang.twin.people.places import Places

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

CAR: Final = MODES.index("car")
WALK: Final = MODES.index("walk")
BICYCLE: Final = MODES.index("bicycle")
_WALK_AT_MOST = 5000.0  # [m]
_BICYCLE_AT_MOST = 15_000.0  # [m]
_NEVER = np.float32(-60.0)
_SAMPLE = 8_000  # ways that constants are fitted on
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Town:
    """Places, figures, and what follows from them. Make one with `town`."""

    places: Places
    figures: Figures
    x: Floats
    y: Floats
    far: Floats
    """How far beyond a gate people go; 0 within the city. [m]"""
    cumulative: NDArray[np.float64]
    """Of the places' weights, (use, place), from 0 to 1."""
    constants: Floats
    """Of the choice of a mode, (purpose, mode)."""

    def metres(self, here: Ints, there: Ints) -> Floats:
        """Return how far it is between places, on the way. [m]"""
        flat = np.hypot(self.x[here] - self.x[there], self.y[here] - self.y[there])
        beyond = np.where(here == there, 0, self.far[here] + self.far[there])
        return np.asarray(flat * np.float32(self.figures.detour) + beyond, np.float32)

    def minutes(self, metres: Floats, mode: NDArray[np.uint8]) -> Floats:
        """Return how long a way takes. [min]"""
        found = self.figures.fixed_min[mode] + metres / self.figures.m_per_min[mode]
        return np.asarray(found, np.float32)

    def choose_place(
        self, use: int, near: Ints, reach_m: float, rng: Generator, tries: int = 6
    ) -> Ints:
        """Draw a place of a use for each of those who start from ``near``."""
        drawn = np.searchsorted(
            self.cumulative[use], rng.random((tries, len(near)), np.float32), side="right"
        )
        drawn = np.minimum(drawn, len(self.places) - 1).astype(np.int32)
        away = np.hypot(self.x[drawn] - self.x[near], self.y[drawn] - self.y[near])
        best = np.argmax(gumbel(rng, drawn.shape) - away / np.float32(reach_m), axis=0)
        return np.asarray(np.take_along_axis(drawn, best[None, :], axis=0)[0], np.int32)

    def own_place(self, use: int, home: Ints, outside: float, rng: Generator) -> Ints:
        """Draw where each works or learns: a place of the city, or beyond a gate."""
        reach = self.figures.reach[USES[use]]
        there = self.choose_place(use, home, reach, rng, tries=10)
        gates = self.places.gates
        gate = len(self.places) - gates + rng.integers(0, max(gates, 1), len(home))
        leaves = (rng.random(len(home)) < outside) & (gates > 0)
        return np.where(leaves, gate, there).astype(np.int32)

    def utilities(self, purpose: NDArray[np.uint8], metres: Floats, has: Bools) -> Floats:
        """Return how good each mode is for each way, (way, mode).

        Args:
            purpose: of each way.
            metres: how long it is. [m]
            has: whether one has a car and a bicycle, (way, 2).
        """
        figures = self.figures
        time = figures.fixed_min[1:] + metres[:, None] / figures.m_per_min[1:]
        found = np.empty((len(metres), len(MODES)), np.float32)
        found[:, 0] = _NEVER
        found[:, 1:] = self.constants[purpose, 1:] - np.float32(figures.per_minute) * time
        found[:, CAR][~has[:, 0]] = _NEVER
        found[:, BICYCLE][~has[:, 1] | (metres > _BICYCLE_AT_MOST)] = _NEVER
        found[:, WALK][metres > _WALK_AT_MOST] = _NEVER
        return found


def gumbel(rng: Generator, shape: tuple[int, ...]) -> Floats:
    """Draw from the standard Gumbel distribution: what a choice has beside its known use."""
    drawn = rng.standard_exponential(shape, np.float32)
    return -np.log(np.maximum(drawn, np.float32(1e-30)))


def town(places: Places, figures: Figures) -> Town:
    """Make a town; the constants of the choice of modes are fitted here."""
    total = places.weight.sum(axis=1, keepdims=True)
    far = np.zeros(len(places), np.float32)
    if places.gates:
        far[-places.gates :] = figures.outside_m
    plain = Town(
        places, figures, places.x, places.y, far,
        np.cumsum(places.weight / total, axis=1),
        np.zeros((len(PURPOSES), len(MODES)), np.float32),
    )  # fmt: skip
    constants = np.stack([_fitted(plain, purpose) for purpose in range(len(PURPOSES))])
    return Town(places, figures, plain.x, plain.y, far, plain.cumulative, constants)


def _having(figures: Figures, purpose: str) -> tuple[float, float]:
    """Return which share of those on such a way has a car, and a bicycle."""
    if purpose == "school":
        return 0.02, 0.7 * figures.bicycle
    return figures.car * (1.0 if purpose == "work" else 0.8), 0.9 * figures.bicycle


def _fitted(plain: Town, purpose: int) -> Floats:
    """Return constants with which the modes' shares are those of the figures.

    Each round adds the logarithm of what a share is short of (K. Train, Discrete Choice Methods
    with Simulation, 2009, section 2.8).
    """
    rng = np.random.default_rng([7, purpose])
    figures = plain.figures
    home = np.searchsorted(plain.cumulative[0], rng.random(_SAMPLE)).astype(np.int32)
    home = np.minimum(home, len(plain.places) - 1)
    if PURPOSES[purpose] == "work":
        there = plain.own_place(USES.index("work"), home, figures.outside_work, rng)
    elif PURPOSES[purpose] == "school":
        there = plain.own_place(USES.index("school"), home, 0.0, rng)
    else:
        there = plain.choose_place(USES.index("shop"), home, figures.reach["shop"], rng)
    metres = plain.metres(home, there)
    has = rng.random((_SAMPLE, 2)) < _having(figures, PURPOSES[purpose])
    kind = np.full(_SAMPLE, purpose, np.uint8)
    target = figures.shares[purpose, 1:] / figures.shares[purpose, 1:].sum()
    constants = np.zeros(len(MODES), np.float32)
    base = plain.utilities(kind, metres, has)[:, 1:]
    for _ in range(_ROUNDS):
        use = np.exp(base + constants[1:])
        share_now = (use / use.sum(axis=1, keepdims=True)).mean(axis=0)
        constants[1:] += np.log(np.maximum(target, 1e-4) / np.maximum(share_now, 1e-6))
        constants[1:] -= constants[1]
    return np.clip(constants, -30, 30)
