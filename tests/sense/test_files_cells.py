"""Cells turned into values."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model import time
from madang.sense.files import cells


@pytest.mark.parametrize("cell", ["abc", "", "1_000", "nan", "inf", "-", "1,5", "٣.x"])
def test_what_is_no_number_says_so(cell: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        cells.number(cell)


@given(st.text(max_size=12))
def test_any_text_is_a_finite_number_or_a_value_error(cell: str) -> None:
    try:
        value = cells.number(cell)
    except ValueError:
        return
    assert value - value == 0


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_number_survives_being_written(value: float) -> None:
    assert cells.number(repr(value)) == value


def test_a_fraction_is_no_whole_number() -> None:
    with pytest.raises(ValueError, match="no whole number"):
        cells.integer("3.5")


def test_a_word_that_is_no_switch_says_so() -> None:
    with pytest.raises(ValueError, match="neither true nor false"):
        cells.boolean("maybe")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2018-02-01T00:00:33", "2018-02-01T00:00:33Z"),
        ("2018-02-01T09:00:33+09:00", "2018-02-01T00:00:33Z"),
        ("2018-02-01 00:00:33.5", "2018-02-01T00:00:33.500000Z"),
        ("1517443233", "2018-02-01T00:00:33Z"),
        (1517443233000, "2018-02-01T00:00:33Z"),
        (datetime(2018, 2, 1, tzinfo=UTC), "2018-02-01T00:00:00Z"),
        (date(2018, 2, 1), "2018-02-01T00:00:00Z"),
    ],
)
def test_instants_of_many_forms_become_utc(cell: object, expected: str) -> None:
    found = cells.instant(cell, "", UTC)
    assert found == expected
    assert time.parse(found)


def test_a_local_time_follows_its_summer_time() -> None:
    seoul, london = cells.zone("Asia/Seoul"), cells.zone("Europe/London")
    assert cells.instant("2025-08-31 18:00", "", seoul) == "2025-08-31T09:00:00Z"
    assert cells.instant("2016-10-04 07:59:42", "", london) == "2016-10-04T06:59:42Z"
    assert cells.instant("2016-12-04 07:59:42", "", london) == "2016-12-04T07:59:42Z"


def test_the_repeated_hour_of_a_clock_change_is_the_first() -> None:
    london = cells.zone("Europe/London")
    assert cells.instant("2016-10-30 01:30", "", london) == "2016-10-30T00:30:00Z"


@pytest.mark.parametrize("cell", ["yesterday", "2018-13-01", "20180230", 10**30])
def test_what_is_no_time_says_so(cell: object) -> None:
    with pytest.raises(ValueError, match="no time"):
        cells.instant(cell, "", UTC)


@pytest.mark.parametrize("name", ["Asia/Seul", "../etc/passwd", "/etc/localtime", "+x"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each kind of name fails in its own words
        cells.zone(name)


@given(st.floats(-360, 360))
def test_a_bearing_is_the_same_direction_within_half_a_turn(degrees: float) -> None:
    found = cells.bearing(degrees)
    assert -180 < found <= 180
    turns = (found - degrees) / 360
    assert turns == pytest.approx(round(turns), abs=1e-9)


def test_a_word_that_is_no_direction_says_so() -> None:
    with pytest.raises(ValueError, match="compass word"):
        cells.bearing("upwards")
