"""Hours in which a zone is safe, as on OpenStreetMap: ``Mo-Fr 08:30-16:00; Sa 10:00-12:00``.

A part of OpenStreetMap's specification of opening_hours: days and times; ``24/7`` is always. Where
several rules name a day, all of their times hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

DAY, WEEK = 1440, 7 * 1440  # [minutes]
LONGEST = 300  # characters
_DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_RULE = re.compile(r"(?:((?:[A-Z][a-z])(?:[-,][A-Z][a-z])*)\s+)?(\d.*)")
_TIME = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_EXPECTED = "expected hours such as 'Mo-Fr 08:30-16:00; Sa 10:00-12:00', or 24/7"

Span = tuple[int, int]
"""From and to, counted from Monday 00:00; the end may lie in the next week. [minutes]"""


def parse(text: str) -> list[Span]:
    """Return the times of a week that a text names.

    Raises:
        ValueError: it names none; the text says what was expected.

    >>> parse("Fr 22:00-06:00")
    [(7080, 7560)]
    """
    if len(text) > LONGEST:
        raise ValueError(f"hours have at most {LONGEST} characters")
    if text.strip() == "24/7":
        return [(0, WEEK)]
    found = [span for rule in text.split(";") if rule.strip() for span in _rule(rule.strip())]
    if not found:
        raise ValueError(_EXPECTED)
    return sorted(found)


def is_open(spans: list[Span], local: datetime) -> bool:
    """Tell whether a moment, by the clock of the city, lies in one of the spans."""
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    return any(start <= at < end for start, end in spans for at in (minute, minute + WEEK))


def _rule(text: str) -> Iterator[Span]:
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r}: {_EXPECTED}")
    days = list(range(7)) if found[1] is None else list(_days(found[1]))
    for part in found[2].split(","):
        time = _TIME.fullmatch(part.strip())
        if time is None:
            raise ValueError(f"{part.strip()[:40]!r}: {_EXPECTED}")
        start = int(time[1]) * 60 + int(time[2])
        end = int(time[3]) * 60 + int(time[4])
        if start >= DAY or end > DAY or int(time[2]) > 59 or int(time[4]) > 59:
            raise ValueError(f"{part.strip()!r} is no time of a day; {_EXPECTED}")
        if end <= start:
            end += DAY  # over midnight
        for day in days:
            yield day * DAY + start, day * DAY + end


def _days(text: str) -> Iterator[int]:
    for part in text.split(","):
        names = part.split("-")
        if len(names) > 2 or not all(name in _DAYS for name in names):
            raise ValueError(f"{part!r} is no day or range of days; {_EXPECTED}")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        yield from ((first + step) % 7 for step in range((last - first) % 7 + 1))
