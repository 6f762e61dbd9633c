"""What the hub does about a lake that cannot be written, and about rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from madang.hub import history as module
from madang.hub.history import HistoryBehind
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.lake.periods import parse
from madang.lake.questions import HeldBack, Hold, Policy, Wanted
from madang.lake.rules import Rules
from madang.model.context import CORE
from madang.model.errors import Unavailable
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine


@pytest.fixture
async def tenant(tmp_path: Path) -> AsyncIterator[Tenant]:
    tenants = Tenants(Settings(data=tmp_path, history_drain_s=0.1))
    hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
    yield await hub.tenant("", create=True)
    await hub.close()
    await tenants.close()


async def write(tenant: Tenant, value: int) -> None:
    content = normalized({"id": "urn:ngsi-ld:Room:1", "type": "Room", "n": value}, CORE)
    await tenant.write([Upsert("urn:ngsi-ld:Room:1", content, update=True)])


async def values(tenant: Tenant) -> list[Any]:
    pasts = await tenant.history.read(lambda lake: lake.pasts(Wanted()).entities)
    return [one.value for past in pasts for one in past.instances]


async def until(met: Any) -> None:
    for _ in range(600):
        if met():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to pass in 30 s")


def broken(tenant: Tenant) -> Any:
    """Let the lake's catalog be gone; return what mends it."""
    lake: Any = tenant.history._lake
    files = lake._files
    right, files.files = files.files, "nowhere"

    def mend() -> None:
        files.files = right

    return mend


@pytest.mark.slow
async def test_changes_move_into_the_lake_by_themselves(tenant: Tenant) -> None:
    await write(tenant, 1)
    await until(lambda: tenant.history.waiting == 0)
    await tenant.history.drain()  # until the drain that is under way has ended
    assert (await tenant.store.size())["outbox"] == 0
    assert await values(tenant) == [1]


@pytest.mark.slow
async def test_a_lake_that_cannot_be_written_is_an_alarm_and_no_loss(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.2)
    await write(tenant, 1)
    assert await values(tenant) == [1]
    mend = broken(tenant)
    await write(tenant, 2)
    await until(lambda: tenant.history.alarm is not None)
    await write(tenant, 3)
    assert await values(tenant) == [1, 2, 3], "what waits can be read"
    assert (await tenant.store.size())["outbox"] >= 2
    mend()
    await until(lambda: tenant.history.alarm is None and tenant.history.waiting == 0)
    await tenant.history.drain()
    assert await values(tenant) == [1, 2, 3]
    assert (await tenant.store.size())["outbox"] == 0


async def test_a_tail_that_grew_too_long_is_said_and_not_held_in_memory(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(tenant, 1)
    assert await values(tenant) == [1]
    mend = broken(tenant)
    await write(tenant, 2)
    assert await values(tenant) == [1, 2]
    monkeypatch.setattr(module, "TAIL", 0)
    await write(tenant, 3)
    with pytest.raises(HistoryBehind, match="too much waits"):
        await values(tenant)
    mend()


async def test_rules_are_there_again_after_a_restart(tmp_path: Path) -> None:
    rules = Rules((Policy("old", parse("P1Y")),), (Hold("case 7", "court order", types=("Room",)),))
    for turn in range(2):
        tenants = Tenants(Settings(data=tmp_path, history_drain_s=3600))
        hub = Hub(SqliteEngine(tmp_path / "state"), tenants.make)
        tenant = await hub.tenant("", create=True)
        if turn == 0:
            await write(tenant, 1)
            await tenant.history.set_rules(rules)
        assert tenant.history.rules == rules
        with pytest.raises(HeldBack, match="case 7"):
            await tenant.history.change(lambda lake: lake.remove("urn:ngsi-ld:Room:1"))
        await hub.close()
        await tenants.close()


async def test_policies_are_applied_by_themselves(tenant: Tenant) -> None:
    content = normalized(
        {
            "id": "urn:ngsi-ld:Room:1",
            "type": "Room",
            "n": {"type": "Property", "value": 1, "observedAt": "2020-01-01T00:00:00Z"},
            "m": 2,
        },
        CORE,
    )
    await tenant.write([Upsert("urn:ngsi-ld:Room:1", content)])
    assert await values(tenant) == [2, 1]
    await tenant.history.set_rules(Rules((Policy("old", parse("P1Y")),)))
    for _ in range(200):
        if await values(tenant) == [2]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError("what is older than a year is still there")


@pytest.mark.parametrize("at", ["take", "drain", "log"])
async def test_history_goes_on_with_a_new_engine_when_the_old_one_has_failed(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def fail(*_: object) -> Any:
        raise duckdb.FatalException("FATAL Error: database has been invalidated")

    await write(tenant, 1)
    await tenant.history.drain()
    await write(tenant, 2)
    assert await values(tenant) == [1, 2]
    await write(tenant, 3)
    monkeypatch.setattr(tenant.history._lake, at, fail)
    with pytest.raises((Unavailable, OSError), match="is begun anew"):
        await (tenant.history.drain() if at == "drain" else tenant.history.read(position))
    assert await values(tenant) == [1, 2, 3]
    await write(tenant, 4)
    await tenant.history.drain()
    assert (await tenant.store.size())["outbox"] == 0
    assert await values(tenant) == [1, 2, 3, 4]


def position(lake: Any) -> Any:
    return lake.log(0, 10)
