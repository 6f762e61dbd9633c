"""Control of signals that policies compare: actuated, max pressure, and signals that think ahead.

All of them only ask the cabinets, whose interlock decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Protocol

from madang.services.signals.controller import Choice, Controller

if TYPE_CHECKING:
    from madang.services.signals.signal import Seen, Signal

STEP_S: Final = 5.0
"""Between two decisions of the simple ones. [s]"""
REACH_M: Final = 50.0
"""Detectors of actuated control see so far before the stop line. [m]"""


class Control(Protocol):
    """Decides what signals are to show."""

    def decide(self, t: float, seen: Mapping[str, Seen]) -> dict[str, Choice]:
        """Return the phase that each signal is to show now. [s]"""
        ...


def control(name: str, signals: Mapping[str, Signal], seed: int) -> tuple[Control, float] | None:
    """Return who decides and how often, in seconds; None: fixed plans run."""
    if name == "cognitive":
        controller = Controller(signals, seed)
        return controller, controller.options.step_s
    if name == "max_pressure":
        return MaxPressure(signals), STEP_S
    if name == "actuated":
        return Actuated(signals), STEP_S
    return None


class MaxPressure:
    """The phase whose lanes hold most more vehicles before the signal than behind it.

    Source: P. Varaiya, Max pressure control of a network of signalized intersections,
    Transportation Research Part C 36, 2013.
    """

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        self._signals = signals

    def decide(self, t: float, seen: Mapping[str, Seen]) -> dict[str, Choice]:
        return {id: self._choice(self._signals[id], one) for id, one in seen.items()}

    def _choice(self, signal: Signal, seen: Seen) -> Choice:
        pressures = [self._pressure(signal, seen, number) for number in range(len(signal.phases))]
        best = max(
            range(len(pressures)), key=lambda number: (pressures[number], number == seen.phase)
        )
        return Choice(best, {"pressure": round(pressures[best], 2)})

    @staticmethod
    def _pressure(signal: Signal, seen: Seen, phase: int) -> float:
        """Return what waits for a phase less what is in its way; a shared lane counts in parts."""
        links = Counter(lane for pairs in signal.links for lane, _ in pairs)
        return sum(
            (len(seen.lanes.get(lane, ())) - len(seen.out.get(ahead, ()))) / links[lane]
            for link, pairs in enumerate(signal.links)
            if signal.phases[phase].serves(link)
            for lane, ahead in pairs
        )


class Actuated:
    """Extends a green as long as vehicles come, then goes on in the order of the plan.

    Source: Federal Highway Administration, Signal Timing Manual, 2nd edition, 2015, chapter 6.
    """

    def __init__(self, signals: Mapping[str, Signal]) -> None:
        self._signals = signals

    def decide(self, t: float, seen: Mapping[str, Seen]) -> dict[str, Choice]:
        return {id: self._choice(self._signals[id], one) for id, one in seen.items()}

    def _choice(self, signal: Signal, seen: Seen) -> Choice:
        here = signal.phases[seen.phase]
        if seen.elapsed_s < here.maximum_s and self._calls(signal, seen, seen.phase):
            return Choice(seen.phase, {"extended": True})
        order = [phase for phase, _ in signal.plan]
        at = order.index(seen.phase) if seen.phase in order else -1
        for step in range(1, len(order) + 1):
            phase = order[(at + step) % len(order)]
            if phase != seen.phase and self._calls(signal, seen, phase):
                return Choice(phase, {"called": True})
        return Choice(seen.phase, {"rests": True})

    @staticmethod
    def _calls(signal: Signal, seen: Seen, phase: int) -> bool:
        """Return whether somebody is near a stop line that a phase lets pass."""
        return any(
            vehicle.distance <= REACH_M
            for link, pairs in enumerate(signal.links)
            if signal.phases[phase].serves(link)
            for lane, _ in pairs
            for vehicle in seen.lanes.get(lane, ())[:1]
        )
