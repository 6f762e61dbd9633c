"""Years of history at once: files of instances go straight into the lake.

What history already has (the same entity, attribute, datasetId and time) stays as it is, so loading
a file a second time changes nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

from madang.lake.protocol import Lake
from madang.lake.schema import quoted

_SAME = """old.entity = new.entity AND old.attribute = new.attribute AND old.time = new.time
    AND old.dataset IS NOT DISTINCT FROM {dataset}"""


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
        same = _SAME.format(dataset="new.dataset" if "dataset" in names else "NULL")
        # The bounds keep what is old of other times from being read.
        row = cursor.execute(
            f"SELECT epoch_us(min(time)), epoch_us(max(time)), count(*) FROM {given}"
        ).fetchone()
        if row is None or row[0] is None:
            return 0
        old = (
            "(SELECT DISTINCT entity, attribute, dataset, time FROM history WHERE"
            f" time BETWEEN make_timestamp({row[0]}) AND make_timestamp({row[1]})"
            f" AND attribute IN (SELECT DISTINCT attribute FROM {given}))"
        )
        found = cursor.execute(
            f"SELECT count(*) FROM {given} AS new SEMI JOIN {old} AS old ON {same}"
        ).fetchone()
        known = 0 if found is None else int(found[0])
        if known == row[2]:
            return 0
        if known:
            rest = file.with_suffix(".rest")
            cursor.execute(
                f"COPY (SELECT new.* FROM {given} AS new ANTI JOIN {old} AS old ON {same})"
                f" TO '{quoted(rest)}' (FORMAT parquet)"
            )
            file = rest
    return lake.load(file, created=created)
