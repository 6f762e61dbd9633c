"""Files of instances go into the lake once, however often they are loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars
import pytest

from madang.lake.backfill import backfill
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine

HOUR = 3_600_000_000


def file(folder: Path, hours: Iterable[int], number: float = 1.0, **more: Any) -> Path:
    frame = polars.DataFrame(
        {
            "entity": "urn:a",
            "type": "A",
            "attribute": "x",
            "time": [hour * HOUR for hour in hours],
            "number": number,
            **more,
        }
    ).with_columns(polars.col("time").cast(polars.Datetime("us")))
    target = folder / "given.parquet"
    frame.write_parquet(target)
    return target


def values(lake: DuckLake) -> list[Any]:
    with lake.reading() as cursor:
        return cursor.execute(
            "SELECT epoch_us(time) // 3600000000, number, dataset FROM history"
            " WHERE attribute = 'x' ORDER BY ALL"
        ).fetchall()


def test_loading_twice_changes_nothing(lake: DuckLake, tmp_path: Path) -> None:
    assert backfill(lake, file(tmp_path, range(4)), 1) == 4
    before = values(lake)
    assert backfill(lake, file(tmp_path, range(4), number=9.0), 2) == 0
    assert values(lake) == before


def test_only_what_is_new_of_a_file_is_added(lake: DuckLake, tmp_path: Path) -> None:
    backfill(lake, file(tmp_path, range(4)), 1)
    assert backfill(lake, file(tmp_path, range(2, 6), number=9.0), 2) == 2
    assert [row[1] for row in values(lake)] == [1.0, 1.0, 1.0, 1.0, 9.0, 9.0]


def test_another_dataset_is_another_instance(lake: DuckLake, tmp_path: Path) -> None:
    backfill(lake, file(tmp_path, range(1)), 1)
    assert backfill(lake, file(tmp_path, range(1), dataset="urn:d"), 2) == 1
    assert backfill(lake, file(tmp_path, range(1), dataset="urn:d"), 3) == 0


@pytest.mark.slow
def test_a_file_larger_than_the_memory_is_loaded_twice(tmp_path: Path) -> None:
    count, hours = 300_000, 2_000
    engine = Engine(tmp_path / "scratch", 100)
    lake = DuckLake(engine, SqliteCatalog(tmp_path / "small"))
    names: dict[str, Any] = {"entity": [f"urn:a:{n // hours}" for n in range(count)]}
    target = file(tmp_path, [n % hours for n in range(count)], **names)
    assert backfill(lake, target, 1) == count
    assert backfill(lake, target, 2) == 0
    with lake.reading() as cursor:
        told = "SELECT count(*), count(DISTINCT seq) FROM history WHERE attribute = 'x'"
        assert cursor.execute(told).fetchone() == (count, count)
    lake.close()
    engine.close()


def test_a_file_without_what_instances_need_is_refused(lake: DuckLake, tmp_path: Path) -> None:
    target = tmp_path / "given.parquet"
    polars.DataFrame({"entity": ["urn:a"], "number": [1.0]}).write_parquet(target)
    with pytest.raises(ValueError, match="column"):
        backfill(lake, target, 1)


def test_what_is_no_parquet_or_has_wrong_values_is_refused(lake: DuckLake, tmp_path: Path) -> None:
    target = tmp_path / "given.parquet"
    target.write_bytes(b"entity,number")
    with pytest.raises(ValueError, match="no Parquet file of instances") as caught:
        backfill(lake, target, 1)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ValueError, match="no Parquet file of instances"):
        backfill(lake, file(tmp_path, range(2), observed="perhaps"), 1)
    assert values(lake) == []
