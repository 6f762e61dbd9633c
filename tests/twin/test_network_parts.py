"""Parts of networks by themselves: programmes, areas, timetables, files, whatever is given."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.twin.network import areas, net
from madang.twin.network.plan import Edge, Node, Plan
from madang.twin.network.programmes import CYCLE_S, Green, durations, settled
from madang.twin.network.programs import NetworkError, run
from madang.twin.network.scenario import Scenario, put
from madang.twin.network.timetable import weekday

LINKS = 6
SIZES = st.floats(0, 40)


@given(
    st.text("Ggr", min_size=LINKS, max_size=LINKS),
    st.sets(st.tuples(st.integers(0, LINKS - 1), st.integers(0, LINKS - 1))),
    st.sets(st.integers(0, LINKS - 1)),
)
def test_no_two_protected_greens_meet(
    state: str, pairs: set[tuple[int, int]], weak: set[int]
) -> None:
    met = [(a, b) for a, b in pairs if a != b]
    foes = [
        frozenset({b for a, b in met if a == link} | {a for a, b in met if b == link})
        for link in range(LINKS)
    ]
    yields = [foes[link] if link in weak else frozenset[int]() for link in range(LINKS)]
    found = settled(state, foes, yields)
    assert [one in "Gg" for one in found] == [one in "Gg" for one in state]
    for link in range(LINKS):
        assert found[link] != "G" or all(found[other] != "G" for other in foes[link])


@given(st.lists(st.tuples(SIZES, st.booleans()), min_size=1, max_size=4))
def test_every_green_is_as_long_as_people_need_and_cycles_are_whole(
    wanted: list[tuple[float, bool]],
) -> None:
    greens = [
        Green("G", 5.0 if clear else 0.0, clear, is_left and clear == 0)
        for clear, is_left in wanted
    ]
    given_s = durations(greens)
    for green, seconds in zip(greens, given_s, strict=True):
        assert seconds >= green.least_s - 0.05
    total = sum(given_s) + 5 * len(greens)
    has_through = any(not green.is_left for green in greens)
    assert total >= CYCLE_S - 0.5 or not has_through


def features(*geometries: dict[str, Any], **more: Any) -> str:
    rows = [
        {"type": "Feature", "properties": {"Name": f" zone {n} "}, "geometry": geometry}
        for n, geometry in enumerate(geometries)
    ]
    return json.dumps({"type": "FeatureCollection", "features": rows} | more)


def square(west: float, south: float, side: float) -> dict[str, Any]:
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side]]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def test_areas_have_names_and_may_be_in_a_system_of_their_country(tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3035"}}
    file.write_text(features(square(1_815_598, 982_758, 100), crs=crs))
    (found,) = areas.read(file)
    assert found.name == "zone 0"
    west, south, east, north = found.shape.bounds
    assert (west, south) == pytest.approx((-15.44, 28.12), abs=0.02)
    assert 0 < east - west < 0.002
    assert 0 < north - south < 0.002


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no GeoJSON"),
        ("[]", "expected an object with features"),
        (features({"type": "Point", "coordinates": [1, 2]}), "has no Polygon"),
        (features({"type": "Polygon", "coordinates": [[[0, 0]]]}), "area 1 is no polygon"),
        (features(square(400_000, 3_000_000, 10)), "coordinates are no degrees"),
        (features(square(0, 0, 1), crs={"properties": {"name": "EPSG:1"}}), "which is unknown"),
    ],
)
def test_areas_that_cannot_be_used_are_told(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "zones.geojson"
    file.write_text(content)
    with pytest.raises(NetworkError, match=message):
        areas.read(file)
    with pytest.raises(NetworkError, match="cannot be read"):
        areas.read(tmp_path / "none.geojson")


def frames(**changes: Any) -> dict[str, pl.DataFrame]:
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    base = {
        "routes": pl.DataFrame(
            {"route_id": ["r", "t"], "route_type": ["3", "0"],
             "route_short_name": ["12", "tram"], "route_long_name": [None, None]},
            schema_overrides={"route_long_name": pl.String},
        ),
        "trips": pl.DataFrame(
            {"route_id": ["r", "r", "t"], "service_id": ["w", "w", "w"], "trip_id": ["1", "2", "3"]}
        ),
        "calendar": pl.DataFrame(
            {"service_id": ["w"], "start_date": ["20240101"], "end_date": ["20240131"]}
            | {day: ["1" if day in days[:5] else "0"] for day in days}
        ),
        "calendar_dates": pl.DataFrame(
            {"service_id": ["w", "w"], "date": ["20240131", "bad"], "exception_type": ["2", "1"]}
        ),
        "stops": pl.DataFrame(
            {"stop_id": ["a", "b", "x"], "stop_name": ["A", None, "X"],
             "stop_lon": ["1.0", "1.1", None], "stop_lat": ["2.0", "2.1", "2"]}
        ),
        "times": pl.DataFrame(
            {"trip_id": ["1", "1", "1", "2", "2", "2", "3"],
             "stop_id": ["a", "x", "b", "a", "x", "b", "a"],
             "sequence": [1, 2, 3, 1, 2, 3, 1],
             "arrival": [60, None, 180, 90_000, 90_060, 90_120, 5],
             "departure": [60, None, 180, 90_000, 90_060, 90_120, 5]},
        ),
    }  # fmt: skip
    return base | changes


def test_the_last_of_the_busiest_weekdays_is_taken_with_its_buses_only() -> None:
    day = weekday(frames())
    assert day.date == date(2024, 1, 30)  # a Tuesday; on the 31st nobody drives
    (pattern,) = day.patterns
    assert (pattern.line, pattern.stops) == ("12", ("a", "x", "b"))
    assert [trip.times for trip in pattern.trips] == [(60, 120, 180), (90_000, 90_060, 90_120)]
    assert set(day.stops) == {"a", "b"}
    assert day.stops["b"].name == "b"


def test_a_timetable_without_buses_on_weekdays_is_refused() -> None:
    never = pl.DataFrame({"service_id": [], "date": [], "exception_type": []}, schema=str_columns)
    with pytest.raises(NetworkError, match="no bus on any Tuesday"):
        weekday(frames(trips=frames()["trips"].filter(pl.col("trip_id") == "3")))
    with pytest.raises(NetworkError, match="no bus on any Tuesday"):
        weekday(frames(calendar=frames()["calendar"].clear(), calendar_dates=never))


str_columns = dict.fromkeys(("service_id", "date", "exception_type"), pl.String)


def test_a_scenario_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = Scenario(tmp_path, "x", 3, "Asia/Seoul", (1.0, 2.0, 3.0, 4.5), '길 "a"', {"edges": 2})
    made.write()
    with pytest.raises(NetworkError, match="lacks net"):
        Scenario.open(tmp_path)
    put(made.net, "<net/>")
    assert Scenario.open(tmp_path) == made
    Scenario.forget(tmp_path)
    with pytest.raises(NetworkError, match="make one with `madang city build`"):
        Scenario.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "is no network"), ("<net/>", "no edges"), ("<net><edge/>", "is no network")],
)
def test_what_is_no_network_is_told(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "net.net.xml"
    file.write_text(content)
    with pytest.raises(NetworkError, match=message):
        net.read(file)


def test_what_a_program_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    edge = Edge("e", "a", "nowhere", 1, 10.0, "primary", ("길", "street"))
    files = Plan((Node("a", (1.0, 2.0)), Node("b", (1.1, 2.0))), (edge,)).write(tmp_path)
    with pytest.raises(NetworkError, match=r"netconvert failed: .*nowhere"):
        run("netconvert", [f"--{name}={file}" for name, file in files.items()], 20)
