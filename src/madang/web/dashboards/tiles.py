"""Tiles and dashboards: the one definition that pages without scripts and the control room draw.

A dashboard is a JSON object. Its tiles flow in their order over a grid of twelve columns; each says
how many columns and rows it takes. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madang.model.context import CORE
from madang.model.errors import BadRequestData
from madang.query import q as query_language
from madang.query.tree import Condition

NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
"""What dashboards are called, in addresses."""
COLUMNS: Final = 12
MOST_TILES: Final = 50
LONGEST_BYTES: Final = 64 * 1024  # of a dashboard as JSON

KINDS: Final = ("number", "chart", "table", "map", "text", "incidents", "services")

Kind = Literal["good", "warn", "bad"]
Period = Literal["hour", "day", "week", "month"]
Of = Literal["avg", "median", "min", "max", "sum", "count"]
Visibility = Literal["private", "signedIn", "public"]
Term = Annotated[str, Field(min_length=1, max_length=200)]
"""Name of a type or an attribute, canonical: short, or a whole IRI."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Text(_Part):
    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not any(self.model_dump().values()):
            raise ValueError("a text is needed, in en or in ko")
        return self


class Words(_Text):
    """A short text; the other language is shown where one is missing."""

    en: str = Field("", max_length=200)
    ko: str = Field("", max_length=200)


class Prose(_Text):
    """Paragraphs, with an empty line between them."""

    en: str = Field("", max_length=4000)
    ko: str = Field("", max_length=4000)


class Band(_Part):
    """What a value up to a limit means; the last one may have no limit."""

    upto: float | None = Field(None, allow_inf_nan=False)
    kind: Kind
    title: Words | None = None


Bands = Annotated[tuple[Band, ...], Field(max_length=8)]


class _Tile(_Part):
    title: Words
    width: int = Field(3, ge=1, le=COLUMNS)
    height: int = Field(1, ge=1, le=8)


class _Asking(_Tile):
    type: Term
    """Of the entities it is about."""
    q: str = Field("", max_length=1000)
    """Which of them, in the NGSI-LD query language; empty is all."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        try:
            condition(self.q)
        except BadRequestData as error:
            raise ValueError(f"q is wrong: {error.detail}") from None
        return self


class _Measuring(_Asking):
    attribute: str = Field("", max_length=200)
    of: Of = "avg"
    """What the values of all entities come to."""
    by: str = Field("", max_length=200)
    """Attribute whose values tell groups apart, such as districts; empty compares nothing."""
    period: Period = "day"
    unit: str = Field("", max_length=20)
    """Shown in place of the one that the values have."""
    digits: int | None = Field(None, ge=0, le=6)
    """After the point; none chooses by size."""
    bands: Bands = ()
    """What is good and what is bad."""
    guideline: bool = True
    """Whether it is judged by the guideline that is known for such values, if it has no bands."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.attribute and self.of != "count":
            raise ValueError("attribute is missing; only of = count needs none")
        limits = [band.upto for band in self.bands]
        known = [limit for limit in limits[:-1] if limit is not None]
        if len(known) < len(limits) - 1:
            raise ValueError("only the last of the bands may have no upto")
        known += [limit for limit in limits[-1:] if limit is not None]
        if known != sorted(set(known)):
            raise ValueError("bands must rise by upto")
        return self


class NumberTile(_Measuring):
    """One number, large, with its course and what it means."""

    kind: Literal["number"]
    total: str = Field("", max_length=200)
    """Attribute that a sum is a share of, such as all spaces of a car park."""


class ChartTile(_Measuring):
    """A course over time; a line for each group, if it has groups."""

    kind: Literal["chart"]


class TableTile(_Asking):
    """Entities with some of their attributes."""

    kind: Literal["table"]
    columns: Annotated[tuple[Term, ...], Field(min_length=1, max_length=8)]
    order: str = Field("", max_length=200)
    """Attribute to sort by; empty sorts by name."""
    descending: bool = False
    limit: int = Field(10, ge=1, le=100)


class MapTile(_Asking):
    """Where entities are, coloured by a value."""

    kind: Literal["map"]
    attribute: str = Field("", max_length=200)
    bands: Bands = ()
    guideline: bool = True


class TextTile(_Tile):
    """What somebody has written."""

    kind: Literal["text"]
    text: Prose


class IncidentsTile(_Tile):
    """Incidents that the city tells everybody about."""

    kind: Literal["incidents"]
    limit: int = Field(5, ge=1, le=20)


class ServicesTile(_Tile):
    """The city's services, and whether they run as far as the reader may know."""

    kind: Literal["services"]


Tile = Annotated[
    NumberTile | ChartTile | TableTile | MapTile | TextTile | IncidentsTile | ServicesTile,
    Field(discriminator="kind"),
]


class Dashboard(_Part):
    """A page of tiles."""

    title: Words
    lead: Prose | None = None
    """What it is about, below the title."""
    visibility: Visibility = "private"
    tiles: Annotated[tuple[Tile, ...], Field(max_length=MOST_TILES)] = ()


class _Tiles(_Part):
    tiles: Annotated[tuple[Tile, ...], Field(max_length=MOST_TILES)]


def dashboard(given: Any) -> Dashboard:
    """Return the dashboard that a JSON value describes.

    Raises:
        BadRequestData: it describes none; the text names the place and what was expected.
    """
    try:
        return Dashboard.model_validate(given)
    except ValidationError as error:
        raise BadRequestData(_said(error)) from None


def tiles(given: Any) -> tuple[Tile, ...]:
    """Return the tiles that a JSON array describes; raises as :func:`dashboard`."""
    try:
        return _Tiles.model_validate({"tiles": given}).tiles
    except ValidationError as error:
        raise BadRequestData(_said(error)) from None


def body(one: BaseModel) -> dict[str, Any]:
    """Return a dashboard or a tile as JSON, without what says nothing."""
    return one.model_dump(mode="json", exclude_defaults=True, exclude_none=True)


@lru_cache(maxsize=512)
def condition(q: str) -> Condition | None:
    """Return the condition that a tile's ``q`` means; None for no condition.

    Raises:
        BadRequestData: it cannot be read.
    """
    return query_language.parse(q, CORE) if q.strip() else None


def _said(error: ValidationError) -> str:
    first: Mapping[str, Any] = error.errors(include_url=False, include_context=False)[0]
    place = ""
    for part in first["loc"]:
        if isinstance(part, int):
            place += f"[{part}]"
        elif not (place.endswith("]") and part in KINDS):  # which of the kinds is said by the tile
            place += f".{part}" if place else str(part)
    words = str(first["msg"]).removeprefix("Value error, ")
    return f"{place or 'the dashboard'}: {words[:1].lower()}{words[1:]}"[:500]
