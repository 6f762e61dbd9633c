"""Judges whole series at once: files, and history under other limits.

Gives the same flags as :mod:`madang.sense.quality.live` gives to the same values in the same order
of arrival, where each test is explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from itertools import pairwise
from typing import Final

import polars as pl

from madang.sense.quality.limits import ANY, QUALITY, REASON, Limits
from madang.sense.quality.live import EARTH, RANKS

COLUMNS: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "entity": pl.String,
    "attribute": pl.String,
    "dataset": pl.String,
    "time": pl.Int64,
    "received": pl.Int64,
    "number": pl.Float64,
    "text": pl.String,
    "json": pl.String,
    "longitude": pl.Float64,
    "latitude": pl.Float64,
}
"""What is looked at, as history has it; times in microseconds since 1970. A column may be missing:
all its values are then null. A value is a number, a text, or something else written as JSON."""

_SERIES: Final = ["entity", "attribute", "dataset"]
_ROW: Final = "_row"
_LIMITS: Final = {one.name: f"_{one.name}" for one in fields(Limits)}
_BEFORE_ALL: Final = -(2**63)

_RANGES: Final = ("fail_below", "fail_above", "suspect_below", "suspect_above")
_CHANGES: Final = ("rate_per_s", "spike", "stuck_s")


def judge(frame: pl.DataFrame, limits: Mapping[str, Limits]) -> pl.DataFrame:
    """Return a frame with the columns ``quality`` and ``qualityReason`` (a list) added.

    Args:
        frame: values in the order in which they arrived, with :data:`COLUMNS`. Where ``received``
            is null, a value arrived when it was measured.
        limits: what may be expected, by attribute.
    """
    rows = _with_limits(_regular(frame), limits)
    rows = _with_order(rows)
    rows = rows.join(_compared(rows), on=_ROW, how="left", maintain_order="left")
    rows = _with_reasons(rows)
    first = pl.col("_first")
    repeated = pl.col("_repeated")
    judged = rows.select(
        pl.when(repeated).then(pl.col(name).gather(first)).otherwise(pl.col(name)).alias(name)
        for name in (QUALITY, REASON)
    )
    return frame.with_columns(judged)


def _regular(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the columns that are looked at, all of them, as they should be."""
    present = frame.columns
    columns = []
    for name, kind in COLUMNS.items():
        column = pl.col(name) if name in present else pl.lit(None)
        if name in present and isinstance(frame.schema[name], pl.Datetime):
            column = column.dt.timestamp("us")
        columns.append(column.cast(kind).alias(name))
    rows = frame.select(columns) if present else pl.DataFrame(schema=COLUMNS)
    return rows.with_columns(pl.coalesce("received", "time")).with_row_index(_ROW)


def _with_limits(rows: pl.DataFrame, limits: Mapping[str, Limits]) -> pl.DataFrame:
    names = rows["attribute"].unique().to_list()
    schema = {"attribute": pl.String, **dict.fromkeys(_LIMITS.values(), pl.Float64)}
    table = pl.DataFrame(
        [[name, *asdict(limits.get(name, ANY)).values()] for name in names],
        schema=schema,
        orient="row",
    )
    return rows.join(table, on="attribute", how="left", nulls_equal=True, maintain_order="left")


def _limit(name: str) -> pl.Expr:
    return pl.col(_LIMITS[name])


def _any_set(names: Iterable[str]) -> pl.Expr:
    return pl.any_horizontal(_limit(name).is_not_null() for name in names)


def _with_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Say of each value whether it is the newest, older, or of the same time as the newest."""
    time, delay = pl.col("time"), (pl.col("received") - pl.col("time")) / 1e6
    skewed = delay < -_limit("skew_s")
    timely = pl.when(skewed).then(_BEFORE_ALL).otherwise(time)
    newest = timely.cum_max().shift(1).over(_SERIES).fill_null(_BEFORE_ALL)
    is_number = pl.col("number").is_finite().fill_null(value=False)
    is_place = ~is_number & pl.col("longitude").is_not_null()
    rows = rows.with_columns(
        _skewed=skewed,
        _late=(~skewed & (delay > _limit("late_s"))).fill_null(value=False),
        _fresh=~skewed & (time > newest),
        _same=~skewed & (time == newest),
        _is_number=is_number,
        _is_place=is_place,
    )
    fresh_row = pl.when("_fresh").then(pl.col(_ROW)).forward_fill().over(_SERIES)
    rows = rows.with_columns(
        _first=fresh_row,
        _were_numbers=(pl.col("_fresh") & pl.col("_is_number"))
        .cast(pl.Int8).cum_max().shift(1).over(_SERIES).fill_null(0) > 0,
    )  # fmt: skip
    equal = pl.all_horizontal(_as_first(n) for n in ("number", "text", "longitude", "latitude"))
    alike = pl.col("_is_number") | pl.col("_is_place") | _as_first("json")
    return rows.with_columns(_repeated=pl.col("_same") & equal & alike)


def _as_first(name: str) -> pl.Expr:
    """Return whether a value is as the first one of its time."""
    return pl.col(name).eq_missing(pl.col(name).gather(pl.col("_first")))


def _compared(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what each newest value is compared with: gaps, the two before, since when equal."""
    time = pl.col("time")
    fresh = rows.filter("_fresh").with_columns(
        _gap=((time - time.shift(1).over(_SERIES)) / 1e6 > _limit("gap_s")).fill_null(value=False)
    )
    fresh = fresh.with_columns(_part=pl.col("_gap").cum_sum().over(_SERIES))
    part = [*_SERIES, "_part"]
    number = pl.col("number")
    able = fresh.filter(pl.col("_is_number") & ~_outside("fail")).sort([*part, _ROW])
    able = able.with_columns(
        _last=number.shift(1).over(part),
        _before=number.shift(2).over(part),
        _elapsed=(time - time.shift(1).over(part)) / 1e6,
        _run=pl.Series(_runs(able, part), dtype=pl.Int64),
    )
    able = able.select(
        _ROW, "_last", "_before", "_elapsed", _equal=(time - time.first().over("_run")) / 1e6
    )
    return fresh.select(_ROW, "_gap").join(able, on=_ROW, how="left")


