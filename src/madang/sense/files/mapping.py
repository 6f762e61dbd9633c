"""Mappings: a small TOML file that says how the columns of a table become entities.

A mapping is data only: templates put cells into text, nothing in it is ever evaluated.
The page ``docs/reference/mapping.md`` describes the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
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

from madang.model.errors import MadangError
from madang.model.names import is_uri, is_word
from madang.sense.files import cells, notation, projection

ROW = "#"
"""Name of the pseudo-column that holds the row number, for templates."""

ID = "id"
GEOMETRY = "geometry"
"""Names under which a GeoJSON feature's own members appear beside its properties."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_RESERVED = frozenset(
    [
        "id", "type", "scope", "@context", "observedAt", "unitCode", "datasetId", "instanceId",
        "createdAt", "modifiedAt", "deletedAt", "expiresAt", "value", "object", "languageMap",
        "vocab", "json", "valueList", "objectList",
    ]
)  # fmt: skip


class MappingError(MadangError):
    """A mapping cannot be read or does not fit the file; a person must mend it."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Columns = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]
Position = Annotated[list[float], Field(min_length=2, max_length=2)]
Scalar = str | int | float | bool


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reading(_Part):
    """How the file is written. What is left out is found by looking at the file."""

    separator: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    null: list[str] = []
    """Cells that mean "no value", besides the empty one."""
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    """What groups the digits of large numbers; empty: nothing does."""
    header: int | None = Field(default=None, ge=1, le=1000)
    """The row that has the names of the columns."""
    sheet: str | None = None
    """Of a workbook; without it the first that holds a table."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same mark")
        return self

    @property
    def number(self) -> notation.Number:
        """Reads numbers as the file writes them."""
        return notation.reader(notation.Notation(self.decimal, self.thousands))


class Observed(_Part):
    """When the values of a row were measured (``observedAt``)."""

    columns: Columns | None = None
    value: str | None = None
    """A time for all rows, instead of columns."""
    format: str = ""
    zone: str = ""

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        cells.zone(name)
        return name

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.columns is None) == (self.value is None):
            raise ValueError("needs either columns or value")
        if self.value is not None:
            cells.instant(self.value, self.format, cells.zone(self.zone))
        return self


class Location(_Part):
    """Where the thing is: two columns, a column with a geometry, or a table of places."""

    longitude: str | None = None
    latitude: str | None = None
    crs: str | None = Field(default=None, pattern=r"^EPSG:\d{4,6}$")
    """Coordinate reference system of the two columns, which then are easting and northing, such as
    ``EPSG:5186``; without it they are WGS 84 in degrees."""
    geometry: str | None = None
    """A column that holds a GeoJSON geometry, as an object or as text."""
    column: str | None = None
    places: dict[str, Position] = {}
    """Longitude and latitude by what ``column`` holds."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        pair = self.longitude is not None and self.latitude is not None
        table = self.column is not None and bool(self.places)
        if [pair, self.geometry is not None, table].count(True) != 1:
            raise ValueError("needs longitude and latitude, or geometry, or column and places")
        if self.crs is not None:
            if not pair:
                raise ValueError("crs goes with longitude and latitude, here easting and northing")
            projection.to_wgs84(self.crs)
        return self


class Skip(_Part):
    """Leaves a row (or one entity of it) out if all the columns are as described."""

    columns: Columns
    empty: bool = False
    equals: list[Scalar] | None = None
    below: float | None = Field(default=None)
    above: float | None = Field(default=None)

    @field_validator("equals", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return value if isinstance(value, list) or value is None else [value]

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        tests = [self.empty, self.equals is not None]
        if not any([*tests, self.below is not None, self.above is not None]):
            raise ValueError("needs one of empty, equals, below, above")
        return self


class Attribute(_Part):
    """One attribute: where its value comes from and what it is."""

    type: Literal[
        "Property", "Relationship", "GeoProperty", "LanguageProperty", "VocabProperty",
        "JsonProperty", "ListProperty",
    ] = "Property"  # fmt: skip
    column: str | None = None
    template: str | None = None
    members: dict[str, str] = {}
    """An object as value: its members, each a template."""
    value: Any = None
    kind: cells.Kind | None = None
    format: str = ""
    zone: str = ""
    unit: str | None = Field(default=None, pattern=r"^[A-Z0-9]{2,3}$")
    scale: float = Field(default=1.0)
    offset: float = Field(default=0.0)
    words: dict[str, Any] = {}
    language: str | None = None
    observed: bool | None = None
    """Whether it carries the row's ``observedAt``; without a word: yes if it is from a column."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if [self.column, self.template, self.value, self.members or None].count(None) != 3:
            raise ValueError("needs exactly one of column, template, members, value")
        if self.unit is not None and self.type != "Property":
            raise ValueError(f"a {self.type} has no unit")
        if (self.type == "LanguageProperty") != (self.language is not None):
            raise ValueError("language goes with type LanguageProperty, and is needed there")
        cells.zone(self.zone)
        return self

    @property
    def is_scaled(self) -> bool:
        return self.scale != 1.0 or self.offset != 0.0

    @property
    def resolved_kind(self) -> cells.Kind | None:
        """The kind, or number where a unit or a scale makes sense of nothing else."""
        if self.kind is None and not self.words and (self.unit is not None or self.is_scaled):
            return "number"
        return self.kind


