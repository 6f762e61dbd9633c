"""Profiles: a small TOML file that says what the fields of a device's messages mean.

A profile is data only. Its expressions are arithmetic (:mod:`.expressions`), and a decoder script
runs in an interpreter of its own. The page ``docs/reference/profile.md`` describes the file.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import fields
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from madang.act.commands.rules import Interlock, Revert, Rule, checked, examine
from madang.model.errors import BadRequestData
from madang.model.names import is_uri, is_word
from madang.sense.devices import paths
from madang.sense.devices.apply import Applied, Plan
from madang.sense.devices.commands_form import Downlink
from madang.sense.devices.device import Device
from madang.sense.devices.expressions import Expression
from madang.sense.files import cells
from madang.sense.files.mapping import is_name
from madang.sense.message import Uplink
from madang.sense.quality.limits import Limits

LONGEST = 256 * 1024
"""Of the text of a profile. [bytes]"""

MOST_ATTRIBUTES = 500
MOST_ENTITIES = 20
_DEVICE = "{device}"


class ProfileError(BadRequestData):
    """A profile cannot be read; a person must mend it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _path(text: str) -> str:
    paths.getter(text)
    return text


def _limits(value: object) -> object:
    """Return limits from a table, naming the key that is wrong."""
    if not isinstance(value, dict):
        return value
    known = [one.name for one in fields(Limits)]
    for key, number in value.items():
        if key not in known:
            raise ValueError(f"there is no limit {key!r}{_near(key, known)}")
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ValueError(f"{key} must be a number, not {number!r}")
        if not math.isfinite(number):
            raise ValueError(f"{key} must be finite")
    limits = Limits(**{key: float(number) for key, number in value.items()})
    order = (limits.fail_below, limits.suspect_below, limits.suspect_above, limits.fail_above)
    given = [number for number in order if number is not None]
    if given != sorted(given):
        raise ValueError(
            "must hold fail_below <= suspect_below <= suspect_above <= fail_above, as far as given"
        )
    return limits


Path = Annotated[str, Field(min_length=1, max_length=paths.LONGEST), BeforeValidator(_path)]
Quality = Annotated[Limits, BeforeValidator(_limits)]
Seconds = Annotated[float, Field(gt=0.0, le=366 * 86400.0)]


class Observed(_Part):
    """Where a message says when it was measured; used if the codec has not found a time."""

    path: Path
    format: str = Field(default="", max_length=64)
    """Empty: RFC 3339, or seconds or milliseconds since 1970; else as in ``strptime``."""
    zone: str = Field(default="", max_length=64)

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        cells.zone(name)
        return name


class Location(_Part):
    """Where a message says where the device is. Without it, it is where it was put up."""

    longitude: Path
    latitude: Path
    quality: Quality = Limits()


class Attribute(_Part):
    """One attribute: where its value comes from and what it is."""

    type: Literal["Property", "Relationship", "GeoProperty", "JsonProperty", "VocabProperty"] = (
        "Property"
    )
    path: Path | None = None
    """Without it, an expression and a value: the field of the same name."""
    expression: str | None = None
    """Arithmetic over fields, and ``value`` for what is at ``path``."""
    value: Any = None
    """What it always is; written when the device is first heard after a start."""
    kind: Literal["number", "integer", "boolean", "text", "any"] | None = None
    unit: str | None = Field(default=None, pattern=r"^[A-Z0-9]{2,3}$")
    """UN/CEFACT code."""
    scale: float = Field(default=1.0)
    offset: float = Field(default=0.0)
    precision: int | None = Field(default=None, ge=0, le=12)
    """Decimals that are kept."""
    words: dict[str, Any] = {}
    """What a field's text, number or switch stands for."""
    target: Literal["", "device"] = ""
    """``device``: it is an attribute of the device itself."""
    quality: Quality = Limits()

    @field_validator("expression")
    @classmethod
    def _is_expression(cls, text: str | None) -> str | None:
        if text is not None:
            Expression(text)
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.value is not None and (self.path or self.expression):
            raise ValueError("needs a value, or a path or an expression, not both")
        if self.unit is not None and self.type != "Property":
            raise ValueError(f"a {self.type} has no unit")
        if self.resolved_kind != "number" and (self.is_scaled or self.precision is not None):
            raise ValueError(f"scale, offset and precision are for numbers, not {self.kind}")
        if self.expression and self.path and not Expression(self.expression).reads_value:
            raise ValueError("has a path that its expression does not use; it is called value")
        return self

    @property
    def fields(self) -> list[str]:
        """The fields that its expression reads."""
        return [] if self.expression is None else Expression(self.expression).fields

    @property
    def is_scaled(self) -> bool:
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def resolved_kind(self) -> str:
        """The kind, or number where a unit or limits make sense of nothing else."""
        if self.kind is not None:
            return self.kind
        measured = self.unit is not None or self.is_scaled or self.precision is not None
        return "number" if measured or self.quality != Limits() else "any"


