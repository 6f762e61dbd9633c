"""The interlock of a signal's cabinet: what no controller can pass.

It knows minimum greens, walking and clearing times of pedestrians, yellow, all-red and which ways
cross. Every state that it can ever show is made and checked when it is built; from then on it only
moves between those. A controller asks for a phase and is granted it or told why not; when nobody
has asked for ``silent_s``, the fixed plan runs.

After the vehicle signal interlocking of EN 12675 (signal conflicts, minimum times, safe fallback),
in software: it stands in front of a cabinet's own, and does not replace it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from madang.model.errors import MadangError
from madang.services.signals.signal import GREEN, Signal

SILENT_S = 30.0
Mode = Literal["control", "plan"]
Pedestrians = Literal["walk", "clear", "stop"]


class UnsafeSignal(MadangError):
    """A signal's phases would let ways cross that must not be open together."""


class Refusal(NamedTuple):
    """Why a phase is not shown."""

    reason: Literal["unknownPhase", "changing", "minimumGreen", "pedestrians"]
    wait_s: float
    """After which asking again would be granted, if nothing else happens. [s]"""


class Interlock:
    """State machine of one signal.

    Args:
        signal: which.
        t: now. [s], any clock that does not jump
        phase: that shows at the beginning.
        silent_s: after which without a granted request the fixed plan runs. [s]

    Raises:
        UnsafeSignal: two protected greens on ways that cross, or no phases or plan.
    """

    def __init__(
        self, signal: Signal, t: float, phase: int = 0, silent_s: float = SILENT_S
    ) -> None:
        check(signal)
        self.signal = signal
        self.silent_s = silent_s
        self._phase, self._from, self._since = phase, phase, t
        self._asked = t
        self._now = t
        self._due: float | None = None
        """When the fixed plan leaves the phase that shows; None: to be worked out."""

    def request(self, phase: int, t: float) -> Refusal | None:
        """Ask for a phase (the one that shows: to hold it); return None if it is granted."""
        self._advance(t)
        signal = self.signal
        if isinstance(phase, bool) or not 0 <= phase < len(signal.phases):
            return Refusal("unknownPhase", 0.0)
        if phase != self._phase:
            if refusal := self._refusal(self._now):
                return refusal
            self._from, self._phase = self._phase, phase
            self._since = self._now + signal.intergreen_s
        self._asked = self._now
        self._due = None
        return None

    def shown(self, t: float) -> str:
        """Return the state that lights show. In SUMO's letters."""
        self._advance(t)
        if self._now >= self._since:
            return self.signal.phases[self._phase].state
        is_yellow = self._now < self._since - self.signal.all_red_s
        return between(self.signal, self._from, self._phase, "y" if is_yellow else "r")

    def phase(self, t: float) -> tuple[int, float]:
        """Return the phase that shows, or is led to, and for how long it is green. [s]"""
        self._advance(t)
        return self._phase, max(0.0, self._now - self._since)

    def pedestrians(self, t: float) -> Pedestrians:
        """Return what people see at the crossings beside the phase."""
        number, green = self.phase(t)
        phase = self.signal.phases[number]
        if self._now < self._since or green >= phase.walk_s + phase.clear_s:
            return "stop"
        return "walk" if green < phase.walk_s else "clear"

    def mode(self, t: float) -> Mode:
        """Return whether a controller is followed, or the fixed plan runs."""
        self._advance(t)
        return "plan" if self._now >= self._asked + self.silent_s else "control"

    def _refusal(self, t: float) -> Refusal | None:
        phase = self.signal.phases[self._phase]
        wait = self._since + phase.least_s - t
        if t < self._since:
            return Refusal("changing", wait)
        if wait <= 0:
            return None
        walking = t < self._since + phase.walk_s + phase.clear_s
        return Refusal("pedestrians" if walking else "minimumGreen", wait)

    def _advance(self, t: float) -> None:
        """Let time pass; a clock that goes back stands still here."""
        while True:
            if self._due is None:
                self._due = self._plan_due()
            if self._due > t:
                break
            self._now = max(self._now, self._due)
            self._from, self._phase = self._phase, self._planned(self._now)[0]
            self._since = self._now + self.signal.intergreen_s
            self._due = None
        self._now = max(self._now, t)

    def _plan_due(self) -> float:
        """Return when the fixed plan leaves the phase that shows. [s]"""
        free = self._since + self.signal.phases[self._phase].least_s
        due = max(self._asked + self.silent_s, free, self._now)
        for _ in range(len(self.signal.plan) + 1):
            phase, until = self._planned(due)
            if phase != self._phase:
                return due
            due = until
        return float("inf")  # the plan has this phase alone

    def _planned(self, t: float) -> tuple[int, float]:
        """Return the phase that the plan has at a time, and until when."""
        signal = self.signal
        steps = [(phase, green + signal.intergreen_s) for phase, green in signal.plan]
        at = (t - signal.offset_s) % sum(seconds for _, seconds in steps)
        for phase, seconds in steps:
            if at < seconds - 1e-6:
                return phase, t + seconds - at
            at -= seconds
        return steps[0][0], t + steps[0][1]  # the cycle ends just now, but for rounding


def between(signal: Signal, old: int, new: int, lost: str) -> str:
    """Return the state between two phases.

    What both have goes on, in the weaker letter; what is lost shows ``lost``; what is new, red.
    """
    pairs = zip(signal.phases[old].state, signal.phases[new].state, strict=True)
    return "".join(_letter(before, after, lost) for before, after in pairs)


def _letter(before: str, after: str, lost: str) -> str:
    if before not in GREEN:
        return "r"
    if after not in GREEN:
        return lost
    return "G" if before == after == "G" else "g"


def conflicts(signal: Signal, state: str) -> Iterator[tuple[int, int]]:
    """Yield pairs of links that are protected green together though their ways cross."""
    for link, foes in enumerate(signal.foes):
        for foe in foes:
            if link < foe and state[link] == "G" and state[foe] == "G":
                yield link, foe


def states(signal: Signal) -> Iterator[str]:
    """Yield every state that lights can show."""
    numbers = range(len(signal.phases))
    for old in numbers:
        yield signal.phases[old].state
        for new in numbers:
            if new != old:
                yield between(signal, old, new, "y")
                yield between(signal, old, new, "r")


def check(signal: Signal) -> None:
    """Look at everything that a signal could show.

    Raises:
        UnsafeSignal: something that it must not.
    """
    if not signal.phases or not signal.plan:
        raise UnsafeSignal(f"signal {signal.id} has no phases or no fixed plan; it needs both")
    for phase in signal.phases:
        if len(phase.state) != len(signal.links) or set(phase.state) - set("Ggrs"):
            raise UnsafeSignal(
                f"signal {signal.id}: the phase {phase.state!r} must have one of the letters G, g,"
                f" r, s for each of the {len(signal.links)} links"
            )
    for number, green in signal.plan:
        if not 0 <= number < len(signal.phases) or green < signal.phases[number].least_s:
            raise UnsafeSignal(
                f"signal {signal.id}: the fixed plan gives phase {number} {green:g} s; it must be"
                f" one of {len(signal.phases)} phases and get its shortest green at least"
            )
    for state in states(signal):
        if pair := next(conflicts(signal, state), None):
            raise UnsafeSignal(
                f"signal {signal.id}: links {pair[0]} and {pair[1]} cross and are both protected"
                f" green in {state!r}; make one of them yield (g) or red"
            )
