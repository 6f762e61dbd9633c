"""The codec ``json``: plain objects, envelopes, several at once, values alone."""

from __future__ import annotations

import re

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.message import Uplink
from tests.sense.codec_messages import NOW, refusal, takes_or_rejects, uplinks

FIELDS = {"temperature": 21.5, "door": "open", "ok": True, "motor": {"rpm": 100}}


def test_an_object_holds_the_fields_of_one_uplink() -> None:
    assert uplinks("json", FIELDS, "d1") == [Uplink("d1", FIELDS)]


def test_an_object_may_say_when_it_was_measured() -> None:
    body = {"temperature": 21.5, "observedAt": "2026-01-31T21:00:00+09:00"}
    assert uplinks("json", body, "d1") == [Uplink("d1", {"temperature": 21.5}, NOW)]


def test_an_envelope_names_the_device() -> None:
    body = {"device": "d1", "values": FIELDS, "observedAt": "2026-01-31T12:00:00Z"}
    assert uplinks("json", body) == [Uplink("d1", FIELDS, NOW)]
    assert uplinks("json", body, "d1") == [Uplink("d1", FIELDS, NOW)]


def test_fields_may_name_the_device_where_the_address_does_not() -> None:
    assert uplinks("json", {"device": "d1", "t": 1}) == [Uplink("d1", {"t": 1})]
    body = {"device": "of the field", "t": 1}
    assert uplinks("json", body, "d1") == [Uplink("d1", body)]


def test_thingsboard_bodies_are_read() -> None:
    body = {"ts": 1769860800000, "values": {"temperature": 21.5}}
    assert uplinks("json", body, "d1") == [Uplink("d1", {"temperature": 21.5}, NOW)]


def test_an_array_holds_several_in_their_order() -> None:
    body = [{"ts": 1000, "values": {"t": 1}}, {"t": 2}, {"device": "d1", "values": {"t": 3}}]
    assert uplinks("json", body, "d1") == [
        Uplink("d1", {"t": 1}, 1_000_000),
        Uplink("d1", {"t": 2}),
        Uplink("d1", {"t": 3}),
    ]


@pytest.mark.parametrize("value", [21.5, 0, True, "open", "-"])
def test_a_value_alone_is_the_field_value(value: object) -> None:
    assert uplinks("json", value, "d1") == [Uplink("d1", {"value": value})]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the message is empty"),
        (b"21,5", "no JSON"),
        (b"NaN", "no JSON"),
        (b"\xff", "no JSON"),
        (b"null", "null says nothing"),
        (b"[]", "array of uplinks is empty"),
        (b"{}", "no fields"),
        (b"[1]", "uplink 1: expected an object of fields"),
        (b'{"": 1}', "the name of a field"),
        (b'{"t": 1, "observedAt": "yesterday"}', "observedAt must be a time with its zone"),
        (b'{"t": 1, "observedAt": "2026-01-31T12:00:00"}', "with its zone"),
        (b'{"t": 1, "observedAt": 1769860800}', "observedAt must be a time"),
        (b'{"t": 1, "observedAt": "0001-01-01T00:00:00Z"}', "before 1970"),
        (b'{"ts": "1", "values": {"t": 1}}', "ts .milliseconds since 1970. must be a number"),
        (b'{"ts": 1e300, "values": {"t": 1}}', "after the year 9999"),
        (b'{"device": "d2", "values": {"t": 1}}', "device is 'd2', but the address names 'd1'"),
        (b"[" * 1000 + b"]" * 1000, "deeper than 32 levels"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "deeper than 32 levels"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(body: bytes, text: str) -> None:
    rejected = refusal("json", body, "d1")
    assert rejected.reason == "badPayload"
    assert re.search(text, str(rejected))


@pytest.mark.parametrize("body", [{"t": 1}, 5, [{"t": 1}], {"device": 5, "t": 1}, {"device": ""}])
def test_without_a_device_it_is_refused(body: object) -> None:
    rejected = refusal("json", body)
    assert "device" in str(rejected)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b"x" * 1024 * 1024 + b'"',
        orjson.dumps([{"t": 1}] * 10_001),
        orjson.dumps({f"f{place}": 1 for place in range(1001)}),
    ],
)
def test_what_is_too_much_is_refused(body: bytes) -> None:
    assert refusal("json", body, "d1").reason == "tooLarge"


def test_many_brackets_side_by_side_are_not_deep() -> None:
    body = [{"t": [1]} for _ in range(100)]
    assert len(uplinks("json", body, "d1")) == 100


@settings(max_examples=200)
@given(st.binary(max_size=60))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("json", body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["device", "values", "ts", "observedAt", "t"]) | st.text(), inner
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=200)
@given(json_values, st.sampled_from(["", "d"]))
def test_any_json_is_taken_or_refused(body: object, device: str) -> None:
    takes_or_rejects("json", orjson.dumps(body), device)
