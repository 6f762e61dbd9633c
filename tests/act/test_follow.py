"""What waits is handled: after a start, a change, a failure and a kill; never twice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from madang.act import follow
from madang.act.follow import Follower
from madang.hub.changes import FellBehind
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.normalize import entity as normalized
from tests.sense.device_city import a_tenant, prop

TYPE = "Errand"
WAITING = 'status=="waiting"'
Do = Callable[[Entity], Awaitable[float | None]]


async def put(tenant: Tenant, name: str, status: str, type: str = TYPE, note: int = 0) -> str:
    id = f"urn:ngsi-ld:{type}:{name}"
    whole = {"id": id, "type": type, "status": prop(status), "note": prop(note)}
    content = normalized(whole, CORE)
    await tenant.write([Upsert(id, content, update=True)])
    return id


@asynccontextmanager
async def following(tenant: Tenant, do: Do) -> AsyncIterator[Follower]:
    follower = Follower(tenant, "errands", [TYPE], WAITING, do)
    await follower.start()
    try:
        yield follower
    finally:
        await follower.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_what_waits_at_the_start_and_what_comes_later_is_handled(tmp_path: Path) -> None:
    done: list[str] = []

    async def do(entity: Entity) -> None:
        done.append(entity.id)
        await put(tenant, entity.id.rpartition(":")[2], "done")

    async with a_tenant(tmp_path) as tenant:
        await put(tenant, "early", "waiting")
        await put(tenant, "old", "done")
        await put(tenant, "other", "waiting", "Bench")
        async with following(tenant, do):
            await put(tenant, "late", "waiting")
            await put(tenant, "other", "waiting", "Bench")
            await until(lambda: len(done) == 2)
            await asyncio.sleep(0.05)
        assert sorted(done) == ["urn:ngsi-ld:Errand:early", "urn:ngsi-ld:Errand:late"]


async def test_one_is_never_handled_twice_at_a_time_and_again_if_it_changed(
    tmp_path: Path,
) -> None:
    go, under_way, most, seen = asyncio.Event(), 0, 0, 0

    async def do(entity: Entity) -> None:
        nonlocal under_way, most, seen
        under_way += 1
        most, seen = max(most, under_way), seen + 1
        await go.wait()
        under_way -= 1

    async with a_tenant(tmp_path) as tenant, following(tenant, do):
        await put(tenant, "one", "waiting")
        await until(lambda: seen)
        for note in (1, 2, 3):
            await put(tenant, "one", "waiting", note=note)
        await asyncio.sleep(0.1)  # they are told of a moment after they are durable
        go.set()
        await until(lambda: seen == 2)
        await asyncio.sleep(0.05)
        assert (most, seen) == (1, 2)


async def test_many_are_handled_at_the_same_time(tmp_path: Path) -> None:
    go, under_way = asyncio.Event(), 0

    async def do(entity: Entity) -> None:
        nonlocal under_way
        under_way += 1
        await go.wait()

    async with a_tenant(tmp_path) as tenant, following(tenant, do):
        for name in "abcd":
            await put(tenant, name, "waiting")
        await until(lambda: under_way == 4)


async def test_a_failure_is_told_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "FIRST_WAIT_S", 0.01)
    tries = 0

    async def do(entity: Entity) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise LookupError("the post office is closed")
        await put(tenant, "one", "done")

    async with a_tenant(tmp_path) as tenant, following(tenant, do) as follower:
        await put(tenant, "one", "waiting")
        await until(lambda: tries == 2)
        assert "the post office is closed" in str(follower.alarm)
        await until(lambda: tries == 3)
        await until(lambda: follower.alarm is None)


async def test_an_entity_is_looked_at_again_when_its_time_has_come(tmp_path: Path) -> None:
    looks: list[float] = []

    async def do(entity: Entity) -> float | None:
        looks.append(asyncio.get_running_loop().time())
        return 0.05 if len(looks) < 3 else None

    async with a_tenant(tmp_path) as tenant, following(tenant, do):
        await put(tenant, "one", "waiting")
        await until(lambda: len(looks) == 3)
        await asyncio.sleep(0.1)
        assert len(looks) == 3
        assert looks[2] - looks[0] >= 0.08


async def test_what_no_longer_waits_is_not_handled_when_its_time_has_come(tmp_path: Path) -> None:
    looks = 0

    async def do(entity: Entity) -> float | None:
        nonlocal looks
        looks += 1
        return 0.05

    async with a_tenant(tmp_path) as tenant, following(tenant, do):
        await put(tenant, "one", "waiting")
        await until(lambda: looks)
        await put(tenant, "one", "done")
        before = looks
        await asyncio.sleep(0.15)
        assert looks == before


async def test_what_was_under_way_at_the_end_is_handled_at_the_next_start(tmp_path: Path) -> None:
    begun, done = asyncio.Event(), asyncio.Event()

    async def never(entity: Entity) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def do(entity: Entity) -> None:
        done.set()

    async with a_tenant(tmp_path) as tenant, following(tenant, never):
        await put(tenant, "one", "waiting")
        await begun.wait()
    async with a_tenant(tmp_path) as tenant, following(tenant, do):
        await asyncio.wait_for(done.wait(), 10)


async def test_who_falls_behind_reads_all_that_wait_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def do(entity: Entity) -> None:
        done.append(entity.id)

    async with a_tenant(tmp_path) as tenant:
        real: Any = tenant.changes.follow
        lost = False

        async def follow_once(*asked: Any) -> AsyncIterator[Any]:
            nonlocal lost
            async for change in real(*asked):
                if not lost:
                    lost = True
                    raise FellBehind("too slow")
                yield change

        monkeypatch.setattr(tenant.changes, "follow", follow_once)
        async with following(tenant, do):
            await put(tenant, "one", "waiting")
            await until(lambda: lost and done)
