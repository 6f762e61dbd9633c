"""The demo city's streets as a network: what drives on them relies on this."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from madang.demo import ground, quarter, roads
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.services.corridor import way
from madang.services.signals.interlock import Interlock
from madang.services.signals.wire import unpack
from madang.twin.network import detectors, stops
from madang.twin.network.connected import unreachable
from madang.twin.network.programmes import CYCLE_S
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return roads.build(tmp_path_factory.mktemp("demo") / "city", 1)


@pytest.fixture(scope="module")
def net(city: Scenario) -> Roads:
    return Roads.read(city.net)


def test_the_same_seed_draws_the_same_and_another_one_another() -> None:
    assert roads.plan(1) == roads.plan(1)
    assert roads.plan(1) != roads.plan(2)


def test_what_is_made_already_stays(city: Scenario) -> None:
    before = city.net.stat().st_mtime_ns
    assert roads.build(city.folder, 1) == city
    assert city.net.stat().st_mtime_ns == before


def test_one_gets_from_everywhere_to_everywhere(net: Roads) -> None:
    assert unreachable(net) == set()


def test_streets_lie_where_the_map_draws_them(city: Scenario, net: Roads) -> None:
    for street in quarter.streets()[::7]:
        (u0, v0), (u1, v1) = street.corners
        lon, lat = ground.place((u0 + 0.4 * (u1 - u0), v0 + 0.4 * (v1 - v0)))
        near = net.near(lon, lat, "passenger", 12.0)
        assert {net.edges[net.lanes[one.lane].edge].name for one in near} == {street.name}
    west, south, east, north = city.bounds
    w, s, e, n = net.bounds
    assert west < w < e < east
    assert south < s < n < north


def test_traffic_keeps_to_the_right(net: Roads) -> None:
    eastward, westward = net.edges["c04r03-c05r03"], net.edges["c05r03-c04r03"]
    assert eastward.shape[0][1] < westward.shape[-1][1]


def test_signals_are_where_avenues_meet_streets_and_all_of_them_are_safe(net: Roads) -> None:
    assert len(net.signals) == 16 * 13 - 10 * 8 - 4
    for signal in net.signals.values():
        Interlock(signal, 0.0)
        assert (signal.yellow_s, signal.all_red_s) == (3.0, 2.0)
        cycle = sum(green + signal.intergreen_s for _, green in signal.plan)
        assert cycle == pytest.approx(CYCLE_S, abs=0.2)
        for link, pairs in enumerate(signal.links):
            assert pairs
            assert any(phase.serves(link) for phase in signal.phases)
        assert all(link in signal.foes[foe] for link in range(len(signal.links))
                   for foe in signal.foes[link])  # fmt: skip


def test_people_have_time_to_cross_an_avenue(net: Roads) -> None:
    signal = net.signals["c02r03"]
    crossing = [phase for phase in signal.phases if phase.walk_s and phase.clear_s > 15]
    assert crossing
    assert all(phase.least_s >= 24.2 for phase in crossing)  # 5 s, and six lanes at 1 m/s


def test_bicycles_have_a_lane_through_fourteen_signals_in_a_row(net: Roads) -> None:
    for there, back in ((1, -1), (-1, 1)):
        columns = list(range(16))[::there]
        lanes = [net.lanes[f"{roads.node(a, 6)}-{roads.node(a - back, 6)}_0"] for a in columns[:-1]]
        assert all(lane.allowed == {"bicycle"} for lane in lanes)
        for lane, following in itertools.pairwise(lanes):
            link = next(one for one in net.links[lane.id] if one.to == following.id)
            assert link.turn == "s"
            assert link.signal in net.signals


def test_buses_go_round_and_call_at_their_stops(city: Scenario, net: Roads) -> None:
    root = ElementTree.parse(city.buses).getroot()
    known, _ = stops.read(city.stops)
    routes = list(root.iterfind("route"))
    assert len(routes) == 8
    follows = {
        (net.lanes[lane].edge, net.lanes[link.to].edge)
        for lane, links in net.links.items()
        for link in links
        if "bus" in link.allowed
    }
    for route in routes:
        edges = route.attrib["edges"].split()
        assert all(pair in follows for pair in itertools.pairwise(edges))
        called = [known[one.attrib["busStop"]] for one in route.iterfind("stop")]
        order = [edges.index(net.lanes[stop.lane].edge) for stop in called]
        assert order == sorted(order)
        assert len(called) >= 10
    departures = [float(one.attrib["depart"]) for one in root.iterfind("vehicle")]
    assert departures == sorted(departures)
    assert all("bus" in net.lanes[stop.lane].allowed for stop in known.values())
    assert all(0 < stop.start < stop.end < net.lanes[stop.lane].length for stop in known.values())


def test_its_bicycle_lane_leads_over_many_signals_each_way(city: Scenario, net: Roads) -> None:
    entities = [json.loads(line) for line in city.entities.read_text().splitlines()]
    lines = [
        line for one in entities if one["type"] == "TrafficSignal"
        for line in way.read(one["id"], one["stopLines"]["json"])
    ]  # fmt: skip
    lanes = [one for one in entities if one["type"] == "BikeLane"]
    assert len(lanes) == 2
    for one in lanes:
        assert len(way.stops(way.Way(one["location"]["value"]["coordinates"]), lines)) == 15


def test_its_signals_and_stations_are_entities(city: Scenario, net: Roads) -> None:
    entities = [json.loads(line) for line in city.entities.read_text().splitlines()]
    by_type: dict[str, list[str]] = {}
    for one in entities:
        by_type.setdefault(one["type"], []).append(one["id"].rpartition(":")[2])
        if one["type"] == "TrafficSignal":
            normalized(one, CORE)
            id = one["id"].rpartition(":")[2]
            assert unpack(id, one["layout"]["json"]) == net.signals[id]
            assert one["name"]["languageMap"]["ko"]
    assert set(by_type["TrafficSignal"]) == set(net.signals)
    assert set(by_type["TrafficFlowObserved"]) == set(detectors.read(city.detectors))
    _, areas = stops.read(city.stops)
    assert set(areas) <= {one["id"] for one in entities if one["type"] == "OnStreetParking"}
    assert len(areas) >= 10


def test_types_are_there_for_everybody_who_drives(city: Scenario) -> None:
    root = ElementTree.parse(city.types).getroot()
    assert {one.attrib["id"] for one in root} == {
        "passenger", "bus", "bicycle", "emergency", "truck",
    }  # fmt: skip
    assert city.additional == (city.types, city.stops, city.detectors)


def test_another_network_takes_the_place_of_one_of_another_seed(tmp_path: Path) -> None:
    (tmp_path / "scenario.toml").write_text('name = "x"\n')
    (tmp_path / "demand.rou.xml").write_text("<routes/>")
    with pytest.raises(Exception, match=r"lacks 'bounds'; build the city again"):
        Scenario.open(tmp_path)
