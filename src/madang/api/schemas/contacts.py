"""Contacts: people with their channels, groups, rotas; who is on call."""

from __future__ import annotations

from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypeAliasType, TypedDict

from madang.act.notify.contacts import Group, Person
from madang.act.notify.rota import Rota
from madang.api.schemas.shape import GONE, PAGE, Id, Moment, Operation, shape


@shape
class ContactChannel(TypedDict):
    """A way to reach somebody, without its secrets."""

    kind: Literal["email", "sms", "webhook", "cap", "mqtt", "push"]
    urgent_only: bool
    address: NotRequired[str]
    number: NotRequired[str]
    url: NotRequired[str]
    inside: NotRequired[bool]
    endpoint: NotRequired[str]
    p256dh: NotRequired[str]
    auth: NotRequired[str]


@shape
class QuietHours(TypedDict):
    """Hours in which somebody is not told what is not urgent."""

    start: str
    end: str
    time_zone: str


@shape
class PersonContact(TypedDict):
    """One person, desk or agency."""

    name: str
    kind: Literal["person"]
    title: str
    language: Literal["en", "ko"]
    channels: list[ContactChannel]
    quiet: NotRequired[QuietHours]
    account: NotRequired[str]
    """Id of the account of this person."""
    erased: NotRequired[str]
    """When the person's data was erased; somebody else should take the place."""
    secrets: NotRequired[dict[str, str]]
    """Of channels, when they were made; never told again."""


@shape
class GroupContact(TypedDict):
    """Several who are told together."""

    name: str
    kind: Literal["group"]
    title: str
    members: list[str]


@shape
class RotaOverride(TypedDict):
    """Somebody stands in."""

    who: str
    start: str
    end: str


@shape
class RotaContact(TypedDict):
    """People who take turns."""

    name: str
    kind: Literal["rota"]
    title: str
    time_zone: str
    people: list[str]
    start: str
    turn_hours: float
    overrides: list[RotaOverride]


Contact = TypeAliasType(
    "Contact",
    Annotated[PersonContact | GroupContact | RotaContact, Field(discriminator="kind")],
)
NewContact = TypeAliasType(
    "NewContact", Annotated[Person | Group | Rota, Field(discriminator="kind")]
)


@shape
class OnCallPerson(TypedDict):
    """Who would be told."""

    name: str
    title: str


_Turn = TypedDict("_Turn", {"from": Moment, "who": str})


@shape
class Turn(_Turn):
    """When whose turn begins."""


@shape
class OnCall(TypedDict):
    """Who would be told at a time, and whose turns come next."""

    name: str
    at: Moment
    people: list[OnCallPerson]
    turns: list[Turn]


@shape
class NoticeSent(TypedDict):
    """The entity that tells of the fate of a notice."""

    id: Id


@shape
class PushKey(TypedDict):
    """The key that browsers subscribe with (RFC 8292)."""

    key: str


OPERATIONS: Final = {
    "GET /contacts": Operation(list[Contact], PAGE),
    "GET /contacts/{name}": Operation(Contact),
    "PUT /contacts/{name}": Operation(Contact, body=NewContact, status=(200, 201)),
    "DELETE /contacts/{name}": GONE,
    "GET /contacts/{name}/on-call": Operation(OnCall, {"at": Moment}),
    "POST /contacts/{name}/test": Operation(NoticeSent, status=(201,)),
    "GET /notices/push-key": Operation(PushKey),
}