def _check_names(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    if len(attributes) > MOST_ATTRIBUTES:
        raise ValueError(f"has {len(attributes)} attributes; {MOST_ATTRIBUTES} are the most")
    for name in attributes:
        if not is_name(name):
            raise ValueError(f"{name!r} cannot be the name of an attribute")
    return attributes


class EntityPart(_Part):
    """One entity that a device measures for."""

    type: str
    id: str = Field(default="", max_length=512)
    """URI with ``{device}`` for the name of the device; empty: made from the type."""
    attributes: dict[str, Attribute] = {}

    _names = field_validator("attributes")(_check_names)

    @field_validator("type")
    @classmethod
    def _is_type(cls, name: str) -> str:
        if not (is_word(name) or is_uri(name)) or len(name) > 256:
            raise ValueError(f"{name[:60]!r} cannot be a type; expected a name such as NoiseLevel")
        return name

    @field_validator("id")
    @classmethod
    def _is_template(cls, template: str) -> str:
        filled = template.replace(_DEVICE, "x")
        if template and (_DEVICE not in template or "{" in filled or not is_uri(filled)):
            raise ValueError("must be a URI with {device} in it, such as urn:ngsi-ld:Bin:{device}")
        return template

    def id_for(self, device: str) -> str:
        """Return the id of the entity that a device measures for."""
        template = self.id or f"urn:ngsi-ld:{self.short_type}:{_DEVICE}"
        return template.replace(_DEVICE, device)

    @property
    def short_type(self) -> str:
        """The type without the namespace of an IRI."""
        return self.type.rstrip("/#").replace("#", "/").rpartition("/")[2]


class Profile(EntityPart):
    """A whole profile. Its own ``type``, ``id`` and ``attributes`` describe the main entity."""

    title: str = Field(default="", max_length=200)
    manufacturer: str = Field(default="", max_length=200)
    model: str = Field(default="", max_length=200)
    codec: str = Field(default="", max_length=64, pattern=r"^[a-z0-9-]*$")
    """How messages are written, where the topic does not say; empty: ``json``."""
    decoder: Literal["", "cayenne", "javascript"] = ""
    """What reads binary payloads."""
    script: str = Field(default="", max_length=128 * 1024)
    """JavaScript with ``decodeUplink(input)`` (LoRaWAN Payload Codec API, TS013)."""
    interval_s: Seconds | None = None
    """How often such a device reports, unless the device says otherwise. [s]"""
    silent_after_s: Seconds | None = None
    """How long it may say nothing before an alarm; without it three intervals. [s]"""
    accept_unknown: bool = False
    """A key that provisions for this profile may send as devices not yet registered."""
    observed: Observed | None = None
    location: Location | None = None
    entity: list[EntityPart] = Field(default=[], max_length=MOST_ENTITIES)
    """Further entities that such a device measures for."""
    downlink: Downlink = Downlink()
    """On which way it is commanded."""
    commands: dict[str, Rule] = {}
    """What it can be told to do, by name."""

    _commands_fit = field_validator("commands")(checked)

    @model_validator(mode="after")
    def _decoder_has_script(self) -> Self:
        if (self.decoder == "javascript") != bool(self.script):
            raise ValueError("decoder: javascript goes with a script, and needs one")
        return self

    @model_validator(mode="after")
    def _commands_have_a_way(self) -> Self:
        fault = self.downlink.fault(self.codec) if self.commands else ""
        if fault:
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [part.id_for("x") for part in self.parts]
        for id in ids:
            if ids.count(id) > 1:
                raise ValueError(f"entity: two have the id {id}; give one of them an id of its own")
        return self

    @property
    def parts(self) -> list[EntityPart]:
        """The main entity and the further ones."""
        return [self, *self.entity]

    @property
    def silent_after(self) -> float | None:
        """How long such a device may say nothing; None: as long as it likes. [s]"""
        if self.silent_after_s is None and self.interval_s is not None:
            return 3.0 * self.interval_s
        return self.silent_after_s

    def entity_ids(self, device: str) -> tuple[str, ...]:
        """Return the ids of the entities that a device of this profile measures for."""
        return tuple(part.id_for(device) for part in self.parts)

    def readings(self, device: Device, uplink: Uplink, received: int) -> Applied:
        """Return the entities with the values of one message.

        Args:
            device: who sent it.
            uplink: what it said; a binary payload has been decoded.
            received: when it came. [us since 1970]

        Returns:
            What can be written, and a problem for each field that is not as it must be.

        Raises:
            Rejected: nothing of it can be used, because its time is none.
        """
        return self.plan.apply(device, uplink, received)

    @cached_property
    def plan(self) -> Plan:
        """The profile, worked out for speed."""
        return Plan(self)


def parse(content: str, name: str, *, is_known: bool = False) -> Profile:
    """Return the profile written in TOML text.

    Args:
        content: the text.
        name: for messages.
        is_known: it was taken before, so schemas need not be held to their standard again.

    Raises:
        ProfileError: it is no TOML, or a key is not as it must be.
    """
    if len(content.encode()) > LONGEST:
        raise ProfileError(f"the profile {name} has more than {LONGEST // 1024} KB")
    try:
        found = Profile.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"the profile {name} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            reason = f"there is no such key in a profile{_near(key, _KEYS)}"
        raise ProfileError(f"the profile {name}: {where}: {reason}") from None
    if not is_known:
        try:
            examine(found.commands)
        except ValueError as error:
            raise ProfileError(f"the profile {name}: {error}") from None
    return found


def shipped() -> dict[str, str]:
    """Return the text of the profiles that come with Madang, by name."""
    folder = resources.files("madang.sense.devices") / "profiles"
    found = {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }
    return dict(sorted(found.items()))


def _near(name: str, known: list[str]) -> str:
    match = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


_KEYS = [
    key
    for part in (Profile, Attribute, Observed, Downlink, Rule, Interlock, Revert)
    for key in part.model_fields
]
