"""Tables of a lake: instances, the kinds of series there are, and how far the outbox is drained.

``instance`` is partitioned by month of ``time`` and sorted by attribute, entity and time, so that a
sensor's values stand together: ids and names cost next to nothing, times that come in regular
steps little, and a reader of one sensor or one quantity skips nearly all else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

COLUMNS = {
    "entity": "VARCHAR",
    "type": "VARCHAR",
    "attribute": "VARCHAR",
    "dataset": "VARCHAR",
    "kind": "VARCHAR",
    "time": "TIMESTAMP",
    "observed": "BOOLEAN",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "json": "VARCHAR",
    "unit": "VARCHAR",
    "more": "VARCHAR",
    "longitude": "DOUBLE",
    "latitude": "DOUBLE",
    "deleted": "BOOLEAN",
    "created": "TIMESTAMP",
    "modified": "TIMESTAMP",
    "seq": "BIGINT",
    "trace": "VARCHAR",
}
"""Times are UTC. The value is in ``number``, ``text`` (a string, a relationship's object), or as
JSON text in ``json``; a whole number too long for ``number`` is in both."""

NAMES = ", ".join(COLUMNS)
ORDER = "attribute, entity, time"
INLINED = 1000  # rows of the small tables that go into the catalog instead of files
FILE_SIZE = "32MB"
"""Of merged files, about. What asks for a day looks at the row groups of one file."""
ROW_GROUP = 122_880  # rows; what DuckDB reads at once

_TABLE = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())

_CREATE = f"""
CREATE TABLE IF NOT EXISTS {{lake}}.instance ({_TABLE});
ALTER TABLE {{lake}}.instance SET PARTITIONED BY (year(time), month(time));
ALTER TABLE {{lake}}.instance SET SORTED BY (attribute ASC, entity ASC, time ASC);
CREATE TABLE IF NOT EXISTS {{lake}}.series (
    type VARCHAR, attribute VARCHAR, kind VARCHAR, form VARCHAR, unit VARCHAR);
CREATE TABLE IF NOT EXISTS {{lake}}.mark (upto BIGINT);
"""
_OPTIONS = {
    "parquet_version": "2",
    "parquet_compression": "zstd",
    "parquet_row_group_size": str(ROW_GROUP),
    "target_file_size": FILE_SIZE,
}
_TABLE_OPTIONS = (
    ("instance", "data_inlining_row_limit", "0"),
    # Whoever inserts sorts, by less than the texts themselves where that takes less time.
    ("instance", "sort_on_insert", "false"),
    ("series", "data_inlining_row_limit", str(INLINED)),
    ("mark", "data_inlining_row_limit", str(INLINED)),
)


def make(cursor: duckdb.DuckDBPyConnection, lake: str) -> None:
    """Make the tables of an attached lake, unless they are there."""
    if _is_whole(cursor, lake):
        return
    for name, value in _OPTIONS.items():
        cursor.execute(f"CALL {lake}.set_option('{name}', '{value}')")
    cursor.execute(f"BEGIN; {_CREATE.format(lake=lake)}; COMMIT")
    for table, option, value in _TABLE_OPTIONS:
        cursor.execute(f"CALL {lake}.set_option('{option}', {value}, table_name => '{table}')")
    cursor.execute(f"INSERT INTO {lake}.mark VALUES (0)")


def make_tail(cursor: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Make the tail of a lake, in a schema in memory."""
    cursor.execute(
        f"""
        CREATE SCHEMA memory.{schema};
        CREATE TABLE memory.{schema}.tail ({_TABLE});
        """
    )


def _is_whole(cursor: duckdb.DuckDBPyConnection, lake: str) -> bool:
    """Tell whether a lake has been made to its end, of which the mark's only row is the last."""
    tables = cursor.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND table_name = 'mark'", [lake]
    ).fetchone()
    return tables is not None and cursor.execute(f"FROM {lake}.mark").fetchone() is not None


def quoted(path: Path) -> str:
    """Return a path as it stands inside quotes in SQL."""
    return path.as_posix().replace("'", "''")
