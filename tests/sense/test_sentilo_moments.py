"""Times and places as Sentilo writes them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model import time
from madang.sense.sentilo import moments


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("17/09/2012T12:34:45", "2012-09-17T12:34:45Z"),
        ("17/09/2012T12:34:45CET", "2012-09-17T11:34:45Z"),
        ("17/09/2012T12:34:45CEST", "2012-09-17T10:34:45Z"),
        ("17/09/2012T12:34:45+0200", "2012-09-17T10:34:45Z"),
        ("17/09/2012T12:34:45-05:30", "2012-09-17T18:04:45Z"),
        ("17/09/2012T12:34:45Z", "2012-09-17T12:34:45Z"),
        ("17/09/2012T12:34:45 GMT+09:00", "2012-09-17T03:34:45Z"),
        ("17/09/2012T12:34:45KST", "2012-09-17T03:34:45Z"),
    ],
)
def test_a_time_without_a_zone_is_utc_and_zones_are_known_by_name_or_distance(
    text: str, utc: str
) -> None:
    assert moments.parse(text) == time.parse(utc)


@settings(max_examples=200)
@given(st.integers(0, 253_402_300_799))
def test_a_time_is_read_as_it_is_written(second: int) -> None:
    assert moments.parse(moments.render(second * 1_000_000)) == second * 1_000_000


@settings(max_examples=100)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_place_is_read_as_it_is_written(longitude: float, latitude: float) -> None:
    place = [round(longitude, 6) + 0.0, round(latitude, 6) + 0.0]
    if "e" not in moments.place(place):
        assert moments.positions(moments.place(place)) == [place]


def test_decimal_commas_and_lines_are_told_apart() -> None:
    assert moments.positions("41,385063 2,1734034") == [[2.1734034, 41.385063]]
    assert moments.positions("41.1 2.1,41.2 2.2") == [[2.1, 41.1], [2.2, 41.2]]
    assert moments.positions("") == []


@pytest.mark.parametrize("text", ["41.4", "41.4;2.1", "a b", "95.0 2.0", "1 2 3", "41 2" * 2000])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"location|Earth"):
        moments.positions(text)
