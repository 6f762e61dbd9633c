"""Which rows and columns an export has, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from madang.lake import window
from madang.lake.sql_job import ROWS, Format
from madang.lake.sql_views import HISTORY, Column, Table, Tables, quoted
from madang.model.errors import BadRequestData, ResourceNotFound

_PLACE = "location"
_SORTED = "ORDER BY entity, time"


@dataclass(frozen=True, slots=True)
class Export:
    """What an export writes, as SQL in two steps."""

    rows: str
    """Makes :data:`madang.lake.sql_job.ROWS`; each row is of one instant of ``time`` alone."""
    sql: str
    """Asks them."""


def export(
    tables: Tables,
    type_name: str,
    since: int | None,
    until: int | None,
    names: Sequence[str],
    form: Format,
) -> Export:
    """Return the SQL of an export: what entities of a type were, by entity and time.

    With ``geoparquet``, each row has where the entity was at that time, as a geometry.

    Args:
        tables: what the reader may see.
        type_name: the name of a table: an entity type, or ``history`` for all instances.
        since: no instance before this. [us since 1970]
        until: no instance at or after this.
        names: columns besides entity and time; none named is all of them.
        form: of the file.

    Raises:
        ResourceNotFound: there is no such type.
        BadRequestData: there is no such column, or no place for a GeoParquet.
    """
    table = tables.named(type_name)
    if table is None:
        raise ResourceNotFound(f"history has no type {type_name!r}{_near(type_name, tables)}")
    columns = [quoted(one.name) for one in _chosen(table, names)]
    terms = ["true"]
    if since is not None:
        terms.append(f"time >= {window.instant(since)}")
    if until is not None:
        terms.append(f"time < {window.instant(until)}")
    source = f"SELECT {', '.join(columns)} FROM {quoted(table.name)} WHERE {' AND '.join(terms)}"
    if form != "geoparquet":
        return Export(source, f"FROM {ROWS} {_SORTED}")
    return Export(source, _with_places(table))


def _near(name: str, tables: Tables) -> str:
    known = [table.name for table in tables.tables]
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"


def _chosen(table: Table, names: Sequence[str]) -> list[Column]:
    if not names:
        return list(table.columns)
    by_name = {column.name.lower(): column for column in table.columns}
    unknown = [name for name in names if name.lower() not in by_name]
    if unknown:
        raise BadRequestData(
            f"{table.name} has no column {unknown[0]!r}; it has"
            f" {', '.join(column.name for column in table.columns)}"
        )
    keys = ["entity", "time"]
    return [by_name[name] for name in dict.fromkeys([*keys, *map(str.lower, names)])]


def _with_places(table: Table) -> str:
    """Return rows with the place that was in force; the first one also before it was told."""
    place = next((one for one in table.columns if one.name == _PLACE and one.form != "text"), None)
    if place is None or table.name == HISTORY:
        raise BadRequestData(
            f"{table.name} has no {_PLACE}, which a GeoParquet needs; export Parquet instead"
        )
    return f"""
        WITH placed AS (
            SELECT entity, {_PLACE} AS place, CASE WHEN row_number() OVER (
                       PARTITION BY entity ORDER BY time) = 1
                   THEN TIMESTAMP '0001-01-01' ELSE time END AS since
            FROM {quoted(table.name)} WHERE {_PLACE} IS NOT NULL
        )
        SELECT measured.*, ST_AsWKB(ST_GeomFromGeoJSON(placed.place)) AS geometry
        FROM {ROWS} AS measured ASOF LEFT JOIN placed
          ON measured.entity = placed.entity AND measured.time >= placed.since
        ORDER BY measured.entity, measured.time"""
