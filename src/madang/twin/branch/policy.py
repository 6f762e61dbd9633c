"""Policies that can be tried: what a TOML file says of them, checked before anything runs.

A policy has a title and any of: control of signals, closures, superblocks, prices, speed limits,
bus lines, bicycles. Places are told by names of streets, by edges of the network, by a polygon, or
by a point and a radius.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from madang.model.errors import BadRequestData

LARGEST: Final = 65_536
"""Characters that the text of a policy may have."""
MOST_PARTS: Final = 20
"""Closures, superblocks, … of each sort in one policy."""
MOST_PLACES: Final = 500
MEASURES: Final = ("closure", "superblock", "price", "speed_limit", "bus_line", "bicycles")

Control = Literal["fixed", "actuated", "max_pressure", "cognitive"]
Kind = Literal["car", "truck", "bus", "bicycle"]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Place = tuple[Longitude, Latitude]
"""Longitude and latitude. [degree], WGS 84"""
Word = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Where(_Part):
    """Which streets are meant: all that one of these names."""

    streets: Annotated[tuple[Word, ...], Field(max_length=MOST_PLACES)] = ()
    """Names, in any language that the network has them in."""
    edges: Annotated[tuple[Word, ...], Field(max_length=MOST_PLACES)] = ()
    """Ids in the road network."""
    area: Annotated[tuple[Place, ...], Field(max_length=MOST_PLACES)] = ()
    """Corners of a polygon; a street belongs to it if its middle does."""
    place: Place | None = None
    radius_m: Annotated[float, Field(gt=0, le=5_000)] = 100.0
    """Around ``place``; a street belongs to it if its middle does."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.area and len(self.area) < 3:
            raise ValueError("area needs three corners at least, each as [longitude, latitude]")
        if not (self.streets or self.edges or self.area or self.place):
            raise ValueError("say where: streets, edges, area, or place with radius_m")
        return self


class Signals(_Part):
    """How traffic signals are controlled."""

    control: Control


class _Timed(Where):
    from_min: Annotated[float, Field(ge=0, le=1440)] = 0.0
    """After the begin of the trial. [min]"""
    to_min: Annotated[float, Field(gt=0, le=1440)] | None = None
    """The end of the trial if left out. [min]"""

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.to_min is not None and self.to_min <= self.from_min:
            raise ValueError("to_min must be later than from_min")
        return self


class Closure(_Timed):
    """Streets, or some of their lanes, that are closed."""

    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=4)] = ("car", "truck")
    """Who may not pass; emergency vehicles always may."""
    lanes: Annotated[int, Field(ge=1, le=10)] | None = None
    """How many lanes of each direction, from the kerb on; all of them if left out."""


class Superblock(Where):
    """An area that cars and trucks enter only if their trip begins or ends there."""

    speed_kmh: Annotated[float, Field(ge=5, le=120)] = 20.0


class Price(_Timed):
    """What driving into an area costs."""

    amount: Annotated[float, Field(gt=0, le=1e9)]
    """Each time a car comes in, in the money in which ``value_of_time`` is."""
    value_of_time: Annotated[float, Field(gt=0, le=1e12)]
    """What an hour is worth to drivers. [1/h]"""
    elasticity: Annotated[float, Field(ge=-3, le=0)] = -0.4
    """Of car trips to their cost in time and money: 10 % dearer, 4 % fewer."""


class SpeedLimit(Where):
    """A speed limit."""

    speed_kmh: Annotated[float, Field(ge=5, le=130)]


class BusLine(_Part):
    """A new bus line, there and back."""

    name: Word = "new line"
    stops: Annotated[tuple[Place, ...], Field(min_length=2, max_length=60)]
    headway_min: Annotated[float, Field(ge=1, le=120)] = 10.0
    """Between two buses of a direction. [min]"""
    dwell_s: Annotated[float, Field(ge=5, le=120)] = 20.0
    """At each stop. [s]"""
    from_cars: Share = 0.1
    """Of car trips with a stop near both ends, the share that takes the bus instead. [1]"""
    walk_m: Annotated[float, Field(ge=50, le=2_000)] = 400.0
    """How far a stop may be. [m]"""


class Bicycles(_Part):
    """Car trips that are ridden instead, and room for them."""

    share: Share = 0.1
    """Of car trips up to ``within_km``, the share that goes by bicycle instead. [1]"""
    within_km: Annotated[float, Field(gt=0, le=30)] = 4.0
    """By beeline. [km]"""
    lanes: Where | None = None
    """Streets with two lanes or more whose kerb lane becomes a bicycle lane."""


class Policy(_Part):
    """What is to be tried; without anything but a title, the city as it is."""

    title: Word = "policy"
    signals: Signals | None = None
    closure: Annotated[tuple[Closure, ...], Field(max_length=MOST_PARTS)] = ()
    superblock: Annotated[tuple[Superblock, ...], Field(max_length=MOST_PARTS)] = ()
    price: Annotated[tuple[Price, ...], Field(max_length=MOST_PARTS)] = ()
    speed_limit: Annotated[tuple[SpeedLimit, ...], Field(max_length=MOST_PARTS)] = ()
    bus_line: Annotated[tuple[BusLine, ...], Field(max_length=MOST_PARTS)] = ()
    bicycles: Annotated[tuple[Bicycles, ...], Field(max_length=MOST_PARTS)] = ()

    @property
    def measures(self) -> list[str]:
        """Names of what it has, as they stand in its text."""
        found = [] if self.signals is None else [f"signals: {self.signals.control}"]
        counts = {name: len(getattr(self, name)) for name in MEASURES}
        found += [
            name if count == 1 else f"{name} × {count}" for name, count in counts.items() if count
        ]
        return found

    @property
    def control(self) -> Control | None:
        """How signals are controlled; None: as they are."""
        return None if self.signals is None else self.signals.control


def read(text: Any) -> Policy:
    """Return the policy that a TOML text describes.

    Raises:
        BadRequestData: it describes none; the message names the place and what was expected.
    """
    if not isinstance(text, str):
        raise BadRequestData("a policy must be a text in TOML")
    if len(text) > LARGEST:
        raise BadRequestData(f"a policy may have {LARGEST:,} characters, this one {len(text):,}")
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRequestData(f"the policy is no TOML: {error}"[:500]) from None
    return given_as(given)


def given_as(values: Mapping[str, Any]) -> Policy:
    """Return the policy that parsed TOML or JSON describes; raises as :func:`read`."""
    try:
        return Policy.model_validate(dict(values))
    except ValidationError as error:
        raise BadRequestData(_said(error)) from None


def body(policy: Policy) -> dict[str, Any]:
    """Return a policy as JSON, without what says nothing."""
    return policy.model_dump(mode="json", exclude_defaults=True, exclude_none=True)


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ""
    for part in first["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    words = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        words = f"is not known here; a policy has title, signals, {', '.join(MEASURES)}"
        if "." in place or "[" in place:
            words = "is not known here; `madang try --templates` shows what each part has"
    return f"{place or 'the policy'}: {words[:1].lower()}{words[1:]}"[:500]
