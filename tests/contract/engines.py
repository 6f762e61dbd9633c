"""The engines the contract of the store is tested on, and what a test does to one from outside."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import copy
from typing import Protocol

from madang.store.engine import SqliteEngine
from madang.store.protocol import Engine, Store
from madang.store.sqlite import SqliteStore


class Place(Protocol):
    """Where an engine keeps its data during one test."""

    def engine(self, query_seconds: float = 30.0) -> Engine:
        """Return a new engine over the data that is there, as a restarted process has it."""

    def full(self, store: Store) -> AbstractContextManager[None]:
        """Let the disk be full for a while: a statement of the transaction fails."""

    def unwritable(self, store: Store) -> AbstractContextManager[None]:
        """Let the disk refuse writes for a while: the commit itself fails."""

    def damage(self, store: Store) -> None:
        """Make the store inconsistent behind its back."""

    def restored(self, backup: Path) -> Engine:
        """Return an engine whose default tenant is what a backup holds."""


class SqlitePlace:
    """A folder with SQLite files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def engine(self, query_seconds: float = 30.0) -> Engine:
        return SqliteEngine(self._folder, query_seconds)

    @contextmanager
    def full(self, store: Store) -> Iterator[None]:
        writer = _sqlite(store)._writer
        limit = writer.pragma("max_page_count")
        writer.pragma("max_page_count", writer.pragma("page_count"))
        try:
            yield
        finally:
            writer.pragma("max_page_count", limit)

    @contextmanager
    def unwritable(self, store: Store) -> Iterator[None]:
        log = _sqlite(store).file.with_suffix(".sqlite-wal")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def damage(self, store: Store) -> None:
        _sqlite(store)._writer.execute("UPDATE shape SET count = count + 1; DELETE FROM place")

    def restored(self, backup: Path) -> Engine:
        engine = SqliteEngine(backup.parent / "restored")
        copy(backup, engine.file(""))
        return engine


def _sqlite(store: Store) -> SqliteStore:
    assert isinstance(store, SqliteStore)
    return store


PLACES: list[type[SqlitePlace]] = [SqlitePlace]
