"""Tries limits on what a sensor has measured: what would they have flagged?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from madang.model import time
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.sense.quality.limits import QUALITY, REASON, Limits

if TYPE_CHECKING:
    import polars

EXAMPLES: Final = 100
"""Flagged values that are shown, the newest ones."""

NAMES: Final = tuple(one.name for one in fields(Limits))
_ALWAYS: Final = ("stuck_tolerance", "skew_s")  # have no None


def limits_of(given: object) -> Limits:
    """Return limits as JSON says them.

    Raises:
        BadRequestData: a name or value is none of a limit.
    """
    if not isinstance(given, dict):
        raise BadRequestData(f"limits must be an object such as {{'spike': 5}}, not {shown(given)}")
    for name, value in given.items():
        if name not in NAMES:
            raise BadRequestData(f"limits has no {shown(name)}; there are {', '.join(NAMES)}")
        if value is None and name not in _ALWAYS:
            continue
        if type(value) not in (int, float) or not math.isfinite(value):
            raise BadRequestData(f"limits.{name} must be a number, not {shown(value)}")
    return Limits(**given)


def tried(frame: polars.DataFrame, attribute: str, limits: Limits) -> Mapping[str, Any]:
    """Return how many values get which flag for which reason, and the newest that are not good.

    Args:
        frame: ``entity``, ``time`` and a column named as the attribute, by time.
    """
    import polars as pl

    from madang.sense.quality.batch import judge

    name = "number" if frame[attribute].dtype.is_numeric() else "text"
    rows = frame.select("entity", "time", pl.col(attribute).alias(name)).drop_nulls(name)
    judged = judge(rows.with_columns(attribute=pl.lit(attribute)), {attribute: limits})
    flagged = judged.filter(pl.col(REASON).list.len() > 0)
    return {
        "values": judged.height,
        "flags": _counted(judged[QUALITY]),
        "reasons": _counted(judged[REASON].explode().drop_nulls()),
        "examples": [
            {
                "time": time.render(at),
                "value": value,
                QUALITY: flag,
                REASON: reasons,
            }
            for at, value, flag, reasons in flagged.tail(EXAMPLES)
            .select(pl.col("time").dt.timestamp("us"), name, QUALITY, REASON)
            .iter_rows()
        ],
    }


def _counted(values: polars.Series) -> dict[str, int]:
    return dict(values.value_counts(sort=True).iter_rows())
