"""Air: how bad it is, a map with its error, limits of one's own, and sensors that drift."""

from __future__ import annotations

import gzip
from math import inf, log
from typing import Any

import numpy as np
import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.air import drift as air_drift
from madang.services.air.index import SCALES, cai, european, foreseen, who
from madang.services.air.kept import concentration
from madang.services.air.kriging import (
    estimated,
    fitted,
    left_out,
    local,
    mapped,
    nearest,
    scale,
)
from madang.services.air.service import LEAST, service
from madang.services.city import Thing
from madang.services.played import Played, at
from tests.recorded import recorded

START = "2026-03-02 00:00"
HOUR = 3_600_000_000
DAY = 24 * HOUR
WATCH = "urn:ngsi-ld:AirQualityWatch:kim"


def id_of(name: str | int) -> str:
    return f"urn:ngsi-ld:AirQualityObserved:{name}"


def point(east_km: float, north_km: float = 0.0) -> dict[str, Any]:
    place = [127 + east_km / 88.3, 37.5 + north_km / 111.195]
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}


def playing(**options: Any) -> Played:
    return Played(service, at(START), **options)


async def measured(played: Played, hour: int, values: dict[str, float], what: str = "pm25") -> None:
    """Let stations two kilometres apart measure, half an hour before the hour is over."""
    for place, (name, value) in enumerate(sorted(values.items())):
        where = {"location": point(2.0 * place, place % 2)} if hour == 0 else {}
        now = at(START) + hour * HOUR + HOUR // 2
        await played.put(now, id_of(name), "AirQualityObserved", **{what: value}, **where)
    await played.until(at(START) + (hour + 1) * HOUR)


def figures(played: Played) -> dict[str, Any]:
    return {
        one.id.rpartition(":")[2]: one["currentValue"]
        for one in played.things("KeyPerformanceIndicator")
    }


def notices(played: Played) -> list[Thing]:
    return played.things("Notice")


# --- scales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pollutant", "value", "index"),
    [("o3", 0.03, 50), ("o3", 0.09, 100), ("o3", 0.151, 251), ("no2", 0.06, 100),
     ("no2", 0.2, 250), ("so2", 0.02, 50), ("co", 15.0, 250), ("co", 50.0, 500), ("o3", 3.0, 500)],
)  # fmt: skip
def test_the_korean_index_of_a_gas_is_as_published(
    pollutant: str, value: float, index: float
) -> None:
    weight = {"no2": 46.006, "o3": 47.998, "so2": 64.066, "co": 28.010}[pollutant]
    found = cai({pollutant: [value * 1000 * weight / 24.45]})
    assert found is not None
    assert found.figure == pytest.approx(index, abs=1)


@pytest.mark.parametrize(("value", "index"), [(15, 50), (16, 51), (29, 85), (76, 251), (600, 500)])
def test_the_korean_index_of_dust_goes_by_the_foreseen_mean(value: float, index: float) -> None:
    found = cai({"pm25": [value if value < 30 else value / 0.875] * 12})
    assert found is not None
    assert found.figure == index


def test_the_foreseen_mean_is_that_of_airkorea() -> None:
    assert foreseen([10.0] * 12, 30) == 10
    assert foreseen([10.0] * 8 + [100.0] * 4, 30) == (40 + 100) / 2  # 100 is 2.5 times the mean
    assert foreseen([100.0] * 12, 30) == (100 + 75) / 2
    assert foreseen([10.0] * 8 + [None, None, 10.0, 10.0], 30) is None
    assert foreseen([10.0] * 5, 30) is None


def test_several_unhealthy_pollutants_add_to_the_korean_index() -> None:
    unhealthy = {"o3": [0.1 * 1000 * 47.998 / 24.45], "co": [12_000 * 28.010 / 24.45]}
    one, two = cai({"o3": unhealthy["o3"]}), cai(unhealthy)
    assert one is not None
    assert two is not None
    assert one.figure == 124  # 0.1 ppm, of 0.091 to 0.150 for 101 to 250
    assert two.figure == 175 + 50  # 12 ppm, of 9.01 to 15 for 101 to 250, and 50 for two


