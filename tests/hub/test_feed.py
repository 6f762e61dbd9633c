"""The feed of changes: from any position, over the border to live, each change once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from madang.hub import changes as stream
from madang.hub.feed import Event, events
from madang.hub.hub import Hub
from madang.hub.operations import Delete, Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.errors import BadRequestData
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine


@asynccontextmanager
async def city(folder: Path) -> AsyncIterator[Tenant]:
    engine = SqliteEngine(folder)
    tenants = Tenants(Settings(data=folder))
    hub = Hub(engine, tenants.make)
    try:
        yield await hub.tenant("", create=True)
    finally:
        await hub.close()
        await tenants.close()


async def write(tenant: Tenant, number: int, count: int = 1) -> None:
    work = [
        normalized(
            {"id": f"urn:x:{n}", "type": "T", "n": n, "m": {"value": 1, "unitCode": "C62"}}, CORE
        )
        for n in range(number, number + count)
    ]
    await tenant.write([Upsert(one.document["id"], one, update=True) for one in work])


async def take(tenant: Tenant, after: int | None, count: int) -> list[Event]:
    found: list[Event] = []
    async with aclosing(events(tenant, after)) as feed:
        async for event in feed:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_all_there_ever_was_comes_from_position_zero(tmp_path: Path) -> None:
    async with city(tmp_path) as tenant:
        await write(tenant, 0, 5)
        await tenant.write([Delete("urn:x:0")])
        found = await take(tenant, 0, 6)
    assert [event.position for event in found] == [1, 2, 3, 4, 5, 6]
    assert [event.kind for event in found] == ["created"] * 5 + ["deleted"]


async def test_the_feed_goes_from_history_to_live_without_gap_or_double(tmp_path: Path) -> None:
    async with city(tmp_path) as tenant:
        await write(tenant, 0, 50)
        await tenant.history.drain()
        await write(tenant, 50, 50)
        following = asyncio.create_task(take(tenant, 10, 190))
        for number in range(100, 200):
            await write(tenant, number)
        found = await asyncio.wait_for(following, 30)
    assert [event.position for event in found] == list(range(11, 201))
    assert [event.id for event in found] == [f"urn:x:{n}" for n in range(10, 200)]


async def test_an_event_says_the_same_from_history_as_live(tmp_path: Path) -> None:
    async with city(tmp_path) as tenant:
        following = asyncio.create_task(take(tenant, None, 2))
        await asyncio.sleep(0.01)
        await write(tenant, 0)
        await tenant.write([Delete("urn:x:0")])
        live = await asyncio.wait_for(following, 30)
        replayed = await take(tenant, 0, 2)
    assert [(e.position, e.kind, e.at, e.id, e.types, e.entity) for e in live] == [
        (e.position, e.kind, e.at, e.id, e.types, e.entity) for e in replayed
    ]
    assert set(live[0].attributes) == set(replayed[0].attributes) == {"n", "m"}


async def test_a_slow_reader_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEHIND", 10)
    async with city(tmp_path) as tenant, aclosing(events(tenant, None)) as feed:
        upcoming = asyncio.ensure_future(anext(feed))
        await asyncio.sleep(0.01)
        await write(tenant, 0)
        found = [await upcoming]
        await write(tenant, 1, 100)
        found += [await anext(feed) for _ in range(100)]
    assert [event.position for event in found] == list(range(1, 102))


async def test_a_position_ahead_of_all_changes_is_refused(tmp_path: Path) -> None:
    async with city(tmp_path) as tenant:
        with pytest.raises(BadRequestData, match="ahead of the last change"):
            await take(tenant, 5, 1)