def _check_names(attributes: dict[str, Attribute]) -> dict[str, Attribute]:
    for name in attributes:
        if not is_name(name):
            raise ValueError(f"{name!r} cannot be the name of an attribute")
    return attributes


class EntityPart(_Part):
    """One entity that a row makes."""

    id: str = Field(min_length=1)
    type: str | list[str]
    attributes: dict[str, Attribute] = {}
    skip: list[Skip] = []

    _names = field_validator("attributes")(_check_names)

    @field_validator("id")
    @classmethod
    def _is_uri(cls, template: str) -> str:
        if ":" not in template.split("{", 1)[0]:
            raise ValueError("must be a URI such as urn:ngsi-ld:Device:{serial}")
        return template


class Mapping(_Part):
    """A whole mapping file."""

    title: str = ""
    source: str = ""
    read: Reading = Reading()
    observed: Observed | None = None
    location: Location | None = None
    attributes: dict[str, Attribute] = {}
    """Attributes that every entity of a row gets."""
    skip: list[Skip] = []
    entity: list[EntityPart] = Field(min_length=1)

    _names = field_validator("attributes")(_check_names)

    def columns(self) -> set[str]:
        """Return the columns that the mapping reads."""
        found: set[str] = set()
        if self.observed and self.observed.columns:
            found.update(self.observed.columns)
        if place := self.location:
            named = (place.longitude, place.latitude, place.geometry, place.column)
            found.update(name for name in named if name is not None)
        _add_columns(found, self.attributes, self.skip)
        for part in self.entity:
            found.update(placeholders(part.id))
            _add_columns(found, part.attributes, part.skip)
        return found - {ROW}


def _add_columns(found: set[str], attributes: dict[str, Attribute], skip: list[Skip]) -> None:
    for attribute in attributes.values():
        if attribute.column is not None:
            found.add(attribute.column)
        for template in (attribute.template or "", *attribute.members.values()):
            found.update(placeholders(template))
    for rule in skip:
        found.update(rule.columns)


def placeholders(template: str) -> list[str]:
    """Return the columns a template names.

    >>> placeholders("urn:ngsi-ld:Device:{serial}-{no}")
    ['serial', 'no']
    """
    return _PLACEHOLDER.findall(template)


def split_template(template: str) -> tuple[list[str], list[str]]:
    """Return the fixed texts of a template and the columns between them."""
    pieces = _PLACEHOLDER.split(template)
    return pieces[::2], pieces[1::2]


def is_name(name: str) -> bool:
    """Return whether an attribute can have this name (clause 4.6.2)."""
    return name not in _RESERVED and (is_word(name) or is_uri(name))


def shipped() -> list[str]:
    """Return the names of the mappings that come with Madang."""
    folder = resources.files("madang.sense.files") / "mappings"
    return sorted(
        item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")
    )


def read(name_or_path: str) -> Mapping:
    """Return a mapping, by the path of its file or the name of one that comes with Madang.

    Raises:
        MappingError: there is no such mapping, or something in it is wrong.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        try:
            return parse(path.read_text(encoding="utf-8-sig"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise MappingError(f"the mapping {path} cannot be read: {error}") from error
    if name_or_path in shipped():
        item = resources.files("madang.sense.files") / "mappings" / f"{name_or_path}.toml"
        return parse(item.read_text(encoding="utf-8"), name_or_path)
    raise MappingError(
        f"there is no mapping {name_or_path!r}{_near(name_or_path, shipped())}; "
        f"expected a .toml file or one of {', '.join(shipped())}"
    )


def parse(content: str, name: str) -> Mapping:
    """Return the mapping written in TOML text; ``name`` is for messages."""
    try:
        return Mapping.model_validate(tomllib.loads(content))
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"the mapping {name} is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            reason = "there is no such key in a mapping"
        raise MappingError(f"the mapping {name}: {where}: {reason}") from None


def check_columns(mapping: Mapping, present: Iterable[str]) -> None:
    """Raise MappingError if the mapping reads a column that the file has not."""
    known = list(present)
    missing = sorted(mapping.columns() - set(known))
    if missing:
        name = missing[0]
        raise MappingError(
            f"the mapping reads a column {name!r} that the file has not{_near(name, known)}; "
            f"its columns are {', '.join(known)}"
        )


def _near(name: str, known: Iterable[str]) -> str:
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""
