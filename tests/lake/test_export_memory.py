"""An export that is larger than the memory that it may have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from madang.lake import sql_run
from madang.lake.ducklake import DuckLake
from madang.lake.sql_export import export
from madang.lake.sql_job import Format
from madang.query.reach import WHOLE

pytestmark = pytest.mark.slow
MEMORY_MB = 256
ENTITIES, TIMES, LENGTH = 40, 10_000, 600
READ: dict[str, Any] = {"parquet": pl.read_parquet, "csv": pl.read_csv}


def reports() -> pl.DataFrame:
    """Return 240 MB of texts, of which no two are alike."""
    hour = pl.Series(range(TIMES), dtype=pl.Int64)
    frames = [
        pl.DataFrame({"time": hour * 3_600_000_000 + n, "text": hour * ENTITIES + n})
        .with_columns(entity=pl.lit(f"urn:r:{n:02}"), type=pl.lit("Report"))
        .with_columns(attribute=pl.lit("words"), time=pl.col("time").cast(pl.Datetime("us")))
        .with_columns(pl.col("text").cast(pl.String).str.pad_start(LENGTH, "x"))
        for n in range(ENTITIES)
    ]
    return pl.concat(frames)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_texts_that_do_not_fit_into_the_memory_are_exported_in_their_order(
    lake: DuckLake, tmp_path: Path, form: Format
) -> None:
    loaded = reports()
    lake.load(loaded, created=1)
    now = sql_run.moment(lake, WHOLE, tmp_path)
    output = tmp_path / "answer"
    wanted = export(now.tables, "Report", None, None, [], form)
    job = sql_run.job(now, wanted.sql, form, output, rows=wanted.rows, seconds=60)
    outcome = sql_run.run(replace(job, memory_mb=MEMORY_MB))
    assert outcome.rows == ENTITIES * TIMES
    found = READ[form](output)
    assert found.columns == ["entity", "time", "words"]
    expected = loaded.sort("entity", "time")
    assert found["entity"].equals(expected["entity"])
    assert found["words"].equals(expected["text"])
