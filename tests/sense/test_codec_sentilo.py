"""The codec ``sentilo``: observations as clients of Sentilo publish them."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.codecs.table import codec
from madang.sense.message import Uplink
from tests.sense.codec_messages import message, refusal, takes_or_rejects, uplinks

ONE = "/data/rec/RE0012"


def test_the_address_names_the_sensor_and_the_body_its_observations() -> None:
    body = {
        "observations": [
            {"value": "10.1"},
            {"value": "11.2", "timestamp": "17/09/2012T12:34:45"},
            {"value": "12.3", "timestamp": "17/09/2012T10:34:45CET"},
        ]
    }
    assert uplinks("sentilo", body, address=ONE) == [
        Uplink("rec.RE0012", {"value": "10.1"}),
        Uplink("rec.RE0012", {"value": "11.2"}, 1_347_885_285_000_000),
        Uplink("rec.RE0012", {"value": "12.3"}, 1_347_874_485_000_000),
    ]


def test_a_provider_publishes_for_several_sensors() -> None:
    body = {
        "sensors": [
            {"sensor": "A", "observations": [{"value": "1"}]},
            {"sensor": "B", "location": "41.1 2.1", "observations": [{"value": "2"}]},
        ]
    }
    place = {"type": "Point", "coordinates": [2.1, 41.1]}
    assert uplinks("sentilo", body, address="/data/rec") == [
        Uplink("rec.A", {"value": "1"}),
        Uplink("rec.B", {"value": "2", "location": place}),
    ]


def test_a_value_may_stand_in_the_address_with_any_characters() -> None:
    found = codec("sentilo").decode(message(b"", address=f"{ONE}/12.3"))
    assert found == [Uplink("rec.RE0012", {"value": "12.3"})]
    found = codec("sentilo").decode(message(b"", address=f"{ONE}/a%2Fb%20%C3%A9"))
    assert found == [Uplink("rec.RE0012", {"value": "a/b é"})]


def test_over_other_transports_the_device_is_named_by_them() -> None:
    body = {"observations": [{"value": 5}]}
    assert uplinks("sentilo", body, "rec.A", "v1/devices/rec.A/up") == [
        Uplink("rec.A", {"value": 5})
    ]


@pytest.mark.parametrize("value", ["text", 4.5, True, {"ldr": "382"}, [1, 2], ""])
def test_a_value_may_be_any_json(value: object) -> None:
    body = {"observations": [{"value": value}]}
    assert uplinks("sentilo", body, address=ONE)[0].values == {"value": value}


def test_the_place_of_an_observation_counts_before_that_of_all() -> None:
    body = {
        "location": "41.0 2.0",
        "observations": [{"value": "1", "location": "41.3888 2.15899"}, {"value": "2"}],
    }
    first, second = uplinks("sentilo", body, address=ONE)
    assert first.values["location"]["coordinates"] == [2.15899, 41.3888]
    assert second.values["location"]["coordinates"] == [2.0, 41.0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "observations must be a list"),
        ({"observations": []}, "with something in it"),
        ({"observations": [{"timestamp": "17/09/2012T12:34:45"}]}, "observation 1: value"),
        ({"observations": [{"value": "1"}, {"value": None}]}, "observation 2: value is missing"),
        ({"observations": [{"value": "1", "timestamp": "2012-09-17"}]}, "dd/MM/yyyy"),
        ({"observations": [{"value": "1", "timestamp": "31/02/2012T00:00:00"}]}, "no time"),
        ({"observations": [{"value": "1", "timestamp": "17/09/2012T12:34:45XYZ"}]}, "'XYZ'"),
        ({"observations": [{"value": "1", "location": "91 2"}]}, "no place on Earth"),
        ({"observations": [{"value": "1", "location": "here"}]}, "latitude and longitude"),
        ([], "the body must be a JSON object"),
    ],
)
def test_what_is_wrong_is_named(body: object, text: str) -> None:
    rejected = refusal("sentilo", body, address=ONE)
    assert rejected.reason == "badPayload"
    assert text in str(rejected)


def test_the_sensor_that_is_wrong_is_named() -> None:
    body = {"sensors": [{"sensor": "A", "observations": [{"value": 1}]}, {"sensor": "no dots."}]}
    assert "sensor 2: sensor must be its name" in str(refusal("sentilo", body, address="/data/r"))


def test_too_many_observations_are_refused() -> None:
    body = {"observations": [{"value": 1}] * 10_001}
    assert refusal("sentilo", body, address=ONE).reason == "tooLarge"


@pytest.mark.parametrize("address", ["test", "/data/", "/data/a b", "/data/rec/a.b"])
def test_an_address_that_names_no_sensor_is_refused(address: str) -> None:
    rejected = refusal("sentilo", {"observations": [{"value": 1}]}, address=address)
    assert rejected.reason == "badPayload"


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("sentilo", body)


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=40))
def test_any_texts_are_taken_or_refused(timestamp: str, location: str) -> None:
    one = {"value": "1", "timestamp": timestamp, "location": location}
    try:
        body = orjson.dumps({"observations": [one]})
    except TypeError:  # a lone surrogate, which no JSON has
        return
    takes_or_rejects("sentilo", body)
