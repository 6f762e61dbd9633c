"""What entities say at present: their names, places and numbers, each with its age."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shapely.geometry import shape

from madang.model import time
from madang.model.attributes import VALUE_MEMBER, instances
from madang.model.entity import Attribute, Entity, path_of
from madang.query.tree import HasType, Query, Selector
from madang.store.rows import entity_of
from madang.web.dashboards.tiles import Of, condition

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.trust.view import View

MOST: Final = 10_000  # entities read for one tile
OLD_US: Final = 86_400 * 1_000_000
"""Values older than this do not count any more."""
NAMES: Final = ("name", "title", "alternateName")

Told = str | dict[str, str]
"""A text, or the same in several languages."""


@dataclass(frozen=True, slots=True)
class Found:
    """Entities of a type."""

    entities: list[Entity]
    more: bool
    """There are more than are read."""


@dataclass(frozen=True, slots=True)
class Value:
    """What one entity says of one quantity."""

    entity: Entity
    number: float
    at: int
    """When it was measured, or else written. [us since 1970]"""
    unit: str | None


async def entities(tenant: Tenant | View, type: str, q: str = "", most: int = MOST) -> Found:
    """Return the entities of a type that match."""
    query = Query((Selector(types=HasType(type)),), q=condition(q))
    found: list[Entity] = []
    async with aclosing(tenant.stream(query)) as chunks:  # type: ignore[type-var]
        async for rows in chunks:
            found += map(entity_of, rows)
            if len(found) > most:
                break
    return Found(found[:most], len(found) > most)


def first(entity: Entity, name: str) -> Attribute | None:
    """Return the default instance of an attribute, or else its first one."""
    found = entity.document.get(name)
    if not isinstance(found, dict | list):
        return None
    every = instances(found)
    return next((one for one in every if "datasetId" not in one), every[0])


def value(entity: Entity, name: str) -> Value | None:
    """Return the number that an attribute holds; None if it holds none."""
    found = first(entity, name)
    if found is None or found["type"] != "Property":
        return None
    number = found["value"]
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return Value(entity, float(number), instant(entity, name, found), found.get("unitCode"))


def instant(entity: Entity, name: str, found: Attribute) -> int:
    """Return when a value was measured, or else written. [us since 1970]"""
    observed = found.get("observedAt")
    if isinstance(observed, str):
        return time.parse(observed)
    return entity.stamp(path_of(name, found)).modified


def rendered(at: int) -> str:
    """Return an instant as text, to the second. [us since 1970]"""
    return time.render(at // 1_000_000 * 1_000_000)


def values(found: Iterable[Entity], name: str, now: int) -> tuple[list[Value], int]:
    """Return the values that count, and how many are too old to; if all are, they count."""
    every = [one for entity in found if (one := value(entity, name)) is not None]
    fresh = [one for one in every if now - one.at <= OLD_US]
    return (fresh, len(every) - len(fresh)) if fresh else (every, 0)


_METHODS: Final[dict[Of, Callable[[Sequence[float]], float]]] = {
    "avg": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "sum": sum,
    "count": len,
}


def summed_up(numbers: Sequence[float], of: Of) -> float:
    """Return what numbers come to; there must be some."""
    return float(_METHODS[of](numbers))


def content(entity: Entity, name: str) -> Any:
    """Return what an attribute holds, whatever its kind; texts in several languages as they are."""
    found = first(entity, name)
    return None if found is None else found.get(VALUE_MEMBER.get(found["type"], "value"))


def name_of(entity: Entity) -> Told:
    """Return the name for people; the end of the id if there is none.

    >>> name_of(Entity({"id": "urn:ngsi-ld:Device:a:1", "type": "Device"}, 0, 0, 0))
    'a:1'
    """
    for name in NAMES:
        found = content(entity, name)
        if found and isinstance(found, str | dict):
            return _flat(found)
    return short_id(entity.id)


def short_id(id: str) -> str:
    """Return the part of an id that tells entities of a type apart."""
    return id.split(":", 3)[3] if id.startswith("urn:ngsi-ld:") and id.count(":") > 2 else id


def group_of(entity: Entity, by: str) -> Told | None:
    """Return the group that an entity is of, by an attribute; None if it has none."""
    found = content(entity, by)
    if isinstance(found, dict):
        return (
            _flat(found) if found and all(isinstance(one, str) for one in found.values()) else None
        )
    return found[:100] if isinstance(found, str) and found else None


def _flat(found: str | dict[str, Any]) -> Told:
    if isinstance(found, str):
        return found[:200]
    return {
        tag: str(text[0] if isinstance(text, list) and text else text)[:200]
        for tag, text in found.items()
    }


def place(entity: Entity, name: str = "location") -> tuple[float, float] | None:
    """Return longitude and latitude of where an entity is: of its point, else of its middle."""
    found = first(entity, name)
    if found is None or found["type"] != "GeoProperty":
        return None
    geometry = found["value"]
    if geometry["type"] == "Point":
        longitude, latitude = geometry["coordinates"][:2]
        return float(longitude), float(latitude)
    middle = shape(geometry).representative_point()
    return middle.x, middle.y
