"""What people do to incidents: each deed with its limits, and what it changes. Pure: no clock.

A deed is checked twice by the same code: when somebody asks for it, so that they are told what is
wrong, and when the incident's own service carries it out, for meanwhile another may have been done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from madang.act.incidents.alert import simpler
from madang.act.incidents.incident import PREFIX, Incident, is_active, note
from madang.act.incidents.playbook import answer
from madang.model.errors import BadRequestData, Conflict
from madang.model.geometry import read
from madang.model.names import shown
from madang.services.records import Severity

MOST_DEEDS = 20  # asked for at once
MOST_HAND_OVERS = 200
MOST_AGENCIES = 20
MOST_NAMED = 100  # alerts that one incident is made of by hand
LONGEST_TEXT = 1_000  # characters

AgencyState = Literal["asked", "sent", "accepted", "refused", "dispatched", "arrived", "done"]
"""``asked`` and ``sent`` are ours, the others are what an agency answers."""


def _both(value: object) -> object:
    """Take a text of one language for both."""
    return {"en": value, "ko": value} if isinstance(value, str) else value


class Said(BaseModel):
    """A text in both languages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    en: str = Field(min_length=1, max_length=LONGEST_TEXT)
    ko: str = Field(min_length=1, max_length=LONGEST_TEXT)


Told = Annotated[Said, BeforeValidator(_both)]
Name = Annotated[str, Field(min_length=1, max_length=100)]
AlertId = Annotated[str, Field(pattern=r"^urn:", max_length=512)]
IncidentId = Annotated[str, Field(pattern=f"^{PREFIX}", max_length=512)]


class Who(NamedTuple):
    """Who does something."""

    id: str
    name: str


