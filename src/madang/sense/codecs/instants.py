"""When something was measured, as messages say it: text or a number, to microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from madang.model import time
from madang.sense.codecs.bounds import shown
from madang.sense.message import Rejected

SECOND = 1_000_000  # [us]
MILLISECOND = 1_000  # [us]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def of_text(value: object, member: str) -> int:
    """Return the instant that an RFC 3339 text says, with ``Z`` or a distance from UTC. [us]

    Raises:
        Rejected: it is no such text, or says no zone.

    >>> of_text("2026-01-31T12:00:00+09:00", "observedAt")
    1769828400000000
    """
    if isinstance(value, str) and len(value) <= 40:
        try:
            return checked(time.parse(value), value, member)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is not None:
            return checked((moment - _EPOCH) // _MICROSECOND, value, member)
    raise Rejected(
        "badPayload",
        f"{member} must be a time with its zone such as 2026-01-31T12:00:00Z, not {shown(value)}",
    )


def of_number(value: object, unit: int, member: str) -> int:
    """Return the instant so many units after 1970. [us]

    Args:
        unit: of the number. [us]

    Raises:
        Rejected: it is no number, or lies before 1970 or after the year 9999.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected("badPayload", f"{member} must be a number, not {shown(value)}")
    if not abs(value) <= time.LAST:  # neither does NaN
        return checked(-1, value, member)
    instant = value * unit if isinstance(value, int) else round(value * unit)
    return checked(instant, value, member)


def checked(instant: int, value: object, member: str) -> int:
    """Return an instant that lies within what times can say."""
    if 0 <= instant <= time.LAST:
        return instant
    raise Rejected(
        "badPayload", f"{member} lies before 1970 or after the year 9999: {shown(value)}"
    )
