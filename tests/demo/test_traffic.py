"""The demo city's traffic as the hub sees it: a process that makes it, drives it, and may end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from madang.demo import traffic, traffic_work
from madang.demo.city import DemoCity
from madang.demo.going_on import Town
from madang.demo.traffic import Traffic, read
from madang.demo.traffic_work import Making, make
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.store.rows import entity_of
from madang.twin.live.job import Job
from tests.sense.device_city import a_tenant, registry

ALERT = "urn:ngsi-ld:Alert:demo:traffic"
BUS = "urn:ngsi-ld:Vehicle:demo:bus-03"
SIGNAL = {
    "id": "urn:ngsi-ld:TrafficSignal:demo:c03r06",
    "type": "TrafficSignal",
    "location": {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [126.97, 37.56]},
    },
}


class Process:
    """Stands in for the process beside the hub: makes a scenario, drives it, and ends."""

    def __init__(self, scenario: Path) -> None:
        scenario.mkdir()
        lines = [SIGNAL, {"id": "urn:ngsi-ld:Building:demo:1", "type": "Building"}]
        (scenario / "entities.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
        self.scenario = scenario
        self.jobs: list[Job] = []
        self.makes = True
        self.ends = asyncio.Event()

    async def work(
        self, module: str, job: object, folder: Path, told: Callable[[dict[str, Any]], None]
    ) -> str:
        if isinstance(job, Job):
            self.jobs.append(job)
            told({"buses": [BUS]})
            await self.ends.wait()
            self.ends.clear()
            return "its process ended with the code 1"
        if not self.makes:
            return "there is no SUMO"
        told({"scenario": str(self.scenario)})
        return ""


async def status(tenant: Tenant) -> Any:
    row = await tenant.get(ALERT)
    return None if row is None else entity_of(row).document["status"]["value"]


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await look():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_signals_are_devices_and_what_the_street_drives_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(tmp_path / "scenario")
    monkeypatch.setattr("madang.services.process.work", process.work)
    monkeypatch.setattr(traffic, "_PAUSES_S", (0.05,))
    process.makes = False
    async with a_tenant(tmp_path / "data") as tenant, registry(tenant) as devices:
        city = DemoCity(7)
        running = asyncio.create_task(Traffic(_town(tenant, devices, city, tmp_path)).run())

        async def is_open() -> bool:
            return bool(await status(tenant) == "open")

        async def is_closed() -> bool:
            return bool(await status(tenant) == "closed")

        async def drives() -> bool:
            return bool(process.jobs)

        async def drives_again() -> bool:
            return len(process.jobs) == 2

        await until(is_open)  # without SUMO the city goes on, and says so
        now = datetime.now(UTC)
        assert len(city.driven(now)) == 60

        process.makes = True
        await until(drives)
        await until(is_closed)
        (job,) = process.jobs
        assert job.signals == {"c03r06": "demo:c03r06"}
        assert len(job.stations) == 40
        assert sum(map(len, job.buses.values())) == 60
        assert devices.named("demo:c03r06").profile == "demo-signal"
        assert devices.named("demo:001").profile == "demo-detector"
        assert devices.find("demo-fleet")
        assert len(city.driven(now)) == 59
        told = [one["type"] for _ in range(20) for one in city.measured(now)]
        assert "TrafficFlowObserved" not in told
        assert "AirQualityObserved" in told

        process.ends.set()
        await until(drives_again)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _town(tenant: Tenant, devices: Any, city: DemoCity, folder: Path) -> Town:
    async def write(entities: list[dict[str, Any]]) -> None:
        await tenant.write(
            [Upsert(one["id"], normalized(one, CORE), update=True) for one in entities]
        )

    async def station(_: str) -> Any:
        return SimpleNamespace(devices=devices)

    parts: Any = SimpleNamespace(
        sense=SimpleNamespace(
            broker=SimpleNamespace(is_listening=True, port=1), station=station
        ),
        settings=SimpleNamespace(data=folder, tls_certificate=None),
        trust=SimpleNamespace(gate=SimpleNamespace(local_key="key")),
    )  # fmt: skip
    progress: Any = None
    return Town(parts, tenant, city, write, 7, progress)


def test_only_what_the_city_has_not_by_itself_is_taken_from_the_scenario(tmp_path: Path) -> None:
    assert [one["id"] for one in read(Process(tmp_path / "scenario").scenario)] == [SIGNAL["id"]]


def test_a_scenario_is_made_once_and_again_when_the_code_or_the_seed_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def pretend(folder: Path, seed: int) -> None:
        folder.mkdir()
        made.append(seed)

    monkeypatch.setattr(traffic_work, "_make", pretend)
    assert make(Making(tmp_path, 1)) == make(Making(tmp_path, 1)) == tmp_path / "city"
    assert make(Making(tmp_path, 2)) == tmp_path / "city"
    monkeypatch.setattr(traffic_work, "_digest", lambda: "other")
    make(Making(tmp_path, 2))
    assert made == [1, 2, 2]
    assert [one.name for one in tmp_path.iterdir()] == ["city"]


def test_a_city_that_somebody_has_built_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_work, "_make", lambda folder, seed: folder.mkdir())
    (tmp_path / "city").mkdir()
    assert make(Making(tmp_path, 1)) == tmp_path / "demo"
    assert [*(tmp_path / "city").iterdir()] == []
