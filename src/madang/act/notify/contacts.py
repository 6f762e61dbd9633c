"""Whom to tell, and how: people with their channels, groups, rotas.

They are personal data, so they are no entities: they are kept sealed in the tenant's store, and
entities only hold their names.
"""

from __future__ import annotations

import itertools
import re
import secrets as chance
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import orjson
import structlog
from pydantic import (
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from madang.act.notify.channels import Channel, Part, Push, Signed, Web
from madang.act.notify.rota import Name, Rota, on_call, zone_of
from madang.model.errors import BadRequestData, Conflict, ResourceNotFound
from madang.model.names import shown
from madang.trust.secrets import SecretKeyError

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.trust.secrets import Secrets

log = structlog.get_logger("madang.act")

MOST = 2_000  # contacts of a tenant
MOST_TOLD = 500  # people by one notice
MOST_CHANNELS = 10  # of one person
Language = Literal["en", "ko"]
_SECRET_BYTES = 32


class Quiet(Part):
    """Hours in which somebody is not told what is not urgent."""

    start: time
    end: time
    time_zone: str = Field("UTC", max_length=64)

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        return zone_of(value)

    def left_s(self, at: datetime) -> float:
        """Return for how long it is still quiet. [s]"""
        local = at.astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)
        for day in (-1, 0):
            start = datetime.combine(local.date() + timedelta(day), self.start)
            end = datetime.combine(start.date() + timedelta(self.end <= self.start), self.end)
            if start <= local < end:
                return (end - local).total_seconds()
        return 0.0


class Person(Part):
    """One person, desk or agency."""

    kind: Literal["person"]
    title: str = Field("", max_length=100)
    """Their name, for people to read."""
    language: Language = "ko"
    channels: list[Channel] = Field(max_length=MOST_CHANNELS)
    """All of them are used."""
    quiet: Quiet | None = None
    account: str | None = Field(default=None, max_length=100)
    """Id of the account of this person; the contact is erased with them."""
    erased: datetime | None = None
    """When that happened; nobody is reached then, in a place that somebody should take."""

    @field_validator("account")
    @classmethod
    def _is_account(cls, value: str | None) -> str | None:
        """Take the id of a principal for that of its account: the page of web push kept those."""
        return value and value.removeprefix("person:")

    @model_validator(mode="after")
    def _is_reached(self) -> Self:
        if not self.channels and self.erased is None:
            raise ValueError("channels must name at least one way to tell them")
        return self

    @property
    def members(self) -> list[str]:
        """Return nobody: a person stands for themselves."""
        return []

    def labelled(self) -> Iterator[tuple[str, Channel]]:
        """Yield the channels with names: ``email``, ``sms``, ``email 2`` …"""
        seen: dict[str, int] = {}
        for one in self.channels:
            seen[one.kind] = seen.get(one.kind, 0) + 1
            yield one.kind if seen[one.kind] == 1 else f"{one.kind} {seen[one.kind]}", one


class Group(Part):
    """Several who are told together."""

    kind: Literal["group"]
    title: str = Field("", max_length=100)
    members: list[Name] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.members)) < len(self.members):
            raise ValueError("members names somebody twice")
        return self


