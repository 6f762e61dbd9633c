"""What goes into the audit log, and how the rest of trust puts it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Outcome = Literal["done", "denied", "failed"]

EventKind = Literal[
    "signIn",
    "signOut",
    "denial",
    "account",
    "key",
    "token",
    "policy",
    "consent",
    "write",
    "personalRead",
    "export",
    "erasure",
    "command",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is worth remembering for good."""

    kind: EventKind
    actor: str
    """Id of the principal who did it or wanted to."""
    action: str
    """In words of the kind: ``readEntity``, ``keyCreated``, ``passwordWrong`` …"""
    outcome: Outcome = "done"
    tenant: str = ""
    targets: tuple[str, ...] = ()
    """Ids of entities, accounts, keys, policies that it was done to."""
    subjects: tuple[str, ...] = ()
    """Ids of the persons whose data it was (entity ids), so that they can be shown it."""
    purpose: str = ""
    address: str = ""
    """Where the request came from."""
    detail: dict[str, Any] = field(default_factory=dict)


class Recorder(Protocol):
    """Takes events; the audit log is one."""

    def note(self, event: Event) -> None:
        """Keep an event soon (within a second), without making anybody wait."""

    async def record(self, *events: Event) -> None:
        """Keep events and return when they are durable."""
