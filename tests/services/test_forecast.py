"""Forecasts of series of the city: what they are worth, their intervals, and when they drift."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from madang.lake.questions import Series
from madang.services.forecast import smoothing, trees
from madang.services.forecast.models import (
    MEDIAN,
    SEASONAL_NAIVE,
    SMOOTHING,
    intervals,
    outlooks,
    seasons,
)
from madang.services.forecast.series import DAY, SECOND, Values, filled, gridded, steps
from madang.services.forecast.service import Forecasts, service
from madang.services.past import Past
from madang.services.played import Played, at
from tests.recorded import recorded

HOUR = 3600 * SECOND
START = at("2026-01-05 00:00")  # a Monday
COUNTER = "urn:ngsi-ld:Counter:bridge"
FORECAST = "urn:ngsi-ld:Forecast:Counter:count:bridge"
WANTED = {"type": "Counter", "attribute": "count"}


class Remembering(Past):
    """A city in memory with the history of one attribute."""

    def __init__(self, series: dict[str, dict[int, float]], attribute: str = "count") -> None:
        super().__init__()
        self.series = series
        self.attribute = attribute

    async def frame(self, series: Series) -> Any:
        assert series.every is not None
        assert series.start is not None
        assert series.end is not None
        rows = [
            (entity, datetime.fromtimestamp(time / SECOND, UTC), value)
            for entity, values in self.series.items()
            for time, value in values.items()
            if series.start <= time < series.end
        ]
        schema: Any = {
            "entity": pl.String,
            "time": pl.Datetime("us", "UTC"),
            self.attribute: pl.Float64,
        }
        return pl.DataFrame(rows, schema, orient="row")


def played(ground: Past, start: int, **options: Any) -> Played:
    found = Played(service, start, **{"series": [WANTED], **options})
    found.ground = ground
    found.restart()
    return found


def course(hours: int, noise: float = 2.0) -> Values:
    """Return a made course of days and weeks."""
    hour = np.arange(hours)
    day = 50 + 30 * np.sin(2 * math.pi * hour / 24)
    week = np.where(hour // 24 % 7 >= 5, 0.6, 1.0)
    return np.asarray(day * week + np.random.default_rng(3).normal(0, noise, hours))


def by_time(values: Values, start: int = START) -> dict[int, float]:
    return {start + n * HOUR: float(value) for n, value in enumerate(values)}


# --- series -------------------------------------------------------------------------------------


def test_a_gap_is_filled_with_the_same_time_a_week_before() -> None:
    values = np.arange(400.0)
    values[300:310] = np.nan
    assert filled(values, 3600)[300:310].tolist() == list(range(132, 142))


def test_a_gap_in_the_first_week_is_filled_from_the_day_before_or_by_a_line() -> None:
    values = np.arange(60.0)
    values[[5, 40]] = np.nan
    found = filled(np.concatenate([[np.nan] * 3, values, [np.nan]]), 3600)
    assert found[[5, 40]].tolist() == [5, 16]
    assert len(found) == 60


def test_values_are_put_on_the_grid_and_what_is_no_number_is_left_out() -> None:
    rows = [("a", 2, 5.0), ("a", 0, 3.0), ("b", 1, math.nan), ("a", 9, 1.0)]
    frame = pl.DataFrame(
        [(e, datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=h), v) for e, h, v in rows],
        {"entity": pl.String, "time": pl.Datetime("us", "UTC"), "count": pl.Float64},
        orient="row",
    )
    found = gridded(frame, "count", START, START + 4 * HOUR, 3600)
    assert list(found) == ["a"]
    assert found["a"].tolist() == pytest.approx([3, math.nan, 5, math.nan], nan_ok=True)


def test_seasons_are_those_that_a_series_is_long_enough_for() -> None:
    assert [seasons(3600, length, 48) for length in (100, 400, 800)] == [(), (24,), (24, 168)]
    assert seasons(86_400, 300, 7) == (7,)
    assert steps(DAY, 3600) == 24


# --- models -------------------------------------------------------------------------------------


def test_two_seasons_without_noise_are_forecast_as_they_are() -> None:
    values = course(1000, noise=0)
    found = smoothing.forecasts(values[None, :], (24, 168), 48, (952,))
    assert found[0, 0] == pytest.approx(values[952:], rel=0.01)


@pytest.mark.slow
def test_a_forecast_of_the_past_does_not_look_ahead() -> None:
    values = course(1000)
    other = values.copy()
    other[900:] = 500.0
    for changed in (values, other):
        changed[:900] = values[:900]
    first, second = (
        smoothing.forecasts(one[None, :], (24, 168), 48, (900,)) for one in (values, other)
    )
    assert np.array_equal(first, second)
    made = [trees.forecasts([one], (24, 168), 48, [(900,)])[0] for one in (values, other)]
    assert np.array_equal(made[0], made[1])


@pytest.mark.slow
def test_models_beat_both_naive_forecasts_of_a_made_week() -> None:
    (found,) = outlooks({"a": course(1344)}, 3600, 48, 0.8).values()
    test = found.backtest
    assert found.method == MEDIAN
    assert test["error"] < 0.95 * test["seasonalNaive"] < test["naive"]
    assert test["error"] <= test["worst"]
    assert test["origins"] == 5
    true = course(1344 + 48)[1344:]
    inside = [
        low <= one <= high for low, one, high in zip(found.low, true, found.high, strict=True)
    ]
    assert 30 <= sum(inside) <= 47


@pytest.mark.slow
def test_no_method_is_used_that_a_naive_forecast_clearly_beats() -> None:
    walk = 1000 + np.random.default_rng(5).normal(0, 5, 800).cumsum()
    (found,) = outlooks({"a": walk}, 3600, 24, 0.8).values()
    assert 0.7 * found.backtest["error"] <= found.backtest["naive"]
    assert found.backtest["error"] <= found.backtest["seasonalNaive"]


@pytest.mark.slow
def test_a_short_series_is_forecast_without_seasons() -> None:
    (found,) = outlooks({"a": np.arange(30.0)}, 3600, 5, 0.8).values()
    assert found.method == SMOOTHING
    assert found.mean == pytest.approx([30, 31, 32, 33, 34], abs=0.5)


@pytest.mark.slow
def test_a_constant_stays_constant() -> None:
    (found,) = outlooks({"a": np.full(1000, 7.0)}, 3600, 24, 0.8).values()
    assert found.mean == pytest.approx([7.0] * 24, abs=1e-3)
    assert found.low == pytest.approx([7.0] * 24, abs=1e-2)


def test_intervals_hold_the_share_that_was_asked_for() -> None:
    random = np.random.default_rng(1)
    sizes = [1, 10, 100] * 20
    errors = [size * random.normal(0, 1, (5, 48)) for size in sizes]
    below, above, inside = intervals(errors, 0.8)
    for size, low, high in zip(sizes, below, above, strict=True):
        later = size * random.normal(0, 1, (500, 48))
        assert 0.72 < np.mean((later >= low) & (later <= high)) < 0.88
    assert 0.7 < np.mean(inside) < 0.9


# --- the service --------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_forecast_is_written_with_intervals_its_backtest_and_a_decision() -> None:
    now = START + 1000 * HOUR
    ground = Remembering({COUNTER: by_time(course(1000))})
    city = played(ground, now - HOUR)
    await city.until(now)
    found = city.thing(FORECAST)
    rows = found["forecast"]
    assert len(rows) == 48
    assert rows[0]["time"] == "2026-02-15T16:00:00Z"
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    assert found["forecastOf"] == COUNTER
    assert found["status"] == "ok"
    assert found["skill"] > 5
    assert found["backtest"]["error"] < found["backtest"]["seasonalNaive"]
    (decision,) = city.things("Decision")
    assert decision["description"]["en"].startswith(
        "Counter:count:bridge is forecast by median of models: mean error"
    )
    assert decision["expects"]["meanError"] == found["backtest"]["error"]


@pytest.mark.slow
async def test_a_series_that_goes_another_way_raises_an_alarm_and_ends_it_when_it_is_back() -> None:
    values = course(1400)
    values[1010:1060] += 200
    ground = Remembering({COUNTER: by_time(values[:1000])})
    city = played(ground, START + 999 * HOUR, horizon=96, renew_hours=168)
    await city.until(START + 1000 * HOUR)
    alarms = []
    for hour in range(1001, 1096):
        ground.series[COUNTER][START + (hour - 1) * HOUR] = float(values[hour - 1])
        await city.until(START + hour * HOUR)
        if hour == 1030:
            city.restart()
        alarms.append([one["status"] for one in city.things("Alert")])
    assert alarms.index(["open"]) in range(11, 16)
    assert alarms[-1] == ["closed"]
    (alert,) = city.things("Alert")
    assert alert["category"] == "forecastDrift"
    assert "promised" in alert["description"]["en"]
    inside = city.thing("urn:ngsi-ld:KeyPerformanceIndicator:forecast:inside")
    assert 0 < inside["currentValue"] <= 100


async def test_nothing_is_forecast_of_texts_or_of_what_is_not_there() -> None:
    city = played(Remembering({}), START)
    await city.until(START + 3 * HOUR)
    assert city.written == []


@pytest.mark.parametrize(
    "options",
    [{"step_minutes": 50}, {"step_minutes": 1}, {"horizon": 0}, {"coverage": 100},
     {"series": [{"type": "", "attribute": "x"}]}, {"series": [{**WANTED, "entities": ["a", "a"]}]},
     {"series": [WANTED] * 21}, {"time_zone": "Asia/Seol"}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.given(options)


def test_every_option_has_titles_in_both_languages_and_a_description() -> None:
    for field in service.options.model_fields.values():
        assert field.title
        assert field.description
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["ko"]
    assert Forecasts().horizon == 48


# --- recorded -----------------------------------------------------------------------------------


def melbourne() -> dict[str, Values]:
    """Return hourly counts of pedestrians at each sensor, in UTC."""
    (file,) = recorded("mobility/pedestrian_melbourne/pedestrian_2015_2016.csv.gz")
    rows = pl.read_csv(file, try_parse_dates=True)
    frame = rows.select(
        entity="sensor", time=pl.col("time_utc").dt.replace_time_zone("UTC"), count="count"
    )
    end = int(datetime(2016, 11, 28, tzinfo=UTC).timestamp()) * SECOND
    found = gridded(frame, "count", end - 56 * 24 * HOUR, end, 3600)
    return {name: filled(values, 3600) for name, values in found.items()}


def seattle() -> dict[str, Values]:
    """Return hourly counts of bicycles on both sides of a bridge, by the clock of Seattle."""
    (file,) = recorded("mobility/bike_counters/seattle_fremont_2012-10_2018-07.csv.gz")
    rows = pl.read_csv(file)
    sides = rows.columns[1:]
    time = pl.col("Date").str.to_datetime("%m/%d/%Y %I:%M:%S %p", time_unit="us")
    frame = rows.with_columns(time=time.dt.replace_time_zone("UTC")).unpivot(
        sides, index="time", variable_name="entity", value_name="count"
    )
    end = int(datetime(2018, 6, 25, tzinfo=ZoneInfo("UTC")).timestamp()) * SECOND
    found = gridded(frame, "count", end - 56 * 24 * HOUR, end, 3600)
    return {name: filled(values, 3600) for name, values in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("city", [melbourne, seattle])
def test_the_backtest_on_recorded_counts_beats_both_naive_forecasts(city: Any) -> None:
    found = outlooks(city(), 3600, 48, 0.8)
    assert len(found) >= 2
    for name, outlook in found.items():
        test = outlook.backtest
        print(name, outlook.method, test)  # the figures of docs/services/forecast.md
        assert test["error"] < 0.95 * test["seasonalNaive"]
        assert test["error"] < 0.8 * test["naive"]
    shares = [one.backtest["error"] / one.backtest["seasonalNaive"] for one in found.values()]
    assert np.mean(shares) < 0.8
    inside = np.mean([outlook.backtest["inside"] for outlook in found.values()])
    assert 70 <= inside <= 90
    assert SEASONAL_NAIVE not in {outlook.method for outlook in found.values()}
