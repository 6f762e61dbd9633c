"""Recorded data of real cities: what is known to be wrong with it is flagged.

The figures are those of docs/explanation/data-quality.md.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import polars as pl
import pytest

from madang.model import time
from madang.sense.message import Reading
from madang.sense.quality.batch import judge
from madang.sense.quality.limits import Limits
from madang.sense.quality.live import Inspector
from tests.recorded import recorded

HOUR = 3600.0

DUST = Limits(
    fail_below=0,
    fail_above=999.9,  # what the SDS011 can measure [ug/m3]
    suspect_above=500,
    spike=100,
    rate_per_s=2,
    stuck_s=HOUR,
    gap_s=900,
)


def counts(judged: pl.DataFrame) -> dict[str, int]:
    """Return how many values there are of each flag, and for each reason."""
    columns = (judged["quality"], judged["qualityReason"].explode().drop_nulls())
    return {name: n for one in columns for name, n in one.value_counts().iter_rows()}


def dust(sensor: int) -> pl.DataFrame:
    (file,) = recorded(f"iot/air_sensor_community_aberdeen/sds011_{sensor}_2018-02.csv.gz")
    rows = pl.read_csv(file, separator=";", infer_schema_length=None)
    return rows.select(
        entity=pl.col("sensor_id").cast(pl.String),
        attribute=pl.lit("pm10"),
        time=pl.col("timestamp").str.to_datetime(time_unit="us"),
        number=pl.col("P1").cast(pl.Float64),
    )


@pytest.mark.parametrize(
    ("sensor", "flags", "reasons"),
    [
        (5331, [16296, 7, 5], {"range": 4, "spike": 9, "rate": 2, "gap": 1}),
        (7789, [16364, 3, 0], {"spike": 2, "gap": 1}),
        (8554, [10563, 3, 0], {"gap": 3}),
        (8733, [15811, 9, 16], {"range": 10, "spike": 9, "rate": 5, "gap": 5}),
    ],
)
def test_few_values_of_good_dust_sensors_are_flagged(
    sensor: int, flags: list[int], reasons: dict[str, int]
) -> None:
    found = counts(judge(dust(sensor), {"pm10": DUST}))
    assert [found.pop(flag, 0) for flag in ("good", "suspect", "fail")] == flags
    assert found == reasons


def test_a_sensor_that_comes_back_after_days_is_flagged_for_the_gap() -> None:
    one = dust(8554)
    later = one.tail(1).with_columns(pl.col("time") + pl.duration(days=9))
    judged = judge(pl.concat([one, later]), {"pm10": DUST})
    assert str(one["time"].max()) == "2018-02-19 14:48:50"
    assert judged.tail(1)["qualityReason"].to_list() == [["gap"]]


def test_live_flags_a_month_of_a_sensor_as_batch_does() -> None:
    rows = dust(8733)
    inspector = Inspector()
    found = []
    for at, number in rows.select(pl.col("time").dt.timestamp("us"), "number").iter_rows():
        value = {"type": "Property", "value": number, "observedAt": time.render(at)}
        reading = Reading({"id": "a", "type": "A", "pm10": value}, {"pm10": DUST})
        found.append(inspector.judge(reading, at).entity["pm10"]["quality"]["value"])
    assert found == judge(rows, {"pm10": DUST})["quality"].to_list()


def test_impossible_occupancies_of_car_parks_fail() -> None:
    (file,) = recorded("mobility/parking/birmingham_2016.csv.gz")
    rows = pl.read_csv(file, infer_schema_length=None).select(
        entity="SystemCodeNumber",
        attribute=pl.col("SystemCodeNumber") + "/" + pl.col("Capacity").cast(pl.String),
        time=pl.col("LastUpdated").str.to_datetime(time_unit="us"),
        number=pl.col("Occupancy").cast(pl.Float64),
        capacity=pl.col("Capacity").cast(pl.Float64),
    )
    limits = {
        name: Limits(fail_below=0, fail_above=capacity)
        for name, capacity in rows.select("attribute", "capacity").unique().iter_rows()
    }
    judged = judge(rows, limits)
    assert counts(judged) == {"good": 35717 - 385, "fail": 385, "range": 385}  # 373 over, 12 below
    repeated = rows.is_duplicated()
    assert repeated.sum() > 0  # the same again is no duplicate, but judged as before
    assert "duplicate" not in counts(judged.filter(repeated))


@pytest.mark.slow
def test_four_years_of_air_in_beijing_are_mostly_good() -> None:
    rows = pl.concat(
        pl.read_csv(file, null_values="NA", infer_schema_length=None)
        for file in recorded("iot/air_prsa_beijing/PRSA_Data_*.csv.gz")
    ).select(
        entity="station",
        attribute=pl.lit("temperature"),
        time=pl.datetime("year", "month", "day", "hour"),
        number=pl.col("TEMP").cast(pl.Float64),
    )
    limits = Limits(
        fail_below=-40,
        fail_above=60,
        suspect_below=-25,
        suspect_above=45,
        rate_per_s=10 / HOUR,
        spike=8,
        stuck_s=8 * HOUR,
        gap_s=3 * HOUR,
    )
    found = counts(judge(rows.drop_nulls("number"), {"temperature": limits}))
    assert found == {
        "good": 140019, "suspect": 125, "stuck": 62, "spike": 51, "gap": 12, "rate": 7,
    }  # fmt: skip


@pytest.mark.slow
def test_loop_detectors_that_stand_still_for_an_hour_are_stuck() -> None:
    (file,) = recorded("mobility/traffic_metr_la/los_speed.csv.gz")
    rows = pl.read_csv(file).with_row_index("row")
    rows = rows.unpivot(index="row", variable_name="entity", value_name="number").select(
        "entity",
        attribute=pl.lit("speed"),
        time=pl.col("row").cast(pl.Int64) * 300_000_000 + 1_330_560_000_000_000,
        number=pl.col("number").cast(pl.Float64),
    )
    limits = Limits(fail_below=0, fail_above=120, suspect_above=75, spike=30, stuck_s=HOUR)
    found = counts(judge(rows, {"speed": limits}))
    assert found == {"good": 416432, "suspect": 674, "fail": 206, "stuck": 526, "spike": 354}


# --- the Numenta Anomaly Benchmark --------------------------------------------------------------


def learnt(start: pl.DataFrame) -> Limits:
    """Return limits that the first 15 % of a series suggests; NAB scores what comes after."""
    number = start["number"]
    low, high = number.min(), number.max()
    assert isinstance(low, float)
    assert isinstance(high, float)
    room = (high - low) / 4
    to_last, to_before = ((number - number.shift(n)).abs() for n in (1, 2))
    nearest = start.select(pl.min_horizontal(to_last, to_before)).to_series().max()
    runs = start.group_by((number != number.shift(1)).cum_sum().alias("run")).agg(
        (pl.col("time").max() - pl.col("time").min()).dt.total_seconds().alias("s")
    )
    step: Any = start["time"].diff().dt.total_seconds().median()
    longest: Any = runs["s"].max()
    spike: Any = nearest
    return Limits(
        suspect_below=low - room,
        suspect_above=high + room,
        spike=1.5 * spike or None,
        stuck_s=max(2 * longest, 6 * step),
        gap_s=6 * step,
    )


@pytest.mark.slow
def test_what_the_numenta_benchmark_labels_is_flagged_as_often_as_the_documentation_says() -> None:
    (archive,) = recorded("benchmarks/nab/nab_data.zip")
    (labels,) = recorded("benchmarks/nab/combined_windows.json")
    windows = hit = inside = outside = values = 0
    with zipfile.ZipFile(archive) as data:
        for name, spans in json.loads(labels.read_bytes()).items():
            rows = pl.read_csv(io.BytesIO(data.read(f"data/{name}"))).select(
                entity=pl.lit("e"),
                attribute=pl.lit("v"),
                time=pl.col("timestamp").str.to_datetime(time_unit="us"),
                number=pl.col("value").cast(pl.Float64),
            )
            start = min(int(0.15 * rows.height), 750)
            judged = judge(rows, {"v": learnt(rows.head(start))})[start:]
            flagged = judged.filter(pl.col("qualityReason").list.len() > 0)
            times = [one.isoformat(" ", "microseconds") for one in flagged["time"]]
            within = [sum(begin <= at <= end for at in times) for begin, end in spans]
            windows += len(spans)
            hit += sum(map(bool, within))
            inside += sum(within)
            outside += len(times) - sum(within)
            values += judged.height
    assert (windows, hit) == (116, 82)
    assert (inside, outside, values) == (2812, 8815, 332842)
