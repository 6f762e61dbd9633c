"""The catalogs that the contract of the lake is tested on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

from madang.lake.catalog import Catalog, SqliteCatalog
from madang.lake.catalog_postgres import PostgresCatalog
from tests.contract.cluster import shared

MakeCatalog = Callable[[Path], Catalog]
"""Makes the catalog of a lake whose files are in a folder; of the same folder, the same lake."""

_schemas: dict[Path, str] = {}
_fresh = count(1)


def sqlite(home: Path) -> SqliteCatalog:
    return SqliteCatalog(home)


def postgres(home: Path) -> PostgresCatalog:
    schema = _schemas.setdefault(home, f"madang_lake_{next(_fresh)}")
    return PostgresCatalog(database(), "", schema, home)


def moved(before: Path, after: Path) -> None:
    """Note that a lake's folder has another name now."""
    if before in _schemas:
        _schemas[after] = _schemas.pop(before)


@cache
def database() -> str:
    return shared().make("lakes")


CATALOGS: list[MakeCatalog] = [sqlite, postgres]
