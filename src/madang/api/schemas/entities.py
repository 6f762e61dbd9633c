"""What pages need to know of entities: counts, one's rights, changes, what can be commanded."""

from __future__ import annotations

from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from madang.api.schemas.shape import Id, Moment, Object, Operation, Words, shape


@shape
class TypeCount(TypedDict):
    """How many entities of a type one sees."""

    type: str
    count: int
    relations: list[str]
    """Relationships that some of them have."""


@shape
class Pulse(TypedDict):
    """How far the changes have come."""

    position: int
    """Number of the last change."""
    at: Moment


@shape
class EntityRights(TypedDict):
    """What one may do to an entity."""

    update: bool
    delete: bool
    public: list[str] | None
    """Attributes that everybody sees; null: nobody sees it without signing in."""


@shape
class ChangedAttribute(TypedDict):
    """An attribute before and after a change."""

    name: str
    deleted: bool
    datasetId: NotRequired[str]
    unitCode: NotRequired[str]
    before: NotRequired[Any]
    value: NotRequired[Any]


@shape
class EntityChange(TypedDict):
    """A write to an entity."""

    at: Moment
    by: str | None
    """``service:name``; null: it was no service."""
    attributes: list[ChangedAttribute]


@shape
class Lock(TypedDict):
    """What must hold for a command to be sent."""

    q: str
    of: str
    """A relationship of the target; empty: the condition is on the target itself."""
    message: Words


@shape
class WayBack(TypedDict):
    """How a command is taken back."""

    command: str
    parameters: Object
    after_s: float | None


@shape
class Offer(TypedDict):
    """A command that a device knows."""

    name: str
    title: Words
    parameters: Object
    """JSON Schema (2020-12)."""
    timeout_s: float
    keep_s: float | None
    approvals: int
    at_least_apart_s: float
    interlocks: list[Lock]
    revert: WayBack | None


@shape
class Offers(TypedDict):
    """What a target can be told to do."""

    device: str | None
    """Null: no device controls it."""
    state: str
    isInUse: bool
    commands: list[Offer]


OPERATIONS: Final = {
    "GET /ui/types": Operation(list[TypeCount]),
    "GET /ui/pulse": Operation(Pulse),
    "GET /ui/rights": Operation(EntityRights, {"entity": Id}, frozenset({"entity"})),
    "GET /ui/changes": Operation(
        list[EntityChange], {"entity": Id, "limit": int}, frozenset({"entity"})
    ),
    "GET /commands/offers": Operation(Offers, {"target": Id}, frozenset({"target"})),
}
