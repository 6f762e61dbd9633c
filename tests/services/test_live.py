"""A service on the hub: every change has its effect once, whatever ends in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from madang.hub.duties import lane_of_service
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Conflict
from madang.model.normalize import entity as normalized
from madang.services import live, working
from madang.services.city import Change, City
from madang.services.service import Options, Service, Text
from madang.services.services import Services
from tests.sense.small_town import past_of, town

NAME = Text("Test", "시험")
BENCH = "urn:ngsi-ld:Bench:1"
COUNTER = "urn:ngsi-ld:Counter:1"


class Steps(Options):
    step: int = Field(1, ge=1, le=10, description="Added for each change.")


def counter(name: str = "counter", id: str = COUNTER) -> Service:
    service = Service(name, title=NAME, purpose=NAME, category="other",
                      needs=["Bench"], gives=["Counter"], options=Steps)  # fmt: skip

    @service.on("Bench", attributes=["load"])
    async def count(city: City, change: Change) -> None:
        if change.put["load"] == "broken":
            raise LookupError("no such load")
        city.state["n"] = city.state.get("n", 0) + city.options.step
        city.update(id, "Counter", count=city.state["n"])

    return service


async def put(tenant: Tenant, *loads: Any) -> None:
    for load in loads:
        whole = {"id": BENCH, "type": "Bench", "load": {"type": "Property", "value": load}}
        await tenant.write([Upsert(BENCH, normalized(whole, CORE), update=True)])


async def wait_for(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await found():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def counted(tenant: Tenant, id: str = COUNTER) -> int:
    counter = (await tenant.entities([id])).get(id)
    found: int = 0 if counter is None else counter.document["count"]["value"]
    return found


def services(city: Any, *offered: Service) -> Services:
    found = Services(city.hub, city.trust.gate)
    found.catalogue = {one.name: one for one in offered}
    return found


@pytest.mark.slow
@pytest.mark.parametrize("patience_s", [0.0, 5.0], ids=["broken off", "in order"])
async def test_each_change_counts_once_however_often_it_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr(working, "PATIENCE_S", patience_s)
    choose = random.Random(3)
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, counter())
        await mine.switch("", "counter", True)
        total = 400

        async def write() -> None:
            await put(tenant, *range(total))

        writing = asyncio.create_task(write())
        for _ in range(15):
            await asyncio.sleep(choose.uniform(0, 0.1))
            await mine.close()  # what was not kept is done again
            mine = services(city, counter())
            await mine.start(lane_of_service("", "counter"))
        await writing
        await wait_for(lambda: _is(tenant, total))
        await mine.close()
        past = await past_of(city, COUNTER, "count")
        assert [value for _, value in past] == list(range(1, total + 1))


async def _is(tenant: Tenant, wanted: int, id: str = COUNTER) -> bool:
    return await counted(tenant, id) == wanted


async def test_a_lane_is_left_and_taken_up_without_the_other_services_of_the_tenant(
    tmp_path: Path,
) -> None:
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        names, ids = ("counter", "tally"), (COUNTER, "urn:ngsi-ld:Counter:2")
        lanes = [lane_of_service("", name) for name in names]
        assert lanes[0] != lanes[1]
        mine = services(city, *map(counter, names, ids))
        stays, left = [await mine.switch("", name, True) for name in names]
        await put(tenant, 0)
        for id in ids:
            await wait_for(lambda id=id: _is(tenant, 1, id))  # type: ignore[misc]
        works = stays.live
        await mine.rest(lanes[1])
        assert (left.state, left.shown(whole=True)["position"]) == ("running", None)
        with pytest.raises(Conflict, match="has not failed; it is running"):
            await mine.resume("", "tally", skip=False)
        await mine.set_options("", "tally", {"step": 3})
        await put(tenant, 1)
        await wait_for(lambda: _is(tenant, 2))
        assert await counted(tenant, ids[1]) == 1, "another hub has it"
        await mine.start(lanes[1])
        await wait_for(lambda: _is(tenant, 1 + 3, ids[1]))
        assert stays.live is works, "the service of the other lane went on"
        await mine.close()


async def test_who_is_told_to_stop_keeps_all_that_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, counter())
        await mine.switch("", "counter", True)
        await put(tenant, 0)
        await wait_for(lambda: _is(tenant, 1))
        monkeypatch.setattr(live, "KEEP_SHARE", 1e9)  # as if the disk were that slow
        await put(tenant, 1, 2)
        await wait_for(lambda: _is(tenant, 3))
        found = await mine.set_options("", "counter", {"step": 2})
        assert (await found.kept())["n"] == 3
        await mine.close()


@pytest.mark.slow
async def test_a_failing_service_waits_until_somebody_skips_what_failed(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, counter())
        working = await mine.switch("", "counter", True)
        with pytest.raises(Conflict, match="has not failed"):
            await mine.resume("", "counter", skip=False)
        await put(tenant, 1, "broken", 2)

        async def failed() -> bool:
            return working.state == "failed"

        await wait_for(failed)
        shown = working.shown(whole=True)
        assert "LookupError: no such load" in shown["alarm"]["message"]
        assert "raise LookupError" in shown["alarm"]["trace"]
        await mine.resume("", "counter", skip=True)
        await wait_for(lambda: _is(tenant, 2))
        assert working.state == "running"
        await mine.close()


async def test_a_fault_that_passes_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_WAIT_S", 0.01)
    service, tries = counter(), []

    @service.on("Bench")
    async def flaky(city: City, change: Change) -> None:
        tries.append(change.at)
        if len(tries) < 3:
            raise ConnectionError("away")

    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, service)
        await mine.switch("", "counter", True)
        await put(tenant, 1)
        await wait_for(lambda: _is(tenant, 1))
        assert len(tries) == 3
        await mine.close()


async def test_options_are_checked_and_take_effect(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, counter())
        await mine.switch("", "counter", True)
        with pytest.raises(BadRequestData, match="step"):
            await mine.set_options("", "counter", {"step": 11})
        await mine.set_options("", "counter", {"step": 5})
        await put(tenant, 1)
        await wait_for(lambda: _is(tenant, 5))
        await mine.close()


@pytest.mark.slow
async def test_a_service_writes_only_what_it_says_it_gives(tmp_path: Path) -> None:
    service = counter()

    @service.on("Bench")
    async def stray(city: City, change: Change) -> None:
        city.update("urn:ngsi-ld:Tree:1", "Tree", height=1)

    async with town(tmp_path, open=False) as city:
        tenant = await city.hub.tenant("", create=False)
        mine = services(city, service)
        working = await mine.switch("", "counter", True)
        await put(tenant, 1)

        async def failed() -> bool:
            return working.state == "failed"

        await wait_for(failed)
        assert await tenant.get("urn:ngsi-ld:Tree:1") is None
        await mine.close()
