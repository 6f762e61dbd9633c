"""What cabinets do with commands: a phase is shown as soon as the interlock lets it.

Until then the command is acknowledged and waits; a newer one takes its place. A cabinet that is
set to ``local`` runs its own plan and follows nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from madang.services.signals.interlock import Mode, Refusal

REMOTE, LOCAL = "remote", "local"
WAIT_S: Final = 35.0
"""So long a command waits for the interlock at most. [s]"""


class Lights(Protocol):
    """A street, as far as its signals go."""

    @property
    def now(self) -> float: ...

    def request(self, signal: str, phase: int) -> Refusal | None: ...

    def mode(self, signal: str) -> Mode: ...


class Ack(NamedTuple):
    """What a cabinet says about a command."""

    signal: str
    id: str
    """Of the command."""
    status: Literal["acknowledged", "done", "failed"]
    reason: str = ""

    def body(self) -> dict[str, str]:
        """Return it as the open device specification has it."""
        found = {"id": self.id, "status": self.status}
        return {**found, "reason": self.reason} if self.reason else found


class _Wish(NamedTuple):
    id: str
    phase: int
    until: float


class Cabinets:
    """All cabinets of a street."""

    def __init__(self, lights: Lights) -> None:
        self._lights = lights
        self._local: set[str] = set()
        self._wishes: dict[str, _Wish] = {}
        """What waits for the interlock, by signal."""
        self._done: dict[str, str] = {}
        """The last command that a signal has done."""

    def mode(self, signal: str) -> str:
        """Return ``local``, ``control`` while it is told what to show, else ``plan``."""
        return LOCAL if signal in self._local else self._lights.mode(signal)

    def take(self, signal: str, order: Mapping[str, Any]) -> Iterator[Ack]:
        """Take a command as it came; yield what is said about it."""
        id, parameters = str(order.get("id", "")), order.get("parameters") or {}
        if self._done.get(signal) == id:  # it was told twice
            yield Ack(signal, id, "done")
            return
        match order.get("command"):
            case "showPhase" if signal in self._local:
                yield Ack(signal, id, "failed", "the signal runs its own plan (setMode local)")
            case "showPhase":
                yield from self._wish(signal, id, parameters.get("phase"))
            case "setMode" if parameters.get("mode") in (REMOTE, LOCAL):
                yield from self._set(signal, id, parameters["mode"])
            case other:
                yield Ack(signal, id, "failed", f"a signal does not know {str(other)[:60]!r} so")

    def step(self) -> Iterator[Ack]:
        """Try what waits again; yield what is said about it."""
        for signal, wish in [*self._wishes.items()]:
            if self._lights.request(signal, wish.phase) is None:
                del self._wishes[signal]
                yield self._did(signal, wish.id)
            elif self._lights.now >= wish.until:
                del self._wishes[signal]
                yield Ack(signal, wish.id, "failed", "the interlock did not let it in time")

    def _wish(self, signal: str, id: str, phase: Any) -> Iterator[Ack]:
        refusal = self._lights.request(signal, phase if type(phase) is int else -1)
        if refusal is not None and refusal.reason == "unknownPhase":
            yield Ack(signal, id, "failed", f"the signal has no phase {phase!r}")
            return
        waiting = self._wishes.pop(signal, None)
        if waiting is not None and waiting.id != id:
            yield Ack(signal, waiting.id, "failed", "a newer command has taken its place")
        if refusal is None:
            yield self._did(signal, id)
        else:
            self._wishes[signal] = _Wish(id, phase, self._lights.now + WAIT_S)
            yield Ack(signal, id, "acknowledged", f"{refusal.reason}: {refusal.wait_s:.0f} s")

    def _set(self, signal: str, id: str, mode: str) -> Iterator[Ack]:
        if mode == REMOTE:
            self._local.discard(signal)
        else:
            self._local.add(signal)
            if waiting := self._wishes.pop(signal, None):
                yield Ack(signal, waiting.id, "failed", "the signal was set to its own plan")
        yield self._did(signal, id)

    def _did(self, signal: str, id: str) -> Ack:
        self._done[signal] = id
        return Ack(signal, id, "done")
