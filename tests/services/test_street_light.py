"""Street lights: by the sun, dimmed where nobody is, never darker than is safe; and faults."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.services.played import Played, at
from madang.services.street_light.rule import Lighting, new, wanted
from madang.services.street_light.service import service
from madang.services.street_light.sun import elevation
from tests.recorded import recorded

A, B, FAR = (f"urn:ngsi-ld:Streetlight:{name}" for name in ("A", "B", "far"))
EYE = "urn:ngsi-ld:Device:eye"
SEOUL = (126.978, 37.566)
DUSK = "2026-03-20 09:30"  # 18:30 in Seoul
NIGHT = "2026-03-20 15:00"  # midnight there
MORNING = "2026-03-20 22:00"  # 7 o'clock
MINUTE = 60_000_000


def point(metres_north: float = 0) -> dict[str, Any]:
    place = [SEOUL[0], SEOUL[1] + metres_north / 111_195]
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}


async def playing(start: str = DUSK, **options: Any) -> Played:
    """Start with two lights 30 m apart, and one half a kilometre away."""
    played = Played(service, at(start), time_zone="Asia/Seoul", **options)
    for id, metres in ((A, 0), (B, 30), (FAR, 500)):
        name = {"name": id.rpartition(":")[2], "powerRating": 100}
        await played.put(at(start), id, "Streetlight", location=point(metres), **name)
    return played


def levels(played: Played) -> dict[str, float]:
    """Return the last level that each light was commanded."""
    found = {}
    for document in played.written:
        if document["type"] == "Command":
            target = document["commandTarget"]["object"].rpartition(":")[2]
            assert document["commandName"]["value"] == "setLevel"
            found[target] = document["parameters"]["json"]["level"]
    return found


def commands(played: Played) -> int:
    return sum(document["type"] == "Command" for document in played.written)


def open_alerts(played: Played) -> list[str]:
    return [one["title"]["en"] for one in played.things("Alert") if one["status"] == "open"]


# --- the sun ------------------------------------------------------------------------------------


def test_the_height_of_the_sun_is_that_of_a_published_example() -> None:
    """NREL/TP-560-34302, appendix A.5: Golden, 17 October 2003, 12:30:30 UTC-7."""
    when = datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC).timestamp()
    assert elevation(-105.1786, 39.742476, when) == pytest.approx(39.872046, abs=0.01)


@pytest.mark.parametrize(
    ("when", "lon", "lat", "height"),
    [
        ("2026-06-21 12:00", 0.0, 90.0, 23.44),  # the tilt of the earth, at the pole
        ("2026-12-21 12:00", 0.0, 90.0, -23.44),
        ("2026-03-20 14:46", -179.9, 90.0, 0.0),  # equinox
    ],
)
def test_the_sun_stands_at_the_pole_as_high_as_the_season_says(
    when: str, lon: float, lat: float, height: float
) -> None:
    assert elevation(lon, lat, at(when) / 1e6) == pytest.approx(height, abs=0.02)


def test_the_sun_is_up_when_satellites_see_it() -> None:
    """Clear-sky irradiance of NREL's NSRDB at a solar plant, every 30 minutes of three years."""
    (path,) = recorded("energy/pv/pvdaq_system50_psm3_weather.parquet")
    frame = pl.read_parquet(path)
    assert frame.height > 50_000
    stamps = frame["index"].dt.epoch("s").to_list()
    bright = (frame["ghi_clear"] > 0).to_list()
    # Where the plant is, is not recorded: on this place sun and satellite agree best.
    agrees = [
        (elevation(-106, 40, when) > 0) == up
        for when, up in list(zip(stamps, bright, strict=True))[::7]
    ]
    assert sum(agrees) > 0.99 * len(agrees)


@given(
    sun=st.floats(-90, 90), hour=st.integers(0, 23), until=st.floats(0, 2e9),
    least=st.floats(0, 1), watched=st.booleans(),
)  # fmt: skip
def test_no_light_is_ever_darker_at_night_than_is_safe(
    sun: float, hour: int, until: float, least: float, watched: bool
) -> None:
    rule = Lighting()
    light = new("urn:x:1", 0) | {"until": until, "minimum": least}
    level, reason = wanted(light, sun, hour, 1e9, watched, rule)
    assert 0 <= level <= 1
    assert (level == 0) == (reason == "day") == (sun >= rule.on_below)
    assert reason == "day" or level >= max(rule.minimum, least)


