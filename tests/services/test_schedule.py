"""When something regular is next due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.services.schedule import Interval, schedule

SECOND = 1_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("when", "zone", "instant", "due"),
    [
        ("90s", "UTC", "1970-01-01T00:00:00+00:00", "1970-01-01T00:01:30+00:00"),
        ("15m", "UTC", "2026-11-21T10:15:00+00:00", "2026-11-21T10:30:00+00:00"),
        ("1h", "UTC", "2026-11-21T10:15:00+00:00", "2026-11-21T11:00:00+00:00"),
        ("1d", "UTC", "2026-11-21T10:15:00+00:00", "2026-11-22T00:00:00+00:00"),
        ("0 4 * * *", "UTC", "2026-11-21T10:15:00+00:00", "2026-11-22T04:00:00+00:00"),
        ("0 4 * * *", "Asia/Seoul", "2026-11-21T10:15:00+00:00", "2026-11-22T04:00:00+09:00"),
        ("0 9 * * mon-fri", "UTC", "2026-11-21T10:15:00+00:00", "2026-11-23T09:00:00+00:00"),
    ],
)  # fmt: skip
def test_what_is_regular_is_next_due_then(when: str, zone: str, instant: str, due: str) -> None:
    assert schedule(when, zone).after(at(instant)) == at(due)


def test_a_daily_time_is_kept_when_clocks_are_put_back() -> None:
    daily = schedule("30 4 * * *", "Europe/Berlin")
    before = int(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()) * SECOND
    first = daily.after(before)
    assert first == at("2026-10-25T04:30:00+01:00")
    assert daily.after(first) == at("2026-10-26T04:30:00+01:00")


@pytest.mark.parametrize("when", ["", "0m", "-1h", "1.5h", "5", "61 * * * *", "* * *", "1000000s"])
def test_what_is_no_schedule_is_refused(when: str) -> None:
    with pytest.raises(ValueError, match="neither like"):
        schedule(when)


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        schedule("0 4 * * *", "Asia/Atlantis")


@given(st.integers(0, 4_000_000_000_000_000), st.integers(1, 86_400))
def test_the_next_time_is_later_and_no_more_than_one_interval_away(
    instant: int, seconds: int
) -> None:
    every = Interval(seconds * SECOND)
    due = every.after(instant)
    assert instant < due <= instant + seconds * SECOND
    assert due % (seconds * SECOND) == 0
