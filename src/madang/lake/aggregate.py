"""Aggregates of attribute instances in periods.

Source: ETSI GS CIM 009 clauses 4.5.19 (aggregated temporal representation) and 5.2.22. Deviation is
that of the whole population. Numbers have all methods, booleans count as 0 and 1, arrays by their
size, texts have the least, the greatest, the first, the last and counts, all else has counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from madang.lake import window
from madang.lake.kinds import Kinds
from madang.lake.periods import MOST, boundaries, bucket, too_many
from madang.lake.questions import Aggregate, Aggregates, Method, Period, Wanted
from madang.lake.selection import all_shown, candidates, select, shown
from madang.lake.values import types_of

if TYPE_CHECKING:
    import duckdb

NUMBER = """CASE WHEN number IS NOT NULL THEN number WHEN json = 'true' THEN 1.0
    WHEN json = 'false' THEN 0.0
    WHEN starts_with(json, '[') THEN CAST(json_array_length(json) AS DOUBLE) END"""
DISTINCT = "count(DISTINCT coalesce(text, json, CAST(number AS VARCHAR)))"

_NUMERIC: dict[Method, str] = {
    "totalCount": "count(*)",
    "distinctCount": "count(DISTINCT v)",
    "sum": "sum(v)",
    "avg": "avg(v)",
    "min": "min(v)",
    "max": "max(v)",
    "stddev": "stddev_pop(v)",
    "sumsq": "sum(v * v)",
    "first": "arg_min(v, t)",
    "last": "arg_max(v, t)",
    "median": "median(v)",
}
_MIXED: dict[Method, str] = {
    "distinctCount": DISTINCT,
    "min": "coalesce(CAST(min(v) AS VARCHAR), to_json(min(text)))",
    "max": "coalesce(CAST(max(v) AS VARCHAR), to_json(max(text)))",
    "first": "coalesce(CAST(arg_min(v, t) AS VARCHAR), to_json(arg_min(text, t)))",
    "last": "coalesce(CAST(arg_max(v, t) AS VARCHAR), to_json(arg_max(text, t)))",
}
METHODS = tuple(_NUMERIC)


_NEVER = 1 << 62  # [us since 1970]: after every time there is


class _Span(NamedTuple):
    start: int | None
    end: int | None


def expression(method: Method, numeric: bool) -> str:
    """Return the SQL of a method over ``v`` (numbers), ``text`` and ``t``."""
    return _NUMERIC[method] if numeric else _MIXED.get(method, _NUMERIC[method])


def is_numeric(kinds: Kinds, attributes: Sequence[str]) -> bool:
    """Tell whether all these attributes (none named: all there are) are numbers only."""
    return all(
        kind.form == "number"
        for kind in kinds.attributes()
        if not attributes or kind.attribute in attributes
    )


def read(
    cursor: duckdb.DuckDBPyConnection,
    kinds: Kinds,
    wanted: Wanted,
    methods: Sequence[Method],
    every: Period | None,
) -> Aggregates:
    """Answer :meth:`madang.lake.protocol.Lake.aggregates`."""
    query = wanted.query
    ids = candidates(cursor, kinds, query)
    # What the rows themselves tell is not asked beforehand: each question reads them once more.
    page = None if all_shown(query, ids) else select(cursor, wanted, ids)
    numeric = is_numeric(kinds, wanted.attributes)
    span = _Span(*window.bounds(wanted.temporal))
    asked = ids if page is None else page.ids
    rows = _rows(cursor, wanted, methods, numeric, span, every, asked) if asked else []
    if page is None:
        page = shown(cursor, wanted, ids, {str(row[0]) for row in rows})
    aggregates = [_aggregate(row, methods, numeric, span, every) for row in rows]
    return Aggregates(aggregates, len(page.ids), page.count, page.more)


def _rows(
    cursor: duckdb.DuckDBPyConnection,
    wanted: Wanted,
    methods: Sequence[Method],
    numeric: bool,
    span: _Span,
    every: Period | None,
    ids: Sequence[str],
) -> list[Any]:
    """Return a row of each period of each series of these entities."""
    condition = f"{window.among('entity', ids)} AND {window.rows(wanted)} AND NOT deleted"
    column = window.time_of(wanted.temporal)
    start, over = "0", _NEVER
    if every is not None and every != Period():
        if span.start is not None and not every.months:
            starts = [span.start]
            # All that is beyond the most periods falls into one.
            over = min(span.start + (MOST - 1) * every.microseconds, _NEVER)
        else:
            starts = _starts(cursor, span, every, column, condition)
        if not starts:
            return []
        start = f"least({bucket(every, 'epoch_us(t)', starts)}, {over})"
    columns = ", ".join(expression(method, numeric) for method in methods)
    rows = cursor.execute(
        f"""
        SELECT entity, arg_max(type, t), attribute, dataset, kind, {start} AS begun,
               epoch_us(min(t)), epoch_us(max(t)), {columns}
        FROM (SELECT entity, type, attribute, dataset, kind, {column} AS t,
                     {"number" if numeric else NUMBER} AS v, text, json, number
              FROM windowed WHERE {condition})
        GROUP BY entity, attribute, dataset, kind, begun
        ORDER BY entity, attribute, dataset NULLS FIRST, begun
        """
    ).fetchall()
    if any(row[5] >= over for row in rows):
        raise too_many()
    return rows


def _starts(
    cursor: duckdb.DuckDBPyConnection, span: _Span, every: Period, column: str, condition: str
) -> list[int]:
    """Return the starts of all periods up to the last instance; none if there is no instance."""
    row = cursor.execute(
        f"SELECT epoch_us(min({column})), epoch_us(max({column})) FROM windowed WHERE {condition}"
    ).fetchone()
    if row is None or row[0] is None:
        return []
    return boundaries(span.start if span.start is not None else row[0], row[1], every)


def _aggregate(
    row: tuple[Any, ...],
    methods: Sequence[Method],
    numeric: bool,
    span: _Span,
    every: Period | None,
) -> Aggregate:
    entity, types, attribute, dataset, kind, begun, first, last, *values = row
    if every is None or every == Period():
        start = first if span.start is None else span.start
        end = last if span.end is None else span.end
    elif every.months:
        start, end = begun, boundaries(begun, begun, every)[1]
    else:
        start, end = begun, begun + every.microseconds
    results = {
        method: value if numeric else _plain(method, value)
        for method, value in zip(methods, values, strict=True)
    }
    return Aggregate(entity, types_of(types), attribute, dataset, kind, start, end, results)


def _plain(method: Method, value: Any) -> float | int | str | None:
    """Return a result; those that may be text or number come as JSON."""
    if isinstance(value, str) and method in _MIXED:
        return value[1:-1] if value.startswith('"') and "\\" not in value else _read(value)
    return value  # type: ignore[no-any-return]


def _read(value: str) -> float | str:
    import orjson

    found: float | str = orjson.loads(value)
    return found
