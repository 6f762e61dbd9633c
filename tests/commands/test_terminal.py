"""What people write on the terminal: times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from madang.commands.terminal import BadOption, past


def test_a_span_ago_is_exact_so_that_now_is_not_before_what_just_happened() -> None:
    before = datetime.now(UTC)
    assert before <= datetime.fromisoformat(past("0s")) <= datetime.now(UTC)
    then = datetime.fromisoformat(past("2h"))
    ago = datetime.now(UTC) - then
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=1)


def test_a_day_is_its_midnight() -> None:
    assert past("2027-01-31") == "2027-01-31T00:00:00Z"


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadOption, match="no time such as"):
        past("yesterday")