def _runs(rows: pl.DataFrame, part: list[str]) -> list[int]:
    """Return which run of equal numbers each row is in: as near to the first as is tolerated."""
    if rows[_LIMITS["stuck_s"]].is_null().all():
        return [0] * rows.height  # nobody asks
    places = rows.select(pl.struct(part).rle_id()).to_series().to_list()
    numbers, tolerances = rows["number"].to_list(), rows[_LIMITS["stuck_tolerance"]].to_list()
    runs: list[int] = []
    run, anchor = -1, 0.0
    for (before, place), number, tolerance in zip(
        pairwise([-1, *places]), numbers, tolerances, strict=True
    ):
        if before != place or abs(number - anchor) > tolerance:
            run, anchor = run + 1, number
        runs.append(run)
    return runs


def _outside(flag: str) -> pl.Expr:
    number = pl.col("number")
    below, above = number < _limit(f"{flag}_below"), number > _limit(f"{flag}_above")
    return below.fill_null(value=False) | above.fill_null(value=False)


def _with_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """Work out all tests of all values, and the worst of them."""
    number, is_number, is_place = pl.col("number"), pl.col("_is_number"), pl.col("_is_place")
    to_last, to_before = (number - pl.col("_last")).abs(), (number - pl.col("_before")).abs()
    distance = pl.when(to_before.is_not_null()).then(pl.min_horizontal(to_last, to_before))
    failed_range = is_number & _outside("fail")
    of_numbers = pl.col("_were_numbers") | _any_set((*_RANGES, *_CHANGES))
    failed_type = ~is_number & ~is_place & of_numbers
    tests = {
        "range": failed_range | (is_number & _outside("suspect")),
        "rate": to_last > _limit("rate_per_s") * pl.col("_elapsed"),
        "spike": distance > _limit("spike"),
        "stuck": pl.col("_equal") >= _limit("stuck_s"),
        "gap": pl.col("_gap"),
        "duplicate": pl.col("_same"),
        "late": pl.col("_late"),
        "clockSkew": pl.col("_skewed"),
        "placeMoved": is_place & (_moved() > _limit("moved_m")),
        "type": failed_type,
    }
    failed_change = pl.any_horizontal(
        distance > 2 * _limit("spike"), pl.col("_equal") >= 3 * _limit("stuck_s")
    )
    tested = pl.any_horizontal(
        is_number & _any_set(_RANGES),
        is_number & pl.col("_fresh") & _any_set(_CHANGES),
        is_place & _limit("moved_m").is_not_null(),
    )
    reasons = pl.concat_list(
        pl.when(test).then(pl.lit(reason)) for reason, test in tests.items()
    ).list.drop_nulls()
    rows = rows.with_columns(reasons.alias(REASON))
    not_evaluated, good, suspect, fail = map(pl.lit, RANKS)
    flag = (
        pl.when(failed_range | failed_type | failed_change)
        .then(fail)
        .when(pl.col(REASON).list.len() > 0)
        .then(suspect)
        .when(tested)
        .then(good)
        .otherwise(not_evaluated)
    )
    return rows.with_columns(flag.alias(QUALITY))


def _moved() -> pl.Expr:
    """Return the distance from the first place of a series; see live.distance. [m]"""
    east, north = (pl.when("_is_place").then(pl.col(name)) for name in ("longitude", "latitude"))
    first_east, first_north = (one.drop_nulls().first().over(_SERIES) for one in (east, north))
    half_east = (first_east - east).radians() / 2
    half_north = (first_north - north).radians() / 2
    half = (
        half_north.sin() ** 2
        + north.radians().cos() * first_north.radians().cos() * half_east.sin() ** 2
    )
    return 2 * EARTH * half.sqrt().clip(upper_bound=1.0).arcsin()
