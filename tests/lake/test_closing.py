"""A lake that is closed while its files are being merged."""

from __future__ import annotations

import threading
from pathlib import Path

import polars as pl
import pytest

from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from tests.contract.lakes import MakeCatalog

ROWS = 3_000_000
PARTS = 10


def load(lake: DuckLake) -> None:
    """Load as many rows as take seconds to merge."""
    for part in range(PARTS):
        numbers = pl.int_range(ROWS // PARTS, eager=True)
        lake.load(
            pl.DataFrame(
                {
                    "entity": "urn:a:" + (numbers % 1000).cast(pl.String),
                    "type": "Meter",
                    "attribute": "load",
                    "time": (numbers * PARTS + part).cast(pl.Datetime("us")),
                    "number": numbers.cast(pl.Float64),
                }
            ),
            created=0,
        )


@pytest.mark.slow
def test_closing_does_not_wait_for_a_merge_and_loses_nothing(
    duckdb_engine: Engine, catalog: MakeCatalog, tmp_path: Path
) -> None:
    lake = DuckLake(duckdb_engine, catalog(tmp_path / "lake"))
    load(lake)
    failed: list[OSError] = []

    def merge() -> None:
        try:
            lake.maintain(whole=True)
        except OSError as error:
            failed.append(error)

    merging = threading.Thread(target=merge)
    merging.start()
    while lake._files._tidying is None:
        assert merging.is_alive()
    lake.close()
    merging.join()
    assert len(failed) == 1

    lake = DuckLake(duckdb_engine, catalog(tmp_path / "lake"))
    with lake.reading() as cursor:
        row = cursor.execute("SELECT count(*) FROM history WHERE attribute = 'load'").fetchone()
    assert row == (ROWS,)
    lake.close()
