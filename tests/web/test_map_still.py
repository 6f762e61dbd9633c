"""What stands still becomes GeoJSON once, and anew only when something of it has changed."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.hub.hub import Hub
from madang.hub.operations import Delete, Operation, Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from madang.web.maps import still as module
from madang.web.maps.kinds import kinds
from madang.web.maps.names import words_of
from madang.web.maps.still import StillCache, properties_of, still
from madang.web.maps.watch import Watches

SQUARE = [[[127.0, 37.5], [127.001, 37.5], [127.001, 37.501], [127.0, 37.5]]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    tenants = Tenants(Settings(data=tmp_path))
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    await hub.tenant("", create=True)
    yield hub
    await hub.close()
    await tenants.close()


@pytest.fixture
async def tenant(hub: Hub) -> Tenant:
    return await hub.tenant("", create=False)


def building(number: int, **more: Any) -> dict[str, Any]:
    place = {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": SQUARE}}
    return {"id": f"urn:b:{number}", "type": "Building", "location": place, **more}


async def put(tenant: Tenant, *documents: dict[str, Any]) -> None:
    content = [normalized(one, CORE) for one in documents]
    operations: list[Operation] = [Upsert(one.document["id"], one, update=True) for one in content]
    await tenant.write(operations)
    await asyncio.sleep(0.05)  # who follows is told soon


async def test_buildings_are_features_with_their_names_and_heights(tenant: Tenant) -> None:
    names = {"type": "LanguageProperty", "languageMap": {"ko": "시청", "en": "City Hall"}}
    await put(tenant, building(1, name=names, floorsAboveGround=10), building(2, height=7))
    found = await still(tenant, ("Building",))
    content = orjson.loads(found.body)
    assert content["bbox"] == [127.0, 37.5, 127.001, 37.501]
    first, second = (one["properties"] for one in content["features"])
    assert (first["name:ko"], first["name"], first["height"]) == ("시청", "City Hall", 32.0)
    assert second == {"id": "urn:b:2", "type": "Building", "height": 7}
    assert gzip.decompress(found.packed) == found.body


async def test_what_has_no_geometry_is_left_out(tenant: Tenant) -> None:
    await put(tenant, {"id": "urn:b:1", "type": "Building", "height": 5})
    content = orjson.loads((await still(tenant, ("Building",))).body)
    assert content == {"type": "FeatureCollection", "features": []}


async def test_a_collection_that_is_cut_says_so(tenant: Tenant) -> None:
    await put(tenant, *map(building, range(5)))
    found = await still(tenant, ("Building",), most=3)
    content = orjson.loads(found.body)
    assert found.is_cut
    assert len(content["features"]) == 3
    assert "only the first 3" in content["cut"]


async def test_it_is_made_again_only_when_something_of_it_changes(
    hub: Hub, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = module.still

    async def counted(*args: Any) -> Any:
        made.append(args)
        return await make(*args)

    monkeypatch.setattr(module, "still", counted)
    cache, watch = StillCache(), await Watches(hub).of("")
    await put(tenant, building(1))
    first = await cache.of(tenant, watch, ("Building",))
    await put(tenant, {"id": "urn:car:1", "type": "Vehicle", "speed": 3})
    await put(tenant, {"id": "urn:b:1", "type": "Building", "temperature": 20})
    assert await cache.of(tenant, watch, ("Building",)) is first
    await put(tenant, building(1, height=9))
    second = await cache.of(tenant, watch, ("Building",))
    await tenant.write([Delete("urn:b:1")])
    await asyncio.sleep(0.05)
    third = await cache.of(tenant, watch, ("Building",))
    assert len({first.tag, second.tag, third.tag}) == 3
    assert len(made) == 3
    watch.close()


async def test_old_answers_go_when_there_are_too_many_bytes(hub: Hub, tenant: Tenant) -> None:
    cache, watch = StillCache(most_bytes=1), await Watches(hub).of("")
    await put(tenant, building(1))
    one = await cache.of(tenant, watch, ("Building",))
    await cache.of(tenant, watch, ("Street",))
    assert await cache.of(tenant, watch, ("Building",)) is not one
    watch.close()


async def test_names_follow_what_is_written(hub: Hub, tenant: Tenant) -> None:
    await put(tenant, building(1, name="Old mill"))
    watch = await Watches(hub).of("")
    names = await watch.names()
    assert names.find(words_of("mill"), (), 5) == ["urn:b:1"]
    await put(tenant, building(1, name="New mill"), building(2, name="Mill pond"))
    assert set(names.find(words_of("mill"), (), 5)) == {"urn:b:1", "urn:b:2"}
    assert names.find(words_of("old"), (), 5) == []
    await tenant.write([Delete("urn:b:2")])
    await asyncio.sleep(0.05)
    assert names.find(words_of("pond"), (), 5) == []
    watch.close()


async def test_a_watch_that_was_let_go_is_replaced(hub: Hub, tenant: Tenant) -> None:
    watches = Watches(hub)
    first = await watches.of("")
    assert await watches.of("") is first
    first.close()
    second = await watches.of("")
    assert second is not first
    await put(tenant, building(1, name="Mill"))
    assert (await second.names()).find(words_of("mill"), (), 5) == ["urn:b:1"]
    second.close()


async def test_kinds_tell_what_there_is_to_show_and_to_colour_by(tenant: Tenant) -> None:
    def spot(number: int, status: str) -> dict[str, Any]:
        place = {"type": "Point", "coordinates": [127 + number / 1000, 37.5]}
        return {
            "id": f"urn:p:{number}", "type": "ParkingSpot", "status": status,
            "level": {"type": "Property", "value": number, "unitCode": "MTR"},
            "location": {"type": "GeoProperty", "value": place},
        }  # fmt: skip

    await put(tenant, *(spot(n, "free" if n % 2 else "closed") for n in range(40)), building(1))
    await put(tenant, {"id": "urn:x:1", "type": "Nowhere", "level": 1})
    found, box = await kinds(tenant)
    assert [(one["type"], one["count"], one["geometry"]) for one in found] == [
        ("ParkingSpot", 40, "point"),
        ("Building", 1, "polygon"),
    ]
    by_name = {one["name"]: one for one in found[0]["attributes"]}
    assert by_name["status"]["values"] == ["closed", "free"]
    assert (by_name["level"]["min"], by_name["level"]["max"], by_name["level"]["unit"]) == (
        0,
        39,
        "MTR",
    )
    assert (by_name["level"]["low"], by_name["level"]["high"]) == (2, 37)
    assert box == [127.0, 37.5, 127.039, 37.501]
    assert not found[0]["isMoving"]


def test_a_thing_with_a_kind_tells_it() -> None:
    document = building(1, category={"type": "Property", "value": ["office"]})
    assert properties_of(document)["kind"] == "office"
