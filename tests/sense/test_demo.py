"""The generated city: repeatable, plausible, alive."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from madang.sense.demo import KINDS, SENSORS, DemoCity, run

NOON = datetime(2026, 5, 1, 3, tzinfo=UTC)


def test_the_same_seed_makes_the_same_city() -> None:
    one, two, other = DemoCity(7), DemoCity(7), DemoCity(8)
    assert one.entities(NOON) == two.entities(NOON)
    assert one.step(NOON) == two.step(NOON)
    assert one.entities(NOON) != other.entities(NOON)


def test_the_city_has_all_its_sensors_in_seoul_with_names_in_two_languages() -> None:
    entities = DemoCity().entities(NOON)
    assert len({entity["id"] for entity in entities}) == SENSORS
    assert {entity["type"] for entity in entities} == {kind.type for kind in KINDS}
    for entity in entities:
        east, north = entity["location"]["value"]["coordinates"]
        assert 126.7 < east < 127.3
        assert 37.4 < north < 37.8
        assert entity["name"]["languageMap"].keys() == {"ko", "en"}


def test_values_stay_within_their_bounds_over_a_day() -> None:
    city = DemoCity()
    bounds = {q.name: q for kind in KINDS for q in kind.quantities}
    city.entities(NOON)
    for hour in range(24):
        for entity in city.step(NOON.replace(hour=hour)):
            for name in entity.keys() & bounds.keys():
                assert bounds[name].low <= entity[name]["value"] <= bounds[name].high
                assert entity[name]["observedAt"] == f"2026-05-01T{hour:02}:00:00.000Z"


async def test_it_writes_all_once_and_then_changes_until_cancelled() -> None:
    written: list[list[Any]] = []
    enough = asyncio.Event()

    async def write(entities: list[Any]) -> None:
        written.append(entities)
        if len(written) == 3:
            enough.set()

    task = asyncio.create_task(run(write, interval_s=0.001))
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(written[0]) == SENSORS
    assert 0 < len(written[1]) < SENSORS
    assert "location" not in written[1][0]
