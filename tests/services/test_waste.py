"""Waste: when containers will be full, rounds to those alone, and what that saves in Edinburgh."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.played import Played, at
from madang.services.waste import forecast
from madang.services.waste.forecast import Filling
from madang.services.waste.rounds import MUST, Fleet, Stop, Ways, plan, window
from madang.services.waste.service import service
from tests.recorded import needs, recorded
from tests.services import edinburgh

DEPOT = (127.0, 37.5)
HOUR = 3_600_000_000
START = "2026-03-02 00:00"  # a Monday
RECORDS = "waste/edinburgh_bins/collections_2016-06-03_07-22.csv.gz"
FLEET = Fleet(DEPOT, 2, 1000, (6 * 3600, 14 * 3600), 120, 5.0, 1.4)
ANY = (0, 86_400)


def id_of(name: str) -> str:
    return f"urn:ngsi-ld:WasteContainer:{name}"


def point(metres_east: float) -> dict[str, Any]:
    place = [DEPOT[0] + metres_east / 88_400, DEPOT[1]]
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}}


def playing(**options: Any) -> Played:
    return Played(service, at(START), **{"depot": DEPOT, "full": 1.0, "iterations": 30, **options})


async def filling(
    played: Played, days: int, rates: dict[str, float], first_day: int = 0
) -> dict[str, float]:
    """Let containers fill evenly, emptied when they are on a round; return their levels."""
    levels = dict.fromkeys(rates, 0.0)
    for hour in range(first_day * 24, (first_day + days) * 24):
        now = at(START) + hour * HOUR
        await played.until(now)
        if hour % 24 == 10:
            day = date.fromordinal(date(2026, 3, 2).toordinal() + hour // 24)
            for route in played.things("Route"):
                if f":{day}:" in route.id:
                    for stop in route["stops"]:
                        levels[stop["container"].rpartition(":")[2]] = 0.0
        for place, (name, rate) in enumerate(sorted(rates.items())):
            levels[name] = min(levels[name] + rate / 24, 1.0)
            more = {"location": point(100 * (place + 1)), "name": name} if hour % 24 == 0 else {}
            await played.put(now, id_of(name), "WasteContainer", fillingLevel=levels[name], **more)
    return levels


# --- the forecast -------------------------------------------------------------------------------


@given(
    room=st.floats(0.01, 1), rate=st.floats(0.01, 3), spread=st.floats(1e-4, 0.5),
    days=st.floats(0.01, 60), later=st.floats(1, 3),
)  # fmt: skip
def test_the_chance_to_be_full_grows_with_time_and_shrinks_with_room(
    room: float, rate: float, spread: float, days: float, later: float
) -> None:
    how = Filling(rate, spread, 30.0)
    chance = forecast.chance_full(room, days, how)
    assert 0 <= chance <= 1
    assert forecast.chance_full(room, days * later, how) >= chance - 1e-6
    assert forecast.chance_full(room * later, days, how) <= chance + 1e-6


@given(room=st.floats(0.05, 1), rate=st.floats(0.05, 1), chance=st.floats(0.05, 0.9))
def test_a_quantile_is_when_the_chance_is_reached(room: float, rate: float, chance: float) -> None:
    how = Filling(rate, 0.02, 30.0)
    days = forecast.days_until(room, how, chance)
    assert forecast.chance_full(room, days, how) == pytest.approx(chance, abs=0.02)


def test_a_container_is_full_in_the_mean_when_its_rate_says() -> None:
    how = Filling(0.25, 0.001, 1000.0)
    assert forecast.days_until(0.5, how, 0.5) == pytest.approx(2, abs=0.02)
    assert forecast.days_until(0, how, 0.5) == 0


def test_what_is_known_of_all_speaks_for_one_that_is_new() -> None:
    own, everyone = forecast.nothing(), forecast.nothing()
    for _ in range(30):
        forecast.learn(forecast.nothing(), everyone, 1.0, 0.5)
    assert forecast.filling(own, everyone).rate == pytest.approx(0.49, abs=0.02)
    for _ in range(30):
        forecast.learn(own, everyone, 1.0, 0.1)
    assert forecast.filling(own, everyone).rate == pytest.approx(0.11, abs=0.02)


async def test_a_forecast_is_written_with_how_far_it_may_be_wrong() -> None:
    played = playing(depot=None)
    await filling(played, 6, {"a": 0.1})
    container = played.thing(id_of("a"))
    rate = container.attribute("fillingRate")
    assert rate["value"] == pytest.approx(0.1, abs=0.02)
    assert rate["unitCode"] == "E91"
    full = container.attribute("fullAt")
    times = [full["earliest"]["value"], full["value"], full["latest"]["value"]]
    assert [one["@type"] for one in times] == ["DateTime"] * 3
    values = [one["@value"] for one in times]
    assert values == sorted(values)
    assert "2026-03-11" <= values[1][:10] <= "2026-03-13"  # the tenth day, at 10 % a day


async def test_emptying_is_seen_and_noise_is_not() -> None:
    played = playing(depot=None)
    for hour, level in enumerate([0.5, 0.55, 0.5, 0.6, 0.05, 0.1]):
        await played.put(at(START) + hour * HOUR, id_of("a"), "WasteContainer", fillingLevel=level)
    emptied = [one for one in played.written if "dateLastEmptying" in one]
    assert [one["dateLastEmptying"]["value"]["@value"] for one in emptied] == [
        "2026-03-02T04:00:00Z"
    ]


@pytest.mark.parametrize("level", [-0.1, 2, "full", [0.7], True])
async def test_a_level_that_makes_no_sense_is_left_out(level: Any) -> None:
    played = playing(depot=None)
    await played.put(at(START), id_of("a"), "WasteContainer", fillingLevel=0.5)
    await played.put(at(START) + HOUR, id_of("a"), "WasteContainer", fillingLevel=level)
    assert played.kept.state["containers"][id_of("a")]["level"] == 0.5


# --- rounds -------------------------------------------------------------------------------------


def stop(name: str, east: float, litres: int = 100, worth: int = MUST,
         window: tuple[int, int] = ANY) -> Stop:  # fmt: skip
    return Stop(name, (DEPOT[0] + east / 88_400, DEPOT[1]), litres, worth, window)


def test_a_container_on_the_way_is_taken_along_and_one_far_away_is_not() -> None:
    stops = [stop("far", 2000), stop("near", 1000, worth=300), stop("off", -1000, worth=300)]
    (drive,) = plan(stops, FLEET, Ways(), 50)
    assert sorted(id for id, _ in drive.stops) == ["far", "near"]
    assert drive.metres == pytest.approx(2 * 2000 * 1.4, rel=0.01)
    assert drive.litres == 200


def test_no_vehicle_takes_more_than_it_can_or_comes_outside_of_a_window() -> None:
    stops = [stop(f"{number}", 300 * number, 300) for number in range(1, 7)]
    late = stop("late", 400, 10, window=(13 * 3600, 14 * 3600))
    drives = plan([*stops, late], FLEET, Ways(), 200)
    assert len(drives) == 2
    assert all(drive.litres <= FLEET.litres for drive in drives)
    assert all(6 * 3600 <= drive.start <= drive.end <= 14 * 3600 for drive in drives)
    times = {id: when for drive in drives for id, when in drive.stops}
    assert len(times) == 7
    assert times["late"] >= 13 * 3600


def test_what_does_not_fit_is_left_out() -> None:
    stops = [stop(f"{number}", 300 * number, 400) for number in range(1, 9)]
    drives = plan(stops, FLEET, Ways(), 100)
    assert sum(len(drive.stops) for drive in drives) == 4  # two vehicles, two containers each


def test_ways_that_are_known_count_and_others_are_as_the_crow_flies() -> None:
    stops = [stop("a", 1000), stop("b", 2000)]
    ways = Ways(["depot", "a"], [[0, 5000], [5000, 0]], [[0, 600], [600, 0]])
    (drive,) = plan(stops, FLEET, ways, 50)
    assert drive.metres == pytest.approx(5000 + 1400 + 2800, abs=5)


def test_rounds_are_the_same_each_time_they_are_made() -> None:
    stops = [stop(f"{number}", 37 * number * (-1) ** number) for number in range(1, 15)]
    assert plan(stops, FLEET, Ways(), 50) == plan(stops, FLEET, Ways(), 50)


@given(
    text=st.text(max_size=30) | st.from_regex(r"[A-Z][a-z]-[A-Z][a-z] \d\d:\d\d-\d\d:\d\d"),
    day=st.integers(0, 6),
)
@settings(max_examples=50)
def test_hours_in_any_words_are_a_window_within_the_shift(text: str, day: int) -> None:
    found = window(text, day, (21_600, 50_400))
    assert found is None or 21_600 <= found[0] <= found[1] <= 50_400


def test_hours_may_go_over_the_end_of_the_week() -> None:
    found = [window("Sa-Mo 08:00-10:00", day, ANY) for day in range(7)]
    assert [one is not None for one in found] == [True, False, False, False, False, True, True]


# --- the service --------------------------------------------------------------------------------


async def test_a_round_goes_to_what_will_be_full_and_tells_why() -> None:
    played = playing()
    await filling(played, 12, {"quick": 0.5, "slow": 0.02})
    routes = played.things("Route")
    assert routes
    first = routes[-1]
    assert [one["container"] for one in first["stops"]] == [id_of("quick")]
    line = first["location"]
    assert line["type"] == "LineString"
    assert line["coordinates"][0] == line["coordinates"][-1] == list(DEPOT)
    assert first.attribute("length") | {"observedAt": ""} == {
        "type": "Property", "value": 0.28, "unitCode": "KMT", "observedAt": "",
    }  # fmt: skip
    decision = next(one for one in played.things("Decision") if one.id == first["decision"])
    text = decision["description"]
    assert "quick with" in text["en"]
    assert "empties 1 containers on 0.3 km" in text["en"]
    assert "수거함 1개를 비웁니다" in text["ko"]
    assert decision["basedOn"][0]["entity"] == id_of("quick")
    assert decision["undo"] == {first.id: {"status": "cancelled"}}


async def test_what_came_of_a_round_is_learned_from_the_levels_that_were_found() -> None:
    played = playing()
    await filling(played, 12, {"quick": 0.5, "slow": 0.02})
    outcomes = [one["outcome"] for one in played.things("Decision") if one["outcome"]]
    assert outcomes
    assert all(one["collected"] == 1 for one in outcomes)
    assert outcomes[-1]["meanError"] < 0.15


async def test_kilometres_are_saved_where_some_fill_slowly() -> None:
    played = playing(fixed_days=2)
    rates = {f"slow-{number}": 0.03 for number in range(5)} | {"quick": 0.4}
    await filling(played, 14, rates)
    figures = {one.id.rpartition(":")[2]: one for one in played.things("KeyPerformanceIndicator")}
    assert figures["saved"]["currentValue"] > 0
    assert figures["saved"].attribute("currentValue")["unitCode"] == "KMT"
    assert figures["full"]["currentValue"] < 1


async def test_too_few_vehicles_are_told_of_until_there_are_enough() -> None:
    played = playing(vehicles=1, vehicle_litres=250)
    await filling(played, 2, {"a": 0.9, "b": 0.9, "c": 0.9})
    (alert,) = played.things("Alert")
    assert alert["status"] == "open"
    assert "may overflow" in alert["title"]["en"]
    played.options = service.given({"depot": DEPOT, "full": 1.0, "iterations": 30, "vehicles": 9})
    played.restart()
    await filling(played, 2, {"a": 0.9, "b": 0.9, "c": 0.9}, 2)
    (alert,) = played.things("Alert")
    assert alert["status"] == "closed"


async def test_ways_that_make_no_sense_are_told_of_and_good_ones_are_used() -> None:
    matrix = "urn:ngsi-ld:TravelMatrix:town"
    played = playing(matrix=matrix)
    await filling(played, 2, {"a": 0.9})
    alert = played.thing("urn:ngsi-ld:Alert:waste:matrix")
    assert alert["status"] == "open"
    assert "must have places, metres and seconds" in alert["description"]["en"]
    rows = {"places": ["depot", id_of("a")], "metres": [[0, 7000], [7000, 0]],
            "seconds": [[0, 900], [900, 0]]}  # fmt: skip
    whole = {name: {"type": "JsonProperty", "json": value} for name, value in rows.items()}
    await played.put(at(START) + 48 * HOUR, matrix, "TravelMatrix", **whole)
    await filling(played, 1, {"a": 0.9}, 2)
    assert played.thing(alert.id)["status"] == "closed"
    assert played.things("Route")[-1]["length"] == 14


async def test_nobody_drives_for_nothing_or_on_a_day_off() -> None:
    played = playing(weekdays=[1])
    await filling(played, 13, {"a": 0.01})
    assert [one["startsAt"]["@value"][:10] for one in played.things("Route")] == ["2026-03-02"]
    told = [one["description"]["en"] for one in played.things("Decision")]
    assert told[-1].startswith("No round on 2026-03-09: none of 1 containers is full before")


async def test_a_restart_changes_nothing_and_two_runs_are_the_same() -> None:
    runs = [playing(), playing(), playing()]
    for played in runs[:2]:
        await filling(played, 4, {"a": 0.4, "b": 0.3})
    for number in range(4):
        await filling(runs[2], 1, {"a": 0.4, "b": 0.3}, number)
    once, twice, _ = runs
    assert once.written == twice.written


@pytest.mark.parametrize(
    "options",
    [{"shift": [14, 6]}, {"weekdays": [0]}, {"depot": [200, 0]}, {"risk": 0}, {"detour": 0.5}],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        service.given(options)


# --- Edinburgh ----------------------------------------------------------------------------------


@needs(RECORDS)
def test_levels_of_recorded_bins_are_foreseen_better_than_by_their_last_filling() -> None:
    """At each emptying of 295 bins after two weeks: the level that the service would have told."""
    (path,) = recorded(RECORDS)
    found = edinburgh.bins(path)
    visits = sorted((when, one.site, level) for one in found for when, level in one.visits)
    everyone, before = forecast.nothing(), dict[int, tuple[float, float]]()
    own = {one.site: forecast.nothing() for one in found}
    errors, naive, inside = [], [], []
    for when, site, level in visits:
        if site in before:
            since, last_rate = before[site]
            days = (when - since) / 86_400
            how = forecast.filling(own[site], everyone)
            if when - visits[0][0] > 14 * 86_400 and last_rate:
                told, _ = forecast.level_after(0, days, how)
                errors.append(abs(min(told, 1) - level))
                naive.append(abs(min(last_rate * days, 1) - level))
                chance = forecast.chance_full(max(level, 1e-3), days, how)
                inside.append(chance >= 0.1 and (chance <= 0.9 or level >= 1))
            forecast.learn(own[site], everyone, days, level, at_least=level >= 1)
        rate = level / ((when - before[site][0]) / 86_400) if site in before else 0.0
        before[site] = when, rate
    assert len(errors) > 4_000
    mean, by_last = sum(errors) / len(errors), sum(naive) / len(naive)
    print(f"mean error {mean:.3f}, by the last filling {by_last:.3f}", sum(inside) / len(inside))
    assert mean < 0.18
    assert mean < 0.95 * by_last
    assert 0.8 <= sum(inside) / len(inside) <= 0.95  # of a forecast for 80 %


@pytest.mark.slow
@needs(RECORDS)
async def test_rounds_by_forecast_spill_as_little_as_daily_rounds_with_fewer_kilometres() -> None:
    (path,) = recorded(RECORDS)
    found = edinburgh.bins(path)[::5]
    outcome, played = await edinburgh.forecast_rounds(found, 7, every_h=6, iterations=50)
    a_day = played.kept.state["fixed_km"] * edinburgh.OPTIONS["fixed_days"]
    daily = edinburgh.fixed_rounds(found, 7, 1, a_day)
    other = edinburgh.fixed_rounds(found, 7, 2, a_day / 2)
    assert outcome.km < 0.95 * daily.km
    assert outcome.visits < 0.8 * daily.visits
    assert outcome.full_share < daily.full_share + 0.01 < other.full_share
    assert outcome.spilt < 0.5 * other.spilt
