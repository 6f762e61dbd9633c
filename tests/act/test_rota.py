"""Rotas: whose turn it is, by the clock on the wall, whatever daylight saving does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from madang.act.notify.rota import Rota, on_call, upcoming

START = datetime(2026, 11, 23, 9)


def rota(**more: Any) -> Rota:
    given = {
        "kind": "rota",
        "people": ["kim", "lee", "park"],
        "start": START,
        "time_zone": "Asia/Seoul",
    }
    return Rota.model_validate(given | more)


def local(zone: str, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type, misc]


def test_turns_change_at_their_hour_in_their_time_zone() -> None:
    weekly = rota()
    assert on_call(weekly, local("Asia/Seoul", 2026, 11, 30, 8, 59)) == "kim"
    assert on_call(weekly, local("Asia/Seoul", 2026, 11, 30, 9)) == "lee"
    assert on_call(weekly, datetime(2026, 11, 30, 0, 0, tzinfo=UTC)) == "lee"
    assert on_call(weekly, local("Asia/Seoul", 2026, 12, 14, 9)) == "kim"


def test_before_the_first_turn_the_order_is_the_same_backwards() -> None:
    assert on_call(rota(), local("Asia/Seoul", 2026, 11, 23, 8)) == "park"


def test_turns_keep_their_hour_when_the_clocks_change() -> None:
    berlin = rota(time_zone="Europe/Berlin", turn_hours=24, start=datetime(2026, 3, 28, 9))
    for day, who in ((28, "kim"), (29, "lee"), (30, "park")):
        assert on_call(berlin, local("Europe/Berlin", 2026, 3, day, 9, 1)) == who
        before = on_call(berlin, local("Europe/Berlin", 2026, 3, day, 8, 59))
        assert before != who


def test_who_stands_in_is_on_call_just_then() -> None:
    over = [{"who": "choi", "start": "2026-11-24T09:00", "end": "2026-11-25T09:00"}]
    given = rota(overrides=over)
    hours = [local("Asia/Seoul", 2026, 11, day, 9) for day in (23, 24, 25)]
    assert [on_call(given, hour) for hour in hours] == ["kim", "choi", "kim"]
    assert given.members == ["kim", "lee", "park", "choi"]


def test_the_next_turns_are_told_with_who_stands_in() -> None:
    over = [{"who": "choi", "start": "2026-11-24T09:00", "end": "2026-11-25T09:00"}]
    found = upcoming(rota(overrides=over), local("Asia/Seoul", 2026, 11, 23, 12), 4)
    assert [who for _, who in found] == ["kim", "choi", "kim", "lee"]
    assert found[1][0] == datetime(2026, 11, 24, tzinfo=UTC)


@settings(max_examples=100)
@given(st.integers(0, 60 * 24 * 400), st.integers(1, 24 * 14), st.integers(1, 7))
def test_there_is_always_somebody_and_each_has_a_whole_turn(
    minutes: int, hours: int, count: int
) -> None:
    people = [f"p{n}" for n in range(count)]
    seoul = rota(people=people, turn_hours=hours)
    at = datetime(2026, 11, 23, tzinfo=UTC) + timedelta(minutes=minutes)
    turns = minutes // (hours * 60)
    assert on_call(seoul, at) == people[turns % count]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"time_zone": "Asia/Soul"}, "try Asia/Seoul"),
        ({"start": "2026-11-23T09:00Z"}, "clock of the rota"),
        ({"people": []}, "at least 1"),
        ({"turn_hours": 0}, "greater than 0"),
        ({"overrides": [{"who": "a", "start": "2026-11-24T09:00", "end": "2026-11-24T09:00"}]},
         "not before"),
        ({"overrides": [{"who": "a", "start": "2026-11-24T09:00Z", "end": "2026-11-25T09:00Z"}]},
         "clock of the rota"),
    ],
)  # fmt: skip
def test_a_rota_that_cannot_be_says_why(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        rota(**wrong)
