"""The catalog of a lake in a schema of PostgreSQL, which many processes may read and write at once.

Rows that were drained are appended optimistically: DuckLake commits a snapshot under the next
number, and who comes second tries again, unless both have moved the mark of the drain. Whoever
changes what is there already (or reads it to decide what to add) holds an advisory lock meanwhile.
Beside DuckLake's tables the schema has ``madang_lake``: the id that must be shown beside the files,
and the lowest number given to a row that came from no change.
"""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import conninfo

from madang.lake.catalog import CatalogAway, Version
from madang.lake.engine import Engine
from madang.lake.storage import Storage
from madang.lake.window import text

if TYPE_CHECKING:
    import duckdb

NAME = "madang-history"  # of our sessions, for the server
ALONE = "madang-history-alone"
"""Of a session that holds the lock of who changes what is there. It shows a sign of life each
second, so that other hubs can tell a holder that works for long from one that is frozen."""
BEAT_S = 1.0
_SERVER = {
    "application_name": NAME,
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "client_encoding": "utf8",
}
_RETRIES = {"ducklake_max_retry_count": "50", "ducklake_retry_wait_ms": "10"}
"""DuckLake's 10 attempts, the last of them seconds apart, are few for a dozen writers."""

CHANGING, OPEN = 1, 2  # second keys of advisory locks; the first one is made of the schema's name
_OPEN = b"SELECT pg_advisory_lock_shared(%s, %s)"  # held by everybody who has the lake open

Connection = psycopg.Connection[tuple[Any, ...]]


