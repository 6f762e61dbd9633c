"""What readers ask: ``history``, and views of fewer files that answer some questions as well.

All are Parquet files and the tail. They name the files themselves, which saves each question the
look into the catalog; where rows have been deleted out of files, they go through the catalog until
the files are rewritten.

For each statement DuckDB looks at the statistics of every row group of all files named, which soon
takes longer than to read the day of one sensor. So ``windowed`` names the files that may have a
``time`` in the window of whoever reads, and ``about`` those that may tell of entities themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from madang.lake import window
from madang.lake.catalog import Catalog
from madang.lake.questions import TYPE
from madang.lake.schema import NAMES
from madang.query.tree import Temporal

if TYPE_CHECKING:
    import duckdb

VIEWS = ("history", "windowed", "about")
_CHOSEN = "windowed_files"
"""The variable of each cursor that has the names for its ``windowed``."""
_ABOUT = f"""coalesce('{TYPE}' BETWEEN attribute.low AND attribute.high
    AND (kind.low <= 'Deleted' OR kind.high >= 'Retyped'), true)"""
"""Which files may have what is told of entities: Created, Deleted, Retyped. The kinds of attributes
lie between these, a few aside."""


def make(
    cursor: duckdb.DuckDBPyConnection, catalog: Catalog, lake: str, schema: str, drained: int
) -> None:
    """Make or replace the views, in a schema in memory, by what an attached lake has now.

    They come with a table ``file``: names, and between what the values of some columns lie.

    Args:
        drained: the number up to which the tail's rows are in the files.
    """
    cursor.execute(f"CREATE OR REPLACE TABLE memory.{schema}.file AS {_files(catalog, lake)}")
    names, about, thinned = cursor.execute(
        f"SELECT list(name), list(name) FILTER ({_ABOUT}), bool_or(thinned)"
        f" FROM memory.{schema}.file"
    ).fetchall()[0]
    tail, upto = f"memory.{schema}.tail", str(drained)
    sources = [f"{tail} WHERE false"] * len(VIEWS)
    if thinned:
        upto = f"(SELECT upto FROM {lake}.mark)"
        sources = [f"{lake}.instance"] * len(VIEWS)
    elif names:
        cursor.execute(f"SET VARIABLE {_CHOSEN} = {window.strings(names)}")
        lists = (names, None, about or names[:1])  # one file at least
        sources = [_parquet(files) for files in lists]
    for view, source in zip(VIEWS, sources, strict=True):
        cursor.execute(
            f"CREATE OR REPLACE VIEW memory.{schema}.{view} AS SELECT {NAMES} FROM {source}"
            f" UNION ALL SELECT {NAMES} FROM {tail} WHERE seq > {upto}"
        )


def same(cursor: duckdb.DuckDBPyConnection, source: str) -> None:
    """Let all views of a cursor be one source, where there are no files to choose from."""
    for view in VIEWS:
        cursor.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {source}")


def _files(catalog: Catalog, lake: str) -> str:
    """Return the files of a lake as SQL; bounds are NULL where the catalog does not tell them."""
    tables = catalog.tables(lake)
    return f"""
        SELECT data_file AS name, delete_file IS NOT NULL AS thinned,
               CAST(bounds['time'].low AS TIMESTAMP) AS first,
               CAST(bounds['time'].high AS TIMESTAMP) AS last,
               bounds['attribute'] AS attribute, bounds['kind'] AS kind
        FROM ducklake_list_files('{lake}', 'instance') LEFT JOIN (
            SELECT parse_filename(path) AS short, map_from_entries(list(
                       (column_name, {{'low': min_value, 'high': max_value}}))) AS bounds
            FROM {tables}.ducklake_data_file
            JOIN {tables}.ducklake_file_column_stats USING (data_file_id, table_id)
            JOIN {tables}.ducklake_column USING (table_id, column_id)
            WHERE column_name IN ('time', 'attribute', 'kind') GROUP BY short
        ) ON short = parse_filename(data_file)
        """


def _parquet(names: list[str] | None) -> str:
    """Return files as SQL; no names are those that a cursor has chosen."""
    files = f"getvariable('{_CHOSEN}')" if names is None else window.strings(names)
    return f"read_parquet({files}, hive_partitioning = false)"


def choose(cursor: duckdb.DuckDBPyConnection, temporal: Temporal | None) -> None:
    """Choose the files of ``windowed``, in the schema and the transaction that a cursor is in."""
    start, end = window.times(temporal)
    terms = ["true"]
    if start is not None:
        terms.append(f"coalesce(last >= {window.instant(start)}, true)")
    if end is not None:
        terms.append(f"coalesce(first < {window.instant(end)}, true)")
    # A statement must name one file at least.
    cursor.execute(
        f"SET VARIABLE {_CHOSEN} = (SELECT coalesce(list(name) FILTER ({' AND '.join(terms)}),"
        " [min(name)]) FROM file)"
    )
