"""Times of a column read at once by Polars, as :func:`madang.sense.files.cells.instant` reads them.

What it does not read, or might read in another way, is left null, for that function to read or to
refuse; so the result is the same, only a hundred times sooner.
"""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from madang.sense.files import cells
from madang.sense.files.mapping import Observed

if TYPE_CHECKING:
    import polars as pl

_DIRECTIVES = {
    "%Y": "%Y", "%m": "%m", "%d": "%d", "%H": "%H", "%M": "%M", "%S": "%S", "%y": "%y",
    "%I": "%I", "%p": "%p", "%b": "%b", "%B": "%B",
}  # fmt: skip
_ISO_8601 = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?"
_SHORT = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d$"
_DAY = r"^\d{4}-\d\d-\d\d$"
_SECONDS_BELOW = 100_000_000_000


def moments(frame: pl.DataFrame, spec: Observed) -> pl.Series | None:
    """Return the UTC times of rows, null where they are not read; None if none can be."""
    import polars as pl

    if spec.columns is None:
        return None
    kinds = [frame.schema[name] for name in spec.columns]
    local = _local(frame, spec, kinds)
    if local is None:
        return None
    name = "#time"
    moved = frame.lazy().select(local.alias(name)).collect()[name]
    if moved.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return moved.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    zone = cells.zone(spec.zone)
    if isinstance(zone, timezone):
        offset = zone.utcoffset(None)
        return moved - offset if offset != timedelta() else moved
    assert isinstance(zone, ZoneInfo)
    try:
        # An hour that comes twice is the first one; one that never is goes the slow way.
        placed = moved.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null")
    except pl.exceptions.PolarsError:
        return None
    return placed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _local(frame: pl.DataFrame, spec: Observed, kinds: list[pl.DataType]) -> pl.Expr | None:
    """Return what reads the times as they are written, with their zone if they have one."""
    import polars as pl

    columns = spec.columns or []
    first = pl.col(columns[0])
    if len(columns) == 1:
        if isinstance(kinds[0], (pl.Datetime, pl.Date)):
            return first.cast(pl.Datetime("us", getattr(kinds[0], "time_zone", None)))
        if kinds[0].is_integer() and not spec.format:
            seconds = pl.when(first.abs() < _SECONDS_BELOW).then(first * 1000).otherwise(first)
            moment = pl.from_epoch(seconds, "ms").cast(pl.Datetime("us"))
            return moment.dt.replace_time_zone("UTC")
    if not all(kind == pl.String or kind.is_integer() for kind in kinds):
        return None
    text = pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator=" ")
    if spec.format:
        return _in_form(text, spec.format)
    if len(columns) == 1:
        sample = frame[columns[0]].drop_nulls().head(1)
        return _in_iso_8601(text, str(sample[0]) if sample.len() else "")
    return _in_iso_8601(text, "")


def _in_form(text: pl.Expr, form: str) -> pl.Expr | None:
    import polars as pl

    wanted = set(re.findall(r"%.", form))
    fraction = ".%f" in form
    if wanted - _DIRECTIVES.keys() - ({"%f"} if fraction else set()):
        return None
    if "%p" in form:
        text = text.str.replace("오전", "AM", literal=True).str.replace("오후", "PM", literal=True)
    form = form.replace(".%f", "%.f")
    if ("%H" in form or "%I" in form) and "%M" not in form:
        text, form = text + "~00", form + "~%M"
    if "%d" not in form or "%m" not in form.replace("%b", "%m").replace("%B", "%m"):
        return None
    return text.str.to_datetime(form, time_unit="us", strict=False).cast(pl.Datetime("us"))


def _in_iso_8601(text: pl.Expr, sample: str) -> pl.Expr | None:
    """Return what reads texts that are written as the sample is."""
    import polars as pl

    def read(pattern: str, form: str, of: pl.Expr) -> pl.Expr:
        parsed = of.str.to_datetime(form, time_unit="us", strict=False)
        return pl.when(text.str.contains(pattern)).then(parsed)

    mark = "T" if "T" in sample[:11] else " "
    whole = f"%Y-%m-%d{mark}%H:%M:%S%.f"
    if re.search(_ISO_8601 + "Z$", sample):
        utc = read(_ISO_8601 + "Z$", whole, text.str.strip_suffix("Z"))
        return utc.dt.replace_time_zone("UTC")
    if re.search(_SHORT, sample):
        return read(_SHORT, whole, text + ":00")
    if re.search(_DAY, sample):
        return read(_DAY, whole, text + " 00:00:00")
    return read(_ISO_8601 + "$", whole, text)
