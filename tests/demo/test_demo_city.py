"""The generated city: repeatable, well-formed, in its bounds, alive."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import shapely

from madang.demo.city import DemoCity, batches
from madang.demo.ground import BOUNDS
from madang.demo.sensors import KINDS, SENSORS
from madang.model.context import CORE
from madang.model.normalize import entity as normalized

NOON = datetime(2026, 5, 1, 3, tzinfo=UTC)
METRES = (88_150.0, 111_195.0)  # in a degree east and north, here


@cache
def town() -> DemoCity:
    return DemoCity(7)


def shapes(*types: str) -> list[Any]:
    return [
        shapely.geometry.shape(one["location"]["value"])
        for one in town().standing()
        if one["type"] in types
    ]


def test_the_same_seed_makes_the_same_city() -> None:
    one, two, other = DemoCity(7), DemoCity(7), DemoCity(8)
    assert one.standing() == two.standing()
    assert one.present(NOON) == two.present(NOON)
    assert one.measured(NOON) == two.measured(NOON)
    assert one.standing() != other.standing()


def test_it_has_what_a_quarter_has() -> None:
    count = Counter(one["type"] for one in town().standing())
    assert sum(count[kind.type] for kind in KINDS) == SENSORS
    assert 1_200 < count["Building"] < 2_000
    assert count["District"] == 6
    assert count["Vehicle"] == 60
    assert {"RoadSegment", "Park", "ParkingSpot", "OnStreetParking", "WasteContainer",
            "Streetlight"} <= count.keys()  # fmt: skip


def test_every_entity_is_good_has_an_id_of_its_own_and_says_that_it_is_generated() -> None:
    entities = town().standing()
    assert len({one["id"] for one in entities}) == len(entities)
    for one in entities:
        normalized(dict(one), CORE)
        assert one["source"]["value"] == "generated"
        assert "demo" in one["id"]
        assert one.get("name", {"languageMap": {"ko": "", "en": ""}})["languageMap"].keys() == {
            "ko", "en",
        }  # fmt: skip


def test_all_of_it_lies_in_its_bounds_with_valid_geometries() -> None:
    west, south, east, north = BOUNDS
    city = town()
    for one in [*city.standing(), *city.present(NOON)]:
        if "location" in one:
            shape = shapely.geometry.shape(one["location"]["value"])
            assert shape.is_valid, one["id"]
            box = shape.bounds
            assert (west < box[0]) & (south < box[1]), one["id"]
            assert (east > box[2]) & (north > box[3]), one["id"]


def test_buildings_stand_apart_and_on_no_street() -> None:
    tree = shapely.STRtree(shapes("Building"))
    assert tree.query(shapes("Building"), "overlaps").shape[1] == 0
    assert tree.query(shapes("RoadSegment"), "intersects").shape[1] == 0


def test_districts_cover_the_quarter_and_touch_at_most() -> None:
    districts = shapes("District")
    assert all(
        one.intersection(other).area < 1e-9
        for index, one in enumerate(districts)
        for other in districts[:index]
    )
    whole = shapely.union_all(districts).buffer(1e-5)
    assert all(whole.contains(one) for one in shapes("Building", "Park"))


def test_values_stay_within_their_bounds_over_a_day() -> None:
    city = DemoCity()
    bounds = {q.name: q for kind in KINDS for q in kind.quantities}
    for hour in range(24):
        for entity in city.measured(NOON.replace(hour=hour)):
            for name in entity.keys() & bounds.keys():
                assert bounds[name].low <= entity[name]["value"] <= bounds[name].high
                assert entity[name]["observedAt"] == f"2026-05-01T{hour:02}:00:00.000Z"


def test_buses_drive_as_fast_as_they_say_and_stop() -> None:
    for bus in town().buses[:8]:
        moments = [bus.at(1_777_600_000 + second) for second in range(300)]
        assert any(one.speed == 0 for one in moments)
        ways = [
            math.dist(*([d * m for d, m in zip(one.place, METRES, strict=True)] for one in pair))
            for pair in pairwise(moments)
        ]
        assert max(ways) < 20  # corners are cut
        fits = [
            abs(way * 3.6 - (here.speed + there.speed) / 2) < 3
            for way, (here, there) in zip(ways, pairwise(moments), strict=True)
        ]
        assert sum(fits) > 0.9 * len(fits)


def test_spots_follow_the_day_and_containers_fill_and_are_emptied() -> None:
    city = DemoCity()
    now = NOON
    changed = 0
    for _ in range(720):
        now += timedelta(minutes=1)
        changed += len(city.parked(now))
    assert changed > 100
    levels = [city.containers[0].level(NOON + timedelta(hours=hour)) for hour in range(24 * 6)]
    assert min(levels) < 0.2 < 0.8 < max(levels) <= 1


async def test_it_goes_on_until_it_is_cancelled() -> None:
    seen: Counter[str] = Counter()
    enough = asyncio.Event()

    async def write(entities: list[Any]) -> None:
        seen.update(one["type"] for one in entities)
        if len(seen) > 2:
            enough.set()

    task = asyncio.create_task(town().go_on(write))
    await asyncio.wait_for(enough.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen["Vehicle"] >= 60


def test_batches_hold_everything_once() -> None:
    entities = [{"id": str(number)} for number in range(450)]
    assert [len(some) for some in batches(entities)] == [200, 200, 50]
