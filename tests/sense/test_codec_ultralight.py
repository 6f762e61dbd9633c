"""The codec ``ultralight``, with the examples of its agent's documentation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.codecs.table import by_topic
from madang.sense.message import Uplink
from tests.sense.codec_messages import message, refusal, takes_or_rejects, uplinks


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"a|1|b|2", {"a": 1, "b": 2}),
        (b"h|45%", {"h": "45%"}),
        (b"t|-21.50|d|open|n|007", {"t": -21.5, "d": "open", "n": "007"}),
        (b"l|4.1,-3.2", {"l": "4.1,-3.2"}),
        (b"t|1e3|e||x|-0", {"t": 1000.0, "e": "", "x": 0}),
        ("온도|21\n".encode(), {"온도": 21}),
    ],
)
def test_measures_are_fields(body: bytes, values: dict[str, object]) -> None:
    assert uplinks("ultralight", body, "motion001") == [Uplink("motion001", values)]


def test_groups_are_uplinks_of_their_own() -> None:
    assert uplinks("ultralight", b"gps|1.2/3.4#gps|1.4/3.6", "d1") == [
        Uplink("d1", {"gps": "1.2/3.4"}),
        Uplink("d1", {"gps": "1.4/3.6"}),
    ]


def test_a_group_may_begin_with_its_time() -> None:
    body = b"2016-06-13T00:35:30Z|lle|100#2016-06-13T00:35:31.500Z|lle|101"
    assert uplinks("ultralight", body, "d1") == [
        Uplink("d1", {"lle": 100}, 1_465_778_130_000_000),
        Uplink("d1", {"lle": 101}, 1_465_778_131_500_000),
    ]


def test_a_message_to_its_topic_is_read() -> None:
    topic = "/ul/4jggokgpepnvsb2uv4s40d59ov/motion001/attrs"
    found = by_topic(topic)
    assert found is not None
    codec, device = found
    assert codec.decode(message(b"c|1", device, topic)) == [Uplink("motion001", {"c": 1})]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty"),
        (b"21", "the time at the beginning of group 1 must be a time"),
        (b"t|1|h", "the time at the beginning of group 1"),
        (b"2016-06-13T00:35:30Z", "group 1 must be pairs"),
        (b"t|1#", "the time at the beginning of group 2"),
        (b"t|1|t|2", "has the field 't' twice"),
        (b"|1", "the name of a field"),
        (b"\xff|1", "UTF-8"),
    ],
)
def test_what_is_no_measure_is_refused_in_a_sentence(body: bytes, text: str) -> None:
    assert text in str(refusal("ultralight", body, "d1"))


def test_without_a_device_it_is_refused() -> None:
    assert "do not name their device" in str(refusal("ultralight", b"t|1"))


def test_too_much_is_refused() -> None:
    assert refusal("ultralight", b"#" * 10_001, "d").reason == "tooLarge"
    assert refusal("ultralight", b"t|1|" * 200_000 + b"|", "d").reason == "badPayload"


@settings(max_examples=200)
@given(st.text("t|#19.-eE\n☃ Z:").map(str.encode) | st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("ultralight", body)
