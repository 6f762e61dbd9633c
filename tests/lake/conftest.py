"""One DuckDB for all tests of the lake; each test has a lake of its own, with either catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from tests.contract.lakes import CATALOGS, MakeCatalog


@pytest.fixture(scope="session")
def duckdb_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("scratch"), 400)
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=CATALOGS, ids=lambda make: str(make.__name__))
def catalog(request: pytest.FixtureRequest) -> MakeCatalog:
    make: MakeCatalog = request.param
    return make


@pytest.fixture
def lake(duckdb_engine: Engine, catalog: MakeCatalog, tmp_path: Path) -> Iterator[DuckLake]:
    lake = DuckLake(duckdb_engine, catalog(tmp_path / "lake"))
    yield lake
    lake.close()
