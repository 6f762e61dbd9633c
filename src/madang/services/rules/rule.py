"""A rule without code: what a person writes in a few lines of TOML, or a program in JSON.

A rule looks at one attribute of entities of one type, names one condition, and says what is done
when it holds. How a rule is read and what is wrong with it is in :mod:`madang.services.rules.read`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from madang.hub.records import RECORDS
from madang.model import geometry
from madang.model.attributes import ENTITY_MEMBERS
from madang.model.context import CORE
from madang.model.errors import BadRequestData, NgsiError
from madang.model.names import check_name, is_uri
from madang.model.normalize import entity as normalized
from madang.services.records import Severity
from madang.services.rules import time as rule_time
from madang.services.service import Text

MOST_IDS: Final = 1_000
MOST_POSITIONS: Final = 10_000
RESERVED: Final = frozenset({*RECORDS, "Alert"})
"""Types that a rule cannot set attributes of."""
NOT_SET: Final = ENTITY_MEMBERS | {"self", "createdAt", "modifiedAt", "deletedAt", "expiresAt"}
CONDITIONS: Final = (
    "above", "below", "is", "is_not", "rises", "falls", "changes", "silent",
)  # fmt: skip
PLACES: Final = ("area", "near", "inside")
ANSWERS: Final = {"Alert": "alert", "Command": "command"}
"""What a rule on a type must not do, for it would answer itself for ever."""
DOES: Final = ("alert", "notify", "command", "set")
WORDS: Final = ("rule", "entity", "name", "attribute", "value", "unit", "count", "time")
"""What may stand in braces in a text."""

_BRACES = re.compile(r"\{([^{}]*)\}")


def _name(value: str) -> str:
    return str(_told(check_name, value, "it"))


def _uri(value: str) -> str:
    if not is_uri(value):
        raise PydanticCustomError("rule", "must be an id such as urn:ngsi-ld:Sensor:1")
    return value


def _span(value: str) -> str:
    return _told(rule_time.span, value) and value


def _hours(value: str) -> str:
    return _told(rule_time.hours, value) and value


def _days(value: str) -> str:
    return _told(rule_time.weekdays, value) and value


def _area(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _told(geometry.read, value, "area")
    if found["type"] not in ("Polygon", "MultiPolygon"):
        raise PydanticCustomError("rule", "must be a GeoJSON Polygon or MultiPolygon")
    if str(found["coordinates"]).count(",") > 3 * MOST_POSITIONS:
        raise PydanticCustomError("rule", "has more than 10,000 positions; simplify it")
    return found


def _words(value: str) -> str:
    for name in _BRACES.findall(value):
        if name not in WORDS:
            known = ", ".join(f"{{{one}}}" for one in WORDS)
            raise PydanticCustomError("rule", "has {{{name}}}; there are {known}",
                                      {"name": name[:40], "known": known})  # fmt: skip
    return value


def _told(check: Any, *given: Any) -> Any:
    try:
        return check(*given)
    except BadRequestData as error:
        raise PydanticCustomError("rule", "{why}", {"why": error.detail}) from None
    except ValueError as error:
        raise PydanticCustomError("rule", "{why}", {"why": str(error)}) from None


Name = Annotated[str, Field(max_length=500), AfterValidator(_name)]
Uri = Annotated[str, Field(max_length=2048), AfterValidator(_uri)]
Span = Annotated[str, Field(max_length=12), AfterValidator(_span)]
Hours = Annotated[str, Field(max_length=11), AfterValidator(_hours)]
Days = Annotated[str, Field(max_length=7), AfterValidator(_days)]
Words = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_words)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Whole = Annotated[int, Field(ge=-(2**53), le=2**53, strict=True)]
Plain = StrictBool | Whole | Number | Annotated[str, Field(max_length=2048, strict=True)]


class Part(BaseModel):
    """Part of a rule: no other fields than those."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Both(Part):
    """A text in both languages of the pages."""

    en: Words
    ko: Words

    @property
    def text(self) -> Text:
        return Text(self.en, self.ko)


class Other(Part):
    """Another attribute that a value is compared with, of the same entity or a certain one."""

    attribute: Name
    entity: Uri | None = Field(None, description="Id; left out it is the same entity.")
    type: Name | None = Field(None, description="Of that entity; left out it is that of the rule.")
    plus: Number = Field(0.0, description="Added to the other value.")


