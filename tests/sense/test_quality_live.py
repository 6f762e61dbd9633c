"""Values as they come: what each test flags, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model import time
from madang.sense.message import Reading
from madang.sense.quality.limits import Limits
from madang.sense.quality.live import MOST_SERIES, Inspector

START = 1_700_000_000_000_000
MINUTE = 60_000_000
ID = "urn:ngsi-ld:AirQualityObserved:1"


def prop(value: Any, at: int | None = None, **more: Any) -> dict[str, Any]:
    attribute = {"type": "Property", "value": value, **more}
    return attribute if at is None else {**attribute, "observedAt": time.render(at)}


def point(east: float, north: float, at: int) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [east, north]}
    return {"type": "GeoProperty", "value": place, "observedAt": time.render(at)}


def flag_of(attribute: dict[str, Any]) -> tuple[str, list[str]]:
    return attribute["quality"]["value"], attribute.get("qualityReason", {"value": []})["value"]


class Stream:
    """One attribute of one entity, whose values come a minute apart unless said otherwise."""

    def __init__(self, name: str = "temperature", /, **limits: Any) -> None:
        self.inspector = Inspector()
        self.name = name
        self.limits = {name: Limits(**limits)}
        self.now = START

    def attribute(
        self, attribute: dict[str, Any], received: int | None = None
    ) -> tuple[str, list[str]]:
        entity = {"id": ID, "type": "AirQualityObserved", self.name: attribute}
        reading = Reading(entity, self.limits, "d1", "Owner")
        judged = self.inspector.judge(reading, self.now if received is None else received)
        return flag_of(judged.entity[self.name])

    def value(self, value: Any, *, at: int | None = None, delay: int = 0) -> tuple[str, list[str]]:
        if at is None:
            self.now += MINUTE
            at = self.now
        return self.attribute(prop(value, at), at + delay)

    def flags(self, *values: Any) -> list[str]:
        return [self.value(one)[0] for one in values]


GOOD: tuple[str, list[str]] = ("good", [])


def test_a_value_outside_what_the_sensor_can_measure_fails() -> None:
    stream = Stream(fail_below=-40, fail_above=85)
    assert stream.value(21.5) == GOOD
    assert stream.value(-40) == stream.value(85) == GOOD
    assert stream.value(85.1) == ("fail", ["range"])
    assert stream.value(-41) == ("fail", ["range"])


def test_an_unusual_value_is_suspect() -> None:
    stream = Stream(fail_below=-40, suspect_below=-20, suspect_above=40)
    assert stream.flags(-20, 40, 40.5, -30, -50) == ["good", "good", "suspect", "suspect", "fail"]


def test_a_value_without_limits_is_not_evaluated() -> None:
    assert Stream().value(5) == ("notEvaluated", [])
    assert Stream().value("open") == ("notEvaluated", [])


def test_a_change_faster_than_can_be_believed_is_suspect() -> None:
    stream = Stream(rate_per_s=0.1)  # 6 a minute
    assert stream.value(10) == stream.value(16) == GOOD
    assert stream.value(22.1) == ("suspect", ["rate"])
    assert stream.value(22) == GOOD
    assert stream.value(11, at=stream.now + 2 * MINUTE) == GOOD


def test_a_value_far_from_the_two_before_it_is_a_spike() -> None:
    stream = Stream(spike=5)
    assert stream.flags(10, 10.5) == ["good", "good"]
    assert stream.value(18) == ("suspect", ["spike"])
    assert stream.value(11) == GOOD  # it is near the one before the spike
    assert stream.value(40) == ("fail", ["spike"])


def test_of_a_step_only_the_first_value_is_a_spike() -> None:
    assert Stream(spike=5).flags(10, 10, 30, 30, 30.5) == ["good", "good", "fail", "good", "good"]


def test_the_same_value_for_long_is_stuck() -> None:
    stream = Stream(stuck_s=120, stuck_tolerance=0.1)
    assert stream.flags(7, 7, 7.05, 7.1, 7, 7, 7) == [*2 * ["good"], *4 * ["suspect"], "fail"]
    assert stream.value(7.2) == GOOD


def test_a_slow_drift_is_not_stuck() -> None:
    assert set(Stream(stuck_s=120, stuck_tolerance=0.1).flags(*(n * 0.06 for n in range(20)))) == {
        "good"
    }


def test_a_value_after_a_long_silence_follows_a_gap_and_begins_anew() -> None:
    stream = Stream(gap_s=120, rate_per_s=0.001, stuck_s=600)
    stream.value(5)
    assert stream.value(99, at=START + 4 * MINUTE) == ("suspect", ["gap"])
    assert stream.value(99, at=START + 5 * MINUTE) == GOOD


def test_another_value_for_the_same_time_is_a_duplicate() -> None:
    stream = Stream(fail_above=100)
    stream.value(5)
    assert stream.value(6, at=stream.now) == ("suspect", ["duplicate"])
    assert stream.value(600, at=stream.now) == ("fail", ["range", "duplicate"])


def test_the_same_value_for_the_same_time_is_judged_as_it_was_then() -> None:
    stream = Stream(spike=5)
    stream.flags(1, 1)
    first = stream.value(50)
    assert first == ("fail", ["spike"])
    assert stream.value(50, at=stream.now, delay=24 * 60 * MINUTE) == first


def test_a_value_that_arrives_long_after_it_was_measured_is_late() -> None:
    stream = Stream(late_s=600, fail_above=50)
    assert stream.value(5, delay=10 * MINUTE) == GOOD
    assert stream.value(5, delay=11 * MINUTE) == ("suspect", ["late"])
    assert Stream(late_s=None).value(5, delay=999 * MINUTE) == ("notEvaluated", [])


def test_a_value_from_the_future_comes_from_a_wrong_clock_and_is_not_remembered() -> None:
    stream = Stream(fail_above=50, rate_per_s=0.01)
    stream.value(5)
    assert stream.value(40, at=stream.now + 60 * MINUTE, delay=-6 * MINUTE) == (
        "suspect",
        ["clockSkew"],
    )
    assert stream.value(5) == GOOD


def test_a_value_older_than_the_newest_is_judged_alone() -> None:
    stream = Stream(fail_above=50, rate_per_s=0.01, spike=1)
    stream.flags(5, 5)
    assert stream.value(30, at=START + MINUTE // 2) == GOOD
    assert stream.value(60, at=START + MINUTE // 2) == ("fail", ["range"])
    assert stream.value(5) == GOOD


def test_text_where_numbers_are_expected_fails() -> None:
    assert Stream(fail_above=50).value("n/a") == ("fail", ["type"])
    stream = Stream()
    assert stream.value("starting") == ("notEvaluated", [])
    stream.value(5)
    assert stream.value("off") == stream.value(True) == ("fail", ["type"])
    assert stream.value(float("nan")) == stream.value(10**400) == ("fail", ["type"])


def test_a_failed_range_or_type_is_no_neighbour_of_the_next_values() -> None:
    stream = Stream(fail_above=50, rate_per_s=0.01, spike=1, gap_s=90)
    stream.flags(5, 5)
    assert stream.flags(999, "err", 5) == ["fail", "fail", "good"]


def test_a_place_far_from_the_first_has_moved_until_it_is_learnt_anew() -> None:
    stream = Stream("location", moved_m=100)
    assert stream.attribute(point(126.978, 37.5665, START)) == GOOD
    assert stream.attribute(point(126.979, 37.5665, START + 1)) == GOOD  # 88 m
    moved = point(126.978, 37.5675, START + 2)
    assert stream.attribute(moved) == ("suspect", ["placeMoved"])
    assert stream.attribute({**moved, "observedAt": time.render(START + 3)})[0] == "suspect"
    stream.inspector.learn(ID, {"location": moved})
    assert stream.attribute({**moved, "observedAt": time.render(START + 4)}) == GOOD


def test_several_reasons_are_all_named_and_the_worst_flag_stands() -> None:
    stream = Stream(suspect_above=20, rate_per_s=0.01, spike=5, late_s=60)
    stream.flags(10, 10)
    assert stream.value(40, delay=2 * MINUTE) == ("fail", ["range", "rate", "spike", "late"])


def test_a_value_without_a_time_is_of_the_moment_it_came() -> None:
    stream = Stream(gap_s=120, fail_above=9)
    assert stream.attribute(prop(1), START) == GOOD
    assert stream.attribute(prop(2), START + 3 * MINUTE) == ("suspect", ["gap"])


def test_instances_of_an_attribute_are_series_of_their_own() -> None:
    inspector = Inspector()
    limits = {"pm10": Limits(rate_per_s=0.01)}
    flags = []
    for n in range(2):
        at = START + n * MINUTE
        both = [prop(1, at), prop(500, at, datasetId="urn:ngsi-ld:Dataset:b")]
        reading = Reading({"id": ID, "type": "A", "pm10": both}, limits)
        flags += [flag_of(one) for one in inspector.judge(reading, at).entity["pm10"]]
    assert flags == 4 * [GOOD]


def test_what_holds_no_value_stays_as_it_is() -> None:
    entity: dict[str, Any] = {
        "id": ID,
        "type": "A",
        "scope": ["/Seoul"],
        "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:1"},
        "gone": {"type": "Property", "value": "urn:ngsi-ld:null"},
        "unclear": {"type": "Property", "value": 1, "observedAt": "yesterday"},
    }
    assert Inspector().judge(Reading(entity), START).entity == entity


def test_the_reading_itself_is_not_changed() -> None:
    reading = Reading({"id": ID, "type": "A", "pm10": prop(1, START)})
    Inspector().judge(reading, START)
    assert reading.entity["pm10"] == prop(1, START)


@pytest.mark.parametrize(
    ("own", "reasons", "expected"),
    [
        ("good", None, ("good", [])),
        ("suspect", ["stuck"], ("suspect", ["stuck"])),
        ("fail", ["range"], ("fail", ["range"])),
        ("splendid", None, ("notEvaluated", [])),
    ],
)
def test_a_flag_from_an_edge_node_is_kept_if_it_is_not_better(
    own: str, reasons: list[str] | None, expected: tuple[str, list[str]]
) -> None:
    brought: dict[str, Any] = {"quality": prop(own)}
    if reasons:
        brought["qualityReason"] = prop(reasons)
    assert Stream().attribute(prop(5, START, **brought)) == expected


def test_a_worse_flag_replaces_that_of_an_edge_node_and_the_reasons_add_up() -> None:
    brought = {"quality": prop("suspect"), "qualityReason": prop(["stuck"])}
    stream = Stream(fail_above=1)
    assert stream.attribute(prop(5, START, **brought)) == ("fail", ["stuck", "range"])


def test_an_inspector_goes_on_with_the_state_that_it_learns() -> None:
    inspector = Inspector()
    assert not inspector.knows(ID)
    inspector.learn(
        ID,
        {
            "id": ID,
            "type": "A",
            "pm10": prop(5, START, quality=prop("good")),
            "humidity": prop("err", START, quality=prop("fail"), qualityReason=prop(["type"])),
            "co2": prop(9999, START, quality=prop("fail"), qualityReason=prop(["range"])),
            "location": point(126.9, 37.5, START),
        },
    )
    assert inspector.knows(ID)
    at = START + MINUTE
    limits = {
        "pm10": Limits(rate_per_s=0.01),
        "co2": Limits(fail_above=5000, rate_per_s=0.01),
        "location": Limits(moved_m=10),
    }
    entity = {
        "id": ID,
        "type": "A",
        "pm10": prop(50, at),
        "humidity": prop("err", at),
        "co2": prop(400, at),
        "location": point(126.91, 37.5, at),
    }
    judged = inspector.judge(Reading(entity, limits), at).entity
    assert {name: flag_of(judged[name]) for name in entity if name not in ("id", "type")} == {
        "pm10": ("suspect", ["rate"]),
        "humidity": ("fail", ["type"]),
        "co2": GOOD,
        "location": ("suspect", ["placeMoved"]),
    }


def test_the_entities_heard_longest_ago_are_forgotten_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MOST_SERIES >= 500_000  # 50,000 devices of ten quantities
    monkeypatch.setattr("madang.sense.quality.live.MOST_SERIES", 2)
    inspector = Inspector()
    for name in ("a", "b", "a", "c"):
        inspector.judge(Reading({"id": name, "type": "A", "pm10": prop(1, START)}), START)
    assert [inspector.knows(name) for name in "abc"] == [True, False, True]


def test_an_attribute_that_leaves_its_type_out_is_judged_as_well() -> None:
    stream = Stream(fail_above=1)
    assert stream.attribute({"value": 5, "observedAt": time.render(START)}) == ("fail", ["range"])
    place = {"type": "Point", "coordinates": [126.9, 37.5]}
    assert Stream("location", moved_m=1).attribute({"value": place}) == GOOD


members = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["type", "value", "observedAt", "datasetId", "quality", "coordinates", "x"]
            ),
            inner | st.sampled_from(["Property", "GeoProperty", "Point", "2026-01-01T00:00:00Z"]),
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from(["id", "type", "a"]), members), max_size=4))
def test_whatever_strangers_send_is_left_to_the_hub_to_refuse(entities: Any) -> None:
    inspector = Inspector()
    limits = {"a": Limits(fail_above=1, rate_per_s=1, spike=1, stuck_s=1, gap_s=1, moved_m=1)}
    for n, entity in enumerate(entities):
        entity = {"id": ID, **entity}
        judged = inspector.judge(Reading(entity, limits), START + n).entity
        assert judged.keys() == entity.keys()
