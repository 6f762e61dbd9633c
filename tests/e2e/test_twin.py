"""Policies tried on a small town over HTTP and the command line, adopted, and kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.commanded import Town
from tests.e2e.server import API, Server
from tests.twin.street_town import made

CLOSED = 'title = "Works"\n[[closure]]\nedges = ["n12-n22"]\n'
ASKED = {"policies": [CLOSED], "hours": 0.05, "seeds": 2, "time": "08:00"}
STILL = {"hours": 0.05, "seeds": 1, "time": "08:00"}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    data = tmp_path_factory.mktemp("twin") / "data"
    made(data / "twin" / "city")
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON")}
    with Server(data, open=False, environ=limits) as server:
        yield Town(server)


def over(city: Town, id: str, wait_s: float = 300) -> dict[str, Any]:
    """Return a trial when it is over."""
    end = time.monotonic() + wait_s
    while True:
        found: dict[str, Any] = city.good("GET", f"/twin/trials/{id}")
        if found["state"] not in ("waiting", "running"):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.3)


@pytest.fixture(scope="module")
def trial(city: Town) -> dict[str, Any]:
    """One that is done."""
    begun = city.good("POST", "/twin/trials", ASKED)
    assert (begun["state"], begun["runs"]) == ("waiting", 4)
    found = over(city, begun["id"])
    assert found["state"] == "done", found["error"]
    return found


def test_a_trial_tells_every_indicator_with_its_interval(trial: dict[str, Any]) -> None:
    told = {one["name"]: one for one in trial["result"]["indicators"]}
    assert {"delay", "stops", "co2", "nox", "pmx", "noise", "reach_30", "parking"} <= told.keys()
    delay = told["delay"]["policies"][0]
    assert len(delay["values"]) == 2
    assert delay["interval"][0] <= delay["difference"] <= delay["interval"][1]
    assert told["co2"]["now"]["mean"] > 0
    assert told["noise"]["now"]["mean"] > 30
    assert trial["progress"] == 1
    assert [policy["title"] for policy in trial["policies"]] == ["as it is", "Works"]


def test_nobody_drives_through_a_closed_street(city: Town, trial: dict[str, Any]) -> None:
    found = city.good("GET", f"/twin/trials/{trial['id']}/streets")
    told = {one["properties"]["edge"]: one["properties"] for one in found["features"]}
    assert told["n12-n22"]["flow"]["now"] > 0
    assert told["n12-n22"]["flow"]["then"] == 0
    assert any(one["flow"]["difference"] > 0 for one in told.values())


def test_trials_are_there_after_a_restart_and_their_files_are_tidy(
    city: Town, trial: dict[str, Any]
) -> None:
    city.server.stop()
    city.server.start()
    (found,) = [one for one in city.good("GET", "/twin/trials") if one["id"] == trial["id"]]
    assert found["state"] == "done"
    folder = city.server.data / "twin" / "trials" / trial["id"]
    assert not (folder / "runs").exists()


def test_adopting_goes_on_record_with_who_and_says_what_is_left_to_do(
    city: Town, trial: dict[str, Any]
) -> None:
    kim = city.person("kim")
    path = f"/twin/trials/{trial['id']}/decision"
    decided = city.good("POST", path, {"adopt": True, "reason": "Quieter"}, kim)
    assert decided["adopted"]
    assert "On record only" in decided["done"]["en"]
    record = city.good("GET", f"/decisions/{decided['record']}")
    assert record["service"] == "twin"
    assert decided["by"] in record["what"]["en"]
    told = city.good("GET", f"/twin/trials/{trial['id']}", as_=kim)
    assert told["people"][decided["by"]] == "kim"
    assert "Quieter" in record["what"]["en"]
    assert record["options"]["policy"]["closure"][0]["edges"] == ["n12-n22"]
    assert "decided on already" in city.refused("POST", path, {"adopt": False}, 409, kim)
    audit = city.good("GET", "/trust/audit?limit=50")["records"]
    assert "policyAdopted" in orjson.dumps(audit).decode()


def test_a_trial_can_be_cancelled_and_removed(city: Town) -> None:
    begun = city.good("POST", "/twin/trials", ASKED | {"hours": 2})
    path = f"/twin/trials/{begun['id']}"
    assert city.good("POST", f"{path}/cancel")["state"] == "cancelled"
    assert "is over already" in city.refused("POST", f"{path}/cancel", {}, 409)
    assert "only one that is done" in city.refused(
        "POST", f"{path}/decision", {"adopt": False}, 409
    )
    city.good("DELETE", path)
    assert city.ask("GET", path).status == 404


def test_usual_traffic_meets_signals_as_the_city_controls_them_now(city: Town) -> None:
    assert city.good("POST", "/twin/trials", STILL | {"policies": [CLOSED]})["start"] == {
        "kind": "usual", "at": None, "time": "08:00", "vehicles": 0, "counts": 0,
        "control": "fixed",
    }  # fmt: skip
    signal = {
        "id": "urn:ngsi-ld:TrafficSignal:town:n22",
        "type": "TrafficSignal",
        "controlMode": {"type": "Property", "value": "control"},
    }
    city.good("POST", f"{API}/entities", signal)
    begun = city.good("POST", "/twin/trials", STILL | {"policies": [CLOSED]})
    assert begun["start"]["control"] == "cognitive"
    assert over(city, begun["id"])["state"] == "done"


def test_a_trial_that_fails_says_why(city: Town) -> None:
    nowhere = '[[closure]]\nedges = ["no such street"]'
    begun = city.good("POST", "/twin/trials", STILL | {"policies": [nowhere]})
    found = over(city, begun["id"])
    assert found["state"] == "failed"
    assert "closure[0] of 'policy' is on no street of the network" in found["error"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"policies": []}, "there may be 1 to 4 policies"),
        ({"policies": [CLOSED], "hours": 99}, "hours must be 0.05 to 24"),
        ({"policies": [CLOSED], "seeds": 99}, "seeds must be 1 to 20"),
        ({"policies": [CLOSED] * 4, "seeds": 20}, "at most 60"),
        ({"policies": ["[signals]\ncontrol = 1"]}, "signals.control"),
        ({"policies": [CLOSED], "time": "25:00"}, "a time of day such as 08:15"),
        ({"policies": [CLOSED], "time": "08:00", "branch": "b"}, "both say when it begins"),
        ({"policies": [CLOSED], "at": "2999-01-01T00:00:00Z"}, "at lies ahead"),
        ({"policies": CLOSED}, "an array of texts in TOML"),
    ],
)
def test_what_cannot_be_tried_is_refused(city: Town, body: dict[str, Any], told: str) -> None:
    assert told in city.refused("POST", "/twin/trials", body, 400)


def test_a_branch_keeps_what_the_city_knows(city: Town) -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [126.903, 37.5036]}}
    city.put("urn:ngsi-ld:Vehicle:1", location=place, vehicleType="car", speed=36, heading=90)
    city.put("urn:ngsi-ld:TrafficSignal:t:n22", location=place, currentPhase=1)
    found = city.good("POST", "/twin/branches", {"name": "this-morning"})
    assert (found["start"]["kind"], found["start"]["vehicles"]) == ("now", 1)
    assert "there is a branch" in city.refused(
        "POST", "/twin/branches", {"name": "this-morning"}, 409
    )
    assert [one["name"] for one in city.good("GET", "/twin/branches")] == ["this-morning"]
    assert "named by up to 40" in city.refused("POST", "/twin/branches", {"name": "../x"}, 400)
    city.good("DELETE", "/twin/branches/this-morning")
    assert city.good("GET", "/twin/branches") == []


def test_without_a_city_it_is_said_how_to_make_one(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        town = Town(server)
        assert town.good("GET", "/twin")["city"] is None
        told = town.refused("POST", "/twin/trials", {"policies": [CLOSED]}, 409)
        assert "madang city build" in told


def test_a_policy_is_tried_from_the_command_line(city: Town, tmp_path: Path) -> None:
    policy, streets = tmp_path / "works.toml", tmp_path / "streets.geojson"
    policy.write_text(CLOSED + '[signals]\ncontrol = "fixed"\n')
    said = city.server.said(
        "try", "--policy", str(policy), "--hours", "0.05", "--seeds", "1", "--time", "08:00",
        "--streets", str(streets), timeout_s=300,
    )  # fmt: skip
    assert "Works, against as it is" in said
    assert "Delay of a trip" in said
    assert orjson.loads(streets.read_bytes())["features"]
    id = said.partition("madang trial adopt ")[2].split(";")[0]
    assert "Works" in city.server.said("trial", "list")
    city.good("PATCH", "/services/signals", {"on": True})
    told = city.server.said("trial", "adopt", id, "--reason", "Safer", "--yes")
    assert "The service signals was switched off." in told
    assert "On record only, and to be carried out on the street: closure." in told
    assert city.good("GET", "/services/signals")["state"] == "off"
    assert "adopted by" in city.server.said("trial", "show", id)
    assert "[[bus_line]]" in city.server.said("try", "--templates")