Contact = Annotated[Person | Group | Rota, Field(discriminator="kind")]
_CONTACT: TypeAdapter[Person | Group | Rota] = TypeAdapter(Contact)
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class Directory:
    """The contacts of one tenant. To be loaded before it is used."""

    def __init__(self, tenant: Tenant, secrets: Secrets) -> None:
        self._tenant = tenant
        self._secrets = secrets
        self._known: dict[str, Person | Group | Rota] = {}

    async def load(self) -> None:
        """Take up what is kept."""
        for name, body in await self._tenant.store.items("contact"):
            self.take(name, body)

    def take(self, name: str, body: bytes | None) -> None:
        """Take up a contact as it is kept, or as another hub has left it; None is gone."""
        if body is None:
            self._known.pop(name, None)
            return
        try:
            plain = self._secrets.unseal(body.decode(), self._about(name))
            self._known[name] = _CONTACT.validate_json(plain)
        except (SecretKeyError, ValidationError) as error:  # the key was lost: save it anew
            log.error("contact.unreadable", name=name, reason=str(error))

    @property
    def names(self) -> list[str]:
        return sorted(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def named(self, name: str) -> Person | Group | Rota:
        """Return a contact.

        Raises:
            ResourceNotFound: there is none of that name.
        """
        found = self._known.get(name)
        if found is None:
            raise ResourceNotFound(
                f"there is no contact {shown(name)}; `madang people list` tells all"
            )
        return found

    async def put(
        self, name: str, given: Any, inside: bool
    ) -> tuple[Person | Group | Rota, dict[str, str]]:
        """Keep a contact in the place of the one of that name; return it, and its new secrets.

        Args:
            name: lower case, such as ``kim`` or ``control-room``.
            given: its JSON.
            inside: who saves it may name addresses inside the city's own network.

        Raises:
            BadRequestData: it is not as it must be, or names somebody who is not there.
        """
        contact = _checked(name, given)
        if isinstance(contact, Person) and contact.erased is not None:
            raise BadRequestData("erased is what the hub tells; leave it out, and name channels")
        missing = next((one for one in contact.members if one not in self._known), None)
        if missing is not None:
            raise BadRequestData(f"there is no contact {missing!r} yet; add it first")
        if name in self._reach(contact.members):
            raise BadRequestData(f"{name} would be a member of itself")
        if name not in self._known and len(self._known) >= MOST:
            raise BadRequestData(f"there are {MOST:,} contacts already; remove some")
        made: dict[str, str] = {}
        if isinstance(contact, Person):
            contact = self._completed(contact, self._known.get(name), inside, made)
        await self._keep(name, contact)
        return contact, made

    async def remove(self, name: str) -> None:
        """Remove a contact.

        Raises:
            ResourceNotFound: there is none.
            Conflict: a group or rota needs it.
        """
        self.named(name)
        user = next((other for other, one in self._known.items() if name in one.members), None)
        if user is not None:
            raise Conflict(f"{name} is in {user}; take it out there first")
        await self._tenant.writer.keep("contact", name, None)
        del self._known[name]

    def of_account(self, account: str) -> dict[str, Person]:
        """Return the contacts of an account, by name."""
        return {
            name: one
            for name, one in self._known.items()
            if isinstance(one, Person) and one.account == account
        }

    async def subscribe(self, account: str, title: str, language: Language, push: Push) -> str:
        """Let an account be told in a browser; return the name of its contact.

        Args:
            account: id of the account; its contact is made if there is none.
            title: name of the person.
            language: of the browser's page.
            push: the browser; one of the same endpoint is replaced.
        """
        mine = self.of_account(account)
        name, person = next(iter(mine.items()), (self._free_name(title), None))
        if person is None:
            if len(self._known) >= MOST:
                raise BadRequestData(f"there are {MOST:,} contacts already; remove some")
            person = Person(
                kind="person", title=title[:100], language=language, channels=[push],
                account=account,
            )  # fmt: skip
        else:
            others = _without(person, push.endpoint)
            if len(others) >= MOST_CHANNELS:
                raise BadRequestData(f"{name} has {MOST_CHANNELS} ways already; remove one first")
            person = person.model_copy(update={"channels": [*others, push]})
        await self._keep(name, person)
        return name

    async def unsubscribe(self, account: str, endpoint: str) -> None:
        """Tell an account no more in a browser; a contact that has no other way is removed."""
        for name, person in self.of_account(account).items():
            others = _without(person, endpoint)
            if others:
                await self._keep(name, person.model_copy(update={"channels": others}))
            else:
                await self.remove(name)

    def _free_name(self, title: str) -> str:
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:30] or "person"
        tries = (plain if number == 1 else f"{plain}-{number}" for number in itertools.count(1))
        return next(one for one in tries if one not in self._known)

    async def erase(self, account: str) -> list[str]:
        """Erase the contacts of an account; return what their names were.

        Where a group or a rota needs one, an empty place without a name stays, so that the turns
        of the others are as they were; who is to be told there is told to nobody, which shows.
        """
        found = list(self.of_account(account))
        for name in found:
            users = {user: one for user, one in self._known.items() if name in one.members}
            if users:
                place = f"erased-{chance.token_hex(4)}"
                empty = Person(
                    kind="person", title="", channels=[], account=None, erased=datetime.now(UTC)
                )
                await self._keep(place, empty)
                for user, one in users.items():
                    await self._keep(user, _renamed(one, name, place))
            await self.remove(name)
        return found

    def people(self, name: str, at: datetime) -> dict[str, Person]:
        """Return who is told if a contact is, by name: of a rota, who is on call."""
        found: dict[str, Person] = {}
        waiting, seen = [name], set[str]()
        while waiting and len(found) < MOST_TOLD:
            one = waiting.pop(0)
            contact = self._known.get(one)
            if contact is None or one in seen:
                continue
            seen.add(one)
            if isinstance(contact, Person):
                found[one] = contact
            elif isinstance(contact, Group):
                waiting += contact.members
            else:
                waiting.append(on_call(contact, at))
        return found

    async def _keep(self, name: str, contact: Person | Group | Rota) -> None:
        body = self._secrets.seal(contact.model_dump_json().encode(), self._about(name))
        await self._tenant.writer.keep("contact", name, body.encode())
        self._known[name] = contact

    def _reach(self, members: list[str]) -> set[str]:
        """Return all who are in a contact with these members, at any depth."""
        found, waiting = set[str](), list(members)
        while waiting:
            one = waiting.pop()
            if one not in found and one in self._known:
                found.add(one)
                waiting += self._known[one].members
        return found

    @staticmethod
    def _completed(
        person: Person, before: Person | Group | Rota | None, inside: bool, made: dict[str, str]
    ) -> Person:
        """Return a person with a secret in each channel that signs, and who may lie inside."""
        old = {}
        if isinstance(before, Person):
            signed = [one for one in before.channels if isinstance(one, Signed)]
            old = {(one.kind, one.url): one.secret for one in signed}
        channels: list[Any] = []
        for label, one in person.labelled():
            more: dict[str, Any] = {}
            if isinstance(one, Web | Push):
                more["inside"] = inside
            if isinstance(one, Signed) and not one.secret:
                more["secret"] = old.get((one.kind, one.url), "")
                if not more["secret"]:
                    more["secret"] = made[label] = chance.token_urlsafe(_SECRET_BYTES)
            channels.append(one.model_copy(update=more))
        return person.model_copy(update={"channels": channels})

    def _about(self, name: str) -> str:
        return f"contact {self._tenant.name} {name}"


