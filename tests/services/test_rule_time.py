"""Windows of hours and weekdays, by the clock on the wall of a city."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.rules.time import Windows, hours, span, weekdays

MINUTE = 60_000_000
ZONES = ["UTC", "Asia/Seoul", "Europe/London", "America/New_York"]


def instant(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-03-02 08:59", False), ("2026-03-02 09:00", True), ("2026-03-02 16:59:59", True),
        ("2026-03-02 17:00", False), ("2026-03-01 12:00", False), ("2026-03-07 12:00", False),
    ],
)  # fmt: skip
def test_office_hours_are_those_of_the_city(when: str, is_open: bool) -> None:
    windows = Windows([hours("09:00-17:00")], weekdays("mon-fri"), "Asia/Seoul")
    assert windows.is_open(instant(when, "Asia/Seoul")) is is_open


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    windows = Windows([hours("22:00-06:00")], weekdays("fri"), "UTC")
    assert windows.is_open(instant("2026-03-07 05:59", "UTC"))  # Saturday
    assert not windows.is_open(instant("2026-03-06 05:00", "UTC"))  # Friday morning
    assert windows.edge(instant("2026-03-06 23:00", "UTC")) == instant("2026-03-07 06:00", "UTC")


def test_windows_keep_to_the_clock_when_it_is_changed() -> None:
    windows = Windows([hours("09:00-17:00")], [], "Europe/London")
    before = windows.edge(instant("2026-03-28 08:00", "Europe/London"))
    after = windows.edge(instant("2026-03-29 08:00", "Europe/London"))
    assert after - before == 23 * 60 * MINUTE  # the night of summer time is an hour short


def test_days_without_hours_are_whole_days() -> None:
    windows = Windows([], weekdays("sat-sun"), "Asia/Seoul")
    assert windows.edge(instant("2026-03-06 12:00", "Asia/Seoul")) == instant(
        "2026-03-07 00:00", "Asia/Seoul"
    )
    assert windows.edge(instant("2026-03-07 12:00", "Asia/Seoul")) == instant(
        "2026-03-09 00:00", "Asia/Seoul"
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)), min_size=1, max_size=3),
    st.lists(st.integers(0, 6), max_size=3),
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 500_000), min_size=1, max_size=10),
)
def test_windows_are_open_exactly_between_their_edges(
    spans: list[tuple[int, int]], days: list[int], zone: str, minutes: list[int]
) -> None:
    given = [(start, min(start + length, 2880)) for start, length in spans]
    windows = Windows(given, days, zone)
    for minute in minutes:
        at = instant("2026-01-01", "UTC") + minute * MINUTE
        edge = windows.edge(at)
        assert at < edge
        assert windows.is_open(at) == windows.is_open(edge - 1)
        assert windows.is_open(at) == _open(given, days, zone, at)


def _open(spans: list[tuple[int, int]], days: list[int], zone: str, at: int) -> bool:
    """Tell whether a window is open by looking at each of the last days and the next."""
    moment = datetime.fromtimestamp(at / 1e6, UTC)
    today = moment.astimezone(ZoneInfo(zone)).date()
    for back in range(-1, 4):
        day = today - timedelta(back)
        if days and day.weekday() not in days:
            continue
        for start, end in spans:
            first, last = (
                datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) + timedelta(minutes=m)
                for m in (start, end)
            )
            if first.timestamp() * 1e6 <= at < last.timestamp() * 1e6:
                return True
    return False


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "1.5h", "32d", "99999999d", "-1h", "1 h"])
def test_a_text_that_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="span"):
        span(text)
