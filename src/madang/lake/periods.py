"""Periods of ISO 8601 durations on the calendar (UTC): their text, their starts, and SQL for both.

Source: ISO 8601-1:2019 clause 5.5.2; ETSI GS CIM 009 clause 4.5.19 (``aggrPeriodDuration``).
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, UTC, datetime, timedelta

from madang.lake.questions import Period
from madang.model.errors import BadRequestData
from madang.model.time import LAST

SECOND = 1_000_000  # [us]
DAY = 86_400 * SECOND
MOST = 1_000_000  # periods in one question; more are a mistake
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,6}))?S)?)?",
    re.ASCII,
)
_LONGEST = 12  # digits of one number


def parse(text: str) -> Period:
    """Return the period that an ISO 8601 duration means; ``PT0S`` is the empty one.

    >>> parse("P1M"), parse("PT1H30M")
    (Period(months=1, microseconds=0), Period(months=0, microseconds=5400000000))

    Raises:
        BadRequestData: it is no duration, or mixes months with shorter units.
    """
    found = _DURATION.fullmatch(text)
    if found is None or any(len(part or "") > _LONGEST for part in found.groups()):
        raise BadRequestData(f"{text!r} is no ISO 8601 duration such as PT1H, P1D or P1M")
    years, months, weeks, days, hours, minutes, seconds = (int(p or 0) for p in found.groups()[:7])
    fraction = int((found[8] or "0").ljust(6, "0"))
    exact = ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds
    period = Period(years * 12 + months, exact * SECOND + fraction)
    if period.months and period.microseconds:
        raise BadRequestData(f"{text!r} mixes months with shorter units; use one or the other")
    return period


def render(period: Period) -> str:
    """Return a period as an ISO 8601 duration.

    >>> render(parse("P1Y6M")), render(parse("P1DT30M")), render(parse("PT0.5S"))
    ('P18M', 'P1DT30M', 'PT0.5S')
    """
    if period.months:
        return f"P{period.months}M"
    days, rest = divmod(period.microseconds, DAY)
    hours, rest = divmod(rest, 3600 * SECOND)
    minutes, rest = divmod(rest, 60 * SECOND)
    seconds = f"{rest / SECOND:.6f}".rstrip("0").rstrip(".")
    parts = ((hours, "H"), (minutes, "M"), (seconds if rest else 0, "S"))
    time = "".join(f"{number}{unit}" for number, unit in parts if number)
    return "P" + (f"{days}D" if days else "") + (f"T{time}" if time else "" if days else "T0S")


def boundaries(start: int, last: int, every: Period) -> list[int]:
    """Return the starts of the periods from ``start`` up to the one after that with ``last``.

    A month later is the same day of the next month, or its last day if it has fewer.

    Raises:
        BadRequestData: they are too many.
    """
    if not every.months:
        count = (last - start) // every.microseconds + 2
        _check(count)
        return [start + n * every.microseconds for n in range(count)]
    found = [start]
    while found[-1] <= last:
        _check(len(found))
        found.append(months_later(start, every.months * len(found)))
    return found


def _check(count: int) -> None:
    if count > MOST:
        raise too_many()


def too_many() -> BadRequestData:
    """Return the error of a question for more periods than :data:`MOST`."""
    return BadRequestData(f"these are more than {MOST:,} periods; ask for longer ones")


def months_later(start: int, months: int) -> int:
    """Return the instant so many months later, or earlier if they are below zero."""
    moment = _EPOCH + timedelta(microseconds=start)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    if year > MAXYEAR:
        return LAST + 1
    for day in range(moment.day, 27, -1):
        try:
            later = moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
        return (later - _EPOCH) // timedelta(microseconds=1)
    later = moment.replace(year=year, month=month + 1)
    return (later - _EPOCH) // timedelta(microseconds=1)


def floor(instant: int, every: Period) -> int:
    """Return the start of the period an instant lies in if periods are counted from 1970."""
    if every.months:
        moment = _EPOCH + timedelta(microseconds=instant)
        months = (moment.year - 1970) * 12 + moment.month - 1
        return months_later(0, months // every.months * every.months)
    return instant // every.microseconds * every.microseconds


def bucket(every: Period, time: str, starts: list[int]) -> str:
    """Return the SQL of the start of the period that an instant lies in. [us]

    Args:
        every: the period.
        time: SQL of the instant. [us]
        starts: starts of all periods, from :func:`boundaries`.
    """
    first = starts[0]
    if not every.months:
        # An instant is not before the first start, so whole division finds its period.
        return f"{first} + ({time} - {first}) // {every.microseconds} * {every.microseconds}"
    return f"list_last(list_filter({starts}, lambda s: s <= {time}))"
