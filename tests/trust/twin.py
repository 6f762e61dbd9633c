"""A city with secrets seen through a view, beside one that is no more than what is to be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson

from madang.api.call import Call
from madang.api.http import Request, Response
from madang.api.lane import PREFIX, problem
from madang.api.router import Router
from madang.api.routes import ROUTES
from madang.hub.hub import Hub
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.entity import Document, Entity, Stamp
from madang.model.errors import NgsiError
from madang.model.without import without
from madang.query.evaluate import matches
from madang.query.reach import WHOLE, Hidden, Reach
from madang.query.tree import HasId, HasType, InScope, Not, Or
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.store.protocol import Batch, Change
from madang.trust.principal import PUBLIC, Principal
from madang.trust.view import View

T0 = 1_760_000_000_000_000
"""When the city was made. [us since 1970]"""
DAY = 86_400_000_000
ROUTER = Router(PREFIX, ROUTES)

Personal = tuple[frozenset[str], frozenset[str], frozenset[str]]


def prop(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **more}


def rel(*targets: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": targets[0] if len(targets) == 1 else list(targets)}


def place(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def made(document: Document, changed: Iterable[str] = ()) -> Entity:
    """Return an entity made at T0; the named attributes changed, one a day, later."""
    times = {name: Stamp(T0, T0 + DAY * day) for day, name in enumerate(changed, 1)}
    latest = max((stamp.modified for stamp in times.values()), default=T0)
    return Entity(document, T0, latest, T0, times)


CITY: list[Entity] = [
    made({"id": "urn:bench:1", "type": "Bench", "seats": prop(3), "location": place(127.0, 37.5)}),
    made({"id": "urn:bench:2", "type": "Bench", "seats": prop(9), "near": rel("urn:person:1")}),
    made(
        {
            "id": "urn:person:1",
            "type": "Person",
            "nick": prop("kim"),
            "phone": prop("010-1234", source=prop("census")),
            "home": place(127.1, 37.6),
            "knows": rel("urn:person:2"),
            "owns": rel("urn:vault:1"),
        },
        changed=["nick", "phone"],
    ),
    made(
        {
            "id": "urn:person:2",
            "type": ["Person", "Official"],
            "nick": prop("lee"),
            "phone": prop("010-9999"),
            "office": rel("urn:bench:1"),
        }
    ),
    made(
        {"id": "urn:shop:1", "type": "Shop", "phone": prop("02-111"), "sells": rel("urn:vault:1")}
    ),
    made({"id": "urn:shop:2", "type": ["Shop", "Person"], "phone": prop("02-222")}),
    made({"id": "urn:vault:1", "type": "Vault", "gold": prop(100), "location": place(127.0, 37.5)}),
    made({"id": "urn:vault:2", "type": "Vault", "gold": prop(7), "seats": prop(1)}),
    made({"id": "urn:vault:3", "type": ["Vault", "Shop"], "gold": prop(8), "door": rel("urn:b")}),
    made({"id": "urn:meter:1", "type": "Meter", "scope": "/water/north", "flow": prop(1.5)}),
    made({"id": "urn:meter:2", "type": "Meter", "scope": ["/gas", "/x"], "flow": prop(2.5)}),
    made({"id": "urn:meter:3", "type": "Meter", "flow": prop(3.5), "secret": prop(True)}),
]
PHONES = Hidden("phone", frozenset({"Person"}))
HOMES = Hidden("home")
REACHES = {
    "types": Reach(Or((HasType("Bench"), HasType("Shop")))),
    "scope": Reach(Or((HasType("Bench"), InScope(("water",), True)))),
    "ids": Reach(Or((HasId(("urn:person:1", "urn:meter:3")), HasType("Bench")))),
    "without": Reach(Not(HasType("Vault"))),
    "hidden": Reach(hidden=(PHONES, HOMES, Hidden("location"), Hidden("knows"))),
    "both": Reach(
        Or((HasType("Person"), HasType("Bench"), InScope(("water",), True))),
        (PHONES, HOMES, Hidden("near", frozenset({"Bench", "Meter"}))),
    ),
    "nothing": Reach(Or(())),
}


def seen(city: list[Entity], reach: Reach) -> list[Entity]:
    """Return the city as the reader of a reach is to see it, without anybody's consent."""
    return [
        without(
            entity,
            {
                rule.attribute
                for rule in reach.hidden
                if not rule.types or not rule.types.isdisjoint(entity.types)
            },
        )
        for entity in city
        if reach.condition is None or matches(reach.condition, entity)
    ]


class Twin:
    """Two cities that must not be told apart."""

    def __init__(self, hub: Hub, settings: Settings, whole: Tenant) -> None:
        self._hub = hub
        self._settings = settings
        self.whole = whole
        self.consents: set[tuple[str, str]] = set()
        self.read: list[Personal] = []

    def view(self, reach: Reach, purpose: str = "", who: Principal = PUBLIC) -> View:
        return View(
            self.whole,
            who,
            reach,
            guard=cast(Any, None),
            subscriptions=cast(Any, None),
            history=cast(Any, None),
            purpose=purpose,
            consented=lambda subject, purpose, attribute, types: (
                (subject, purpose) in self.consents
            ),
            on_personal=lambda *found: self.read.append(found),
        )

    async def part(self, reach: Reach, name: str) -> Tenant:
        """Return a tenant of what is to be seen only."""
        tenant = await self._hub.tenant(name, create=True)
        await tenant.store.commit(Batch(states={e.id: e for e in seen(CITY, reach)}))
        return tenant

    async def ask(
        self, tenant: Tenant | View, path: str, body: Any = None, accept: str = "application/json"
    ) -> Response:
        """Ask the API as the lane does."""
        url, _, query = path.partition("?")
        headers = {"accept": accept, "content-type": "application/json"}
        content = b"" if body is None else orjson.dumps(body)
        method = "GET" if body is None else "POST"
        request = Request(method, PREFIX + url, query, headers, content)
        found = ROUTER.find(method, request.path)
        assert found is not None
        route, values = found
        try:
            return await route.handler(Call(request, cast(Any, tenant), self._settings), *values)
        except NgsiError as error:
            return problem(error)


@asynccontextmanager
async def twin(folder: Path) -> AsyncIterator[Twin]:
    settings = Settings(data=folder)
    tenants = Tenants(settings)
    hub = Hub(SqliteEngine(folder / "state"), tenants.make)
    await hub.start()
    whole = await hub.tenant("whole", create=True)
    await whole.store.commit(Batch(states={entity.id: entity for entity in seen(CITY, WHOLE)}))
    try:
        yield Twin(hub, settings, whole)
    finally:
        await hub.close()
        await tenants.close()


def change(before: Entity | None, after: Entity | None, *names: str, deleted: Any = ()) -> Change:
    """Return a change as the writer tells of it."""
    kind: Any = "updated" if before and after else "deleted" if before else "created"
    one = after or before
    assert one is not None
    return Change(kind, T0, one.id, before, after, names, tuple(deleted))
