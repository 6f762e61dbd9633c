"""The lakes of a move: each copied as it is at one moment, then brought to later ones.

A lake of one moment is a copy of its catalog and second names of its files, which cost nothing and
stay when the hub merges them. Each is a folder named by the number of that state. The copy in the
database notes to which of them it was brought, so a move that was cut off goes on with that one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from madang.commands import keep_lake
from madang.hub.lakes import Lakes
from madang.lake.bucket import SCHEME
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.storage import MARKER
from madang.lake.transfer import Parts, TransferError
from madang.store.engine import stem

if TYPE_CHECKING:
    import duckdb

    from madang.lake.catalog_postgres import PostgresCatalog

OPEN = 8  # copies that stay open, each with some connections to the database

_COPY = "copy"  # file: id and place of the copy's own files

Told = Callable[[int], None]
"""Is told of how many instances more are there and compared."""


class MovedLakes:
    """Moves the lakes of a city.

    Args:
        lakes: where they are, and where they go.
        folder: for what that needs.
        told: is told how far it is.
    """

    def __init__(self, lakes: Lakes, folder: Path, told: Told) -> None:
        self._lakes = lakes
        self._folder = folder
        self._told = told
        self._engine = Engine(folder / "scratch")
        self._numbers: dict[str, int] = {}
        """By tenant the number of the state that the copy is like."""
        self._parts: dict[str, Parts] = {}
        self._instances: dict[str, int] = {}
        self._open: dict[str, DuckLake] = {}

    @property
    def instances(self) -> int:
        """How many instances have been moved."""
        return sum(self._instances.values())

    def count(self, tenants: list[str]) -> int:
        """Return how many instances there are, about."""
        total = 0
        for tenant in tenants:
            file = self._lakes.embedded(tenant).file
            if file.exists():
                with closing(_catalog(file)) as catalog:
                    total += _asked(catalog, "SELECT sum(record_count) FROM ducklake_data_file")
        return total

    def check(self, tenants: list[str]) -> None:
        """Make sure that there is nobody else's history where that of the tenants shall be.

        Raises:
            OSError: there is.
        """
        with closing(self._engine.cursor()) as cursor:
            for tenant in tenants:
                if self._lakes.embedded(tenant).file.exists():
                    with closing(self._lakes.in_database(tenant)) as catalog:
                        self._make_room(catalog, self._folder / stem(tenant), cursor)

    def _make_room(
        self, catalog: PostgresCatalog, home: Path, cursor: duckdb.DuckDBPyConnection
    ) -> None:
        """Make a place free if its files are of a copy that is begun anew."""
        if catalog.id is not None:
            return
        catalog.storage.open(self._engine, cursor)
        if _place(home) == (catalog.storage.id(cursor), catalog.storage.shown):
            catalog.storage.disown(cursor)
        else:
            discard(home)
        catalog.check_free(cursor)

    def follow(self, tenants: list[str]) -> int:
        """Copy what is not there yet, or has changed since it was; return of how many lakes.

        Raises:
            TransferError: a copy is not like its original.
            LakeChanged: a lake was rewritten again and again while it was looked at.
            OSError: a lake cannot be read or written.
        """
        return sum(self._follow(tenant) for tenant in tenants)

    def _follow(self, tenant: str) -> bool:
        own = self._lakes.embedded(tenant)
        if not own.file.exists():
            return False
        newest = _newest(own.file)
        if not newest or newest == self._numbers.get(tenant):
            return False
        copy = self._copy(tenant)
        if tenant not in self._numbers:
            self._take_up(tenant, copy)
        self._bring(tenant, copy)
        return True

    def _copy(self, tenant: str) -> DuckLake:
        """Return the copy of a lake, open; opening takes longer than what is often to be done."""
        copy = self._open.pop(tenant, None)
        if copy is None:
            home, catalog = self._folder / stem(tenant), self._lakes.in_database(tenant)
            copy = DuckLake(self._engine, catalog)
            home.mkdir(parents=True, exist_ok=True)
            note = self._folder / _COPY
            note.write_text(f"{catalog.id} {catalog.storage.shown}", "utf-8")
            note.replace(home / _COPY)  # whole, even if this is where it is cut off
            if len(self._open) >= OPEN:
                self._open.pop(next(iter(self._open))).close()
        self._open[tenant] = copy
        return copy

    def _take_up(self, tenant: str, copy: DuckLake) -> None:
        """Make a copy, or make sure that one which a move before has made is as it was left."""
        home = self._folder / stem(tenant)
        number = copy.followed
        found = sorted(int(one.name) for one in home.glob("*") if one.name.isdecimal())
        if not number:
            number = found[0] if found else self._freeze(tenant)
        elif number not in found:
            raise TransferError(f"{home} has not what was begun to be moved; drop the database")
        with closing(self._opened(home / str(number))) as lake:
            instances = (
                copy.take_over(lake, self._told) if not copy.followed else copy.hold_to(lake)
            )
            self._parts[tenant] = lake.parts
        self._instances[tenant], self._numbers[tenant] = instances, number
        self._remove_but(home, number)

    def _bring(self, tenant: str, copy: DuckLake) -> None:
        """Bring a copy to the state in which its original is now."""
        home = self._folder / stem(tenant)
        number = self._freeze(tenant)
        if number == self._numbers[tenant]:
            return
        with closing(self._opened(home / str(number))) as lake:
            more = copy.follow(self._parts[tenant], lake)
            self._parts[tenant] = lake.parts
        self._instances[tenant] += more
        self._numbers[tenant] = number
        self._told(max(more, 0))
        self._remove_but(home, number)

    def _freeze(self, tenant: str) -> int:
        """Keep a lake as it is now; return the number of that state."""
        home = self._folder / stem(tenant)
        part = home / "part"
        keep_lake.copy_one(self._lakes.embedded(tenant).home, part, linked)
        number = _newest(part / SqliteCatalog.FILE)
        if not (home / str(number)).exists():
            part.rename(home / str(number))
        return number

    @staticmethod
    def _remove_but(home: Path, number: int) -> None:
        for one in home.iterdir():
            if one.name not in (str(number), _COPY):
                shutil.rmtree(one)

    def _opened(self, home: Path) -> DuckLake:
        return DuckLake(self._engine, SqliteCatalog(home))

    def close(self) -> None:
        """Let go of everything."""
        for copy in self._open.values():
            copy.close()
        self._open.clear()
        self._engine.close()


def linked(file: Path, to: Path) -> None:
    """Give a file that never changes a second path, by which it stays."""
    try:
        os.link(file, to)
    except OSError:  # another disk, or one without links
        shutil.copyfile(file, to)


def discard(home: Path) -> None:
    """Remove the files of a copy whose database is gone, or is to go.

    Args:
        home: what a move has kept of a tenant's lake.
    """
    id, place = _place(home)
    marker = Path(place) / MARKER
    if place and marker.exists() and marker.read_text("ascii") == id:  # or it is somebody else's
        shutil.rmtree(Path(place) / "shared", ignore_errors=True)
        marker.unlink()


def left(home: Path) -> str:
    """Return the place in a bucket where a copy has files that are to be removed there, if any."""
    place = _place(home)[1]
    return place if place.startswith(SCHEME) else ""


def _place(home: Path) -> tuple[str, str]:
    """Return the id of the lake that a copy is, and the place of its files; empty before."""
    note = home / _COPY
    if not note.exists():
        return "", ""
    id, _, place = note.read_text("utf-8").partition(" ")
    return id, place


def _newest(file: Path) -> int:
    """Return the number of the state in which a lake is; 0 before it is whole."""
    with closing(_catalog(file)) as catalog:
        return _asked(catalog, "SELECT max(snapshot_id) FROM ducklake_snapshot")


def _catalog(file: Path) -> apsw.Connection:
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(30_000)
    return connection


def _asked(catalog: apsw.Connection, question: str) -> int:
    """Return a number; 0 while a hub makes the tables."""
    try:
        return int(next(catalog.execute(question))[0] or 0)
    except apsw.SQLError:
        return 0
