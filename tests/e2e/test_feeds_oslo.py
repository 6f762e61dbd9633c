"""Two weeks of the city bikes of Oslo, as they were recorded, through a feed into the history."""

from __future__ import annotations

import csv
import gzip
import time
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.feed_city import ENVIRON, HEAD, City
from tests.e2e.publisher import Publisher
from tests.e2e.server import API, Server
from tests.recorded import DATA, needs

FOLDER = DATA / "mobility" / "gbfs_oslo"
OSLO = f'kind = "gbfs"\nurl = "{{url}}/gbfs.json"\n{HEAD}[parameters]\nsystem = "oslo"\n'
STATION = "urn:ngsi-ld:BikeHireDockingStation:oslo:{}"
BOOLEANS = ("is_installed", "is_renting", "is_returning")

Snapshots = dict[int, list[dict[str, Any]]]

needs_oslo = needs("mobility/gbfs_oslo")


def recording() -> Snapshots:
    """Return what the stations of Oslo reported, by ``last_updated``."""
    found: Snapshots = {}
    with gzip.open(FOLDER / "station_status_2023-06-05_2023-06-19.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            state: dict[str, Any] = {
                name: cell == "1" if name in BOOLEANS else int(cell)
                for name, cell in row.items()
                if name not in ("time_utc", "station_id")
            }
            state["station_id"] = row["station_id"]
            found.setdefault(state.pop("last_updated"), []).append(state)
    return found


def publish_oslo(publisher: Publisher) -> None:
    """Publish the index of the system, and where its stations are."""
    names = ("station_information", "station_status")
    feeds = [{"name": name, "url": f"{publisher.url}/{name}"} for name in names]
    publisher.pages["/gbfs.json"] = {"ttl": 0, "data": {"nb": {"feeds": feeds}}}
    with (FOLDER / "station_information.csv").open() as file:
        stations = [
            row | {"lat": float(row["lat"]), "lon": float(row["lon"])}
            | {"capacity": int(row["capacity"])}
            for row in csv.DictReader(file)
        ]  # fmt: skip
    publisher.pages["/station_information"] = {"ttl": 0, "data": {"stations": stations}}


def raw_files() -> dict[int, bytes]:
    """Return the answers that were recorded as they came, by ``last_updated``.

    Only their time to live is taken away, for two weeks go by here in less than those ten seconds.
    """
    bodies = [
        path.read_bytes().replace(b'"ttl": 10,', b'"ttl": 0,')
        for path in sorted(FOLDER.glob("raw_station_status_*.json"))
    ]
    return {orjson.loads(body)["last_updated"]: body for body in bodies}


def replay(city: City, snapshots: Snapshots, times: list[int]) -> None:
    """Let the publisher offer one snapshot after the other, and read each."""
    raw = raw_files()
    publish_oslo(city.publisher)
    for at in times:
        body = {"last_updated": at, "ttl": 0, "data": {"stations": snapshots[at]}}
        city.publisher.pages["/station_status"] = raw.get(at, orjson.dumps(body))
        if at == times[0]:
            state = city.add("oslo", OSLO)
            assert (state["error"], state["bad"]) == ("", 0)
        else:
            done = city.run("oslo")
            assert done["done"]["bad"] == 0
            assert done["done"]["entities"] >= len(snapshots[at])


def check_last(city: City, snapshots: Snapshots, times: list[int]) -> None:
    """Compare the state with the last that each station reported."""
    last = {one["station_id"]: one for at in times for one in snapshots[at]}
    found: dict[str, Any] = {}
    for offset in (0, 200):
        page = f"/entities?type=BikeHireDockingStation&limit=200&offset={offset}"
        found |= {one["id"]: one for one in city.get(page)}
    for id, reported in last.items():
        station = found[STATION.format(id)]
        assert station["availableBikeNumber"]["value"] == reported["num_bikes_available"]
        assert station["freeSlotNumber"]["value"] == reported["num_docks_available"]
        observed = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(reported["last_reported"]))
        assert station["availableBikeNumber"]["observedAt"] == observed
        assert station["status"]["value"] == status_of(reported)
    with (FOLDER / "station_information.csv").open() as file:
        for row in csv.DictReader(file):
            station = found[STATION.format(row["station_id"])]
            assert station["name"]["value"] == row["name"]
            assert station["location"]["value"]["coordinates"] == [
                float(row["lon"]), float(row["lat"])
            ]  # fmt: skip


def status_of(reported: dict[str, Any]) -> str:
    if not (reported["is_renting"] or reported["is_returning"]):
        return "outOfService"
    if not (reported["is_renting"] and reported["is_returning"]):
        return "withIncidence"
    if reported["num_bikes_available"] == 0:
        return "empty"
    return "full" if reported["num_docks_available"] == 0 else "working"


def check_history(city: City, snapshots: Snapshots, times: list[int], id: str) -> None:
    """Compare the history of a station with what was recorded of it."""
    expected = [
        (one["last_reported"], one["num_bikes_available"])
        for at in times
        for one in snapshots[at]
        if one["station_id"] == id
    ]
    path = f"/temporal/entities/{STATION.format(id)}?attrs=availableBikeNumber"
    answer = city.server.request("GET", f"{API}{path}&options=temporalValues&lastN=1000")
    assert answer.status in (200, 206), answer.body
    told: Any = answer.json()
    values = sorted((at, value) for value, at in told["availableBikeNumber"]["values"])
    assert values == [
        (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), value) for at, value in expected
    ]


@needs_oslo
def test_bikes_of_oslo_are_where_the_recording_says(tmp_path: Path) -> None:
    snapshots = recording()
    times = sorted({*list(snapshots)[::120], *(at for at in raw_files() if at in snapshots)})
    with Server(tmp_path / "data", environ=ENVIRON) as server, Publisher() as publisher:
        city = City(server, publisher, tmp_path)
        replay(city, snapshots, times)
        check_last(city, snapshots, times)
        check_history(city, snapshots, times, "534")


@needs_oslo
def test_two_weeks_of_oslo_are_in_history_value_by_value(tmp_path: Path) -> None:
    snapshots = recording()
    times = sorted(snapshots)[::8]  # of every three hours; all of them take minutes
    with Server(tmp_path / "data", environ=ENVIRON) as server, Publisher() as publisher:
        city = City(server, publisher, tmp_path)
        replay(city, snapshots, times)
        check_last(city, snapshots, times)
        for id in ("534", "394", "596", "2358"):
            check_history(city, snapshots, times, id)
