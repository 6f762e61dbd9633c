"""Trips of a weekday: from residents' days to roads of a network."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from madang.cli import app
from madang.twin.demand import trips
from madang.twin.demand.network import Network
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario, put_entities
from madang.twin.people.places import NoPlaces, of_entities
from tests.twin.street_town import made

RESIDENTS = 4000


def building(number: int, category: str) -> dict[str, Any]:
    lon, lat = 126.9025 + 0.0011 * (number % 6), 37.5022 + 0.0009 * (number // 6)
    ring = [[lon, lat], [lon + 2e-4, lat], [lon + 2e-4, lat + 2e-4], [lon, lat + 2e-4], [lon, lat]]
    return {
        "id": f"urn:ngsi-ld:Building:{number}", "type": "Building",
        "category": {"type": "Property", "value": [category]},
        "location": {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}},
    }  # fmt: skip


BUILDINGS = [
    building(number, kind)
    for number, kind in enumerate(
        ["apartments", "office", "house", "retail", "house", "school"] * 6
    )
]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return made(tmp_path_factory.mktemp("demand") / "town")


@pytest.fixture(scope="module")
def written(scenario: Scenario) -> trips.Written:
    return trips.write(scenario, 1, 1.0, residents=RESIDENTS, entities=BUILDINGS)


@pytest.fixture(scope="module")
def rows(scenario: Scenario) -> list[dict[str, str]]:
    """Return the trips, written anew: another test may have written others to the same file."""
    written = trips.write(scenario, 1, 1.0, residents=RESIDENTS, entities=BUILDINGS)
    return [dict(one.attrib) for one in ElementTree.parse(written.file).getroot()]


def test_trips_are_sorted_by_departure_within_the_day(rows: list[dict[str, str]]) -> None:
    departs = [float(row["depart"]) for row in rows]
    assert all(a <= b for a, b in pairwise(departs))
    assert departs[0] >= 0
    assert departs[-1] < 86_400
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_trip_begins_and_ends_on_roads_that_its_kind_may_use(
    scenario: Scenario, rows: list[dict[str, str]]
) -> None:
    roads = Roads.read(scenario.net)
    for row in rows[::17]:
        for end in (row["from"], row["to"]):
            assert roads.lane_for(end, row["type"]) is not None
        assert row["from"] != row["to"]


def test_mornings_and_evenings_are_busiest_and_nights_are_quiet(written: trips.Written) -> None:
    hours = written.by_hour
    assert sum(hours) == sum(written.counts.values())
    assert max(hours[7:10]) > 1.3 * max(hours[10:12])
    assert max(hours[17:20]) > 1.3 * max(hours[14:16])
    assert sum(hours[0:5]) < 0.02 * sum(hours)
    assert written.counts["passenger"] > written.counts["truck"] > 0
    assert written.counts["bicycle"] > 0


def test_people_come_into_the_city_at_its_gates_in_the_morning(
    scenario: Scenario, rows: list[dict[str, str]]
) -> None:
    into, out = Network(Roads.read(scenario.net)).gates
    assert {one.id for one in into} == {
        "n01-n11", "n02-n12", "n03-n13", "n10-n11", "n20-n21", "n30-n31", "n41-n31", "n42-n32",
        "n43-n33", "n14-n13", "n24-n23", "n34-n33",
    }  # fmt: skip
    assert {one.start for one in into} == {one.end for one in out}
    come = [float(row["depart"]) for row in rows if row["from"] in {one.id for one in into}]
    assert len(come) > 0.1 * len(rows)


def test_the_same_seed_writes_the_same_and_scale_writes_more(
    scenario: Scenario, rows: list[dict[str, str]]
) -> None:
    again = trips.write(scenario, 1, 1.0, residents=RESIDENTS, entities=BUILDINGS)
    assert [dict(one.attrib) for one in ElementTree.parse(again.file).getroot()] == rows
    double = trips.write(scenario, 1, 2.0, residents=RESIDENTS, entities=BUILDINGS)
    assert sum(double.counts.values()) == pytest.approx(2 * len(rows), rel=0.05)


def test_no_more_trips_drive_than_the_streets_hold(scenario: Scenario) -> None:
    few = trips.write(scenario, 1, residents=4000, entities=BUILDINGS)
    many = trips.write(scenario, 1, residents=40_000, entities=BUILDINGS)
    assert sum(many.counts.values()) < 2 * sum(few.counts.values())


def test_no_trip_names_a_person_or_a_home(rows: list[dict[str, str]]) -> None:
    told = {name for row in rows for name in row}
    assert told == {
        "id", "type", "depart", "from", "to", "departLane", "departPos", "departSpeed",
    }  # fmt: skip


def test_a_scenario_without_entities_is_refused_with_the_way_out(scenario: Scenario) -> None:
    assert not scenario.entities.exists()
    with pytest.raises(NoPlaces, match="build the city again"):
        trips.write(scenario, 1)


def test_residents_are_as_many_as_the_districts_say_or_homes_have_room_for() -> None:
    places = of_entities(BUILDINGS)
    district = {"type": "District", "population": {"type": "Property", "value": 1200}}
    assert trips.residents_of([district, {"type": "Building"}, district], places) == 2400
    floors = sum(places.weight[0])
    assert trips.residents_of(BUILDINGS, places) == round(floors / trips.FLOOR_M2) > 100


def test_what_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(NoPlaces, match="cannot be read"):
        list(trips.told(tmp_path / "entities.jsonl"))


def test_the_command_writes_the_trips_of_a_city(scenario: Scenario) -> None:
    place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [126.905, 37.504]}}
    city = [*BUILDINGS, {"id": "urn:ngsi-ld:Park:1", "type": "Park", "location": place}]
    put_entities(scenario.entities, city)
    try:
        done = CliRunner().invoke(
            app, ["demand", "write", str(scenario.folder), "--residents", "1000", "--scale", "0.5"]
        )
    finally:
        scenario.entities.unlink()
    assert done.exit_code == 0, done.output
    assert "passenger" in done.stdout
    assert "08:00" in done.stdout
