"""Rules on what dust sensors in Aberdeen have measured, and answers worked out by other means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from madang.services.played import at
from madang.services.rules.engine import Engine, Firing
from madang.services.rules.read import read
from tests.recorded import recorded
from tests.services.rule_past import TYPE, PastInMemory, Row, tried

SENSORS = ["5331", "8554"]  # the second falls silent for good
START, END = at("2018-02-01 00:00"), at("2018-03-01 00:00")
ALERT: dict[str, Any] = {"alert": {}}
DUST = {"type": TYPE, "attribute": "pm10", **ALERT}


def measured() -> pl.DataFrame:
    """Return ``entity``, ``time``, ``pm10`` of the sensors by time."""
    frames = []
    for sensor in SENSORS:
        (file,) = recorded(f"iot/air_sensor_community_aberdeen/sds011_{sensor}_2018-02.csv.gz")
        rows = pl.read_csv(file, separator=";", try_parse_dates=True)
        frames.append(
            rows.select(
                entity=pl.lit(f"urn:ngsi-ld:Sensor:{sensor}"),
                time=pl.col("timestamp").cast(pl.Datetime("us")),
                pm10=pl.col("P1").cast(pl.Float64),
            ).drop_nulls()
        )
    return pl.concat(frames).unique(["entity", "time"]).sort("time", "entity")


def past_of(frame: pl.DataFrame) -> list[Row]:
    return [
        (round(time.replace(tzinfo=UTC).timestamp() * 1e6), id, "pm10", value)
        for id, time, value in frame.iter_rows()
    ]


async def found(past: list[Row], spec: dict[str, Any]) -> list[tuple[str, datetime]]:
    """Return when a rule fires for whom: the same of a trial and of value after value."""
    result = await tried(PastInMemory(past), spec, START, END)
    begun = [(one["entity"], datetime.fromisoformat(one["at"])) for one in result["firings"]]
    assert result["fired"] == len(begun)
    assert result["values"] == len(past)
    live = [(one.about, _time(one.at)) for one in streamed(past, spec) if not one.ended]
    assert sorted(live) == sorted(begun)
    return sorted(begun)


def streamed(past: list[Row], spec: dict[str, Any]) -> list[Firing]:
    engine = Engine(read({"one": spec}).rules, "UTC")
    engine.take({})
    for now, id, name, value in past:
        engine.wake(now)
        engine.put([TYPE], id, {name: {"type": "Property", "value": value}}, now)
    engine.wake(END)
    return engine.firings


def _time(instant: int) -> datetime:
    return datetime.fromtimestamp(instant / 1e6, UTC)


async def test_dust_that_stays_high_is_found_as_often_as_it_was() -> None:
    frame = measured()
    expected = []
    for (entity,), rows in frame.group_by("entity"):
        high, since = False, None
        times, values = rows["time"].to_list(), rows["pm10"].to_list()
        for time, value, following in zip(times, values, [*times[1:], None], strict=True):
            if value > 50 and not high:
                high, since = True, time
            elif value <= 25:
                high, since = False, None
            due = None if since is None else since + timedelta(minutes=10)
            if due is not None and (following is None or following >= due):
                expected.append((str(entity), due.replace(tzinfo=UTC)))
                since = None
    told = await found(past_of(frame), {**DUST, "above": 50, "back": 25, "for": "10m"})
    assert len(told) > 5
    assert told == sorted(expected)


async def test_silence_is_found_where_the_gaps_are() -> None:
    frame = measured()
    hours = timedelta(hours=2)
    gaps = frame.with_columns(following=pl.col("time").shift(-1).over("entity")).filter(
        (pl.col("following") - pl.col("time") >= hours)
        | (pl.col("following").is_null() & (pl.col("time") < datetime(2018, 2, 28, 22)))
    )
    expected = [
        (entity, (time + hours).replace(tzinfo=UTC))
        for entity, time in gaps.select("entity", "time").iter_rows()
    ]
    told = await found(past_of(frame), {**DUST, "silent": "2h"})
    assert told == sorted(expected)
    assert max(told)[0].endswith("8554")
    assert max(told)[1] < datetime(2018, 2, 20, tzinfo=UTC)


async def test_a_fast_rise_is_found_where_the_least_of_the_span_was_so_much_less() -> None:
    frame = measured()
    low = pl.col("pm10").rolling_min_by("time", "30m", closed="both").over("entity")
    rising = frame.with_columns(is_rise=pl.col("pm10") - low >= 60)
    before = pl.col("is_rise").shift(1, fill_value=False).over("entity")
    begun = rising.filter(pl.col("is_rise") & ~before)
    told = await found(past_of(frame), {**DUST, "rises": 60, "within": "30m"})
    assert len(told) > 3
    assert told == sorted(
        (entity, time.replace(tzinfo=UTC))
        for entity, time in begun.select("entity", "time").iter_rows()
    )


async def test_both_sensors_at_once_are_fewer_than_each() -> None:
    past = past_of(measured())
    both = await tried(PastInMemory(past), {**DUST, "above": 30, "together": 2}, START, END)
    any_ = await tried(PastInMemory(past), {**DUST, "above": 30, "together": "any"}, START, END)
    last: dict[str, float] = {}
    times = dict.fromkeys((1, 2), 0)
    held = 0
    for _, id, _, value in past:
        last[id] = value
        high = sum(one > 30 for one in last.values())
        for need in times:
            times[need] += held < need <= high
        held = high
    assert (any_["fired"], both["fired"]) == (times[1], times[2])
    assert both["meanSeconds"] > 0
