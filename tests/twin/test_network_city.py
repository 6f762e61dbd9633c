"""``madang city build``: a small town out of a map and a timetable, as a person makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from madang.cli import app
from madang.commands.terminal import BadOption
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.services.signals.interlock import Interlock
from madang.twin.network import detectors, stops
from madang.twin.network.connected import unreachable
from madang.twin.network.programs import NetworkError
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario
from tests.twin.network_maps import ORIGIN, STEP, place, write_map, write_timetable


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def run(*words: str) -> str:
    found = CliRunner().invoke(app, ["city", "build", *words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("town")
    write_map(folder / "town.osm")
    write_timetable(folder / "town.zip")
    west, south = place(-1, -1)
    halves = [("Oeste", west, west + 2.4 * STEP), ("Este", west + 2.4 * STEP, west + 6 * STEP)]
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": box(a, south, b, 28.2)}
        for name, a, b in halves
    ]
    (folder / "zones.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": features})
    )
    return folder


@pytest.fixture(scope="module")
def told(sources: Path) -> tuple[Scenario, str]:
    out = sources / "Mi Ciudad"
    said = run(
        "--osm", str(sources / "town.osm"), "--gtfs", str(sources / "town.zip"),
        "--districts", str(sources / "zones.geojson"), "--out", str(out),
    )  # fmt: skip
    return Scenario.open(out), said


@pytest.fixture(scope="module")
def city(told: tuple[Scenario, str]) -> Scenario:
    return told[0]


@pytest.fixture(scope="module")
def roads(city: Scenario) -> Roads:
    return Roads.read(city.net)


@pytest.fixture(scope="module")
def entities(city: Scenario) -> list[dict[str, Any]]:
    return [json.loads(line) for line in city.entities.read_text().splitlines()]


def of_type(entities: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [one for one in entities if one["type"] == type_]


def test_the_scenario_says_what_it_is(city: Scenario) -> None:
    assert (city.name, city.zone, city.seed) == ("mi-ciudad", "Atlantic/Canary", 1)
    assert "ODbL" in city.source
    west, south, east, north = city.bounds
    assert west == pytest.approx(ORIGIN[0], abs=1e-4)
    assert north == pytest.approx(place(0, 3)[1], abs=1e-4)
    assert west < east
    assert south < north
    assert city.counts["signals"] == 1
    assert city.counts["buildings"] == 1


def test_everything_in_it_can_be_reached_and_left_again(roads: Roads) -> None:
    assert roads.edges
    assert unreachable(roads) == set()
    assert not any(edge.name[0] == "Fin" for edge in roads.edges.values())


def test_roads_lie_where_the_map_has_them(roads: Roads) -> None:
    lon, lat = place(1.5, 1)
    near = roads.near(lon, lat, "passenger", 15.0)
    assert {roads.edges[roads.lanes[one.lane].edge].name[0] for one in near} == {"Calle 1"}
    lengths = [roads.edges[roads.lanes[one.lane].edge].length for one in near]
    assert all(200 < length < 250 for length in lengths)


def test_its_signal_is_safe_and_leaves_people_time_to_cross(roads: Roads) -> None:
    (signal,) = roads.signals.values()
    Interlock(signal, 0.0)
    assert (signal.yellow_s, signal.all_red_s) == (3.0, 2.0)
    through = [phase for phase in signal.phases if phase.walk_s]
    assert through
    assert all(phase.least_s >= phase.walk_s + 6.0 for phase in through)
    assert all(green >= signal.phases[number].least_s for number, green in signal.plan)


def test_stops_are_at_the_right_of_the_street_their_buses_take(
    city: Scenario, roads: Roads
) -> None:
    found, _ = stops.read(city.stops)
    assert set(found) == set("abcdef")
    there = {roads.lanes[found[id].lane].edge for id in "abc"}
    back = {roads.lanes[found[id].lane].edge for id in "def"}
    assert not there & back
    for id in "abc":  # they drive east
        shape = roads.lanes[found[id].lane].shape
        assert shape[-1][0] > shape[0][0]


def test_buses_of_a_weekday_keep_to_the_timetable(city: Scenario, roads: Roads) -> None:
    root = ElementTree.parse(city.buses).getroot()
    routes = {one.attrib["id"]: one.attrib["edges"].split() for one in root.iterfind("route")}
    buses = list(root.iterfind("vehicle"))
    assert [float(one.attrib["depart"]) for one in buses] == [25200, 25200, 28800, 28800]
    found, _ = stops.read(city.stops)
    for bus in buses:
        edges = routes[bus.attrib["route"]]
        called = [found[one.attrib["busStop"]] for one in bus.iterfind("stop")]
        assert len(called) == 3
        order = [edges.index(roads.lanes[stop.lane].edge) for stop in called]
        assert order == sorted(order)
        assert [float(one.attrib["until"]) for one in bus.iterfind("stop")] == [
            float(bus.attrib["depart"]) + 120 * n for n in range(3)
        ]


def test_what_is_odd_or_closed_is_reported_with_its_place(
    told: tuple[Scenario, str],
) -> None:
    city, said = told
    report = json.loads(city.report.read_text())
    kinds = {one["kind"]: one for one in report["odd"]}
    assert kinds["cutOff"]["name"] == "Fin"
    assert kinds["cutOff"]["location"] == pytest.approx(list(place(3, 3)), abs=1e-3)
    closed = [one for one in report["odd"] if one["kind"] == "closed"]
    assert {one["what"] for one in closed} == {
        "closed on the map: gate",
        "closed on the map: construction",
    }
    assert report["left_out"] == {"service roads": 1}
    assert any("sea" in line for line in report["timetable"])
    assert "cutOff, such as Fin" in said
    assert "left out: 1 service roads" in said


def test_it_is_told_as_entities_of_the_smart_data_models(entities: list[dict[str, Any]]) -> None:
    for one in entities:
        normalized(one, CORE)
    assert len({one["id"] for one in entities}) == len(entities)
    (building,) = of_type(entities, "Building")
    assert building["floorsAboveGround"]["value"] == 5
    assert building["height"] == {"type": "Property", "value": 15.0, "unitCode": "MTR"}
    assert building["areaServed"]["value"] == "Oeste"
    (parking,) = of_type(entities, "OffStreetParking")
    assert parking["totalSpotNumber"]["value"] > 100
    assert parking["spotNumberIsEstimated"]["value"] is True
    segments = of_type(entities, "RoadSegment")
    known = {one["id"] for one in segments}
    for street in of_type(entities, "Road"):
        several = street["refRoadSegment"]["object"]
        assert known.issuperset(several if isinstance(several, list) else [several])
    assert {one["name"]["value"] for one in of_type(entities, "District")} == {"Oeste", "Este"}
    (line,) = of_type(entities, "GtfsRoute")
    assert line["shortName"]["value"] == "L7"


def test_stations_and_parking_are_on_lanes_and_named_like_their_entities(
    city: Scenario, roads: Roads, entities: list[dict[str, Any]]
) -> None:
    stations = detectors.read(city.detectors)
    ids = {one["id"] for one in of_type(entities, "TrafficFlowObserved")}
    assert ids == {f"urn:ngsi-ld:TrafficFlowObserved:mi-ciudad:{id}" for id in stations}
    for station in stations.values():
        assert set(station.lanes) <= set(roads.edges[station.edge].lanes)
        assert station.position <= roads.edges[station.edge].length
    _, areas = stops.read(city.stops)
    assert set(areas) == {one["id"] for one in of_type(entities, "OffStreetParking")}


def test_a_boundary_takes_a_part_of_the_map_and_building_again_replaces_it(
    sources: Path, city: Scenario
) -> None:
    boundary = sources / "half.geojson"
    boundary.write_text(json.dumps(box(*place(-1, -1), *place(1.9, 1.9))))
    out = sources / "half"
    out.mkdir()
    (out / "scenario.toml").write_text("")  # an earlier city
    (out / "demand.rou.xml").write_text("<routes/>")  # of other roads
    words = ["--osm", str(sources / "town.osm"), "--boundary", str(boundary), "--out", str(out)]
    said = json.loads(run(*words, "--zone", "Asia/Seoul", "--json"))
    half = Scenario.open(out)
    assert (half.name, half.zone) == ("half", "Asia/Seoul")
    assert said["counts"] == half.counts
    assert half.counts["edges"] < city.counts["edges"]
    assert not half.demand.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say either --osm"),
        (["--synthetic", "--osm", "town.osm"], "say either --osm"),
        (["--synthetic", "--gtfs", "town.zip"], "leave out --gtfs"),
        (["--osm", "nowhere.osm"], "nowhere.osm cannot be read"),
        (["--osm", "town.zip"], "is no map of OpenStreetMap"),
        (["--osm", "town.osm", "--gtfs", "nowhere.zip"], "there is no such file"),
        (["--osm", "town.osm", "--gtfs", "town.osm"], "no ZIP archive"),
        (["--osm", "town.osm", "--zone", "Mars/Base"], "'Mars/Base' is no time zone"),
        (["--osm", "town.osm", "--name", "Las Palmas"], "small letters"),
        (["--osm", "town.osm", "--boundary", "far.geojson"], "does the boundary lie on this map"),
        (["--osm", "town.osm", "--districts", "town.osm"], "is no GeoJSON"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(
    words: list[str], message: str, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sources)
    (sources / "far.geojson").write_text(json.dumps(box(10, 10, 11, 11)))
    with pytest.raises(Exception, match=message) as raised:
        run(*words, "--out", "new")
    assert "\n" not in str(raised.value)


def test_a_folder_with_other_things_is_left_alone(sources: Path) -> None:
    with pytest.raises(BadOption, match="is not empty and holds no city"):
        run("--synthetic", "--out", str(sources))
    with pytest.raises(NetworkError, match="holds no city"):
        Scenario.open(sources)