class Deed(BaseModel, ABC):
    """Something that is done to an incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        """Change an incident; return the names of those who are to be told of it.

        Raises:
            Conflict, BadRequestData: it cannot be done to this incident, as it is now.
        """


class Open(Deed):
    """Begin an incident that no alert told of."""

    do: Literal["open"]
    title: Told
    text: Told | None = None
    category: Annotated[str, Field(min_length=1, max_length=100)] = "other"
    severity: Severity = "medium"
    location: dict[str, Any] | None = None
    area: Annotated[str, Field(max_length=LONGEST_TEXT)] | Said = ""
    alerts: Annotated[list[AlertId], Field(max_length=MOST_NAMED)] = []
    """Ids of alerts that it is made of; those of another incident stay there."""

    @field_validator("location")
    @classmethod
    def _is_place(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            return None if value is None else simpler(read(value, "location"))
        except BadRequestData as error:
            raise ValueError(error.detail) from None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        raise Conflict("this incident has begun already")


class Acknowledge(Deed):
    """See to it: nobody else is called any more."""

    do: Literal["acknowledge"]

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        if incident["status"] != "open":
            by = f" by {incident['owner']}" if incident["owner"] else ""
            raise Conflict(f"the incident is {incident['status']} already{by}")
        incident["status"], incident["acknowledged"] = "acknowledged", at
        incident["owner"] = incident["owner"] or who.name
        note(incident, at, "acknowledged", by=who.name, person=who.id)
        return []


class Own(Deed):
    """Say who looks after it."""

    do: Literal["own"]
    owner: Name

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        incident["owner"] = self.owner
        note(incident, at, "owner", by=who.name, person=who.id, to=self.owner)
        return []


class Grade(Deed):
    """Say how severe it is; alerts do not raise it any more."""

    do: Literal["severity"]
    severity: Severity

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        before, incident["severity"] = incident["severity"], self.severity
        incident["graded"] = True
        note(incident, at, "severity", by=who.name, person=who.id, before=before, now=self.severity)
        return []


class Retitle(Deed):
    """Say in other words what it is."""

    do: Literal["title"]
    title: Told

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        incident["title"], incident["public_title"] = self.title.model_dump(), None
        note(incident, at, "title", by=who.name, person=who.id, text=incident["title"])
        return []


class Publish(Deed):
    """Show it to everybody, or take that back."""

    do: Literal["public"]
    public: bool

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        if incident["public"] is not self.public:
            incident["public"] = self.public
            what = "published" if self.public else "unpublished"
            note(incident, at, what, by=who.name, person=who.id)
        return []


class Note(Deed):
    """Write something down; what is public is on the public page if the incident is."""

    do: Literal["note"]
    text: Told
    public: bool = False

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_not_closed(incident)
        told = self.text.model_dump()
        note(
            incident, at, "note", by=who.name, person=who.id, text=told, public=self.public or None
        )
        return []


class DoStep(Deed):
    """Do a step of the playbook, with what was found out; or take back that it was done."""

    do: Literal["step"]
    step: Name
    value: bool | float | Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    done: bool = True

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_not_closed(incident)
        step = next((one for one in incident["steps"] if one["name"] == self.step), None)
        if step is None:
            known = ", ".join(one["name"] for one in incident["steps"]) or "none"
            raise BadRequestData(f"there is no step {shown(self.step)}; there are {known}")
        value = answer(step, self.value) if self.done else None
        step["done"], step["by"] = (at, who.name) if self.done else (None, "")
        step["value"] = value
        what = "step" if self.done else "stepUndone"
        note(
            incident, at, what, by=who.name, person=who.id, step=self.step, text=step["title"],
            value=value,
        )  # fmt: skip
        return []


class HandOver(Deed):
    """Give it to somebody else, with what they must know."""

    do: Literal["handOver"]
    to: Name
    text: Told
    tell: bool = False
    """``to`` is the name of a contact, who is to be told."""

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        told = self.text.model_dump()
        incident["hand_over"].append({"at": at, "from": who.name, "to": self.to, "text": told})
        del incident["hand_over"][:-MOST_HAND_OVERS]
        incident["owner"] = self.to
        note(incident, at, "handOver", by=who.name, person=who.id, to=self.to, text=told)
        return [self.to] if self.tell else []


class Call(Deed):
    """Tell somebody: a person, a group, a rota or an agency."""

    do: Literal["call"]
    to: Name
    agency: bool = False
    """``to`` answers with states: see :class:`Hear`."""

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        if self.agency:
            if len(incident["agencies"]) >= MOST_AGENCIES and self.to not in incident["agencies"]:
                raise BadRequestData(f"at most {MOST_AGENCIES} agencies are asked in one incident")
            incident["agencies"][self.to] = {"state": "asked", "at": at}
        note(incident, at, "called", by=who.name, person=who.id, to=self.to)
        return [self.to]


class Hear(Deed):
    """Take down what an agency answers."""

    do: Literal["agency"]
    agency: Name
    state: Literal["accepted", "refused", "dispatched", "arrived", "done"]
    reference: Annotated[str, Field(max_length=200)] = ""
    text: Told | None = None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_not_closed(incident)
        known = incident["agencies"].get(self.agency)
        by_playbook = [*incident["notify"], *(one["to"] for one in incident["escalations"])]
        if known is None and self.agency not in by_playbook:
            raise Conflict(f"{shown(self.agency)} was not asked to help with this incident")
        incident["agencies"][self.agency] = {
            **(known or {}), "state": self.state, "at": at,
            **({"reference": self.reference} if self.reference else {}),
        }  # fmt: skip
        told = None if self.text is None else self.text.model_dump()
        note(
            incident, at, "agency", by=who.name, agency=self.agency, state=self.state, text=told,
            reference=self.reference,
        )  # fmt: skip
        return []


class Merge(Deed):
    """Make another incident a part of this one, for both are the same."""

    do: Literal["merge"]
    incident: IncidentId
    text: Told | None = None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        if self.incident == incident["id"]:
            raise BadRequestData("an incident cannot be merged with itself; name another one")
        return []


class Split(Deed):
    """Take alerts out, to be an incident of their own."""

    do: Literal["split"]
    alerts: Annotated[list[AlertId], Field(min_length=1, max_length=MOST_NAMED)]
    incident: IncidentId
    """Which begins with them."""
    title: Told | None = None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_not_closed(incident)
        for alert in self.alerts:
            if alert not in incident["alerts"]:
                raise BadRequestData(f"{shown(alert)} is no alert of this incident")
        return []


class Resolve(Deed):
    """Say that it is over; it can still be noted, and an alert of it opens it again."""

    do: Literal["resolve"]
    text: Told | None = None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_under_way(incident)
        told = None if self.text is None else self.text.model_dump()
        resolve(incident, at, by=who.name, person=who.id, text=told)
        return []


class Close(Deed):
    """End it for good."""

    do: Literal["close"]
    text: Told | None = None

    def apply(self, incident: Incident, who: Who, at: str) -> list[str]:
        _is_not_closed(incident)
        if is_active(incident, at) and incident["status"] == "open":
            raise Conflict("its alerts go on and nobody has acknowledged it; acknowledge it first")
        told = None if self.text is None else self.text.model_dump()
        close(incident, at, by=who.name, person=who.id, text=told)
        return []


AnyDeed = Annotated[
    Open | Acknowledge | Own | Grade | Retitle | Publish | Note | DoStep | HandOver | Call | Hear
    | Merge | Split | Resolve | Close,
    Field(discriminator="do"),
]  # fmt: skip
_DEEDS: TypeAdapter[list[Any]] = TypeAdapter(
    Annotated[list[AnyDeed], Field(min_length=1, max_length=MOST_DEEDS)]
)


def deeds(given: Iterable[dict[str, Any]]) -> list[Deed]:
    """Return deeds from JSON.

    Raises:
        BadRequestData: one of them is not as it must be.
    """
    try:
        return _DEEDS.validate_python(list(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][2:]) or "do"
        raise BadRequestData(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def resolve(incident: Incident, at: str, **more: Any) -> None:
    """Let an incident be over."""
    incident["status"], incident["resolved"] = "resolved", at
    note(incident, at, "resolved", **more)


def close(incident: Incident, at: str, **more: Any) -> None:
    """End an incident for good."""
    incident["resolved"] = incident["resolved"] or at
    incident["status"], incident["ended"] = "closed", at
    note(incident, at, "closed", **more)


def _is_under_way(incident: Incident) -> None:
    if incident["status"] not in ("open", "acknowledged"):
        raise Conflict(f"the incident is {incident['status']} already; a new one can be opened")


def _is_not_closed(incident: Incident) -> None:
    if incident["status"] == "closed":
        raise Conflict("the incident is closed already; a new one can be opened")