class PostgresCatalog:
    """See :class:`madang.lake.catalog.Catalog`.

    Args:
        url: of the database, as libpq reads it.
        password: empty for ``PGPASSWORD``, a password file, or none.
        schema: of the lake; it needs no quotes.
        storage: of the Parquet files, the same for all processes that name the schema.
    """

    is_shared = True

    def __init__(self, url: str, password: str, schema: str, storage: Storage) -> None:
        self.storage = storage
        self._schema = schema
        self._password = password
        self._address = conninfo.make_conninfo(url, **_SERVER)
        digest = hashlib.sha256(schema.encode()).digest()
        self._key = int.from_bytes(digest[:4], "big", signed=True)
        self._asking = threading.Lock()
        self._connection: Connection | None = None
        self._changing = threading.RLock()
        self._lock: Connection | None = None

    @property
    def shown(self) -> str:
        return f"{self.storage.shown} (catalog: schema {self._schema} of the database)"

    # --- PostgreSQL ---------------------------------------------------------------------------

    def _connect(self, name: str = NAME) -> Connection:
        return psycopg.connect(
            conninfo.make_conninfo(self._address, password=self._password or None),
            autocommit=True,
            application_name=name,
        )

    def _ask(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a statement that may be run again, on a connection made anew if it was lost.

        Raises:
            CatalogAway: the database does not answer, or refuses it.
        """
        with self._asking:
            for is_last in (False, True):
                try:
                    if self._connection is None or self._connection.closed:
                        self._connection = self._connect()
                        self._connection.execute(_OPEN, (self._key, OPEN))
                    found = self._connection.execute(statement.encode(), values)
                    return found.fetchall() if found.description else []
                except psycopg.Error as error:
                    self._disconnect()
                    if is_last or not isinstance(error, psycopg.OperationalError):
                        raise _unreachable(error) from error
        raise AssertionError("the second attempt returns or raises")

    def sole(self) -> None:
        [(is_sole,)] = self._ask("SELECT pg_try_advisory_lock(%s, %s)", (self._key, OPEN))
        if not is_sole:
            raise OSError(f"another process has the history in {self.shown} open; stop it first")

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changing:
            if self._lock is not None:  # this thread is inside already
                yield
                return
            try:
                self._lock = self._connect(ALONE)
                self._lock.execute("SELECT pg_advisory_lock(%s, %s)", (self._key, CHANGING))
            except psycopg.Error as error:
                self._release()
                raise _unreachable(error) from error
            try:
                with _beating(self._lock):
                    yield
            finally:
                self._release()

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(psycopg.Error):
                lock.close()

    def confirm(self) -> None:
        lock = self._lock
        if lock is None:
            return
        try:
            lock.execute("SELECT 1")
        except psycopg.Error as error:
            raise _unreachable(error) from error

    # --- the lake -----------------------------------------------------------------------------

    def attach(self, engine: Engine, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        engine.require("postgres_scanner")
        for setting, value in _RETRIES.items():
            cursor.execute(f"SET GLOBAL {setting} = {value}")
        login = ""
        if self._password:  # in a secret, so that no message of DuckDB shows it
            password = self._password.replace("'", "''")
            cursor.execute(
                f"CREATE OR REPLACE SECRET {name} (TYPE postgres, PASSWORD '{password}')"
            )
            login = f", META_SECRET '{name}'"
        address = self._address.replace("'", "''")
        self.storage.open(engine, cursor)
        self._claim(cursor)
        cursor.execute(
            f"ATTACH 'ducklake:postgres:{address}' AS {name} (METADATA_SCHEMA '{self._schema}',"
            f" DATA_PATH {text(self.storage.path)}, OVERRIDE_DATA_PATH true{login})"
        )

    def _claim(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """See that the files are those of this lake: not another city's, nor an unmounted folder.

        Raises:
            OSError: they are other ones.
        """
        place = self.storage
        wanted = self.id
        if wanted is None:
            self.check_free(cursor)
            wanted = uuid.uuid4().hex
            place.claim(cursor, wanted)
            self._ask(
                f"CREATE SCHEMA IF NOT EXISTS {self._schema};"
                f"CREATE TABLE {self._schema}.madang_lake AS"
                f" SELECT '{wanted}'::text AS id, 0::bigint AS lowest"
            )
        elif place.id(cursor) != wanted:
            raise OSError(
                f"{place.shown} does not have the history whose catalog is in the schema"
                f" {self._schema}; mount the right folder there, or mend the setting history_path"
            )

    def check_free(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """See that there are no files of another lake where those of a new one shall be.

        Raises:
            OSError: there are.
        """
        if self.storage.id(cursor) and self.storage.has_files(cursor):
            raise OSError(
                f"{self.storage.shown} has the history of another city; name a place of this"
                " city's own in the setting history_path"
            )

    @property
    def id(self) -> str | None:
        """What must be shown beside the files; None if the lake is not there yet."""
        table = f"{self._schema}.madang_lake"
        [(is_there,)] = self._ask("SELECT to_regclass(%s) IS NOT NULL", (table,))
        return str(self._ask(f"SELECT id FROM {table}")[0][0]) if is_there else None

    def version(self) -> Version | None:
        s = self._schema
        [found] = self._ask(
            f"SELECT (SELECT max(snapshot_id) FROM {s}.ducklake_snapshot),"
            f" (SELECT coalesce(max(data_file_id), 0) FROM {s}.ducklake_data_file)"
        )
        return int(found[0]), int(found[1])

    def begin(self, lowest: int) -> None:
        self._ask(f"UPDATE {self._schema}.madang_lake SET lowest = least(lowest, %s)", (lowest,))

    def number(self, count: int) -> int:
        [(lowest,)] = self._ask(
            f"UPDATE {self._schema}.madang_lake SET lowest = lowest - %s RETURNING lowest", (count,)
        )
        return int(lowest) + count - 1

    def tables(self, name: str) -> str:
        return f"__ducklake_metadata_{name}.{self._schema}"

    def tidy(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Times are times here."""

    def bytes(self) -> int:
        [(size,)] = self._ask(
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = to_regnamespace(%s)",
            (self._schema,),
        )
        return int(size)

    def close(self) -> None:
        with self._asking:
            self._disconnect()


@contextmanager
def _beating(lock: Connection) -> Iterator[None]:
    """Show again and again that this process is not frozen, while the block runs."""
    ended = threading.Event()

    def beat() -> None:
        with suppress(psycopg.Error):  # the end of the block will tell
            while not ended.wait(BEAT_S):
                lock.execute("SELECT 1")

    thread = threading.Thread(target=beat, name="history-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _unreachable(error: psycopg.Error) -> CatalogAway:
    lines = str(error).strip().splitlines()
    return CatalogAway(
        f"the database of history's catalog failed: {lines[0] if lines else error!r}"
    )
