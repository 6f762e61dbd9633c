"""The catalogs that the contract of the lake is tested on."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

from madang.lake.bucket import Bucket
from madang.lake.catalog import Catalog, SqliteCatalog
from madang.lake.catalog_postgres import PostgresCatalog
from madang.lake.storage import Folder
from tests.contract import objects
from tests.contract.cluster import shared

MakeCatalog = Callable[[Path], Catalog]
"""Makes the catalog of a lake whose files are in a folder; of the same folder, the same lake."""

_schemas: dict[Path, str] = {}
_fresh = count(1)


def sqlite(home: Path) -> SqliteCatalog:
    return SqliteCatalog(home)


def postgres(home: Path) -> PostgresCatalog:
    schema = _schemas.setdefault(home, f"madang_lake_{next(_fresh)}")
    return PostgresCatalog(database(), "", schema, Folder(home, "shared"))


def bucket(home: Path) -> PostgresCatalog:
    schema = _schemas.setdefault(home, f"madang_lake_{next(_fresh)}")
    server = objects.shared()
    return PostgresCatalog(
        database(), "", schema, Bucket(f"s3://{_bucket()}/{schema}", server.server())
    )


@cache
def _bucket() -> str:
    return objects.shared().bucket()


def files(make: MakeCatalog, home: Path) -> list[str]:
    """Return the Parquet files that lie in the place of a lake, as DuckDB names them."""
    if make is not bucket:
        return [str(file) for file in home.rglob("*.parquet")]
    prefix = f"{_schemas[home]}/shared/"
    names = objects.shared().names(_bucket())
    return [f"s3://{_bucket()}/{name}" for name in names if name.startswith(prefix)]


def moved(before: Path, after: Path) -> None:
    """Note that a lake's folder has another name now."""
    if before in _schemas:
        _schemas[after] = _schemas.pop(before)


@cache
def database() -> str:
    return shared().make("lakes")


EVERY: list[MakeCatalog] = [sqlite, postgres, bucket]
CATALOGS = EVERY if os.environ.get("MADANG_TEST_BUCKETS") else EVERY[:2]
"""Every contract test runs once for each engine. tests/lake/test_ducklake.py runs on a bucket too;
all the others do with the variable, which takes four minutes more."""
