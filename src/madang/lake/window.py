"""Which rows of history a question is about, as SQL.

Source: ETSI GS CIM 009 clause 4.11: ``before`` excludes its time, ``after`` includes it,
``between`` includes its start and excludes its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from madang.lake.questions import TYPE, Wanted
from madang.query.tree import Temporal

FEW = 500  # ids that stand in the SQL itself; more are joined


def instant(microseconds: int) -> str:
    """Return an instant as SQL."""
    return f"make_timestamp({int(microseconds)})"


def text(value: str) -> str:
    """Return a string as SQL."""
    return "'" + value.replace("'", "''") + "'"


def strings(values: Iterable[str]) -> str:
    """Return strings as an SQL list."""
    return f"[{', '.join(map(text, values))}]"


def among(column: str, values: Iterable[str]) -> str:
    """Return the condition that a column has one of these values."""
    items = list(values)
    if not items:
        return "false"
    if len(items) <= FEW:
        return f"{column} IN ({', '.join(map(text, items))})"
    return f"{column} IN (SELECT unnest({strings(items)}))"


def time_of(temporal: Temporal | None) -> str:
    """Return the SQL of the time that a window is about."""
    match temporal.property if temporal is not None else "observedAt":
        case "observedAt":
            return "time"
        case "modifiedAt":
            return "coalesce(modified, created)"
        case _:
            return "created"


def inside(temporal: Temporal | None) -> str:
    """Return the condition that an instance lies in the window."""
    if temporal is None:
        return "true"
    column = time_of(temporal)
    of_kind = {"observedAt": "observed", "deletedAt": "deleted"}.get(
        temporal.property, "NOT deleted"
    )
    return f"{of_kind} AND {_related(column, temporal)}"


def _related(column: str, temporal: Temporal) -> str:
    start = instant(temporal.time_at)
    match temporal.relation:
        case "before":
            return f"{column} < {start}"
        case "after":
            return f"{column} >= {start}"
        case _:
            assert temporal.end_time_at is not None
            return f"{column} >= {start} AND {column} < {instant(temporal.end_time_at)}"


def bounds(temporal: Temporal | None) -> tuple[int | None, int | None]:
    """Return start and end of a window, as far as it has them."""
    if temporal is None:
        return None, None
    if temporal.relation == "before":
        return None, temporal.time_at
    return temporal.time_at, temporal.end_time_at


def times(temporal: Temporal | None) -> tuple[int | None, int | None]:
    """Return start and end of what ``time`` may be in a window, as far as it tells."""
    return bounds(temporal) if time_of(temporal) == "time" else (None, None)


def rows(wanted: Wanted) -> str:
    """Return the condition that a row is a wanted instance, whatever its entity."""
    terms = [f"attribute <> {text(TYPE)}", inside(wanted.temporal)]
    if wanted.attributes:
        terms.append(among("attribute", wanted.attributes))
    if wanted.omitted:
        terms.append(f"NOT {among('attribute', wanted.omitted)}")
    if wanted.datasets is not None:
        terms.append(of_datasets(wanted.datasets))
    return " AND ".join(terms)


def of_datasets(datasets: Sequence[str | None]) -> str:
    """Return the condition that a row has one of these datasetIds."""
    named = [dataset for dataset in datasets if dataset is not None]
    terms = [among("dataset", named)] if named else []
    if None in datasets:
        terms.append("dataset IS NULL")
    return f"({' OR '.join(terms) or 'false'})"
