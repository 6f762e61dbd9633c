"""Instants: NGSI-LD DateTime text and microseconds since 1970-01-01T00:00:00Z.

Source: ETSI GS CIM 009 clause 4.6.3 (UTC only, ``YYYY-MM-DDThh:mm:ss[.ffffff]Z``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from madang.model.errors import BadRequestData

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:[.,]\d{1,9})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
LAST = 253_402_300_799_999_999
"""The last instant that has a DateTime: the end of the year 9999. [us since 1970]"""

_SECONDS = {f"{second:02d}Z": second * 1_000_000 for second in range(60)}


@lru_cache(maxsize=65536)
def parse(text: str) -> int:
    """Return an instant in microseconds; raise ValueError for anything but a UTC DateTime."""
    seconds = _SECONDS.get(text[17:])
    return _parsed(text) if seconds is None else _minute(text[:17]) + seconds


@lru_cache(maxsize=4096)
def _minute(start: str) -> int:
    # Each message has a second of its own, but thousands of sensors share the minute.
    return _parsed(start + "00Z")


def _parsed(text: str) -> int:
    if not _DATE_TIME.fullmatch(text):
        raise ValueError(f"{text!r} is no DateTime such as 2026-01-31T12:00:00Z")
    whole, _, fraction = text[:-1].replace(",", ".").partition(".")
    moment = datetime.fromisoformat(whole + "+00:00")
    return (moment - _EPOCH) // _MICROSECOND + int((fraction or "0").ljust(6, "0")[:6])


@lru_cache(maxsize=65536)
def render(instant: int) -> str:
    """Return an instant as RFC 3339 text in UTC, with as many decimals as it needs.

    What lies after the year 9999, such as the end of a period, is shown as its end.

    >>> render(1_700_000_000_000_000)
    '2023-11-14T22:13:20Z'
    >>> render(1_700_000_000_123_000)
    '2023-11-14T22:13:20.123Z'
    """
    moment = _EPOCH + timedelta(microseconds=min(instant, LAST))
    text = moment.isoformat(timespec="seconds")[:19]
    part = moment.microsecond
    if part == 0:
        return text + "Z"
    return f"{text}.{part // 1000:03d}Z" if part % 1000 == 0 else f"{text}.{part:06d}Z"


def checked(value: object, member: str) -> str:
    """Return ``value`` if it is a DateTime, else raise BadRequestData naming the member."""
    if isinstance(value, str):
        try:
            parse(value)
        except ValueError:
            pass
        else:
            return value
    raise BadRequestData(f"{member} must be a UTC DateTime such as 2026-01-31T12:00:00Z")