@pytest.mark.parametrize(
    "options", [{"minimum": 0.5}, {"quiet": [22, 25]}, {"dimmed": 0}, {"time_zone": "Asia/Seol"}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.given(options)


# --- levels -------------------------------------------------------------------------------------


async def test_lights_come_on_at_dusk_and_go_off_at_dawn_at_once_and_once() -> None:
    played = await playing()
    await played.until(at("2026-03-20 09:48"))  # the sun at -2.4 degrees
    assert levels(played) == {"A": 0, "B": 0, "far": 0}
    await played.until(at("2026-03-20 09:55"))
    assert levels(played) == {"A": 1, "B": 1, "far": 1}
    before = commands(played)
    await played.until(at("2026-03-20 12:55"))
    assert commands(played) == before
    await played.until(at(MORNING))
    assert levels(played) == {"A": 0, "B": 0, "far": 0}


async def test_late_at_night_lights_without_a_detector_are_dimmed_a_little() -> None:
    played = await playing()
    await played.until(at("2026-03-20 13:01"))  # 22:01 in Seoul
    assert levels(played) == {"A": 0.6, "B": 0.6, "far": 0.6}


async def test_somebody_who_moves_has_light_around_and_it_goes_when_they_have_gone() -> None:
    played = await playing()
    await played.put(at("2026-03-20 12:00"), EYE, "Device", motion=False, location=point(10))
    await played.until(at(NIGHT))
    assert levels(played) == {"A": 0.3, "B": 0.3, "far": 0.6}
    await played.put(at(NIGHT) + 1, EYE, "Device", motion=True)
    assert levels(played) == {"A": 1, "B": 1, "far": 0.6}
    await played.until(at(NIGHT) + 4 * MINUTE)
    assert levels(played)["A"] == 1
    await played.until(at(NIGHT) + 6 * MINUTE)
    assert levels(played)["A"] == 0.3


async def test_who_moves_on_and_on_is_told_of_once() -> None:
    played = await playing(NIGHT)
    for second in range(0, 600, 5):
        await played.put(
            at(NIGHT) + second * 1_000_000, EYE, "Device", motion=second, location=point()
        )
    raised = [one for one in played.things("Decision") if "moves" in one["description"]["en"]]
    assert len(raised) == 1
    assert levels(played)["A"] == 1


async def test_a_detector_that_falls_silent_watches_no_more() -> None:
    played = await playing(detector_hours=2)
    await played.put(at("2026-03-20 12:00"), EYE, "Device", motion=False, location=point())
    await played.until(at("2026-03-20 13:30"))
    assert levels(played)["A"] == 0.3
    await played.until(at("2026-03-20 14:30"))
    assert levels(played)["A"] == 0.6


async def test_a_crossing_keeps_the_light_that_it_needs() -> None:
    played = await playing()
    await played.put(at(DUSK) + 1, A, "Streetlight", minimumLevel=0.8)
    await played.put(at("2026-03-20 12:00"), EYE, "Device", motion=False, location=point())
    await played.until(at(NIGHT))
    assert levels(played) == {"A": 0.8, "B": 0.3, "far": 0.6}


async def test_a_decision_tells_in_both_languages_why_and_commands_name_it() -> None:
    played = await playing()
    await played.until(at("2026-03-20 10:00"))
    decision = played.things("Decision")[-1]
    text = decision["description"]
    assert text["en"].startswith("3 lights to 100%: it is dark and people are about. The sun")
    assert "가로등 3개를 100%" in text["ko"]
    assert [one["entity"] for one in decision["basedOn"]] == sorted((A, B, FAR))
    linked = [one["decision"]["object"] for one in played.written if one["type"] == "Command"]
    assert linked[-1] == decision.id


@pytest.mark.parametrize(("status", "again"), [("failed", 2), ("timedOut", 2), ("done", 1)])
async def test_a_light_that_does_not_take_its_level_is_told_again_later(
    status: str, again: int
) -> None:
    played = await playing(NIGHT)
    await played.until(at(NIGHT) + MINUTE)
    (command,) = [one for one in played.things("Command") if one["commandTarget"] == A]
    await played.put(at(NIGHT) + 2 * MINUTE, command.id, "Command", status=status)
    await played.until(at(NIGHT) + 30 * MINUTE)
    assert len([one for one in played.things("Command") if one["commandTarget"] == A]) == 1
    await played.until(at(NIGHT) + 34 * MINUTE)
    assert len([one for one in played.things("Command") if one["commandTarget"] == A]) == again


async def test_a_light_that_is_gone_is_left_alone() -> None:
    played = await playing()
    await played.delete(at(DUSK) + 1, FAR)
    await played.until(at("2026-03-20 10:00"))
    assert levels(played) == {"A": 1, "B": 1}


# --- faults -------------------------------------------------------------------------------------


async def reports(played: Played, when: str, id: str, **attributes: Any) -> None:
    await played.put(at(when), id, "Streetlight", **attributes)


async def test_a_lamp_that_stays_dark_at_night_is_a_fault_and_mended_only_at_night() -> None:
    played = await playing()
    await played.until(at("2026-03-20 10:00"))
    await reports(played, "2026-03-20 10:01", A, powerState="off")
    assert open_alerts(played) == []
    await played.until(at("2026-03-20 10:15"))
    assert open_alerts(played) == ["A is off at night"]
    assert played.thing(A)["status"] == "defectiveLamp"
    await played.until(at(MORNING))
    await reports(played, "2026-03-20 22:01", A, powerState="off")
    assert open_alerts(played) == ["A is off at night"]
    await played.until(at("2026-03-21 10:00"))
    await reports(played, "2026-03-21 10:01", A, powerState="on")
    assert open_alerts(played) == []
    assert played.thing(A)["status"] == "ok"


async def test_a_lamp_that_burns_by_day_is_a_fault() -> None:
    played = await playing("2026-03-20 03:00")
    await played.until(at("2026-03-20 03:05"))
    await reports(played, "2026-03-20 03:06", B, powerConsumption=95)
    await played.until(at("2026-03-20 03:30"))
    assert open_alerts(played) == ["B is on by day"]


async def test_a_lamp_that_does_not_dim_draws_too_much() -> None:
    played = await playing(NIGHT)
    await played.until(at("2026-03-20 15:05"))
    await reports(played, "2026-03-20 15:06", A, powerConsumption=62)
    await reports(
        played, "2026-03-20 15:06", B,
        powerConsumption={"type": "Property", "value": 0.1, "unitCode": "KWT"},
    )  # fmt: skip
    await played.until(at("2026-03-20 15:30"))
    assert open_alerts(played) == ["B does not draw the power of its level"]
    (indicator,) = [one for one in played.things("KeyPerformanceIndicator") if "faults" in one.id]
    assert indicator["currentValue"] == 1


async def test_a_lamp_may_be_late_for_as_long_as_it_is_given() -> None:
    played = await playing()
    await played.until(at("2026-03-20 10:00"))
    await reports(played, "2026-03-20 10:01", A, powerState="off")
    await reports(played, "2026-03-20 10:08", A, powerState="on")
    await played.until(at("2026-03-20 11:00"))
    assert open_alerts(played) == []


async def test_a_lamp_that_reports_nothing_any_more_is_a_fault() -> None:
    played = await playing(silent_hours=3)
    await reports(played, "2026-03-20 09:31", A, powerState="off")
    await played.until(at("2026-03-20 13:00"))
    assert open_alerts(played) == ["A reports nothing"]


# --- energy -------------------------------------------------------------------------------------


async def test_energy_is_what_lights_draw_against_full_brightness() -> None:
    played = await playing("2026-03-20 09:00", quiet=[0, 24], unwatched=0.5)
    await played.until(at("2026-03-21 03:00"))  # noon in Seoul
    found = {one.id.rpartition(":")[2]: one for one in played.things("KeyPerformanceIndicator")}
    assert found["share"]["currentValue"] == 50
    saved = found["saved"]
    assert saved["currentValue"] == pytest.approx(3 * 0.05 * 11.5, abs=0.2)  # hours of the night
    assert saved.attribute("currentValue")["unitCode"] == "KWH"


async def test_a_restart_changes_nothing_and_two_runs_are_the_same() -> None:
    runs = [await playing() for _ in range(3)]
    for hour in range(10, 24):
        for played in runs:
            await played.put(
                at(f"2026-03-20 {hour}:00"), EYE, "Device", motion=hour % 3, location=point()
            )
            await reports(played, f"2026-03-20 {hour}:30", A, powerConsumption=10 * (hour % 5))
        runs[2].restart()
    assert runs[0].written == runs[1].written == runs[2].written


@pytest.mark.slow
async def test_lights_are_bright_while_people_of_melbourne_walk_and_save_while_they_do_not() -> (
    None
):
    """Hourly counts of four places in a week of July 2015, spread evenly over each hour."""
    shares = await melbourne("2015-07-06", 7)
    assert all(0 <= share <= 40 for share in shares.values())
    assert 8 < shares["Southern Cross Station"] < 16  # offices around, few people late
    assert shares["QV Market-Elizabeth St (West)"] < 1  # people all night


async def melbourne(first: str, days: int) -> dict[str, float]:
    """Return by how much less energy a light needs at each place that counts people. [%]"""
    (path,) = recorded("mobility/pedestrian_melbourne/pedestrian_2015_2016.csv.gz")
    start = at(f"{first} 02:00")  # noon in Melbourne
    frame = pl.read_csv(path, try_parse_dates=True).with_columns(
        at=pl.col("time_utc").dt.epoch("us")
    )
    shares = {}
    for (place,), rows in frame.group_by("sensor", maintain_order=True):
        played = Played(service, start, time_zone="Australia/Melbourne")
        home = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [144.96, -37.81]}}
        await played.put(start, A, "Streetlight", location=home, powerRating=100)
        await played.put(start, EYE, "Device", location=home, motion=False)
        shown: list[float] = []
        for number in range(days):
            now = start + number * 24 * 60 * MINUTE
            night = rows.filter(pl.col("at").is_between(now, now + 24 * 60 * MINUTE, closed="left"))
            quiet = night.filter((pl.col("hour_local") >= 22) | (pl.col("hour_local") < 6))
            for hour, count in quiet.select("at", "count").iter_rows():
                seen = min(count, 30)  # more keep the light bright all the time as well
                for one in range(seen):
                    when = hour + one * 60 * MINUTE // seen
                    await played.put(when, EYE, "Device", motion=one + 1)
            await played.until(now + 24 * 60 * MINUTE)
            figures = played.things("KeyPerformanceIndicator")
            shown += [one["currentValue"] for one in figures if one.id.endswith("share")]
        shares[str(place)] = sum(shown) / len(shown)
    return shares
