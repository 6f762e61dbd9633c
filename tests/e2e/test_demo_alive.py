"""``madang up --demo`` on a new folder: every page has something, and a restart doubles nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.commanded import Town, until
from tests.e2e.server import API, Server

LAMP = "urn:ngsi-ld:Streetlight:demo-lamp-05"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("demo")
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    environ = {**limits, "MADANG_DEMO_TRAFFIC": "no"}  # tests/e2e/test_live_twin.py has it
    with Server(folder / "data", "--demo", open=False, environ=environ) as server:
        town = Town(server)
        until(lambda: server.log_end(100_000), lambda log: "demo.past" in log, 120)
        until(lambda: incidents(town), lambda found: len(found) >= 2, 60)
        yield town


def incidents(town: Town) -> list[Any]:
    answer = town.ask("GET", "/incidents")
    found: Any = answer.json()
    return found if answer.status == 200 else []


def count(town: Town, type_: str) -> int:
    answer = town.ask("GET", f"{API}/entities?type={type_}&count=true&limit=0")
    return int(answer.headers["ngsild-results-count"])


def test_what_stands_and_what_moves_is_there(town: Town) -> None:
    assert count(town, "Building") > 1_200
    assert count(town, "RoadSegment") > 100
    assert count(town, "Vehicle") == 60
    bus = f"{API}/entities/urn:ngsi-ld:Vehicle:demo:bus-03?attrs=location"
    before = town.good("GET", bus)
    until(lambda: town.good("GET", bus), lambda now: now != before, 30)


def test_yesterday_is_known(town: Town) -> None:
    noon = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    then = town.good("GET", f"/history/state?type=Vehicle&at={noon}&limit=100")
    assert len(then) == 60
    assert all("location" in one and "speed" in one for one in then)
    sensors = town.good("GET", f"/history/state?type=AirQualityObserved&at={noon}&limit=100")
    assert len(sensors) == 60


def test_a_rule_has_seen_smoke_and_people_have_begun_to_act(town: Town) -> None:
    found = {one["category"]: one for one in incidents(town)}
    assert found["airPollution"]["status"] == "open"
    smoke = town.good("GET", f"/incidents/{found['airPollution']['number']}")
    assert smoke["playbook"] == "demo-smoke"
    assert len(smoke["steps"]) == 5
    assert found["waterLeak"]["owner"] or found["waterLeak"]["status"] == "open"


def test_a_command_waits_for_a_second_person_who_can_agree(town: Town) -> None:
    (waiting,) = town.good("GET", "/commands?status=waiting")
    assert waiting["name"] == "blackout"
    agreed = town.good("POST", f"/commands/{waiting['id']}/approve", {}, town.person("kim"))
    assert len(agreed["approvedBy"]) == 1
    town.becomes(waiting["id"], "done")


def test_a_lamp_does_what_it_is_told(town: Town) -> None:
    told = town.command(LAMP, "setLevel", parameters={"level": 0.4})
    assert town.becomes(told["id"], "done", "timedOut")["status"] == "done"
    until(
        lambda: town.good("GET", f"{API}/entities/{LAMP}"),
        lambda light: light.get("illuminanceLevel", {}).get("value") == 0.4,
    )


def test_devices_speak_are_silent_and_send_what_cannot_be_used(town: Town) -> None:
    devices = {one["device"]: one for one in town.good("GET", "/devices?limit=1000")}
    assert devices["demo-air-01"]["lastHeard"]
    assert devices["demo-air-07"]["lastHeard"] is None
    reasons = town.good("GET", "/sense/letters")["byReason"]
    assert reasons == {"badPayload": 1, "badValue": 1, "unknownDevice": 1}


def test_services_work_and_rules_are_kept(town: Town) -> None:
    states = {one["name"]: one["state"] for one in town.good("GET", "/services")}
    on = {name for name, state in states.items() if state == "running"}
    assert {"parking", "air", "waste", "street_light", "forecast", "anomaly", "incidents",
            "rules"} <= on  # fmt: skip
    assert len(town.good("GET", "/rules")) == 4
    until(
        lambda: town.good("GET", f"{API}/entities?type=OnStreetParking&limit=20"),
        lambda zones: any("occupancy" in zone for zone in zones),
        60,
    )


def test_open_data_is_open_and_a_person_is_not(town: Town) -> None:
    public = town.server.request("GET", f"{API}/entities?type=Building&limit=2")
    assert public.status == 200
    assert len(orjson.loads(public.body)) == 2
    closed = town.server.request("GET", f"{API}/entities/urn:ngsi-ld:Person:demo:1")
    assert closed.status in (401, 403, 404)
    seen = town.ask("GET", f"{API}/entities/urn:ngsi-ld:Person:demo:1", None, town.person("lee"))
    assert b"hong@example.org" not in seen.body


def test_a_restart_goes_on_and_doubles_nothing(town: Town, tmp_path: Path) -> None:
    def all_of_it() -> list[object]:
        return [
            *(count(town, one) for one in ("Building", "Vehicle", "ParkingSpot", "Streetlight")),
            len(town.good("GET", "/devices?limit=1000")),
            len(town.good("GET", "/contacts")),
            len(town.good("GET", "/trust/public?limit=1000")),
            sorted(one["category"] for one in incidents(town)),
            town.good("GET", "/sense/letters")["count"],
        ]

    before = all_of_it()
    town.server.stop()
    town.server.start(120)
    until(lambda: town.server.log_end(100_000).count("demo.ready"), lambda times: times == 2, 60)
    time.sleep(3)
    assert all_of_it() == before
    assert town.server.log_end(100_000).count("demo.past") == 1
