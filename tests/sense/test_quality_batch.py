"""Whole series: the same flags as live, and the published examples of the QARTOD tests."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model import time
from madang.sense.message import Reading
from madang.sense.quality import batch
from madang.sense.quality.limits import Limits
from madang.sense.quality.live import Inspector

START = 1_700_000_000_000_000
SECOND = 1_000_000
IDS = ("urn:ngsi-ld:A:1", "urn:ngsi-ld:A:2")


def frame_of(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=batch.COLUMNS)


def series(*numbers: float, step_s: int = 1) -> pl.DataFrame:
    return frame_of(
        [
            {
                **dict.fromkeys(batch.COLUMNS),
                "entity": IDS[0],
                "attribute": "level",
                "time": START + n * step_s * SECOND,
                "number": number,
            }
            for n, number in enumerate(numbers)
        ]
    )


def flags(frame: pl.DataFrame, **limits: Any) -> list[int]:
    """Return flags in QARTOD's numbers."""
    judged = batch.judge(frame, {"level": Limits(late_s=None, **limits)})
    number = {"good": 1, "notEvaluated": 2, "suspect": 3, "fail": 4}
    return [number[flag] for flag in judged["quality"]]


# --- the published examples of ioos_qc (tests/test_qartod.py there) -----------------------------


def test_the_gross_range_test_agrees_with_the_published_example() -> None:
    frame = series(5, 10, 15, 20, 25, 30, 35, 40, 45, 51)
    limits = {"fail_below": 10, "fail_above": 50, "suspect_below": 20, "suspect_above": 40}
    assert flags(frame, **limits) == [4, 3, 3, 1, 1, 1, 1, 1, 3, 4]


def test_the_rate_of_change_test_agrees_with_the_published_example() -> None:
    numbers = [2, 10, 2.1, 3, 4, 5, 7, 10, 0, 2, 2.2, 2, 1, 2, 3, 90, 91, 92, 93, 1, 2, 3, 4, 5]
    expected = [3 if n in (1, 2, 8, 15, 19) else 1 for n in range(24)]
    assert flags(series(*numbers, step_s=900), rate_per_s=5 / 900) == expected


def test_the_flat_line_test_agrees_with_the_published_example() -> None:
    numbers = [1, 2, 2.0001, 2, 2.0001, 2, 2.0001, 2, 4, 5, 3, 3.0001, 3.0005, 3.00001]
    published = [1, 1, 1, 1, 3, 3, 4, 4, 1, 1, 1, 1, 1, 3]
    found = flags(series(*numbers, step_s=900), stuck_s=2700, stuck_tolerance=0.01)
    assert [min(flag, 3) for flag in published] == found  # here a value fails after three times


def test_the_spike_test_blames_the_spike_and_not_its_neighbours() -> None:
    # Published: 2, 4, 4, 4, 1, 3, 1, 2; that test waits for the next value, and blames its
    # neighbours for a spike. The 40 is 25 away from the 15, which is still allowed.
    numbers = [10, 12, 999.99, 13, 15, 40, 9, 9]
    assert flags(series(*numbers), spike=25) == [1, 1, 4, 1, 1, 1, 1, 1]
    assert flags(series(*numbers), spike=24.9) == [1, 1, 4, 1, 1, 3, 1, 1]


# --- agreement with live ------------------------------------------------------------------------

values = st.one_of(
    st.sampled_from([0.0, 1.0, 1.05, 2.0, 5.0, 9.0, 50.0, -3.0]),
    st.floats(-20, 20).map(lambda number: round(number, 3)),
    st.sampled_from(["n/a", "off", True, False, [1, 2], float("inf")]),
)
places = st.tuples(st.sampled_from([126.9, 126.901, 127.0]), st.sampled_from([37.5, 37.6]))
when = st.tuples(
    st.sampled_from([0, 1, 1, 1, 2, 3, 30, -1, -5, 400]),  # after the value before it [s]
    st.sampled_from([0, 0, 0, 1, 20, 90, -200, -400]),  # from measuring to arrival [s]
)
some = st.sampled_from
limits = st.builds(
    Limits,
    fail_below=some([None, -10.0]),
    fail_above=some([None, 10.0]),
    suspect_below=some([None, -5.0]),
    suspect_above=some([None, 5.0]),
    rate_per_s=some([None, 0.5]),
    spike=some([None, 1.5]),
    stuck_s=some([None, 2.0, 5.0]),
    stuck_tolerance=some([0.0, 0.1]),
    gap_s=some([None, 2.0]),
    late_s=some([None, 60.0]),
    moved_m=some([None, 50.0, 5000.0]),
)
steps = st.lists(
    st.tuples(some(IDS), some(["level", "location"]), values, places, when), max_size=40
)


def columns_of(value: Any) -> dict[str, Any]:
    if isinstance(value, float):
        return {"number": value}
    return {"text": value} if isinstance(value, str) else {"json": repr(value)}


def live(rows: list[dict[str, Any]], limits: dict[str, Limits]) -> list[tuple[str, list[str]]]:
    inspector = Inspector()
    found = []
    for row in rows:
        attribute = {**row["_attribute"], "observedAt": time.render(row["time"])}
        entity = {"id": row["entity"], "type": "A", row["attribute"]: attribute}
        judged = inspector.judge(Reading(entity, limits), row["received"]).entity[row["attribute"]]
        reasons = judged.get("qualityReason", {"value": []})["value"]
        found.append((judged["quality"]["value"], reasons))
    return found


@settings(max_examples=100)
@given(steps, limits, limits)
def test_batch_and_live_give_the_same_flags(steps: Any, level: Limits, location: Limits) -> None:
    rows, now = [], START
    for entity, name, value, (east, north), (after, delay) in steps:
        now += after * SECOND
        row = {
            **dict.fromkeys(batch.COLUMNS),
            "entity": entity,
            "attribute": name,
            "time": now,
            "received": now + delay * SECOND,
        }
        if name == "location":
            row |= {"longitude": east, "latitude": north, "json": "{}"}
            place = {"type": "Point", "coordinates": [east, north]}
            row["_attribute"] = {"type": "GeoProperty", "value": place}
        else:
            row |= columns_of(value)
            row["_attribute"] = {"type": "Property", "value": value}
        rows.append(row)
    both = {"level": level, "location": location}
    frame = frame_of([{k: v for k, v in row.items() if k in batch.COLUMNS} for row in rows])
    judged = batch.judge(frame, both)
    assert list(judged.select("quality", "qualityReason").iter_rows()) == live(rows, both)


def test_columns_may_be_missing_and_times_may_be_datetimes() -> None:
    frame = series(1, 2, 99).select(
        "entity", "attribute", pl.from_epoch("time", time_unit="us"), "number", note=pl.lit("x")
    )
    judged = batch.judge(frame, {"level": Limits(fail_above=10)})
    assert judged.columns == [*frame.columns, "quality", "qualityReason"]
    assert judged["quality"].to_list() == ["good", "good", "fail"]


@pytest.mark.parametrize("frame", [pl.DataFrame(schema=batch.COLUMNS)])
def test_nothing_is_judged_as_nothing(frame: pl.DataFrame) -> None:
    assert batch.judge(frame, {}).is_empty()
