"""The controller of a group of signals: measure, forecast, try hypotheses, choose, learn.

Each signal's next phases are searched on the fast model (:mod:`~madang.services.signals.search`)
from what its detectors see, what signals upstream have said that they will release, and what has
been learned of its lanes. What it chooses, it announces to the signals downstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.services.signals.announce import Announcements
from madang.services.signals.junction import SLOT_S, Choice, Junction, Kind, Options, Priority
from madang.services.signals.signal import Seen, Signal

__all__ = ["SLOT_S", "Choice", "Controller", "Kind", "Options", "Priority"]


class Controller:
    """Decides for all signals of an area, in steps.

    Args:
        signals: by id.
        seed: of chance; there is none yet in what it does.
        options: how it works.
    """

    def __init__(
        self, signals: Mapping[str, Signal], seed: int = 0, options: Options | None = None
    ) -> None:
        self.signals = signals
        self.options = options or Options()
        self._asked: list[Priority] = []
        self._announced = Announcements(signals)
        self._junctions = {
            id: Junction(signal, self.options, self._announced) for id, signal in signals.items()
        }

    def ask(self, priority: Priority) -> None:
        """Let somebody have green; the newest request of a kind for a lane replaces the last."""
        key = (priority.signal, priority.lane, priority.kind)
        self._asked = [one for one in self._asked if (one.signal, one.lane, one.kind) != key]
        self._asked.append(priority)

    def decide(self, t: float, seen: Mapping[str, Seen]) -> dict[str, Choice]:
        """Return what each signal seen is to show now.

        Args:
            t: now. [s]
            seen: by signal; one that is left out is not decided on.
        """
        self._asked = [one for one in self._asked if one.until > t]
        self._announced.look(seen)
        return {
            id: self._junctions[id].decide(t, one, [ask for ask in self._asked if ask.signal == id])
            for id, one in seen.items()
        }

    def kept(self) -> dict[str, Any]:
        """Return as JSON what it needs to go on where it is; :meth:`keep` takes it."""
        junctions = {id: one.kept() for id, one in self._junctions.items()}
        return {"junctions": junctions, "told": self._announced.kept()}

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        for id in self._junctions.keys() & kept["junctions"].keys():
            self._junctions[id].keep(kept["junctions"][id])
        self._announced.keep(kept["told"])
