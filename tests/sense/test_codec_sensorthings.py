"""The codec ``sensorthings``: Observations as OGC 18-088 has them."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.message import Uplink
from tests.sense.codec_messages import NOW, refusal, takes_or_rejects, uplinks

OBSERVATION = {
    "phenomenonTime": "2026-01-31T12:00:00.000Z",
    "resultTime": "2026-01-31T12:00:05.000Z",
    "result": 38,
    "Datastream": {"@iot.id": 12},
}


def test_an_observation_names_its_datastream() -> None:
    assert uplinks("sensorthings", OBSERVATION) == [Uplink("12", {"result": 38}, NOW)]
    body = {**OBSERVATION, "Datastream": {"@iot.id": "air:1"}}
    assert uplinks("sensorthings", body) == [Uplink("air:1", {"result": 38}, NOW)]


def test_the_topic_of_a_datastream_names_it() -> None:
    assert uplinks("sensorthings", {"result": "wet"}, "12") == [Uplink("12", {"result": "wet"})]


def test_a_period_counts_by_its_end() -> None:
    body = {"result": 1, "phenomenonTime": "2026-01-31T11:00:00Z/2026-01-31T12:00:00Z"}
    assert uplinks("sensorthings", body, "12") == [Uplink("12", {"result": 1}, NOW)]


def test_the_time_of_the_result_stands_in_for_that_of_the_phenomenon() -> None:
    body = {"result": 1, "resultTime": "2026-01-31T12:00:00Z", "phenomenonTime": None}
    assert uplinks("sensorthings", body, "12") == [Uplink("12", {"result": 1}, NOW)]


def test_parameters_and_quality_are_fields() -> None:
    body = {"result": {"a": [1, 2]}, "parameters": {"height": 2}, "resultQuality": "good"}
    assert uplinks("sensorthings", body, "12") == [Uplink("12", body)]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "must be an object"),
        ({"Datastream": {"@iot.id": 12}}, "no result"),
        ({"result": None}, "no result"),
        ({"result": 1}, "names no Datastream"),
        ({"result": 1, "Datastream": 12}, "names no Datastream"),
        ({"result": 1, "Datastream": {"@iot.id": True}}, "Datastream.@iot.id must be"),
        ({"result": 1, "Datastream": {"@iot.id": ""}}, "Datastream.@iot.id must be"),
        ({**OBSERVATION, "phenomenonTime": 5}, "phenomenonTime must be a time"),
        ({**OBSERVATION, "phenomenonTime": "a/b"}, "phenomenonTime must be a time"),
    ],
)
def test_what_is_no_observation_is_refused_in_a_sentence(body: object, text: str) -> None:
    assert text in str(refusal("sensorthings", body))


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("sensorthings", body)


members = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20)


@settings(max_examples=200)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "result": members,
            "phenomenonTime": members,
            "resultTime": members,
            "Datastream": members | st.fixed_dictionaries({"@iot.id": members}),
        },
    )
)
def test_any_observation_is_taken_or_refused(body: object) -> None:
    takes_or_rejects("sensorthings", orjson.dumps(body), "")
