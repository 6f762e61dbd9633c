"""The engines the contract of the store is tested on, and what a test does to one from outside."""

from __future__ import annotations

import asyncio
import atexit
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from shutil import copy
from typing import Any, Protocol

import psycopg

from madang.store.engine import SqliteEngine
from madang.store.postgres.engine import PostgresEngine
from madang.store.protocol import Engine, Store
from madang.store.sqlite import SqliteStore
from tests.contract.cluster import shared


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

    async def close(self) -> None:
        """Part with what engines still have open."""


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

    async def close(self) -> None:
        """Nothing: a closed store has nothing open."""


def _sqlite(store: Store) -> SqliteStore:
    assert isinstance(store, SqliteStore)
    return store


class PostgresPlace:
    """A database, the same in all tests: emptied for each, for to make its tables takes long."""

    is_shared = False

    def __init__(self, _folder: Path) -> None:
        self._cluster = shared()
        self.url = _database()
        self._connection = _connection()
        self._connection.execute(_EMPTY)
        self._engines: list[PostgresEngine] = []

    def engine(self, query_seconds: float = 30.0) -> Engine:
        self._engines.append(
            PostgresEngine(self.url, query_seconds=query_seconds, is_shared=self.is_shared)
        )
        return self._engines[-1]

    async def close(self) -> None:
        for engine in self._engines:
            await engine.close()

    @contextmanager
    def full(self, store: Store) -> Iterator[None]:
        with self._failing("AFTER UPDATE", "could not extend file: the disk is full"):
            yield

    @contextmanager
    def unwritable(self, store: Store) -> Iterator[None]:
        with self._failing("AFTER UPDATE", "i/o error", constraint=True):
            yield

    @contextmanager
    def _failing(self, when: str, text: str, constraint: bool = False) -> Iterator[None]:
        """Let every transaction fail, at its first statement or at the commit itself."""
        kind, late = ("CONSTRAINT ", "DEFERRABLE INITIALLY DEFERRED") if constraint else ("", "")
        self._connection.execute(
            "CREATE OR REPLACE FUNCTION failing() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '53100'; END$$;"
            f"CREATE {kind}TRIGGER failing {when} ON madang_default.counter {late}"
            " FOR EACH ROW EXECUTE FUNCTION failing()".encode()
        )
        try:
            yield
        finally:
            self._connection.execute("DROP TRIGGER failing ON madang_default.counter")

    def damage(self, store: Store) -> None:
        self._connection.execute(
            "UPDATE madang_default.shape SET count = count + 1;"
            " UPDATE madang_default.entity SET place = NULL"
        )

    def restored(self, backup: Path) -> Engine:
        engine = SqliteEngine(backup.parent / "restored")
        copy(backup, engine.file(""))
        return engine


class SharedPlace(PostgresPlace):
    """The same database, as one of several hubs works on it."""

    is_shared = True


_EMPTY = """
DELETE FROM madang_default.entity;
DELETE FROM madang_default.shape;
DELETE FROM madang_default.outbox;
DELETE FROM madang_default.item;
DELETE FROM madang_default.delivery;
DELETE FROM madang_default.turn;
UPDATE madang_default.counter SET seq = 0, key = 0;
DO $$ DECLARE s text; BEGIN
    FOR s IN DELETE FROM madang.tenant WHERE name <> '' RETURNING schema LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', s);
    END LOOP;
END $$
"""


@cache
def _database() -> str:
    """Make the database of the contract, with the tables of the default tenant."""
    url = shared().make("contract")

    async def make() -> None:
        engine = PostgresEngine(url)
        await engine.open("", create=True)
        await engine.close()

    asyncio.run(make())
    return url


@cache
def _connection() -> psycopg.Connection[Any]:
    connection = psycopg.connect(_database(), autocommit=True)
    connection.execute("SET client_min_messages = error")
    atexit.register(connection.close)
    return connection


AnyPlace = type[SqlitePlace] | type[PostgresPlace]
PLACES: list[AnyPlace] = [SqlitePlace, PostgresPlace, SharedPlace]
