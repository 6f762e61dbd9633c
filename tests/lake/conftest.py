"""One DuckDB for all tests of the lake; each test has a lake of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("scratch"), 400)
    yield engine
    engine.close()


@pytest.fixture
def lake(duckdb_engine: Engine, tmp_path: Path) -> Iterator[DuckLake]:
    lake = DuckLake(duckdb_engine, tmp_path / "lake")
    yield lake
    lake.close()
