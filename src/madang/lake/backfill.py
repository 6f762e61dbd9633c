"""Years of history at once: files of instances go straight into the lake.

What history already has (the same entity, attribute, datasetId and time) stays as it is, so loading
a file a second time changes nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from madang.lake import window
from madang.lake.protocol import Lake
from madang.lake.schema import quoted

if TYPE_CHECKING:
    import duckdb

_SAME = """history.entity = one.entity AND history.attribute = one.attribute
    AND history.dataset IS NOT DISTINCT FROM one.dataset"""


def backfill(lake: Lake, file: Path, created: int) -> int:
    """Append the instances of a Parquet file that history does not have; return how many.

    Args:
        lake: where to.
        file: columns as :meth:`madang.lake.protocol.Lake.load` wants them. What is left of it is
            written beside it.
        created: when they are recorded. [us since 1970]

    Raises:
        ValueError: a column is missing or unknown, or a row lacks what it must have.
    """
    import duckdb

    wrong = (
        duckdb.BinderException,
        duckdb.ConversionException,
        duckdb.InvalidInputException,
    )
    try:
        with lake.alone():
            return _backfill(lake, file, created)
    except (duckdb.Error, OSError) as error:
        cause = error.__cause__ if isinstance(error, OSError) else error
        if isinstance(cause, wrong):
            raise ValueError(
                f"this is no Parquet file of instances: {_first_line(cause)}"
            ) from None
        raise


def _first_line(error: BaseException) -> str:
    """Return what is wrong, without the path of the file here."""
    return re.sub(r"'[^']*/[^']*' ?", "", str(error).partition("\n")[0])


def _backfill(lake: Lake, file: Path, created: int) -> int:
    given = f"read_parquet('{quoted(file)}')"
    with lake.reading() as cursor:
        names = [row[0] for row in cursor.execute(f"DESCRIBE FROM {given}").fetchall()]
        if not {"entity", "attribute", "time"} <= set(names):
            return lake.load(file, created=created)  # which says what is missing
        row = cursor.execute(
            f"SELECT epoch_us(min(time)), epoch_us(max(time)), count(*) FROM {given}"
        ).fetchone()
        if row is None or row[0] is None:
            return 0
        first, last, count = row
        dataset = "dataset" if "dataset" in names else "CAST(NULL AS VARCHAR) AS dataset"
        _find_known(
            cursor,
            f"(SELECT entity, attribute, {dataset}, time, file_row_number AS place FROM {given})",
            first,
            last,
        )
        found = cursor.execute("SELECT count(*) FROM temp.known").fetchone()
        known = 0 if found is None else int(found[0])
        if known == count:
            return 0
        if known:
            rest = file.with_suffix(".rest")
            cursor.execute(
                f"COPY (SELECT * FROM {given} ANTI JOIN temp.known ON place = file_row_number)"
                f" TO '{quoted(rest)}' (FORMAT parquet)"
            )
            file = rest
    return lake.load(file, created=created)


def _find_known(cursor: duckdb.DuckDBPyConnection, given: str, first: int, last: int) -> None:
    """Put the places of the rows that history has into the temporary table ``known``.

    Series are few and get numbers: joined by them, a row takes a few bytes instead of its names,
    so that millions fit into memory.
    """
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE given_series AS
        SELECT *, row_number() OVER () AS n
        FROM (SELECT DISTINCT entity, attribute, dataset FROM {given})
        """
    )
    # The bounds and the attributes keep what is old of others from being read.
    old = f"""
        SELECT n, time FROM history JOIN temp.given_series AS one ON {_SAME}
        WHERE time BETWEEN {window.instant(first)} AND {window.instant(last)}
            AND history.attribute IN (SELECT DISTINCT attribute FROM temp.given_series)
        """
    new = f"SELECT n, time, place FROM {given} AS history JOIN temp.given_series AS one ON {_SAME}"
    if cursor.execute(f"{old} LIMIT 1").fetchone() is None:
        new += " WHERE false"
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE known AS
        SELECT DISTINCT place FROM ({old}) JOIN ({new}) USING (n, time)
        """
    )
