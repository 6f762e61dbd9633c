"""History as Polars frames: several attributes side by side, at their own times or in periods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from madang.lake import spans, window
from madang.lake.aggregate import NUMBER, expression
from madang.lake.kinds import Kinds
from madang.lake.periods import boundaries, bucket, floor
from madang.lake.questions import Series, Wanted
from madang.lake.selection import everyone, selected
from madang.query.tree import Temporal

if TYPE_CHECKING:
    import duckdb
    import polars

Forms = dict[str, str]
"""Of each attribute, what its values are: number, text, boolean or json."""

_VALUES = {"number": "v", "text": "text", "boolean": "CAST(json AS BOOLEAN)"}
_ANY = "coalesce(json, to_json(text), CAST(number AS VARCHAR))"
_NOT_FAILED = (
    "(more IS NULL OR NOT contains(more, '\"fail\"')"
    " OR json_extract_string(more, '$.quality.value') IS DISTINCT FROM 'fail')"
)
_COUNTS = ("totalCount", "distinctCount")


def read(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, series: Series) -> polars.DataFrame:
    """Answer :meth:`madang.lake.protocol.Lake.frame`."""
    import polars

    forms = _forms(kinds, series)
    source = _source(cursor, kinds, series)
    starts = _starts(cursor, series, source)
    time = "t"
    if series.every is not None:
        time = f"make_timestamp({bucket(series.every, 'epoch_us(t)', starts or [0])})"
    keys = [] if series.together else ["entity"]
    names = [f'{_column(series, n, forms[n])} AS "{quoted(n)}"' for n in series.attributes]
    grouped = ", ".join([*keys, "begun"])
    # A pivot by FILTER reads the rows once, however many attributes there are.
    frame = polars.DataFrame(
        cursor.sql(
            f"SELECT {', '.join([*keys, f'{time} AS begun', *names])} FROM {source}"
            f" GROUP BY {grouped} ORDER BY {grouped}"
        )
    ).rename({"begun": "time"})
    if starts and series.fill != "none":
        frame = _filled(frame, series, forms, starts)
    return frame.with_columns(polars.col("time").dt.replace_time_zone("UTC"))


def quoted(name: str) -> str:
    """Return a name as it stands in double quotes in SQL."""
    return name.replace('"', '""')


def _forms(kinds: Kinds, series: Series) -> Forms:
    found: dict[str, set[str]] = {name: set() for name in series.attributes}
    for kind in kinds.attributes():
        if kind.attribute in found:
            found[kind.attribute].add(kind.form)
    return {
        name: next(iter(forms)) if len(forms) == 1 else "json" if forms else "number"
        for name, forms in found.items()
    }


def _column(series: Series, name: str, form: str) -> str:
    """Return the SQL of one attribute's column: aggregated where that makes sense, else picked."""
    only = f"FILTER (attribute = {window.text(name)})"
    method = series.method
    counts = form == "boolean" and method not in ("first", "last")
    if series.every is not None and (form == "number" or counts or method in _COUNTS):
        return f"{expression(method, True)} {only}"
    pick = "arg_min" if series.every is not None and method == "first" else "arg_max"
    return f"{pick}({_VALUES.get(form, _ANY)}, (t, created)) {only}"


def _source(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, series: Series) -> str:
    """Return what the frame is made of, as SQL: instances with ``t`` and ``v``."""
    query = series.query
    terms = [
        window.among("attribute", series.attributes),
        "NOT deleted",
        window.of_datasets(series.datasets),
        selected(kinds, query),
    ]
    if series.start is not None:
        terms.append(f"time >= {window.instant(series.start)}")
    if series.end is not None:
        terms.append(f"time < {window.instant(series.end)}")
    if not series.failed:
        terms.append(_NOT_FAILED)
    wanted = Wanted(query, temporal=window_of(series))
    if query.q is not None or any(one.id_pattern is not None for one in query.selectors):
        terms.append(window.among("entity", everyone(cursor, kinds, wanted)))
    joins = "".join(_joins(cursor, kinds, series))
    columns = f"entity, attribute, time AS t, created, text, json, number, {NUMBER} AS v"
    return f"(SELECT {columns} FROM windowed {joins} WHERE {' AND '.join(terms)})"


def window_of(series: Series) -> Temporal | None:
    """Return the window of the frame's time."""
    if series.start is not None and series.end is not None:
        return Temporal("between", series.start, series.end)
    if series.start is not None:
        return Temporal("after", series.start)
    return None if series.end is None else Temporal("before", series.end)


def _joins(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, series: Series) -> Iterator[str]:
    """Yield joins that leave the instances of times at which place and scope were as asked for."""
    query = series.query
    if query.geo is not None:
        spans.create(cursor, "placed", spans.of_place(cursor, kinds, query, query.geo))
        yield _join("placed")
    if query.scope is not None:
        spans.create(cursor, "scoped", spans.of_scope(cursor, kinds, query, query.scope))
        yield _join("scoped")


def _join(name: str) -> str:
    return (
        f" JOIN temp.{name} ON entity = {name}.who AND time >= {name}.since AND time < {name}.until"
    )


def _starts(cursor: duckdb.DuckDBPyConnection, series: Series, source: str) -> list[int]:
    """Return the starts of all periods of the frame; the last one ends it."""
    if series.every is None:
        return []
    first, last = series.start, None if series.end is None else series.end - 1
    if first is None or last is None:
        row = cursor.execute(f"SELECT epoch_us(min(t)), epoch_us(max(t)) FROM {source}").fetchone()
        if row is None or row[0] is None:
            return []
        first = floor(row[0], series.every) if first is None else first
        last = row[1] if last is None else last
    return boundaries(first, last, series.every)


def _filled(
    frame: polars.DataFrame, series: Series, forms: Forms, starts: list[int]
) -> polars.DataFrame:
    """Return a frame that has every period, filled as asked for."""
    import polars

    times = polars.DataFrame({"time": polars.Series(starts[:-1]).cast(polars.Datetime("us"))})
    if series.together:
        frame = times.join(frame, "time", "left")
    else:
        grid = frame.select("entity").unique().join(times, how="cross")
        frame = grid.join(frame, ["entity", "time"], "left").sort("entity", "time")
    if series.fill == "null":
        return frame
    filled = []
    for name in series.attributes:
        column = polars.col(name)
        linear = series.fill == "linear" and forms[name] == "number"
        done = column.interpolate() if linear else column.forward_fill()
        filled.append(done if series.together else done.over("entity"))
    return frame.with_columns(filled)
