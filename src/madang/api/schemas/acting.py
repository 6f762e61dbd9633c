"""Commands to devices and decisions of services."""

from __future__ import annotations

from typing import Any, Final, Literal, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import PAGE, Id, Moment, Object, Operation, Words, shape

CommandStatus = Literal[
    "requested", "waiting", "sent", "acknowledged", "done", "failed", "timedOut", "refused",
    "cancelled", "reverted",
]  # fmt: skip


@shape
class Command(TypedDict):
    """A command and what became of it. Times that have not come are left out."""

    id: Id
    target: Id
    """The entity that it is for."""
    name: str
    title: NotRequired[Words]
    """What people call it; in lists, while the device has it."""
    parameters: Object
    status: CommandStatus
    requestedBy: str
    """Id of a person or key, or ``service:name``."""
    approvedBy: list[str]
    requestedAt: NotRequired[Moment]
    sentAt: NotRequired[Moment]
    acknowledgedAt: NotRequired[Moment]
    endedAt: NotRequired[Moment]
    revertAt: NotRequired[Moment]
    reason: NotRequired[Words | str]
    """Why it waits or ended so: words of ours, or those of a device or person."""
    endedBy: NotRequired[str]
    decision: NotRequired[Id]
    reverts: NotRequired[Id]
    revertAfter: NotRequired[float]
    """[s]"""
    revertDue: NotRequired[bool]
    revertedBy: NotRequired[Id]
    dryRun: NotRequired[bool]
    wire: NotRequired[Object]
    """What would have been sent."""
    people: NotRequired[dict[str, str]]
    """Names of those whose ids are in it."""


@shape
class NewCommand(TypedDict):
    """What a device is to do."""

    target: Id
    name: str
    parameters: NotRequired[Object]
    key: NotRequired[str]
    """Two commands of one key are one."""
    revertAfter: NotRequired[float]
    """[s]"""
    dryRun: NotRequired[bool]


@shape
class Because(TypedDict, total=False):
    """Why."""

    reason: str


@shape
class Nothing(TypedDict):
    """An empty object."""


@shape
class Basis(TypedDict):
    """A value that a decision is based on."""

    entity: Id
    attribute: str
    value: Any
    observedAt: Moment | None


@shape
class Decision(TypedDict):
    """A decision of a service: what it was based on, and what came of it."""

    id: Id
    at: Moment | None
    service: str
    version: str
    what: Words | str
    basedOn: list[Basis]
    options: Object
    """Settings that it went by."""
    expects: Object
    """What should come of it."""
    outcome: Any
    """What did."""
    undo: dict[str, Object] | None
    """Values that take it back, by entity and attribute; null: there is no way back."""
    undoneBy: str | None
    undoneAt: Moment | None


_COMMAND: Final = "/commands/{command}"
_DECISION: Final = "/decisions/{decision}"
OPERATIONS: Final = {
    "POST /commands": Operation(Command, body=NewCommand, status=(200, 201)),
    "GET /commands": Operation(
        list[Command], {"status": CommandStatus, "target": Id, "limit": int}
    ),
    f"GET {_COMMAND}": Operation(Command),
    f"POST {_COMMAND}/approve": Operation(Command, body=Nothing),
    f"POST {_COMMAND}/refuse": Operation(Command, body=Because),
    f"POST {_COMMAND}/cancel": Operation(Command, body=Because),
    f"POST {_COMMAND}/revert": Operation(Command, body=Nothing),
    "GET /decisions": Operation(list[Decision], {"service": str, "entity": Id, **PAGE}),
    f"GET {_DECISION}": Operation(Decision),
    f"POST {_DECISION}/undo": Operation(Decision),
}
