"""What kinds of things a reader finds in a city: types with their attributes, units and ages."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from madang.hub.records import RECORDS
from madang.model.attributes import ENTITY_MEMBERS
from madang.query.tree import HasType, Or, Query, Selector
from madang.store.rows import entity_of
from madang.web.dashboards import present
from madang.web.dashboards.guidelines import guidelines

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity
    from madang.trust.view import View

STILL: Final[Mapping[str, str]] = {
    "Building": "building", "Road": "street", "RoadSegment": "street", "Street": "street",
    "River": "water", "WaterBody": "water", "Garden": "green", "Park": "green",
    "ParkingZone": "zone", "District": "zone", "AdministrativeArea": "zone", "Zone": "zone",
}  # fmt: skip
"""Types of what stands still and is drawn below everything else, each with how."""
_ORDER: Final = ("green", "water", "zone", "street", "building")
MOST_STILL: Final = 5_000  # entities
_NUMBERED: Final = ("Property",)
_PLAIN: Final = frozenset({"totalSpotNumber", "dateObserved", "source", "areaServed", "name"})


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of entities, as far as a reader sees them."""

    type: str
    count: int
    attributes: Mapping[str, tuple[str, ...]]
    """Names, each with its attribute types."""
    measured: str = ""
    """The attribute that says most of such an entity; empty if none is known."""

    @property
    def is_placed(self) -> bool:
        """Whether they have a place."""
        return "location" in self.attributes


async def kinds_of(tenant: Tenant | View) -> list[Kind]:
    """Return the types that a reader sees, those that are measured first; no records of Madang."""
    counts: dict[str, int] = {}
    attributes: dict[str, dict[str, tuple[str, ...]]] = {}
    for shape in await tenant.shapes():
        for type in shape.types:
            if type in RECORDS:
                continue
            counts[type] = counts.get(type, 0) + shape.count
            known = attributes.setdefault(type, {})
            for name, kinds in shape.attributes:
                known[name] = tuple(sorted({*known.get(name, ()), *kinds}))
    return sorted(
        (
            Kind(type, count, attributes[type], _measured(type, attributes[type]))
            for type, count in counts.items()
        ),
        key=lambda one: (one.type in STILL, not one.measured, -one.count, one.type),
    )


def _measured(type: str, attributes: Mapping[str, tuple[str, ...]]) -> str:
    """Return the attribute that a guideline is for, or else the first that may be a number."""
    for one in guidelines():
        if type in one.types:
            for name in one.attributes:
                if name in attributes:
                    return name
    known = ("availableSpotNumber", "intensity", "fillingLevel", "occupancy", "value")
    return next((name for name in known if name in attributes), "")


async def ground_of(tenant: Tenant | View) -> list[tuple[str, dict[str, Any]]]:
    """Return how to draw what stands still, with its geometry as GeoJSON."""
    query = Query((Selector(types=Or(tuple(map(HasType, STILL)))),))
    found: list[tuple[str, dict[str, Any]]] = []
    async with aclosing(tenant.stream(query)) as chunks:  # type: ignore[type-var]
        async for rows in chunks:
            for entity in map(entity_of, rows):
                place = present.first(entity, "location")
                style = next((STILL[type] for type in entity.types if type in STILL), "")
                if place is not None and place["type"] == "GeoProperty" and style:
                    found.append((style, place["value"]))
            if len(found) > MOST_STILL:
                break
    return sorted(found, key=lambda one: _ORDER.index(one[0]))


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute of a data set."""

    name: str
    kinds: tuple[str, ...]
    unit: str | None
    newest: int | None
    """When the newest value was measured or written. [us since 1970]"""
    count: int
    """How many entities have it."""


def columns_of(kind: Kind, entities: list[Entity]) -> list[Column]:
    """Return what is known of the attributes of a type."""
    found = []
    for name, kinds in sorted(kind.attributes.items()):
        if name in ENTITY_MEMBERS:
            continue
        having = [(one, part) for one in entities if (part := present.first(one, name)) is not None]
        unit = next((part["unitCode"] for _, part in having if "unitCode" in part), None)
        newest = max((present.instant(one, name, part) for one, part in having), default=None)
        found.append(Column(name, kinds, unit, newest, len(having)))
    return found
