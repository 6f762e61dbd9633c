"""What goes into the audit log, and how the rest of trust puts it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from madang.trust.actions import Action
from madang.trust.sessions import SignInBy

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

CommandDeed = Literal[
    "commandAsked", "commandApproved", "commandRefused", "commandCancelled", "commandReverted"
]
PersonDeed = Literal[
    "accountCreated",
    "accountChanged",
    "accountRemoved",
    "passwordChanged",
    "passwordLinkMade",
    "invited",
    "linkWithdrawn",
    "linkRefused",
    "passkeyAdded",
    "passkeyRemoved",
    "providerLinked",
    "providerSecretKept",
    "contactChanged",
    "contactRemoved",
]
KeyDeed = Literal[
    "keyCreated",
    "keyRotated",
    "keyGiven",
    "keyDisabled",
    "keyEnabled",
    "keyRevoked",
    "tokenCreated",
    "refreshReused",
    "sessionEnded",
    "signingKeyRotated",
]
PolicyDeed = Literal[
    "policyAdded",
    "policyRemoved",
    "markAdded",
    "markRemoved",
    "published",
    "unpublished",
    "purposeSet",
    "purposeRemoved",
]
DataDeed = Literal[
    "consentGiven",
    "consentWithdrawn",
    "consentsErased",
    "personExported",
    "erasureBegun",
    "erasureDone",
]
CityDeed = Literal["decisionUndone", "policyAdopted", "policyDropped"]
Deed = (
    SignInBy
    | Literal["signOut"]
    | CommandDeed
    | PersonDeed
    | KeyDeed
    | PolicyDeed
    | DataDeed
    | CityDeed
)
"""What was done, where no policy speaks of it in one word; pages say each in words of their own."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that is worth remembering for good."""

    kind: EventKind
    actor: str
    """Id of the principal who did it or wanted to."""
    action: Action | Deed
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
