"""Profiles: what is refused in one, and what one makes of a message."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.sense.devices import profile as profiles
from madang.sense.devices.apply import Applied
from madang.sense.devices.device import Device
from madang.sense.devices.profile import Profile, ProfileError, parse
from madang.sense.message import Rejected, Uplink

NOON = 1_767_182_400_000_000  # 2025-12-31T12:00:00Z [us]
SIMPLE = 'type = "WeatherObserved"\n[attributes]\ntemperature = { unit = "CEL", precision = 1 }\n'


def a_device(**given: Any) -> Device:
    return Device("d1", "urn:ngsi-ld:Device:d1", **given)


def applied(text: str, values: dict[str, Any], device: Device | None = None, **of: Any) -> Applied:
    known = device or a_device(is_introduced=True)
    return parse(text, "p").readings(known, Uplink("d1", values, **of), NOON)


def only(result: Applied) -> dict[str, Any]:
    assert result.problems == []
    (reading,) = result.readings
    return reading.entity


def test_a_message_becomes_an_entity_with_units_and_the_time_it_was_received() -> None:
    assert only(applied(SIMPLE, {"temperature": 21.34})) == {
        "id": "urn:ngsi-ld:WeatherObserved:d1",
        "type": "WeatherObserved",
        "temperature": {
            "type": "Property",
            "value": 21.3,
            "unitCode": "CEL",
            "observedAt": "2025-12-31T12:00:00Z",
        },
    }


def test_the_time_of_the_codec_comes_before_that_of_the_profile() -> None:
    text = 'type = "A"\nobserved = { path = "t" }\nattributes = { a = {} }\n'
    at = only(applied(text, {"a": 1, "t": 1_700_000_000}))["a"]["observedAt"]
    assert at == "2023-11-14T22:13:20Z"
    found = applied(text, {"a": 1, "t": 1_700_000_000}, observed=NOON + 123_456)
    assert only(found)["a"]["observedAt"] == "2025-12-31T12:00:00.123Z"


@pytest.mark.parametrize(
    ("form", "zone", "told"),
    [
        ("", "", 1_767_182_400),
        ("", "", 1_767_182_400_000),
        ("", "", "2025-12-31T21:00:00+09:00"),
        ("%Y%m%d%H%M", "Asia/Seoul", "202512312100"),
        ("%Y%m%d%H%M", "Asia/Seoul", 202512312100),
    ],
)
def test_times_are_read_as_makers_write_them(form: str, zone: str, told: object) -> None:
    head = f'type = "A"\nobserved = {{ path = "t", format = "{form}", zone = "{zone}" }}\n'
    found = applied(head + "attributes = { a = {} }\n", {"a": 1, "t": told})
    assert only(found)["a"]["observedAt"] == "2025-12-31T12:00:00Z"


@pytest.mark.parametrize("told", ["yesterday", True, [], "2025-13-01", 1e30])
def test_a_message_whose_time_is_none_is_refused_whole(told: object) -> None:
    with pytest.raises(Rejected, match="the time at t") as refused:
        applied(
            'type = "A"\nobserved = { path = "t" }\nattributes = { a = {} }', {"a": 1, "t": told}
        )
    assert refused.value.reason == "badValue"


def test_good_fields_are_kept_beside_bad_ones_which_are_named() -> None:
    text = 'type = "A"\n[attributes]\na = { kind = "number" }\nb = { kind = "number" }\n'
    found = applied(text, {"a": "x", "b": 2})
    assert [reading.entity["b"]["value"] for reading in found.readings] == [2]
    assert found.problems == [("a", "'x' is no number")]


def test_absent_and_null_fields_are_no_problem_and_an_empty_message_is_no_entity() -> None:
    assert applied(SIMPLE, {"temperature": None}) == Applied([], [])
    assert applied(SIMPLE, {}) == Applied([], [])


@pytest.mark.parametrize(
    ("attribute", "value", "wanted"),
    [
        ("{ scale = 0.1 }", 235, 23.5),
        ("{ scale = 0.1, offset = -100 }", "1253", 25.3),
        ('{ kind = "number" }', "21.50", 21.5),
        ('{ kind = "integer" }', 3.0, 3),
        ('{ kind = "boolean" }', "on", True),
        ('{ kind = "text" }', 12, "12"),
        ('{ words = { 0 = "free", 1 = "occupied" } }', 1, "occupied"),
        ("{ words = { true = 1, false = 0 } }", True, 1),
        ('{ expression = "value * 9 / 5 + 32", path = "a" }', 100, 212.0),
        ('{ expression = "a + 1 if a > 5 else 0" }', 6, 7),
        ("{}", {"any": ["thing"]}, {"any": ["thing"]}),
    ],
)
def test_a_value_is_made_as_the_profile_says(attribute: str, value: object, wanted: object) -> None:
    found = applied(f'type = "A"\n[attributes]\na = {attribute}\n', {"a": value})
    assert only(found)["a"]["value"] == wanted


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ('{ unit = "CEL" }', "warm", "'warm' is no number"),
        ('{ unit = "CEL" }', [1], r"\[1\] is no number"),
        ('{ unit = "CEL" }', True, "True is no number"),
        ('{ unit = "CEL" }', float("inf"), "not finite"),
        ("{ scale = 0.1 }", 10**400, ""),
        ('{ kind = "integer" }', 1.5, "no whole number"),
        ('{ kind = "boolean" }', "maybe", "neither true nor false"),
        ('{ words = { 0 = "free" } }', 7, "7 is not one of 0"),
        ('{ expression = "1 / a" }', 0, "cannot be worked out"),
        ('{ expression = "a + 1" }', "x", "no number to calculate with"),
    ],
)
def test_a_value_that_is_none_is_a_problem_that_says_why(
    attribute: str, value: object, told: str
) -> None:
    found = applied(f'type = "A"\n[attributes]\na = {attribute}\n', {"a": value})
    assert found.readings == []
    ((name, detail),) = found.problems
    assert name == "a"
    assert __import__("re").search(told, detail)


def test_fields_are_found_by_paths() -> None:
    text = (
        'type = "A"\n[attributes]\n'
        'a = { path = "data.list[1].x" }\nb = { path = \'["odd.name"].y\' }\n'
        'c = { path = "$radio.rssi" }\nd = { path = "$port" }\n'
    )
    values = {"data": {"list": [{}, {"x": 1}]}, "odd.name": {"y": 2}}
    entity = only(applied(text, values, radio={"rssi": -70}, port=3))
    assert [entity[name]["value"] for name in "abcd"] == [1, 2, -70, 3]


def test_several_entities_and_the_device_itself_come_from_one_message() -> None:
    text = (
        'type = "A"\n[attributes]\na = {}\nbatteryLevel = { path = "b", target = "device" }\n'
        '[[entity]]\ntype = "B"\nid = "urn:ngsi-ld:B:{device}:x"\n[entity.attributes]\nc = {}\n'
    )
    found = applied(text, {"a": 1, "b": 0.5, "c": 3})
    ids = [reading.entity["id"] for reading in found.readings]
    assert ids == ["urn:ngsi-ld:A:d1", "urn:ngsi-ld:B:d1:x", "urn:ngsi-ld:Device:d1"]
    assert parse(text, "p").entity_ids("d1") == ("urn:ngsi-ld:A:d1", "urn:ngsi-ld:B:d1:x")


def test_what_never_changes_is_written_until_something_of_the_device_is_durable() -> None:
    place = {"type": "Point", "coordinates": [127, 37.5]}
    device = a_device(location=place)
    text = 'type = "A"\n[attributes]\na = {}\nkind = { value = "outdoor" }\n'
    entity = only(applied(text, {"a": 1}, device))
    assert entity["refDevice"] == {"type": "Relationship", "object": device.id}
    assert entity["location"] == {"type": "GeoProperty", "value": place}
    assert entity["kind"] == {"type": "Property", "value": "outdoor"}
    device.is_introduced = True
    assert only(applied(text, {"a": 1}, device)).keys() == {"id", "type", "a"}


def test_a_device_that_moves_says_where_it_is() -> None:
    text = (
        'type = "A"\nattributes = { a = {} }\n'
        'location = { longitude = "x", latitude = "y", quality = { moved_m = 100 } }\n'
    )
    device = a_device(location={"type": "Point", "coordinates": [0, 0]})
    (reading,) = applied(text, {"x": 127, "y": "37.5"}, device).readings
    assert reading.entity["location"]["value"]["coordinates"] == [127, 37.5]
    assert reading.limits["location"].moved_m == 100
    found = applied(text, {"a": 1, "x": 127, "y": 91})
    assert found.problems[0].attribute == "location"
    assert "location" not in found.readings[0].entity


def test_limits_and_provider_go_with_a_reading() -> None:
    text = 'type = "A"\n[attributes]\na = { quality = { fail_below = 0, suspect_above = 5 } }\n'
    (reading,) = applied(text, {"a": 1}, a_device(owner="Seoul")).readings
    assert reading.provider == "Seoul"
    assert (reading.limits["a"].fail_below, reading.limits["a"].suspect_above) == (0.0, 5.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type = ", "not valid TOML"),
        ("", "type: Field required"),
        ('type = "A b"', "cannot be a type"),
        ('type = "A"\nattributs = {}', "did you mean 'attributes'"),
        ('type = "A"\nid = "x"', "URI with {device}"),
        ('type = "A"\nid = "urn:x:{device}:{other}"', "URI with {device}"),
        ('type = "A"\n[attributes]\nid = {}', "cannot be the name of an attribute"),
        ('type = "A"\n[attributes]\na = { unit = "celsius" }', "unit"),
        ('type = "A"\n[attributes]\na = { path = "x..y" }', "is no path"),
        ('type = "A"\n[attributes]\na = { value = 1, path = "x" }', "not both"),
        ('type = "A"\n[attributes]\na = { expression = "import os" }', "is no expression"),
        ('type = "A"\n[attributes]\na = { expression = "b", path = "x" }', "does not use"),
        ('type = "A"\n[attributes]\na = { kind = "text", scale = 2 }', "for numbers"),
        ('type = "A"\n[attributes]\na = { quality = { fail_bellow = 1 } }', "did you mean 'fail_b"),
        ('type = "A"\n[attributes]\na = { quality = { fail_below = true } }', "must be a number"),
        (
            'type = "A"\n[attributes]\na = { quality = { fail_below = 2, fail_above = 1 } }',
            "fail_below <= suspect_below",
        ),
        ('type = "A"\nobserved = { path = "t", zone = "Mars/Base" }', "no time zone"),
        ('type = "A"\ndecoder = "javascript"', "goes with a script"),
        ('type = "A"\ncodec = "JSON!"', "codec"),
        ('type = "A"\n[[entity]]\ntype = "A"', "two have the id"),
        ('type = "A"\ninterval_s = 0', "interval_s"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_by_key(text: str, told: str) -> None:
    with pytest.raises(ProfileError) as refused:
        parse(text, "mine")
    assert str(refused.value).startswith("the profile mine")
    assert told in str(refused.value)


def test_a_profile_has_a_largest_size() -> None:
    with pytest.raises(ProfileError, match="more than 256 KB"):
        parse(f'type = "A"\n# {"x" * profiles.LONGEST}', "mine")


@pytest.mark.parametrize("name", profiles.shipped())
def test_profiles_that_come_with_madang_can_be_read(name: str) -> None:
    profile = parse(profiles.shipped()[name], name)
    assert profile.title
    assert profile.silent_after is not None


def test_seouls_sensors_are_read_as_the_city_publishes_their_fields() -> None:
    profile = parse(profiles.shipped()["sdot-seoul"], "sdot-seoul")
    values = {
        "기온": 1253, "상대습도": 55, "풍향": 2700, "미세먼지2.5(초미세먼지)": 12, "pm25 보정": 9.5,
        "소음": 61, "진동(x) 최대": 12, "측정시간": "202508010312",
    }  # fmt: skip
    found = profile.readings(a_device(is_introduced=True), Uplink("d1", values), NOON)
    entities = {reading.entity["type"]: reading.entity for reading in found.readings}
    assert found.problems == []
    weather = entities["WeatherObserved"]
    assert weather["temperature"] == {
        "type": "Property",
        "value": 25.3,
        "unitCode": "CEL",
        "observedAt": "2025-07-31T18:12:00Z",
    }
    assert weather["windDirection"]["value"] == -90.0
    assert entities["AirQualityObserved"]["pm25Raw"]["value"] == 12
    assert entities["NoiseLevelObserved"]["LAeq"]["value"] == 61


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
AIR: Profile = parse(profiles.shipped()["open-air-station"], "open-air-station")
FIELDS = ["temperature", "pm25", "batteryLevel", "firmwareVersion", "strange"]


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_whatever_a_message_holds_good_entities_or_problems_come_of_it(
    values: dict[str, Any],
) -> None:
    found = AIR.readings(a_device(), Uplink("d1", values), NOON)
    for reading in found.readings:
        normalized(reading.entity, CORE)
    named = {name for name, value in values.items() if value is not None} - {"strange"}
    made = {name for reading in found.readings for name in reading.entity}
    assert named == {problem.attribute for problem in found.problems} | (made & named)


@settings(max_examples=100)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)))
def test_every_time_is_told_in_utc_with_milliseconds_at_most(moment: datetime) -> None:
    at = int(moment.timestamp() * 1000) * 1000
    found = AIR.readings(a_device(is_introduced=True), Uplink("d1", {"pm25": 1}, at), NOON)
    told = found.readings[0].entity["pm25"]["observedAt"]
    assert datetime.fromisoformat(told).timestamp() == pytest.approx(at / 1e6, abs=1e-3)
    assert len(told) <= len("2025-12-31T12:00:00.123Z")
