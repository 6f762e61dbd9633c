"""Timetables and realtime messages of real cities, served by a file server, in a running hub."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
import pytest

from tests.e2e.server import Server
from tests.recorded import DATA, needs

pytestmark = needs("mobility/gtfs", "mobility/gtfs_rt", "mobility/las_palmas")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    """Serve the recorded files; yield the URL of their folder."""
    handler = partial(Quiet, directory=str(DATA / "mobility"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environ = {"MADANG_FEED_HOSTS": "127.0.0.1", "MADANG_FEED_PAUSE_S": "0.001"}
    folder = tmp_path_factory.mktemp("transit")
    with Server(folder / "data", environ=environ) as running:
        yield running


def declared(kind: str, *urls: str, **parameters: str | bool) -> str:
    lines = [
        f'kind = "{kind}"',
        f"url = {list(urls)!r}",
        'every = "1d"',
        'provider = "The operator"',
        'licence = "see the operator"',
        "[parameters]",
        *(f"{name} = {orjson.dumps(value).decode()}" for name, value in parameters.items()),
    ]
    return "\n".join(lines)


def done(hub: Server, method: str, path: str, body: object) -> dict[str, Any]:
    """Return the last line of an answer that tells how far it has got."""
    answer = hub.request(method, path, body)
    assert answer.status == 200, answer
    last: dict[str, Any] = orjson.loads(answer.body.splitlines()[-1])
    assert "done" in last, last
    found: dict[str, Any] = last["done"]
    return found


def tried(hub: Server, text: str) -> dict[str, Any]:
    """Return what a feed would write."""
    return done(hub, "POST", "/sense/feeds/trials", {"name": "trial", "text": text})


def settled(hub: Server, name: str, text: str) -> dict[str, Any]:
    """Add a feed, and return how it goes as soon as it was read."""
    added = hub.request("POST", "/sense/feeds", {"name": name, "text": text})
    assert added.status == 201, added
    until = time.monotonic() + 60
    while time.monotonic() < until:
        state: Any = hub.request("GET", f"/sense/feeds/{name}").json()
        if state["triedAt"] is not None:
            assert not state["error"], state
            found: dict[str, Any] = state
            return found
        time.sleep(0.02)
    raise AssertionError(f"{name} was not read: {state}")


def count(hub: Server, type: str, system: str) -> int:
    query = f"type={type}&idPattern=urn:ngsi-ld:{type}:{system}:&count=true&limit=0"
    return int(hub.request("GET", f"/ngsi-ld/v1/entities?{query}").headers["ngsild-results-count"])


def entity(hub: Server, id: str) -> dict[str, Any]:
    answer = hub.request("GET", f"/ngsi-ld/v1/entities/{id}")
    assert answer.status == 200, answer
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def test_the_timetable_of_cairns_is_there(hub: Server, files: str) -> None:
    text = declared("gtfs", f"{files}/gtfs/cairns_2014_gtfs.zip", system="cairns")
    assert settled(hub, "cairns", text)["bad"] == 0
    counts = {type: count(hub, type, "cairns") for type in ("GtfsRoute", "GtfsStop", "GtfsTrip")}
    assert counts == {"GtfsRoute": 22, "GtfsStop": 416, "GtfsTrip": 1339}
    stop = entity(hub, "urn:ngsi-ld:GtfsStop:cairns:750000")
    assert stop["name"]["value"] == "Cedar Rd (Palm Cove) - Hail and Ride Location"
    assert stop["location"]["value"]["coordinates"] == [145.668217, -16.74359]
    assert stop["firstDeparture"]["value"] == "05:50:00"


def test_redding_runs_as_its_timetable_says_but_late(hub: Server, files: str) -> None:
    static = f"{files}/gtfs_rt/raba_gtfs.zip"
    settled(hub, "redding", declared("gtfs", static, system="redding"))
    live = [f"{files}/gtfs_rt/raba-{name}.pb" for name in ("vehicle-positions", "trip-updates")]
    text = declared("gtfs-realtime", *live, system="redding", static=static)
    problems = tried(hub, text)["problems"]
    assert problems == ["1 of 22 vehicles are on a trip of the timetable; 21 name none"]
    state = settled(hub, "redding-live", text)
    assert state["bad"] == 0
    assert state["notes"]["timetable"]["tripUpdatesOfKnownTrip"] == 9
    trip = entity(hub, "urn:ngsi-ld:GtfsTrip:redding:28c61524-6da8-4506-9a92-22f2f6e91872")
    assert trip["delay"]["value"] == 541
    assert trip["headSign"]["value"] == "Southbound", "what the timetable says stays"
    assert trip["startTime"]["value"] == "13:50:00"
    bus = entity(hub, trip["hasVehicle"]["object"])
    assert bus["hasTrip"]["object"] == trip["id"]
    assert bus["location"]["observedAt"].startswith("2025-06-08T21:08")
    assert count(hub, "Vehicle", "redding") == 22
    assert count(hub, "ArrivalEstimation", "redding") == 41


def test_the_wrong_city_is_noticed_and_nothing_of_it_left_out(hub: Server, files: str) -> None:
    live = f"{files}/gtfs_rt/unitrans-trip-updates.pb"
    without = tried(hub, declared("gtfs-realtime", live, system="davis"))
    assert any("37 trips are not checked" in one for one in without["problems"])
    wrong = declared("gtfs-realtime", live, system="wrong", static=f"{files}/gtfs_rt/raba_gtfs.zip")
    (said,) = [one for one in tried(hub, wrong)["problems"] if "trip updates" in one]
    assert said.startswith("0 of 37 trip updates are on a trip of the timetable")
    assert "is it another city's?" in said
    state = settled(hub, "wrong", wrong)
    assert state["notes"]["timetable"]["tripUpdatesOfKnownTrip"] == 0
    assert count(hub, "GtfsTrip", "wrong") == 37
    trip = entity(hub, "urn:ngsi-ld:GtfsTrip:wrong:U_39_outbound_1435")
    assert trip["inTimetable"]["value"] is False


def test_trying_a_timetable_writes_nothing(hub: Server, files: str) -> None:
    text = declared("gtfs", f"{files}/gtfs/cairns_2014_gtfs.zip", system="trial")
    assert tried(hub, text)["types"]["GtfsTrip"]["entities"] == 1339
    assert count(hub, "GtfsTrip", "trial") == 0


def test_the_whole_timetable_of_las_palmas_is_there(hub: Server, files: str) -> None:
    archive = f"{files}/las_palmas/gtfs_guaguas_20230222.zip"
    state = settled(hub, "guaguas", declared("gtfs", archive, system="guaguas"))
    assert state["bad"] == 0
    types = ("GtfsRoute", "GtfsStop", "GtfsTrip", "GtfsStopTime")
    counts = {type: count(hub, type, "guaguas") for type in types}
    assert counts == {"GtfsRoute": 44, "GtfsStop": 793, "GtfsTrip": 6839, "GtfsStopTime": 0}
    query = "type=GtfsTrip&idPattern=guaguas&q=endTime>=%2224:00:00%22&count=true&limit=1"
    answer = hub.request("GET", f"/ngsi-ld/v1/entities?{query}")
    assert int(answer.headers["ngsild-results-count"]) > 0, "trips run past midnight"
