"""Spans of time as people write them, and windows of hours and weekdays by the clock of a city."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

NEVER = 2**63 - 1
MICROSECONDS = 1_000_000
MOST_S = 31 * 86_400
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_SPAN = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_AHEAD = 10  # days that are worked out at once; a week has every window
_DAY = timedelta(days=1)


def span(text: str) -> int:
    """Return how long a text such as ``90s``, ``15m``, ``2h`` or ``1d`` says. [us]

    Raises:
        ValueError: it says none, or more than 31 days.

    >>> span("15m")
    900000000
    """
    found = _SPAN.fullmatch(text)
    seconds = 0 if found is None else int(found[1]) * _SECONDS[found[2]]
    if not 0 < seconds <= MOST_S:
        raise ValueError(f"must be a span such as 90s, 15m, 2h or 1d, of 31 days at most: {text!r}")
    return seconds * MICROSECONDS


def hours(text: str) -> tuple[int, int]:
    """Return first and last minute of a text such as ``22:00-06:00``, which ends the next day.

    Raises:
        ValueError: it is none.

    >>> hours("22:00-06:00")
    (1320, 1800)
    """
    found = _HOURS.fullmatch(text)
    if found is None or (found[3] == "24" and found[4] != "00"):
        raise ValueError(f"must be like 22:00-06:00, not {text!r}")
    start, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if start == end:
        raise ValueError(f"begins when it ends ({text!r}); for all day leave it out")
    return start, end if end > start else end + 1440


def weekdays(text: str) -> list[int]:
    """Return the days of a text such as ``sat`` or ``mon-fri``; Monday is 0.

    Raises:
        ValueError: it names none.

    >>> weekdays("fri-mon")
    [4, 5, 6, 0]
    """
    names = text.lower().split("-")
    if len(names) > 2 or not all(name in DAYS for name in names):
        raise ValueError(f"must be like sat or mon-fri ({', '.join(DAYS)}), not {text!r}")
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return [(first + n) % 7 for n in range((last - first) % 7 + 1)]


class Windows:
    """When a rule is in force.

    Args:
        hours: first and last minute of each window of a day.
        days: on which they begin.
        zone: name of the time zone.
    """

    def __init__(self, hours: Sequence[tuple[int, int]], days: Sequence[int], zone: str) -> None:
        self._hours = sorted(hours) or [(0, 1440)]
        self._days = frozenset(days or range(7))
        self._zone = ZoneInfo(zone)
        self._from = self._until = 0  # between these the edges are known
        self._edges: list[int] = []  # begin, end, begin, end …

    def is_open(self, instant: int) -> bool:
        """Tell whether an instant lies in a window. [us since 1970]"""
        self._reach(instant)
        return bisect_right(self._edges, instant) % 2 == 1

    def edge(self, instant: int) -> int:
        """Return when that next changes, or an earlier time at which to look again."""
        self._reach(instant)
        place = bisect_right(self._edges, instant)
        return min(self._edges[place], self._until) if place < len(self._edges) else self._until

    def _reach(self, instant: int) -> None:
        if self._from <= instant < self._until:
            return
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
        today = at.astimezone(self._zone).date()
        self._from, self._until = self._at(today, 0), self._at(today + _AHEAD * _DAY, 0)
        self._edges = []
        for number in range(-2, _AHEAD + 2):
            day = today + number * _DAY
            if day.weekday() not in self._days:
                continue
            for first, last in self._hours:
                self._add(self._at(day, first), self._at(day, last))

    def _add(self, begin: int, end: int) -> None:
        """Add a window that begins no earlier than those before; what touches becomes one."""
        if self._edges and begin <= self._edges[-1]:
            self._edges[-1] = max(self._edges[-1], end)
        elif begin < end:
            self._edges += [begin, end]

    def _at(self, day: date, minute: int) -> int:
        """Return when a clock on the wall shows a minute of a day. [us since 1970]"""
        day += minute // 1440 * _DAY
        hour, minute = divmod(minute % 1440, 60)
        local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=self._zone)
        return int(local.timestamp()) * MICROSECONDS