class Near(Part):
    """A circle."""

    point: Annotated[list[Number], Field(min_length=2, max_length=2)] = Field(
        description="Longitude and latitude. [degree]"
    )
    metres: Annotated[float, Field(gt=0, le=1_000_000, strict=True)]


class Inside(Part):
    """Another entity, whose ``location`` is an area."""

    id: Uri
    type: Name


class Alert(Part):
    """Raise an alert; it ends when the condition does."""

    severity: Severity = "medium"
    kind: Name = Field("rule", description="What happened, such as airPollution.")
    title: Words | Both | None = None
    text: Words | Both | None = None


class Notify(Part):
    """Tell people."""

    to: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="Name of a person, a group or a rota."
    )
    title: Words | Both | None = None
    text: Words | Both | None = None
    urgent: StrictBool = False


class Command(Part):
    """Tell a device what to do."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=100)
    target: Uri | None = Field(None, description="Left out it is the entity itself.")
    type: Name | None = Field(None, description="Of the target.")
    revert_after: Span | None = None


class Set(Part):
    """Set an attribute of an entity."""

    attribute: Name
    value: Plain = Field(description="While the condition holds.")
    after: Plain | None = Field(None, description="When it no longer holds; left out, it stays.")
    id: Uri | None = Field(None, description="Left out it is the entity itself.")
    type: Name | None = Field(None, description="Of that entity.")


class Rule(Part):
    """One rule."""

    title: Words | Both | None = Field(None, description="What people call it.")
    on: StrictBool = Field(True, description="Whether it works.")
    type: Name = Field(description="Type of the entities.")
    attribute: Name | None = Field(None, description="What it looks at.")
    ids: Annotated[list[Uri], Field(max_length=MOST_IDS)] = Field(
        default_factory=list, description="Of these entities only; none is all of the type."
    )

    above: Number | Other | None = Field(None, description="The value is greater.")
    below: Number | Other | None = Field(None, description="The value is less.")
    back: Number | None = Field(
        None, description="With above or below: the condition ends only when this is reached."
    )
    is_: Plain | Annotated[list[Plain], Field(min_length=1, max_length=100)] | None = Field(
        None, alias="is", description="The value is this, or one of these."
    )
    is_not: Plain | Annotated[list[Plain], Field(min_length=1, max_length=100)] | None = Field(
        None, description="The value is none of these."
    )
    rises: Positive | None = Field(None, description="By so much within a span, or more.")
    falls: Positive | None = Field(None, description="By so much within a span, or more.")
    changes: Positive | None = Field(None, description="Up or down by so much within a span.")
    within: Span | None = Field(None, description="With rises, falls, changes: 10m, 1d at most.")
    silent: Span | None = Field(None, description="No value has come for so long.")
    for_: Span | None = Field(
        None, alias="for", description="The condition has held for at least so long."
    )
    together: Literal["all", "any"] | Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = (
        Field(None, description="It must hold for all of the entities, any, or so many at once.")
    )

    hours: Hours | Annotated[list[Hours], Field(min_length=1, max_length=10)] | None = Field(
        None, description="In force between these times of day only, such as 22:00-06:00."
    )
    days: Days | Annotated[list[Days], Field(min_length=1, max_length=7)] | None = Field(
        None, description="In force on these days only, such as mon-fri."
    )
    area: Annotated[dict[str, Any], AfterValidator(_area)] | None = Field(
        None, description="Only what lies in this GeoJSON Polygon or MultiPolygon."
    )
    near: Near | None = None
    inside: Inside | None = None

    alert: Alert | None = None
    notify: Notify | None = None
    command: Command | None = None
    set: Set | None = None

    @property
    def condition(self) -> str:
        """Name of the condition; empty if being somewhere is the condition."""
        fields = ((name, "is_" if name == "is" else name) for name in CONDITIONS)
        return next((name for name, field in fields if getattr(self, field) is not None), "")

    @property
    def limit(self) -> Any:
        """What stands behind the name of the condition."""
        return getattr(self, "is_" if self.condition == "is" else self.condition, None)

    @property
    def other(self) -> Other | None:
        """What values are compared with, if that is no number."""
        return self.limit if isinstance(self.limit, Other) else None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self._check_condition()
        self._check_effects()
        return self

    def _check_condition(self) -> None:
        given = [name for name in CONDITIONS if self._has(name)]
        places = [name for name in PLACES if self._has(name)]
        self._check_one(given, places)
        self._check_back()
        self._check_spans(given)
        if isinstance(self.together, int) and self.ids and self.together > len(self.ids):
            _refuse("together", f"is {self.together}, but there are {len(self.ids)} ids")
        if self.other and self.other.attribute == self.attribute and not self.other.entity:
            _refuse(self.condition, "compares the attribute with itself; name another one")

    def _check_one(self, given: list[str], places: list[str]) -> None:
        if len(given) > 1:
            _refuse(
                given[1], f"stands beside {given[0]}; a rule has one condition, write two rules"
            )
        if len(places) > 1:
            _refuse(places[1], f"stands beside {places[0]}; a rule has one place")
        if not given and not places:
            _refuse(
                "condition", f"is missing; name one of {', '.join(CONDITIONS)},"
                f" or a place: {', '.join(PLACES)}"
            )  # fmt: skip
        if given and self.attribute is None:
            _refuse("attribute", f"is missing; it is what {given[0]} looks at")
        if not given and self.attribute is not None:
            _refuse("attribute", f"is of no use without one of {', '.join(CONDITIONS)}")

    def _check_spans(self, given: list[str]) -> None:
        rates = [name for name in given if name in ("rises", "falls", "changes")]
        if rates and self.within is None:
            _refuse("within", f"is missing; {rates[0]} needs a span such as 10m")
        if self.within is not None and not rates:
            _refuse("within", "goes with rises, falls or changes only; for how long is `for`")
        if self.within is not None and rule_time.span(self.within) > rule_time.span("1d"):
            _refuse("within", "must be 1d at most")
        if self.silent is not None and self.for_ is not None:
            _refuse("for", "is not needed beside silent, which says for how long")

    def _check_back(self) -> None:
        if self.back is None:
            return
        if isinstance(self.above, float):
            if self.back > self.above:
                _refuse("back", f"must not be greater than above, {self.above:g}")
        elif isinstance(self.below, float):
            if self.back < self.below:
                _refuse("back", f"must not be less than below, {self.below:g}")
        else:
            _refuse("back", "goes with a number in above or below only")

    def _check_effects(self) -> None:
        answers = self.type in ANSWERS and self._has(ANSWERS[self.type])
        if answers or self.type in ("Decision", "Notice"):
            _refuse("type", f"is {self.type}, which the rule itself writes: it would never end")
        if not any(self._has(name) for name in DOES):
            _refuse("alert", f"is missing; a rule does one of {', '.join(DOES)}")
        for name, part, named in (
            ("command.target", self.command, self.command and self.command.target),
            ("set.id", self.set, self.set and self.set.id),
        ):
            if part is None:
                continue
            if named is None and self.together is not None:
                _refuse(name, "is missing: with together there is no single entity to take")
            if named is not None and part.type is None:
                _refuse(name.replace("target", "type").replace("id", "type"), "of it is missing")
            if named is None and part.type is not None:
                _refuse(f"{name.partition('.')[0]}.type", f"is of no use without {name}")
        if self.set is None:
            return
        if self.set.attribute in NOT_SET:
            _refuse("set.attribute", f"is {self.set.attribute}, which no rule can set")
        for value in (self.set.value, self.set.after):
            if value is not None:
                self._check_set(value)
        if (self.set.type or self.type) in RESERVED:
            _refuse("set.type", f"is {self.set.type or self.type}, which is written by Madang only")

    def _check_set(self, value: Any) -> None:
        """Refuse now what the hub would refuse when the rule fires."""
        assert self.set is not None
        attribute = {"type": "Property", "value": value}
        document = {"id": "urn:ngsi-ld:Thing:1", "type": self.type, self.set.attribute: attribute}
        try:
            normalized(document, CORE)
        except NgsiError as error:
            _refuse("set.value", f"cannot be written: {error.detail}")

    def _has(self, name: str) -> bool:
        return getattr(self, f"{name}_" if name in ("is", "for") else name) is not None


def _refuse(field: str, why: str) -> None:
    raise PydanticCustomError("rule", "{why}", {"field": field, "why": why})
