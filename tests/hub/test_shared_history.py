"""The history of two hubs on one database: each answers, and one of them moves it into files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from madang.hub import history as module
from madang.hub.feed import events
from madang.hub.history import HistoryBehind
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.lake.periods import parse
from madang.lake.questions import HeldBack, Hold, Policy, Wanted
from madang.lake.rules import Rules
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.postgres.engine import PostgresEngine
from tests.contract.cluster import shared

ROOM = "urn:ngsi-ld:Room:1"
numbers = count()


class City:
    """Two hubs on one database; the first has the work. Word of commits is not carried here."""

    def __init__(self, folder: Path, drain_s: float) -> None:
        self._folder = folder
        self._drain_s = drain_s
        self._url = shared().make(f"history_{next(numbers)}")
        self._parts: list[tuple[Hub, Tenants]] = []

    async def start(self, name: str) -> Tenant:
        settings = Settings(
            data=self._folder / name,
            store=self._url,
            bus="nats://127.0.0.1:1",
            history_path=str(self._folder / "history"),
            history_drain_s=self._drain_s,
        )
        tenants = Tenants(settings)
        engine = PostgresEngine(self._url, is_shared=True)
        await engine.claim()
        hub = Hub(engine, tenants.make)
        self._parts.append((hub, tenants))
        await hub.start()
        if len(self._parts) == 1:
            await hub.work("history/1")
        return hub.open[""]

    async def close(self) -> None:
        for hub, tenants in self._parts:
            await hub.close()
            await tenants.close()


@pytest.fixture
async def city(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[City]:
    made = City(tmp_path, getattr(request, "param", 3600))
    yield made
    await made.close()


def draining(after_s: float) -> pytest.MarkDecorator:
    """Let the first hub drain what has waited for so long."""
    return pytest.mark.parametrize("city", [after_s], indirect=True)


async def write(tenant: Tenant, value: int) -> None:
    content = normalized({"id": ROOM, "type": "Room", "n": value}, CORE)
    await tenant.write([Upsert(ROOM, content, update=True)])


async def values(tenant: Tenant) -> list[Any]:
    pasts = await tenant.history.read(lambda lake: lake.pasts(Wanted()).entities)
    return [one.value for past in pasts for one in past.instances]


@pytest.mark.slow
@draining(0.02)
async def test_both_see_each_change_once_at_any_moment_while_one_drains(city: City) -> None:
    one, other = await city.start("one"), await city.start("other")
    waited = []
    for number in range(60):
        await write((one, other)[number % 2], number)
        found = await values((other, one)[number // 2 % 2])
        assert found == list(range(number + 1))
        waited.append((await one.store.size())["outbox"])
    assert waited != sorted(waited), "some were read while others were drained"
    logged = await other.history.read(lambda lake: lake.log(0, 100))
    assert [change.seq for change in logged] == list(range(1, 61))


async def test_what_left_the_outbox_while_a_hub_did_not_look_is_read_from_the_files(
    city: City,
) -> None:
    one, other = await city.start("one"), await city.start("other")
    await write(one, 0)
    assert await values(other) == [0]
    for number in (1, 2, 3):
        await write(one, number)
    await one.history.drain()
    assert (await one.store.size())["outbox"] == 0
    assert await values(other) == [0, 1, 2, 3]
    await write(other, 4)
    assert await values(one) == await values(other) == [0, 1, 2, 3, 4]


async def test_a_tail_that_was_long_once_is_let_go_when_another_hub_has_drained_it(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await city.start("one"), await city.start("other")
    await write(one, 0)
    assert await values(other) == [0]
    monkeypatch.setattr(module, "TAIL", 0)
    await write(one, 1)
    with pytest.raises(HistoryBehind, match="too much waits"):
        await values(other)
    await one.history.drain()
    assert await values(other) == [0, 1]


async def test_history_is_changed_at_the_hub_that_does_not_drain(city: City) -> None:
    one, other = await city.start("one"), await city.start("other")
    await write(one, 0)
    assert await other.history.change(lambda lake: lake.remove(ROOM)) == 2
    assert await values(one) == await values(other) == []


async def test_a_legal_hold_binds_the_other_hub_at_once(city: City) -> None:
    one, other = await city.start("one"), await city.start("other")
    await write(one, 0)
    rules = Rules((Policy("old", parse("P1Y")),), (Hold("case 7", "court order", types=("Room",)),))
    await other.history.set_rules(rules)
    with pytest.raises(HeldBack, match="case 7"):
        await one.history.change(lambda lake: lake.remove(ROOM))


async def test_changes_are_followed_from_a_position_that_a_hub_has_not_heard_of(
    city: City,
) -> None:
    one, other = await city.start("one"), await city.start("other")
    for number in range(3):
        await write(one, number)
    assert other.history.last == 0
    stream = events(other, after=3)
    upcoming = asyncio.ensure_future(anext(stream))
    await write(other, 3)
    event = await asyncio.wait_for(upcoming, 10)
    assert (event.position, event.kind) == (4, "updated")
    await stream.aclose()
