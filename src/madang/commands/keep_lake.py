"""The lakes of a backup: of each tenant the catalog of one moment and the files it names.

A lake whose catalog is in PostgreSQL is copied row by row into one with a catalog of its own, so a
backup is the same whatever the city ran on.

They are copied after the stores. Whatever has left an outbox by then is in its lake, so a store and
a lake of the same backup have every change once between them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from madang.hub.lakes import Lakes
from madang.lake.catalog import Catalog, SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.store.upkeep import copy as copy_database

LAKE = "lake"
CATALOG = "catalog.sqlite"
FILES = "files"
TRIES = 3  # a merge may take away a file between the catalog's copy and its own
_NAMES = "SELECT path FROM ducklake_data_file UNION ALL SELECT path FROM ducklake_delete_file"


class LakeChanged(MadangError):
    """The files of a lake were rewritten while it was copied."""


def copy(data: Path, folder: Path) -> list[str]:
    """Copy all lakes of a data folder; return the paths of their files within ``folder``.

    Raises:
        LakeChanged: a lake was rewritten again and again while it was copied.
    """
    found: list[str] = []
    for catalog in sorted((data / LAKE).glob(f"*/{CATALOG}")):
        target = folder / LAKE / catalog.parent.name
        copy_one(catalog.parent, target, shutil.copyfile)
        found += [p.relative_to(folder).as_posix() for p in target.rglob("*") if p.is_file()]
    return sorted(found)


def copy_one(lake: Path, target: Path, put: Callable[[Path, Path], object]) -> None:
    """Copy a lake as it is at one moment, also while a hub writes it.

    Args:
        lake: its folder.
        target: folder for the copy; what is there goes.
        put: makes the second path of a file that never changes the same as the first.

    Raises:
        LakeChanged: it was rewritten again and again while it was copied.
    """
    for attempt in range(TRIES):
        shutil.rmtree(target, ignore_errors=True)
        try:
            _copy(lake, target, put)
            return
        except FileNotFoundError as error:
            if attempt == TRIES - 1:
                raise LakeChanged(
                    f"{lake} was rewritten while it was copied ({error}); do it again when the hub"
                    " has less to do"
                ) from error


def copy_shared(settings: Settings, tenants: Iterable[str], folder: Path) -> list[str]:
    """Copy all lakes of a city on PostgreSQL; return the paths of their files within ``folder``.

    Raises:
        TransferError: a copy is not like its original.
        OSError: a lake cannot be read.
    """
    lakes = Lakes(settings)
    engine = Engine(lakes.folder / "scratch")
    try:
        for name, catalog in lakes.existing(tenants):
            _copy_shared(engine, catalog, folder / LAKE / name)
    finally:
        engine.close()
    found = (folder / LAKE).rglob("*")
    return sorted(p.relative_to(folder).as_posix() for p in found if p.is_file())


def _copy_shared(engine: Engine, catalog: Catalog, target: Path) -> None:
    with (
        closing(DuckLake(engine, catalog)) as source,
        closing(DuckLake(engine, SqliteCatalog(target))) as copied,
    ):
        copied.take_over(source, lambda more: None)
    with closing(apsw.Connection(str(target / CATALOG))) as made:
        made.pragma("journal_mode", "delete")


def _copy(lake: Path, target: Path, put: Callable[[Path, Path], object]) -> None:
    target.mkdir(parents=True)
    flags = apsw.SQLITE_OPEN_READWRITE  # of a log left by a crash as well
    with closing(apsw.Connection(str(lake / CATALOG), flags=flags)) as source:
        source.set_busy_timeout(30_000)
        copy_database(source, target / CATALOG)
    with closing(apsw.Connection(str(target / CATALOG))) as catalog:
        catalog.pragma("journal_mode", "delete")
        names = {Path(str(row[0])).name for row in catalog.execute(_NAMES)}
    present = {file.name: file for file in (lake / FILES).rglob("*.parquet")}
    for name in sorted(names):
        file = present.get(name)
        if file is None:
            raise FileNotFoundError(f"{name} is gone")
        place = target / file.relative_to(lake)
        place.parent.mkdir(parents=True, exist_ok=True)
        put(file, place)


def fault(folder: Path, items: list[dict[str, Any]], checksum: Callable[[Path], str]) -> str | None:
    """Return what is wrong with the lakes of an unpacked backup, if anything is."""
    present = {p.relative_to(folder).as_posix() for p in (folder / LAKE).rglob("*") if p.is_file()}
    if present != {item["file"] for item in items}:
        return "the files of its lakes are not those its manifest names"
    for item in items:
        if checksum(folder / item["file"]) != item["sha256"]:
            return f"the checksum of {item['file']} is wrong: the backup is damaged"
    return None
