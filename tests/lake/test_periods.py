"""Durations of ISO 8601 and the periods they cut time into."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.lake.periods import boundaries, floor, months_later, parse, render
from madang.lake.questions import Period
from madang.model import time
from madang.model.errors import BadRequestData

exact = st.integers(1, 10**13).map(lambda microseconds: Period(0, microseconds))
months = st.integers(1, 40).map(lambda count: Period(count, 0))
instants = st.integers(-(10**15), 4 * 10**15)


@given(exact | months)
def test_a_period_survives_being_written_and_read(period: Period) -> None:
    assert parse(render(period)) == period


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("PT1H", Period(0, 3_600_000_000)),
        ("P1W", Period(0, 7 * 86_400_000_000)),
        ("P1Y6M", Period(18, 0)),
        ("PT0S", Period()),
        ("PT0,25S", Period(0, 250_000)),
        ("P1DT12H", Period(0, 36 * 3_600_000_000)),
    ],
)
def test_durations_mean_what_the_standard_says(text: str, period: Period) -> None:
    assert parse(text) == period


@pytest.mark.parametrize("text", ["", "P", "PT", "1H", "PT1", "P1H", "P1MT1H", "P-1D", "P1.5D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData, match=r"ISO 8601|mixes"):
        parse(text)


@given(instants, st.integers(0, 10**14), exact | months)
def test_every_instant_lies_in_one_period(start: int, length: int, every: Period) -> None:
    if every.months == 0 and length // every.microseconds > 5_000:
        every = Period(0, length)
    starts = boundaries(start, start + length, every)
    assert starts[0] == start
    assert starts[-2] <= start + length < starts[-1]
    assert starts == sorted(set(starts))


@given(instants, exact | months)
def test_a_period_starts_before_what_lies_in_it(instant: int, every: Period) -> None:
    start = floor(instant, every)
    assert start <= instant < boundaries(start, start, every)[1]


def test_a_month_after_the_last_of_january_is_the_last_of_february() -> None:
    last = time.parse("2024-01-31T12:00:00Z")
    assert time.render(months_later(last, 1)) == "2024-02-29T12:00:00Z"
    assert time.render(months_later(last, 13)) == "2025-02-28T12:00:00Z"
    assert time.render(months_later(last, -2)) == "2023-11-30T12:00:00Z"


def test_too_many_periods_are_refused() -> None:
    with pytest.raises(BadRequestData, match="1,000,000 periods"):
        boundaries(0, 10**15, Period(0, 1))
