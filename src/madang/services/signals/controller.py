"""The controller of a group of signals: measure, forecast, try hypotheses, choose, learn.

Each signal's next phases are searched on the fast model (:mod:`~madang.services.signals.search`)
from what its detectors see, what signals upstream have said that they will release, and what has
been learned of its lanes. What it chooses, it announces to the signals downstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.services.signals.announce import Announcements
from madang.services.signals.close import Group, grouped
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
        self._groups = grouped(signals)
        together = {group.signal.id: group.signal for group in self._groups}
        self._announced = Announcements(together)
        self._junctions = {
            id: Junction(signal, self.options, self._announced) for id, signal in together.items()
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
            seen: by signal; one that is left out is not decided on, nor is one close to it.
        """
        self._asked = [one for one in self._asked if one.until > t]
        known = [(group, one) for group in self._groups if (one := group.seen(seen)) is not None]
        self._announced.look({group.signal.id: one for group, one in known})
        found: dict[str, Choice] = {}
        for group, one in known:
            asked = [ask for ask in self._asked if ask.signal in group.members]
            junction = self._junctions[group.signal.id]
            choice = junction.decide(t, one, asked, group.allowed(one))
            found |= _each(group, choice, seen)
        return found

    def kept(self) -> dict[str, Any]:
        """Return as JSON what it needs to go on where it is; :meth:`keep` takes it."""
        junctions = {id: one.kept() for id, one in self._junctions.items()}
        return {"junctions": junctions, "told": self._announced.kept()}

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Go on where another one was."""
        for id in self._junctions.keys() & kept["junctions"].keys():
            self._junctions[id].keep(kept["junctions"][id])
        self._announced.keep(kept["told"])


def _each(group: Group, choice: Choice, seen: Mapping[str, Seen]) -> dict[str, Choice]:
    """Return what each signal of a group is to show, and why, in its own phases."""
    found: dict[str, Choice] = {}
    for place, id in enumerate(group.members):
        shows, phase = seen[id].phase, group.phases[choice.phase][place]
        kind = "longest" if choice.why["kind"] == "longest" else "switch"
        why = choice.why | {
            "kind": "hold" if phase == shows else kind,
            "from": shows, "to": phase, "green_s": round(seen[id].elapsed_s, 1),
            "against": group.phases[choice.why["against"]][place],
            "plan": [group.phases[one][place] for one in choice.why["plan"]],
        }  # fmt: skip
        found[id] = Choice(phase, why)
    return found
