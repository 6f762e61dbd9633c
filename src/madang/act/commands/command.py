"""A command: the entity ``Command``, and the moves from one state to the next.

``requested → (waiting) → sent → acknowledged → done | failed | timedOut``, or ``refused`` or
``cancelled`` before it is sent, and perhaps ``reverted`` in the end. A move is an operation: it is
judged on the state as it is in the writer's turn, so two that exclude one another cannot both
happen. The history of ``status`` is the timeline of the command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from madang.hub.operations import Create
from madang.hub.records import Own
from madang.model import merge, time
from madang.model.attributes import NULL
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.model.state import Outcome
from madang.services.city import Thing
from madang.services.records import COMMAND, moment, text
from madang.services.service import Text

PREFIX: Final = f"urn:ngsi-ld:{COMMAND}:"
KEPT_US: Final = 30 * 86_400 * 1_000_000
"""How long the state has a command that is over, unless its rule says; history has it for good."""
WAITING: Final = 'status=="requested","waiting","sent","acknowledged"|revertDue==true'
"""Those that something is still to be done about."""

Status = Literal[
    "requested", "waiting", "sent", "acknowledged", "done", "failed", "timedOut", "refused",
    "cancelled", "reverted",
]  # fmt: skip
OUT: Final = frozenset[str](["sent", "acknowledged"])
OVER: Final = frozenset[str](["done", "failed", "timedOut", "refused", "cancelled", "reverted"])
MAY_HAVE_ACTED: Final = frozenset[str](["sent", "acknowledged", "done", "timedOut"])
"""States in which the device may have done it, so that it can be taken back."""

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is kept. Instants in microseconds since 1970; 0 is not yet."""

    id: str
    target: str
    name: str
    parameters: Mapping[str, Any]
    status: Status
    at: int
    """When it came into this state."""
    by: str
    """Who asked: the id of a user or key, or ``service:<name>``."""
    requested: int
    sent: int
    acknowledged: int
    approved: tuple[str, ...]
    """Ids of those who have agreed."""
    approved_at: int
    revert_after_s: float | None
    revert_due: bool
    revert_at: int
    reverted_by: str
    """Who wants it to be taken back; empty: it is so by itself."""
    reverts: str
    """Id of the command that this one takes back."""
    is_dry: bool

    @property
    def heard(self) -> int:
        """When something was last known of it after it had been sent."""
        return max(self.sent, self.acknowledged)


def read(entity: Entity) -> Command:
    """Return the command that an entity is."""
    thing = Thing(entity.document)
    parameters = thing["parameters"]
    approved = thing["approvedBy"] or []
    return Command(
        thing.id,
        str(thing["commandTarget"]),
        str(thing["commandName"]),
        parameters if isinstance(parameters, dict) else {},
        cast("Status", thing["status"]),
        _observed(thing, "status") or entity.created,
        str(thing.get("requestedBy", "")),
        _instant(thing["requestedAt"]) or entity.created,
        _instant(thing["sentAt"]),
        _instant(thing["acknowledgedAt"]),
        tuple(approved if isinstance(approved, list) else [approved]),
        _observed(thing, "approvedBy"),
        thing["revertAfter"],
        thing["revertDue"] is True,
        _instant(thing["revertAt"]),
        str(thing.get("revertedBy", "")),
        str(thing.get("reverts", "")),
        thing["dryRun"] is True,
    )


def _observed(thing: Thing, name: str) -> int:
    at = thing.attribute(name).get("observedAt")
    return time.parse(at) if isinstance(at, str) else 0


def _instant(value: Any) -> int:
    found = value.get("@value") if isinstance(value, dict) else value
    return time.parse(found) if isinstance(found, str) else 0


def made(id: str, attributes: Attributes, at: int) -> Own:
    """Return what makes a command of attributes, such as :func:`madang.services.records.command`
    gives; it fails if there is one of that id already."""
    whole = {"id": id, "type": COMMAND, **_whole(attributes, at)}
    return Own(Create(id, normalized(whole, CORE)))


@dataclass(slots=True)
class Move:
    """Changes a command.

    Args:
        id: of the command.
        then: returns what is put, by the state in the writer's turn and the time; None in the place
            of a value removes it, and nothing leaves all as it is. It may raise to refuse.
        kept_us: how long the state has it if this ends it. [us]
    """

    id: str
    then: Callable[[Command, int], Attributes]
    kept_us: int = KEPT_US
    entered: str = ""
    """The state that it has brought the command into, once it is done; empty: none."""

    def apply(self, current: Entity | None, now: int) -> Outcome:
        if current is None or COMMAND not in current.types:
            raise ResourceNotFound(f"there is no command {self.id}")
        command = read(current)
        put = self.then(command, now)
        self.entered = put.get("status", "")
        if not put:
            return Outcome(current, (), (), [])
        # Two states within a microsecond, or a clock that goes back, must not lose their order.
        at = max(now, command.at + 1)
        whole = {"id": self.id, "type": COMMAND, **_whole(put, at)}
        if put.get("status") in OVER:
            whole["expiresAt"] = time.render(max(now, _instant(put.get("revertAt"))) + self.kept_us)
        gone = [name for name, value in put.items() if value is None and name in current.document]
        whole |= dict.fromkeys(gone, NULL)
        content = normalized(whole, CORE, fragment=True, nulls=True)
        return merge.update(current, content, now)


def _whole(attributes: Attributes, at: int) -> Attributes:
    """Return attributes with their types, all as of one time."""
    observed = time.render(at)
    found: Attributes = {}
    for name, value in attributes.items():
        if value is None:
            continue
        is_whole = isinstance(value, dict) and "type" in value
        whole = value if is_whole else {"type": "Property", "value": value}
        links = whole["type"] == "Relationship"
        found[name] = whole if links else {"observedAt": observed, **whole}
    return found


def over(status: Status, at: int, reason: Text | str | None = None) -> Attributes:
    """Return what ends a command."""
    found: Attributes = {"status": status, "endedAt": moment(at)}
    if reason:
        found["reason"] = text(reason)
    return found


def shown(command: Command, entity: Entity) -> dict[str, Any]:
    """Return a command as the API shows it."""
    thing = Thing(entity.document)
    told: dict[str, Any] = {
        "id": command.id,
        "target": command.target,
        "name": command.name,
        "parameters": dict(command.parameters),
        "status": command.status,
        "requestedBy": command.by,
    }
    for name in ("requestedAt", "sentAt", "acknowledgedAt", "endedAt", "revertAt"):
        at = _instant(thing[name])
        if at:
            told[name] = time.render(at)
    for name in ("reason", "endedBy", "decision", "reverts", "revertAfter", "revertDue",
                 "revertedBy", "dryRun", "wire"):  # fmt: skip
        if name in thing:
            told[name] = thing[name]
    told["approvedBy"] = list(command.approved)
    return told
