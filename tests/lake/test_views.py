"""A question about a window opens the files of that window, and finds all that lies in it."""

from __future__ import annotations

from pathlib import Path

import polars
import pytest

from madang.lake.ducklake import DuckLake
from madang.lake.periods import parse
from madang.lake.questions import Series, Wanted
from madang.model import time
from madang.query.tree import HasType, Query, Selector, Temporal
from tests.lake.outbox import HOUR, T0, Outbox, entity

DAY = 24 * HOUR
ONE = Query(selectors=(Selector(ids=("urn:s:1",)),))


def days(lake: DuckLake, count: int) -> None:
    """Load a value an hour of one sensor, each day as a file of its own."""
    for day in range(count):
        start = T0 + day * DAY
        frame = polars.DataFrame(
            {
                "entity": ["urn:s:1"] * 24,
                "type": ["Sensor"] * 24,
                "attribute": ["level"] * 24,
                "time": [start + hour * HOUR for hour in range(24)],
                "number": [float(day)] * 24,
            }
        ).with_columns(polars.col("time").cast(polars.Datetime("us")))
        lake.load(frame, created=T0)


def day_of(number: int) -> Wanted:
    """Return the question for all values of one day."""
    start = T0 + number * DAY
    return Wanted(ONE, ("level",), temporal=Temporal("between", start, start + DAY))


def numbers(lake: DuckLake, wanted: Wanted) -> list[object]:
    return [one.value for past in lake.pasts(wanted).entities for one in past.instances]


def test_a_day_is_told_without_the_files_of_other_days(lake: DuckLake, tmp_path: Path) -> None:
    days(lake, 3)
    for file in (tmp_path / "lake").rglob("*.parquet"):
        rows = polars.read_parquet(file)
        if rows["attribute"].to_list() == ["level"] * 24 and rows["number"][0] != 1:
            file.write_bytes(b"no longer Parquet")
    assert numbers(lake, day_of(1)) == [1] * 24
    assert len(lake.aggregates(day_of(1), ["avg"], parse("PT1H")).rows) == 24
    series = Series(("level",), ONE, start=T0 + DAY, end=T0 + 2 * DAY)
    assert lake.frame(series)["level"].to_list() == [1.0] * 24


def test_what_came_late_is_in_the_window_it_belongs_to(lake: DuckLake) -> None:
    days(lake, 3)
    late = {"type": "Property", "value": -1, "observedAt": time.render(T0 + DAY + 1)}
    lake.take([Outbox().put(entity("urn:s:1", "Sensor", at=T0 + 9 * DAY, level=late))])
    expected = [1, -1, *[1] * 23]
    assert numbers(lake, day_of(1)) == expected
    lake.drain()
    assert numbers(lake, day_of(1)) == expected
    lake.maintain(whole=True)
    assert numbers(lake, day_of(1)) == expected


@pytest.mark.parametrize("deleted", [False, True], ids=["whole", "deleted from"])
def test_windows_without_a_row_have_no_answer(lake: DuckLake, deleted: bool) -> None:
    days(lake, 2)
    if deleted:
        first = lake.pasts(day_of(0)).entities[0].instances[0]
        assert lake.remove("urn:s:1", "level", instance=first.id) == 1
    assert len(numbers(lake, day_of(0))) == 24 - deleted
    assert numbers(lake, day_of(7)) == []
    whole = Wanted(Query(selectors=(Selector(types=HasType("Sensor")),)), ("level",))
    assert len(numbers(lake, whole)) == 48 - deleted