@pytest.mark.parametrize(
    ("hours", "rank"),
    [({"pm25": [5]}, 1), ({"pm25": [6]}, 2), ({"pm25": [51]}, 4), ({"no2": [151]}, 6),
     ({"o3": [110], "pm10": [10]}, 3), ({"so2": [200]}, 5)],
)  # fmt: skip
def test_the_european_index_is_the_worst_band_of_the_hour(
    hours: dict[str, list[float]], rank: int
) -> None:
    found = european(hours)
    assert found is not None
    assert found.rank == rank


def test_who_goes_by_means_of_a_day_and_of_eight_hours_of_ozone() -> None:
    assert who({"pm25": [30.0] * 10}) is None  # not a day yet
    found = who({"pm25": [30.0] * 24, "o3": [50.0] * 8})
    assert found is not None
    assert (found.figure, found.pollutant, found.rank) == (200, "pm25", 3)
    ranks = [who({"pm25": [value] * 24}) for value in (15.0, 16.0, 26.0, 76.0)]
    assert [one and one.rank for one in ranks] == [1, 2, 3, 4]


@given(
    hours=st.dictionaries(
        st.sampled_from(["pm25", "pm10", "no2", "o3", "so2", "co"]),
        st.lists(st.none() | st.floats(0, 1e5), max_size=24),
    ),
    name=st.sampled_from(sorted(SCALES)),
)
@settings(max_examples=50)
def test_every_scale_has_a_word_for_every_air(hours: dict[str, list[float]], name: str) -> None:
    found = SCALES[name].level(hours)
    if found is not None:
        assert 0 <= found.figure < inf
        assert SCALES[name].levels[found.rank - 1]


@pytest.mark.parametrize(
    ("whole", "value"),
    [({"value": 50}, 50), ({"value": 0.05, "unitCode": "GP"}, 50),
     ({"value": 100, "unitCode": "61"}, 196.3), ({"value": 0.1, "unitCode": "59"}, 196.3),
     ({"value": -1}, None), ({"value": "5"}, None), ({"value": 5, "unitCode": "CEL"}, None),
     ({"value": True}, None)],
    ids=str,
)  # fmt: skip
def test_units_are_understood_and_nonsense_is_left_out(
    whole: dict[str, Any], value: float | None
) -> None:
    put = Thing({"id": "urn:x:1", "type": "AirQualityObserved", "o3": whole})
    assert concentration(put, "o3") == (None if value is None else pytest.approx(value, rel=1e-3))


# --- the map ------------------------------------------------------------------------------------


def field(seed: int, count: int = 30) -> tuple[Any, Any]:
    """Return stations within ten kilometres, and a smooth field with noise at them."""
    chance = np.random.default_rng(seed)
    points = chance.uniform(0, 10, (count, 2))
    values = 30 + 10 * np.sin(points[:, 0] / 3) + 8 * np.cos(points[:, 1] / 4)
    return points, values + chance.normal(0, 1, count)


def test_leaving_one_out_is_the_same_as_making_the_map_without_it() -> None:
    points, values = field(1, 12)
    variogram = fitted(points, values[None, :])
    wrong, expected = left_out(points, values, variogram)
    for place in range(len(points)):
        rest = np.arange(len(points)) != place
        found, deviation = estimated(points[rest], values[rest], variogram, points[[place]])
        assert values[place] - found[0] == pytest.approx(wrong[place], abs=1e-4)
        assert deviation[0] == pytest.approx(expected[place], rel=1e-4)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_map_is_nearer_to_the_truth_than_the_mean_and_says_how_near(seed: int) -> None:
    points, values = field(seed)
    variogram = fitted(points, values[None, :])
    wrong, _ = left_out(points, values, variogram)
    assert np.sqrt((wrong**2).mean()) < 0.8 * values.std()
    times = scale(points, values[None, :], variogram)
    there = np.array([[5.0, 5.0], [100.0, 100.0]])
    _, deviations = estimated(points, values, variogram, there)
    assert 0 < deviations[0] * times < deviations[1] * times


