"""The clock of a live street: the city's local time of day."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

DAY_S = 86_400.0


def time_of_day(at: datetime, zone: str) -> float:
    """Return the local time of day as a clock on a wall shows it. [s since midnight]

    >>> time_of_day(datetime.fromisoformat("2026-11-21T23:30:00+00:00"), "Asia/Seoul")
    30600.0
    """
    local = at.astimezone(ZoneInfo(zone))
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6


def behind(now: float, clock: float) -> float:
    """Return how far a street's time of day is behind the clock, over midnight too. [s]

    >>> behind(86_399.0, 1.0), behind(10.0, 9.0), behind(100.0, 103.5)
    (2.0, -1.0, 3.5)
    """
    return (clock - now + DAY_S / 2) % DAY_S - DAY_S / 2
