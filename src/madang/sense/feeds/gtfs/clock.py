"""Times of day in timetables: they count from noon minus twelve hours and may pass midnight.

Source: GTFS Schedule Reference, field type Time: ``25:10:00`` is ten past one the next morning.
"""

from __future__ import annotations

import polars as pl

LATEST_S = 48 * 3600 - 1
"""The last time that the Smart Data Models can say: 47:59:59. [s]"""


def seconds(column: str) -> pl.Expr:
    """Return the seconds since the beginning of the service day; null where there is no time."""
    parts = [
        pl.col(column).str.extract(r"^(\d{1,2}):([0-5]\d):([0-5]\d)$", group).cast(pl.Int32)
        for group in (1, 2, 3)
    ]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]


def text(second: int) -> str:
    """Return a time of day.

    >>> text(90_600), text(19_860)
    ('25:10:00', '05:31:00')
    """
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
