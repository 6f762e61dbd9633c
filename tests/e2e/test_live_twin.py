"""A live twin beside a hub: its signals and vehicles are entities, its cabinets take commands."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.demo import texts
from madang.twin.live.job import Job
from madang.twin.live.pace import time_of_day
from tests.e2e.commanded import Town, until
from tests.e2e.server import API, Server
from tests.twin.street_town import made

SIGNAL = "urn:ngsi-ld:TrafficSignal:small:n22"
BUS = "urn:ngsi-ld:Vehicle:small:bus-1"


class Live:
    """The process of a live twin, as the hub begins it."""

    def __init__(self, job: Job, log: Path) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "madang.demo.traffic_work"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out,
            )  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(pickle.dumps(job))
        self.process.stdin.flush()

    def close(self) -> None:
        """End it as the end of a hub does; return when it is over."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def told(self) -> Any:
        """Return the next that it tells the hub."""
        assert self.process.stdout is not None
        return orjson.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    folder = tmp_path_factory.mktemp("hub") / "data"
    with Server(folder, open=False, environ=limits) as server:
        found = Town(server)
        found.profile("demo-signal", texts.file("signal"))
        for number in ("11", "22"):
            body = {"device": f"small:n{number}", "profile": "demo-signal"}
            found.good("POST", "/devices", body)
        found.good("POST", "/devices", {"device": "small-fleet"})
        yield found


@pytest.fixture(scope="module")
def live(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    small = made(tmp_path_factory.mktemp("live") / "town", begin_s=_now() - 60)
    key = town.server.local_key()["Authorization"].removeprefix("Bearer ")
    job = Job(
        small.folder, town.server.mqtt_port, key,
        {"n11": "small:n11", "n22": "small:n22"}, {}, {"마당01": (BUS,)},
        "urn:ngsi-ld:Vehicle:small:{kind}-{number}", "small-fleet", 1,
    )  # fmt: skip
    found = Live(job, tmp_path_factory.mktemp("log") / "live.log")
    yield found
    assert found.process.poll() is None
    found.close()


def _now() -> float:
    return max(60.0, time_of_day(datetime.now(UTC), "Asia/Seoul"))


def value(town: Town, id: str, attribute: str) -> Any:
    answer = town.ask("GET", f"{API}/entities/{id}?format=simplified")
    found: Any = answer.json()
    return found.get(attribute) if answer.status == 200 else None


def places(town: Town) -> dict[str, Any]:
    """Return where all vehicles are; one of them may have come to the end of its way."""
    found = town.good("GET", f"{API}/entities?type=Vehicle&format=simplified&limit=100")
    return {one["id"]: one.get("location") for one in found}


def test_signals_and_vehicles_are_entities_that_change(town: Town, live: Live) -> None:
    assert live.told() == {"buses": [BUS]}, live.log.read_text()
    until(lambda: value(town, SIGNAL, "approaches"), bool, 60)
    assert value(town, SIGNAL, "controlMode") in ("plan", "control")
    assert value(town, SIGNAL, "currentPhase") in range(8)
    assert value(town, SIGNAL, "refDevice") == "urn:ngsi-ld:Device:small:n22"
    before = until(lambda: places(town), bool, 30)
    until(lambda: places(town), lambda now: now != before, 30)
    assert value(town, BUS, "location")
    cars = town.good("GET", f"{API}/entities?type=Vehicle&format=simplified&limit=100")
    assert any(":car-0" in one["id"] and one.get("vehicleType") == "car" for one in cars)
    assert town.good("GET", "/sense/letters")["count"] == 0


def test_a_cabinet_shows_what_it_is_told_when_that_is_safe(town: Town, live: Live) -> None:
    until(lambda: value(town, SIGNAL, "currentPhase"), lambda phase: phase is not None, 60)
    other = 1 - value(town, SIGNAL, "currentPhase") % 2
    told = town.command(SIGNAL, "showPhase", parameters={"phase": other})
    assert town.becomes(told["id"], "done", "failed", "timedOut", wait_s=60)["status"] == "done"
    until(lambda: value(town, SIGNAL, "currentPhase"), lambda phase: phase == other, 20)
    assert value(town, SIGNAL, "controlMode") == "control"
    town.refused(
        "POST", "/commands",
        {"target": SIGNAL, "name": "showPhase", "parameters": {"phase": 32}}, 400,
    )  # fmt: skip


def test_a_signal_that_is_set_to_its_own_plan_is_not_told_what_to_show(
    town: Town, live: Live
) -> None:
    other = "urn:ngsi-ld:TrafficSignal:small:n11"
    until(lambda: value(town, other, "controlMode"), bool, 60)
    told = town.command(other, "setMode", parameters={"mode": "local"})
    town.becomes(told["id"], "done", wait_s=30)
    until(lambda: value(town, other, "controlMode"), lambda mode: mode == "local", 20)
    told = town.command(other, "showPhase", parameters={"phase": 0})
    refused = town.becomes(told["id"], "refused", "done", wait_s=30)
    assert refused["status"] == "refused"
    assert "plan" in str(refused["reason"])
