"""Smart crossing: when it warns, what is written down, and that edge and service agree."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.edge.crossing import message
from madang.services.crossing import watch as watches
from madang.services.crossing.service import service
from madang.services.crossing.watch import COMING, ON_RED, Rules, S, stopping_distance
from madang.services.played import Played, at
from tests.recorded import needs, recorded

CROSSING = "urn:ngsi-ld:PedestrianCrossing:school"
CAMERA, RADAR = "urn:ngsi-ld:CrossingObserved:camera", "urn:ngsi-ld:CrossingObserved:radar"
START = at("2026-03-02 08:00")
MELBOURNE = "mobility/pedestrian_melbourne/pedestrian_2015_2016.csv.gz"


def played(**options: Any) -> Played:
    return Played(service, START, **options)


async def standing(**options: Any) -> Played:
    """Return a crossing with a signal at red, a camera and a radar."""
    run = played(**options)
    await run.put(START, CROSSING, "PedestrianCrossing", name="School", pedestrianSignal="red")
    home = {"type": "Relationship", "object": CROSSING}
    for detector in (CAMERA, RADAR):
        await run.put(START, detector, "CrossingObserved", refCrossing=home)
    return run


async def seen(run: Played, second: float, people: int) -> None:
    await run.until(START + round(second * S))
    await run.put(START + round(second * S), CAMERA, "CrossingObserved", pedestrianCount=people)


async def coming(run: Played, second: float, distance: float, speed: float) -> None:
    await run.until(START + round(second * S))
    await run.put(
        START + round(second * S), RADAR, "CrossingObserved",
        vehicleDistance=distance, vehicleSpeed=speed,
    )  # fmt: skip


def told(run: Played) -> list[dict[str, str]]:
    """Return what was decided, in both languages."""
    return [one.attribute("description")["languageMap"] for one in run.things("Decision")]


def figure(run: Played, name: str) -> Any:
    return run.thing(f"urn:ngsi-ld:KeyPerformanceIndicator:crossing:{name}")["currentValue"]


# --- when it warns ------------------------------------------------------------------------------


async def test_somebody_on_the_crossing_at_red_is_warned_and_it_is_written_down() -> None:
    run = await standing()
    await seen(run, 1, 1)
    assert run.thing(CROSSING)["warning"] == [ON_RED]
    assert told(run) == [
        {"en": "School: people are on the crossing at red: warned.",
         "ko": "School: 적신호에 횡단보도에 사람이 있습니다. 경고를 보냈습니다."}
    ]  # fmt: skip
    (decision,) = run.things("Decision")
    assert {"entity": CAMERA, "attribute": "pedestrianCount", "value": 1,
            "observedAt": "2026-03-02T08:00:01Z"} in [
        {**one, "observedAt": "2026-03-02T08:00:01Z"} for one in decision["basedOn"]
    ]  # fmt: skip
    assert figure(run, "warnings") == 1


@pytest.mark.parametrize("signal", ["green", "flashing", "off"])
async def test_nobody_is_warned_unless_the_signal_is_red(signal: str) -> None:
    run = await standing()
    await run.put(START + S, CROSSING, "PedestrianCrossing", pedestrianSignal=signal)
    await seen(run, 2, 3)
    assert told(run) == []


async def test_an_empty_crossing_at_red_is_no_danger() -> None:
    run = await standing()
    await seen(run, 1, 0)
    await coming(run, 2, 5, 15)
    assert told(run) == []


async def test_a_vehicle_that_must_brake_now_for_people_is_warned_of_though_they_have_green() -> (
    None
):
    run = await standing()
    await run.put(START + S, CROSSING, "PedestrianCrossing", pedestrianSignal="green")
    await seen(run, 2, 1)
    await coming(run, 2.1, 100, 13.9)
    assert told(run) == []
    await coming(run, 2.2, 60, 13.9)
    assert run.thing(CROSSING)["warning"] == [COMING]
    assert "(4.3 s away)" in told(run)[0]["en"]


@pytest.mark.parametrize(("distance", "speed"), [(5, 0.0), (5, 0.4), (80, 13.9)])
async def test_a_vehicle_that_stands_or_is_far_is_no_danger(distance: float, speed: float) -> None:
    run = await standing()
    await run.put(START + S, CROSSING, "PedestrianCrossing", pedestrianSignal="green")
    await seen(run, 2, 1)
    await coming(run, 2.1, distance, speed)
    assert told(run) == []


def test_the_stopping_distance_is_that_of_the_green_book() -> None:
    # Exhibit 3-1 (metric), 50 km/h: 34.8 m of reaction and 28.7 m of braking; 63.5 m
    assert stopping_distance(50 / 3.6, Rules()) == pytest.approx(63.5, rel=0.01)
    assert stopping_distance(80 / 3.6, Rules()) == pytest.approx(129.0, rel=0.01)


async def test_a_detector_that_falls_silent_is_not_believed_for_long() -> None:
    run = await standing(hold_s=2, tail_s=1)
    await seen(run, 1, 1)
    await run.until(START + round(3.9 * S))
    assert run.thing(CROSSING)["warning"] == [ON_RED]
    await run.until(START + round(4.1 * S))
    assert run.thing(CROSSING)["warning"] == ["none"]


async def test_a_signal_of_long_ago_is_not_believed() -> None:
    run = await standing(signal_hold_s=10)
    await seen(run, 11, 1)
    assert told(run) == []


async def test_a_warning_does_not_flicker_and_what_came_of_it_is_learned() -> None:
    run = await standing(tail_s=2)
    for second, people in ((1, 1), (2, 0), (3, 1), (4, 0)):
        await seen(run, second, people)
    await run.until(START + 60 * S)
    (decision,) = run.things("Decision")
    assert decision["outcome"] == {"seconds": 5.0, "nearestSeconds": None, "nearMiss": False}


async def test_a_reason_that_comes_later_is_told_as_well() -> None:
    run = await standing()
    await seen(run, 1, 1)
    await coming(run, 1.5, 20, 10)
    assert run.thing(CROSSING)["warning"] == [ON_RED, COMING]
    assert figure(run, "warnings") == 1
    assert len(told(run)) == 2


async def test_values_that_failed_their_tests_are_left_out() -> None:
    run = await standing()
    flagged = {"type": "Property", "value": 1, "quality": {"type": "Property", "value": "fail"}}
    await run.put(START + S, CAMERA, "CrossingObserved", pedestrianCount=flagged)
    for value in ("many", [1], True, -1, 1e9):
        await run.put(START + 2 * S, CAMERA, "CrossingObserved", pedestrianCount=value)
    assert told(run) == []


# --- near misses --------------------------------------------------------------------------------


async def miss(run: Played, second: float) -> None:
    await seen(run, second, 1)
    await coming(run, second + 0.1, 10, 10)
    await seen(run, second + 1, 0)
    await run.until(START + round((second + 20) * S))


async def test_a_near_miss_is_counted_when_a_vehicle_is_less_than_1_5_seconds_away() -> None:
    run = await standing()
    await miss(run, 1)
    assert run.things("Decision")[0]["outcome"]["nearMiss"] is True
    assert run.things("Decision")[0]["outcome"]["nearestSeconds"] == 1.0
    assert figure(run, "nearMisses") == 1
    assert run.things("Alert") == []


async def test_a_crossing_with_many_near_misses_raises_one_alert_that_ends_when_it_is_quiet() -> (
    None
):
    run = await standing(alert_after=3, alert_days=7)
    for number in range(4):
        await miss(run, 1 + 60 * number)
    (alert,) = run.things("Alert")
    assert alert["severity"] == "high"
    assert alert["category"] == "pedestrianNearMiss"
    assert alert.attribute("title")["languageMap"] == {
        "en": "4 near misses at School within 7 days", "ko": "School: 7일 동안 아차사고 4건",
    }  # fmt: skip
    assert alert["status"] == "open"
    await run.until(START + 9 * 86_400 * S)
    assert run.thing(alert.id)["status"] == "closed"


async def test_how_soon_the_edge_has_warned_becomes_a_figure() -> None:
    run = await standing()
    for number, after in enumerate((3.2, 250.0, 301.0, 4.0)):
        whole = {"type": "Property", "value": after, "unitCode": "C26"}
        await run.put(START + number * S, CROSSING, "PedestrianCrossing", warnedAfter=whole)
    assert figure(run, "inTime") == 75.0


async def test_street_lights_are_commanded_once_and_go_back_by_themselves() -> None:
    run = await standing(light_s=60)
    light = "urn:ngsi-ld:Streetlight:school-1"
    await run.put(START, light, "Streetlight", powerState="on")
    await run.put(
        START, CROSSING, "PedestrianCrossing",
        refStreetlight={"type": "Relationship", "object": light},
    )  # fmt: skip
    for second, people in ((1, 1), (2, 0), (20, 1), (21, 0)):
        await seen(run, second, people)
    (command,) = run.things("Command")
    assert (command["commandTarget"], command["commandName"]) == (light, "setLevel")
    assert command["parameters"] == {"level": 1.0}
    assert command["revertAfter"] == 60
    assert run.thing(command["decision"])["madeBy"] == "crossing 1"
    await seen(run, 70, 1)
    assert len(run.things("Command")) == 2


async def test_a_crossing_or_detector_that_is_deleted_is_forgotten() -> None:
    run = await standing()
    await run.delete(START + S, CAMERA)
    await run.delete(START + S, CROSSING)
    assert run.kept.state["homes"] == {RADAR: CROSSING}
    assert run.kept.state["places"] == {}


async def test_a_restart_in_the_middle_of_a_warning_changes_nothing() -> None:
    runs = [await standing(), await standing()]
    for run in runs:
        await seen(run, 1, 1)
    runs[1].restart()
    for run in runs:
        await coming(run, 1.2, 12, 10)
        await run.until(START + 60 * S)
    assert runs[0].written == runs[1].written


def test_every_option_has_titles_in_both_languages_and_the_catalogue_is_filled() -> None:
    for field in service.options.model_fields.values():
        assert field.title
        assert field.description
        assert isinstance(field.json_schema_extra, dict)
        assert field.json_schema_extra["ko"]
    assert service.operator is not None
    assert service.cost is not None


# --- the edge -----------------------------------------------------------------------------------


def test_a_sign_is_told_what_to_show_for_how_long_and_when_to_go_dark() -> None:
    watch = watches.fresh()
    watches.take(watch, "camera", {"pedestrianCount": 1, "pedestrianSignal": "red"}, START)
    began = watches.step(watch, START, Rules())
    assert began is not None
    on = orjson.loads(message(CROSSING, began))
    assert on["command"] == "warn"
    assert on["expiresAt"] == "2026-03-02T08:00:03Z"
    assert on["parameters"] == {
        "crossing": CROSSING, "reasons": [ON_RED], "seconds": 3,
        "text": {"en": "Red light: do not cross.", "ko": "빨간불입니다. 건너지 마세요."},
    }  # fmt: skip
    ended = watches.step(watch, START + 60 * S, Rules())
    assert ended is not None
    assert orjson.loads(message(CROSSING, ended))["command"] == "clear"


@pytest.mark.parametrize("text", ["red", "green"])
def test_a_sign_is_told_again_while_the_danger_lasts(text: str) -> None:
    watch, kinds = watches.fresh(), []
    watches.take(watch, "signal", {"pedestrianSignal": text}, START)
    for tenth in range(40):
        watches.take(watch, "camera", {"pedestrianCount": 1}, START + tenth * S // 10)
        step = watches.step(watch, START + tenth * S // 10, Rules())
        kinds += [step.kind] if step else []
    assert kinds == (["began", "renewed", "renewed", "renewed"] if text == "red" else [])


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3_000_000),  # [us] since the one before
        st.sampled_from(["camera", "radar", "second camera", ""]),
        st.dictionaries(
            st.sampled_from(sorted(watches.READ)),
            st.sampled_from(["red", "green", None]) | st.integers(-1, 3) | st.floats(0, 90),
            max_size=4,
        ),
    ),
    max_size=40,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_warnings_begin_and_end_in_turn_and_survive_being_kept_as_json(
    events: list[tuple[int, str, dict[str, Any]]],
) -> None:
    watch, kept, rules, now = watches.fresh(), watches.fresh(), Rules(), START
    is_on = False
    for passed, detector, values in events:
        now += passed
        kept = orjson.loads(orjson.dumps(kept))
        assert watches.take(watch, detector, values, now) == watches.take(
            kept, detector, values, now
        )
        step = watches.step(watch, now, rules)
        assert step == watches.step(kept, now, rules)
        if step is not None:
            assert is_on is (step.kind != "began")
            is_on = step.kind != "ended"
            assert step.warning["reasons"]
        assert (watch["warning"] is not None) is is_on
        assert not (watches.danger(watch, now, rules).reasons and not is_on)
    assert watches.danger(watch, now + 3600 * S, rules).reasons == ()


# --- a recorded day -----------------------------------------------------------------------------


@needs(MELBOURNE)
async def test_a_recorded_day_at_a_signal_comes_to_the_warnings_worked_out_apart() -> None:
    """Hourly counts of a sensor in Melbourne become people who cross, spread over each hour."""
    (file,) = recorded(MELBOURNE)
    with gzip.open(file) as content:
        rows = pl.read_csv(content.read())
    day = rows.filter(
        (pl.col("sensor") == rows["sensor"][0]) & (pl.col("date_local") == "2015-03-04")
    )
    start = at("2015-03-04 00:00")
    events: list[tuple[int, str, dict[str, Any]]] = []
    walks: list[tuple[int, int]] = []
    for hour, count in day.select("hour_local", "count").iter_rows():
        people = count // 20  # one of twenty, so that the test is short
        for number in range(people):
            enter = start + hour * 3600 * S + round(3600 * S * (number + 0.5) / people)
            walks.append((enter, enter + 7 * S))
    assert len(walks) > 100
    for minute in range(24 * 60):
        second = start + minute * 60 * S
        events += [(second, "signal", {"pedestrianSignal": "green"}),
                   (second + 25 * S, "signal", {"pedestrianSignal": "red"})]  # fmt: skip
    changes = sorted({edge for walk in walks for edge in walk})
    for enter, leave in walks:
        changes += [enter + step * S for step in range(1, 7) if enter + step * S < leave]
    for moment in sorted(set(changes)):
        there = sum(enter <= moment < leave for enter, leave in walks)
        events.append((moment, "camera", {"pedestrianCount": there}))
    run = Played(service, start, time_zone="Australia/Melbourne")
    await run.put(start, CROSSING, "PedestrianCrossing", name="Birrarung Marr")
    home = {"type": "Relationship", "object": CROSSING}
    for moment, source, values in sorted(events, key=lambda event: event[0]):
        await run.until(moment)
        await run.put(moment, f"urn:ngsi-ld:CrossingObserved:{source}", "CrossingObserved",
                      refCrossing=home, **values)  # fmt: skip
    await run.until(start + 86_400 * S)
    assert figure(run, "warnings") == _worked_out(walks, start)


def _worked_out(walks: list[tuple[int, int]], start: int) -> int:
    """Return how many warnings there must be: stretches at red, joined over gaps of the tail."""
    spans = []
    for enter, leave in walks:
        for minute in range((enter - start) // (60 * S), (leave - start) // (60 * S) + 1):
            red = start + minute * 60 * S + 25 * S, start + (minute + 1) * 60 * S
            first, last = max(enter, red[0]), min(leave, red[1])
            if first < last:
                spans.append((first, last))
    count, end = 0, -1
    for first, last in sorted(spans):
        count += first >= end
        end = max(end, last + 2 * S)
    return count