def _renamed(one: Person | Group | Rota, old: str, new: str) -> Person | Group | Rota:
    """Return a group or rota that has somebody under another name."""

    def other(name: str) -> str:
        return new if name == old else name

    if isinstance(one, Group):
        return one.model_copy(update={"members": list(map(other, one.members))})
    if isinstance(one, Rota):
        people = list(map(other, one.people))
        overrides = [part.model_copy(update={"who": other(part.who)}) for part in one.overrides]
        return one.model_copy(update={"people": people, "overrides": overrides})
    return one


def _without(person: Person, endpoint: str) -> list[Channel]:
    """Return the ways of a person but for one browser."""
    return [
        one for one in person.channels if not (isinstance(one, Push) and one.endpoint == endpoint)
    ]


def _checked(name: str, given: Any) -> Person | Group | Rota:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        raise BadRequestData(
            f"{shown(name)} is no name such as kim or control-room: up to 40 small letters, digits,"
            " dots and hyphens"
        ) from None
    try:
        return _CONTACT.validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the contact"
        raise BadRequestData(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def told(name: str, contact: Person | Group | Rota) -> dict[str, Any]:
    """Return a contact as JSON, without its secrets."""
    body: dict[str, Any] = orjson.loads(contact.model_dump_json(exclude_none=True))
    for channel in body.get("channels", ()):
        channel.pop("secret", None)
    return {"name": name, **body}
