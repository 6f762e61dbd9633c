"""A small city for the contract tests: entities, and the way the hub writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from madang.model.entity import Entity
from madang.query.tree import And, Compare, Geo, HasType, Path, Query, Selector
from madang.store.protocol import Batch, Change, Page, Store

T0 = 1_760_000_000_000_000
"""When the tests begin. [us since 1970]"""
SECOND = 1_000_000


def document(id: str, type: str | list[str] = "Vehicle", **members: Any) -> dict[str, Any]:
    """Return a document; a number becomes a Property, a pair a point, text a Relationship."""
    return {"id": id, "type": type, **{name: _attribute(value) for name, value in members.items()}}


def _attribute(value: Any) -> Any:
    if isinstance(value, (int, float)):
        return {"type": "Property", "value": value}
    if isinstance(value, tuple):
        return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": list(value)}}
    if isinstance(value, str):
        return {"type": "Relationship", "object": value}
    return value


def entity(id: str, type: str | list[str] = "Vehicle", at: int = T0, **members: Any) -> Entity:
    """Return an entity that was made at one instant."""
    scope = members.pop("scope", None)
    expires = members.pop("expires", None)
    made = document(id, type, **members)
    if scope is not None:
        made["scope"] = scope
    return Entity(made, at, at, at, expires=expires)


def vehicle(number: int, speed: float | None = None, **members: Any) -> Entity:
    """Return the vehicle of a number, somewhere along a meridian, a kilometre from the next."""
    return entity(
        f"urn:ngsi-ld:Vehicle:{number:04d}",
        speed=float(number) if speed is None else speed,
        location=(127.0, round(37.0 + number * 0.01, 6)),
        **members,
    )


async def put(store: Store, *entities: Entity, at: int = T0) -> None:
    """Write entities as the hub does: load, then commit the states with their changes."""
    before = await store.load([one.id for one in entities])
    batch = Batch()
    for one in entities:
        old = before.get(one.id)
        names = tuple(n for n in one.document if n not in ("id", "type", "scope"))
        batch.states[one.id] = one
        kind: Any = "created" if old is None else "updated"
        batch.changes.append(Change(kind, at, one.id, old, one, names))
    await store.commit(batch)


async def remove(store: Store, *ids: str, at: int = T0) -> None:
    """Delete entities as the hub does."""
    before = await store.load(ids)
    batch = Batch(states=dict.fromkeys(ids))
    batch.changes = [Change("deleted", at, id, before.get(id), None, ()) for id in ids]
    await store.commit(batch)


def of_type(name: str, **more: Any) -> Query:
    """Return the query for entities of a type."""
    return Query(selectors=(Selector(types=HasType(name)),), **more)


def faster_than(speed: float) -> Compare:
    return Compare(Path("speed"), ">", speed)


def all_of(*conditions: Any) -> And:
    return And(conditions)


def near(lon: float, lat: float, metres: float) -> Geo:
    point = orjson.dumps({"type": "Point", "coordinates": [lon, lat]}).decode()
    return Geo("near", point, max_distance=metres)


def within(west: float, south: float, east: float, north: float) -> Geo:
    """Return the geo-query for what lies within a box."""
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    box = orjson.dumps({"type": "Polygon", "coordinates": [ring]}).decode()
    return Geo("within", box)


def ids(page: Page) -> list[str]:
    return [row.id for row in page.rows]


def numbers(page: Page) -> list[int]:
    """Return the numbers of the vehicles of a page."""
    return [int(row.id.rpartition(":")[2]) for row in page.rows]


async def outbox(store: Store, after: int = 0, limit: int = 100_000) -> list[tuple[int, bytes]]:
    """Return changes of the outbox one by one, with their numbers."""
    return [
        (seq, orjson.dumps(change))
        for block in await store.outbox(after, limit)
        for seq, change in enumerate(orjson.loads(block.body), block.last - block.size + 1)
        if seq > after
    ][:limit]


def sequence(rows: Sequence[tuple[int, bytes]]) -> list[int]:
    return [seq for seq, _ in rows]
