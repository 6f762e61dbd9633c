"""A part of Las Palmas de Gran Canaria out of its recorded map, timetable and districts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from madang.cli import app
from madang.services.signals.interlock import Interlock
from madang.twin.network import stops
from madang.twin.network.connected import unreachable
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario
from tests.recorded import DATA, needs

HERE = DATA / "mobility" / "las_palmas"
CLIP = (-15.425, 28.098, -15.410, 28.113)
"""Triana and Vegueta, the old town: west, south, east, north. [degree]"""


@pytest.mark.slow
@needs("mobility/las_palmas")
def test_the_old_town_of_las_palmas_is_built_with_its_buses(tmp_path: Path) -> None:
    west, south, east, north = CLIP
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    boundary = tmp_path / "clip.geojson"
    boundary.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    words = [
        "city", "build", "--osm", str(HERE / "las_palmas_20230221.osm.pbf"),
        "--gtfs", str(HERE / "gtfs_guaguas_20230222.zip"), "--boundary", str(boundary),
        "--districts", str(HERE / "school_catchment_districts.geojson"),
        "--out", str(tmp_path / "triana"),
    ]  # fmt: skip
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output

    city = Scenario.open(tmp_path / "triana")
    assert city.zone == "Atlantic/Canary"
    assert city.counts["districts"] == 29
    roads = Roads.read(city.net)
    assert unreachable(roads) == set()
    assert 200 < len(roads.edges) < 3_000
    assert len(roads.signals) > 5
    for signal in roads.signals.values():
        Interlock(signal, 0.0)
    found, _ = stops.read(city.stops)
    assert len(found) > 20
    assert city.counts["bus_trips"] > 100
