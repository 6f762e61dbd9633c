"""Instants: the DateTime text of NGSI-LD and microseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model import time
from madang.model.errors import BadRequestData


@given(st.integers(time.parse("0001-01-01T00:00:00Z"), time.LAST))
def test_an_instant_survives_being_written_and_read(instant: int) -> None:
    assert time.parse(time.render(instant)) == instant


def test_what_is_later_than_any_datetime_is_shown_as_the_last_one() -> None:
    assert time.render(time.LAST + 5) == time.render(time.LAST) == "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:01:59Z", 119_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00,123456789Z", 123_456),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_a_datetime_is_read_to_the_microsecond(text: str, instant: int) -> None:
    assert time.parse(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00Z",
        "now",
        "2026-01-01",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:30Z",
        "2026-01-01T23:60:00Z",
        "2026-01-01T23:59:60Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01 00:00:00Z",
        "２026-01-01T00:00:00Z",
    ],
)
def test_anything_but_a_datetime_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"DateTime|must be in|out of range"):
        time.parse(text)
    with pytest.raises(BadRequestData, match="observedAt"):
        time.checked(text, "observedAt")