def test_a_map_covers_its_stations_with_no_more_cells_than_may_be() -> None:
    stations = [(127 + 0.1 * (number % 3), 37.5 + 0.1 * (number // 3)) for number in range(9)]
    found = mapped(stations, [[10.0 + number for number in range(9)]], [(127.05, 37.55)], 0.05)
    assert found is not None
    assert len(found["values"]) == len(found["x"]) * len(found["y"]) <= 2_500
    assert found["x"][0] <= 127
    assert found["x"][-1] >= 127.2
    assert found["y"][0] <= 37.5
    assert found["y"][-1] >= 37.7
    assert 10 <= found["places"][0][0] <= 18
    assert mapped(stations[:4], [[1.0] * 4], [], 1.0) is None
    assert mapped([stations[0]] * 6, [[1.0] * 6], [], 1.0) is None


def test_equal_values_make_an_even_map() -> None:
    stations = [(127 + 0.01 * number, 37.5 + 0.01 * (number % 2)) for number in range(6)]
    found = mapped(stations, [[20.0] * 6], [(127.02, 37.5)], 1.0)
    assert found is not None
    assert set(found["values"]) == {20.0}


def test_the_nearest_station_is_found() -> None:
    found = nearest({"a": (127.0, 37.5), "b": (127.1, 37.5)}, (127.09, 37.5))
    assert found is not None
    assert found[0] == "b"
    assert found[1] == pytest.approx(0.882, abs=0.01)
    assert nearest({}, (0, 0)) is None


@pytest.mark.slow
def test_maps_of_seoul_beat_the_nearest_station_and_tell_their_error() -> None:
    """Temperature, noise and NO2 of S-DoT, daytime means of five weeks in 2025."""
    (path,) = recorded("iot/sdot_seoul/sdot_2025_08_avg.geojson.gz")
    features = orjson.loads(gzip.decompress(path.read_bytes()))["features"]
    for name, most in (("avg_temperature", 0.95), ("avg_noise", 0.9), ("avg_no2", 0.9)):
        seen = {
            tuple(one["geometry"]["coordinates"]): one["properties"][name]
            for one in features
            if one["properties"][name] is not None
        }
        places = sorted(seen)
        values = np.array([seen[place] for place in places], dtype=float)
        points = local(places, places[0])
        variogram = fitted(points, values[None, :])
        wrong, expected = left_out(points, values, variogram)
        times = scale(points, values[None, :], variogram)
        away = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
        np.fill_diagonal(away, np.inf)
        by_nearest = values - values[away.argmin(axis=1)]
        error = np.sqrt((wrong**2).mean())
        assert error < most * np.sqrt((by_nearest**2).mean())
        assert 0.9 < (np.abs(wrong) <= 2 * times * expected).mean() < 0.99


async def test_a_map_is_written_each_hour_as_coveragejson_with_its_deviation() -> None:
    played = playing(cell_km=1)
    for hour in range(3):
        await measured(played, hour, {f"s{number}": 20.0 + number for number in range(6)})
    made = played.thing("urn:ngsi-ld:AirQualityMap:air:pm25")
    coverage = made["coverage"]
    assert coverage["type"] == "Coverage"
    axes, ranges = coverage["domain"]["axes"], coverage["ranges"]
    assert axes["t"]["values"] == ["2026-03-02T03:00:00Z"]
    assert set(ranges) == set(coverage["parameters"]) == {"pm25", "pm25Deviation"}
    for one in ranges.values():
        assert one["shape"] == [1, len(axes["y"]["values"]), len(axes["x"]["values"])]
        assert len(one["values"]) == np.prod(one["shape"])
    assert made["stations"] == 6
    assert made.attribute("leaveOneOutError")["unitCode"] == "GQ"
    assert made["location"]["type"] == "Polygon"
    assert 0 < figures(played)["mapError"] < 20


async def test_too_few_stations_make_no_map() -> None:
    played = playing()
    await measured(played, 0, {"a": 10, "b": 20, "c": 30})
    assert played.things("AirQualityMap") == []


# --- people -------------------------------------------------------------------------------------


async def watched(played: Played, place: dict[str, Any], **limits: float) -> None:
    await played.put(
        at(START), WATCH, "AirQualityWatch", people="kim", name="Home", location=place,
        limits={"type": "JsonProperty", "json": limits},
    )  # fmt: skip


async def test_a_person_is_told_once_that_a_limit_is_passed_and_how_sure_that_is() -> None:
    played = playing()
    await watched(played, point(5, 0.5), pm25=35)
    for hour in range(4):
        await measured(played, hour, {f"s{number}": 50.0 + number for number in range(6)})
    (notice,) = notices(played)
    assert notice["to"] == "kim"
    text = notice["text"]
    assert text["en"].startswith("PM2.5 at Home was 5")
    assert "your limit is 35. It is estimated from 6 stations" in text["en"]
    assert "설정한 기준 35" in text["ko"]
    assert notice["about"] == WATCH


async def test_a_person_is_told_again_after_air_was_good_for_two_hours() -> None:
    played = playing()
    await watched(played, point(1), pm25=35)
    for hour, value in enumerate([50, 20, 50, 20, 20, 50]):
        await measured(played, hour, {"a": value})
    assert len(notices(played)) == 2
    assert "measured 1.0 km away" in notices(played)[0]["text"]["en"]


async def test_a_station_far_away_says_nothing_of_a_place() -> None:
    played = playing(reach_km=5)
    await watched(played, point(20), pm25=35)
    await measured(played, 0, {"a": 500})
    assert notices(played) == []


async def test_nobody_is_told_after_they_want_no_more() -> None:
    played = playing()
    await watched(played, point(1), pm25=35)
    await played.delete(at(START) + 1, WATCH)
    await measured(played, 0, {"a": 500})
    assert notices(played) == []


@pytest.mark.parametrize("limits", [{"pm99": 1}, {"pm25": -1}, {"pm25": "low"}, ["pm25"]])
async def test_limits_that_make_no_sense_do_no_harm(limits: Any) -> None:
    played = playing()
    whole = {"type": "JsonProperty", "json": limits}
    await played.put(at(START), WATCH, "AirQualityWatch", people="kim", limits=whole)
    await measured(played, 0, {"a": 500})
    assert notices(played) == []


async def test_bad_air_is_an_alert_at_its_place_until_it_is_good_for_two_hours() -> None:
    played = playing(scale="eu")
    for hour, value in enumerate([10, 100, 95, 20]):
        await measured(played, hour, {"school": value})
    alert = played.thing(f"urn:ngsi-ld:Alert:air:{id_of('school').replace(':', '%3A')}")
    assert alert["status"] == "open"
    assert alert["severity"] == "high"
    assert alert["title"]["en"] == "Air is very poor at school"
    assert alert["location"]["type"] == "Point"
    assert figures(played)["unhealthy"] == 0
    station = played.thing(id_of("school"))
    assert (station["airQualityIndex"], station["airQualityLevel"]) == (3, "moderate")
    await measured(played, 4, {"school": 20})
    assert played.thing(alert.id)["status"] == "closed"
    (decision,) = played.things("Decision")
    assert decision["basedOn"][0]["value"] == 100
    assert decision["outcome"]


# --- sensors ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_sensor_that_loses_sensitivity_is_found_and_left_out_of_the_map() -> None:
    played = playing()
    names = [f"s{number}" for number in range(6)]
    for name in names:  # as after some months in which all agreed, until of late
        fast = -0.13 if name == "s3" else 0.0
        track = air_drift.new() | {"days": 100, "fast": fast, "square": 0.08**2}
        played.kept.state.setdefault("tracks", {})[f"{id_of(name)} pm25"] = track
    for number in range(8):
        for hour in range(24):
            values = {name: 30.0 + number + 0.5 * place for place, name in enumerate(names)}
            values["s3"] *= 0.5 if number else 1.0
            await measured(played, number * 24 + hour, values)
        if number == 0:
            assert figures(played)["drifting"] == 0
    assert figures(played)["drifting"] == 1
    drift = [one for one in played.things("Alert") if one["category"] == "sensorDrift"]
    assert [one["status"] for one in drift] == ["open"]
    assert "s3" in drift[0]["title"]["en"]
    assert "less than it did against its neighbours" in drift[0]["description"]["en"]
    assert played.thing("urn:ngsi-ld:AirQualityMap:air:pm25")["stations"] == 5
    now = at(START) + 9 * DAY
    await played.put(now, id_of("s3"), "AirQualityObserved", dateLastCalibration="2026-06-01")
    await played.put(now + 1, id_of("s3"), "AirQualityObserved", dateLastCalibration="2026-06-02")
    assert played.thing(drift[0].id)["status"] == "closed"


def test_a_place_that_is_dirtier_than_its_neighbours_is_no_drift() -> None:
    track = air_drift.new()
    for _ in range(200):
        air_drift.compare(track, log(2.5), 3, 0.2)
        assert not track["drifting"]


def test_two_neighbours_cannot_tell_who_is_wrong() -> None:
    assert air_drift.ratio(10, [5, 5], 1) is None
    assert air_drift.ratio(10, [5, 5, 500], 1) == pytest.approx(log(2))


def beijing(pollutant: str) -> Any:
    """Return daily means of four stations over four years, NaN where there is none."""
    column = {"pm25": "PM2.5", "no2": "NO2", "o3": "O3", "co": "CO"}[pollutant]
    found = []
    for path in recorded("iot/air_prsa_beijing/*.csv.gz"):
        frame = pl.read_csv(path, null_values="NA", infer_schema_length=None)
        by_day = frame.group_by("year", "month", "day").agg(
            pl.col(column).mean().alias("mean"), pl.col(column).count().alias("hours")
        )
        days = by_day.sort("year", "month", "day")
        found.append(
            np.where(days["hours"].to_numpy() >= 18, days["mean"].to_numpy(), np.nan).astype(float)
        )
    return np.array(found)


def found_on(means: Any, sensor: int, factor: Any, least: float) -> Any:
    """Return on which days a sensor drifts if it reads so many times too much."""
    track, days = air_drift.new(), []
    for own, others in zip(means[sensor] * factor, np.delete(means, sensor, 0).T, strict=True):
        near = others[np.isfinite(others)].tolist()
        value = air_drift.ratio(own, near, least) if np.isfinite(own) else None
        if value is not None:
            air_drift.compare(track, value, 2.5, 0.2)
        days.append(track["drifting"])
    return np.array(days)


@pytest.mark.slow
def test_drift_of_sensors_in_beijing_is_found_and_seldom_where_there_is_none() -> None:
    """Four stations over four years, with known drift played into one of them at a time."""
    alarms = years = 0.0
    delays: dict[str, list[float]] = {}
    for pollutant in ("pm25", "no2"):
        means = beijing(pollutant)
        count = means.shape[1]
        for sensor in range(4):
            as_it_was = found_on(means, sensor, np.ones(count), LEAST[pollutant])
            alarms += int((as_it_was[1:] & ~as_it_was[:-1]).sum())
            years += (count - air_drift.WARM_UP) / 365
            for start in range(200, 1300, 330):
                for name, after in (("halved", 0.5), ("30 % less", 0.7), ("1 % a day", None)):
                    factor, late = np.ones(count), np.arange(count - start)
                    factor[start:] = np.exp(-0.01 * late) if after is None else after
                    days = found_on(means, sensor, factor, LEAST[pollutant])
                    found = np.nonzero(days[start : start + 120])[0]
                    delays.setdefault(name, []).append(float(found[0]) if len(found) else inf)
    shares = {name: sum(one < inf for one in all_) / len(all_) for name, all_ in delays.items()}
    middles = {name: float(np.median(all_)) for name, all_ in delays.items()}
    assert alarms / years < 0.5
    assert middles["halved"] <= 18
    assert shares["halved"] >= 0.95
    assert middles["30 % less"] <= 21
    assert shares["30 % less"] >= 0.8
    assert middles["1 % a day"] <= 45
    assert shares["1 % a day"] >= 0.95


def test_low_cost_sensors_of_aberdeen_agree_with_each_other_and_read_less_than_a_reference() -> (
    None
):
    daily = [
        pl.read_csv(path, separator=";")
        .group_by(pl.col("timestamp").str.slice(0, 10).alias("day"))
        .agg(pl.col("P2").mean().alias(path.name))
        for path in recorded("iot/air_sensor_community_aberdeen/sds011_*.csv.gz")
    ]
    (path,) = recorded("iot/air_sensor_community_aberdeen/reference_*errol-place*.csv.gz")
    reference = (
        pl.read_csv(path, separator=";")
        .group_by(pl.col("DateTime").str.slice(0, 10).alias("day"))
        .agg(pl.col("PM2.5").mean().alias("reference"))
    )
    for one in daily:
        reference = reference.join(one, on="day", how="inner" if one is daily[0] else "left")
    days = reference.sort("day").drop("day").to_numpy().astype(float)
    sensors = days[:, 1:]
    for place in range(4):
        seen = np.isfinite(sensors[:, place])
        others = np.nanmedian(np.delete(sensors, place, 1), axis=1)
        assert np.corrcoef(sensors[seen, place], others[seen])[0, 1] > 0.95
    logs = [
        air_drift.ratio(own, near[np.isfinite(near)].tolist(), 2.0)
        for own, near in zip(days[:, 0], sensors, strict=True)
        if np.isfinite(own)
    ]
    known = [one for one in logs if one is not None]
    assert 0.25 < sum(known) / len(known) < 0.4  # the reference reads 40 % more
