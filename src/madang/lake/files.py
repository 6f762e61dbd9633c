"""History in a DuckLake: rows in Parquet files, a catalog of them in SQLite or PostgreSQL.

What was taken from the outbox waits in the **tail**, a table in memory, and goes to the files in
bulk. The number up to which the outbox has been drained is written in the same transaction as the
rows, so after a crash the tail is taken from the outbox again from that number on. Readers see the
files and the tail through views, which are replaced in the transaction that empties the tail:
whatever moment a read sees, each row is there once. Where other processes write the same lake, each
read first takes up what they have committed.
Source: DuckLake 1.0 specification, https://ducklake.select.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from madang.lake import schema, views
from madang.lake.catalog import Catalog, CatalogAway, Version
from madang.lake.engine import Engine
from madang.lake.intake import TAKE, one_text
from madang.lake.kinds import Kinds
from madang.lake.questions import Hold
from madang.lake.schema import NAMES, ORDER
from madang.lake.storage import FilesAway
from madang.query.tree import Temporal

if TYPE_CHECKING:
    import duckdb

log = structlog.get_logger("madang.lake")

LOWEST = "SELECT least(coalesce(min(seq), 0), 0) FROM {lake}.instance"
"""The lowest number of a row that came from no change, as SQL."""


class Outpaced(OSError):
    """Another process was faster to change the same; nothing of this was done."""


class Files:
    """The tables of one lake and how rows get into them; reading is built on it."""

    def __init__(self, engine: Engine, catalog: Catalog) -> None:
        self.catalog = catalog
        self.name = engine.name()
        """Schema in memory that has the tail and the view of everything."""
        self.files = f"{self.name}_files"
        """Catalog of what is on the disk."""
        self._engine = engine
        self.writing = threading.RLock()
        """Held by whoever changes what the files hold."""
        self._taking = threading.Lock()
        """Held by whoever changes the tail; taken after ``writing`` by who needs both."""
        self.reshaping = threading.Lock()
        """Held by whoever rewrites files or deletes from them; taken before ``writing``."""
        self._cursor = engine.cursor()
        self._version: Version | None = None
        self._tidying: duckdb.DuckDBPyConnection | None = None
        self._is_closing = False
        self.waiting = 0
        self.holds: Sequence[Hold] = ()
        self.kinds = Kinds()
        self._is_numbered = catalog.is_shared
        """Whether the catalog knows which numbers are given to rows that came from no change."""
        self._open()

    def _open(self) -> None:
        import duckdb

        try:
            with self.catalog.alone():
                self.catalog.attach(self._engine, self._cursor, self.files)
                schema.make(self._cursor, self.files)
            schema.make_tail(self._cursor, self.name)
            self.drained = self.taken = self._number("SELECT upto FROM {lake}.mark")
            self.kinds.read(self._cursor, self.files)
            self.publish()
        except (duckdb.Error, OSError) as error:
            with suppressed("lake.not_detached"):
                self._cursor.execute(f"DROP SCHEMA IF EXISTS memory.{self.name} CASCADE")
                self._cursor.execute(f"DETACH DATABASE IF EXISTS {self.files}")
            self.catalog.close()
            raise OSError(f"the lake in {self.catalog.shown} cannot be opened: {error}") from error

    def _number(self, sql: str) -> int:
        row = self._cursor.execute(sql.format(lake=self.files)).fetchone()
        return int(row[0]) if row else 0

    # --- from the outbox ----------------------------------------------------------------------

    def take(self, blocks: Sequence[tuple[int, int, bytes]]) -> None:
        if not blocks:
            return
        tail = f"memory.{self.name}.tail"
        with self._taking:
            cursor = self._cursor
            before = self.taken
            cursor.execute("BEGIN")
            try:
                cursor.execute(TAKE.replace("{tail}", tail), [one_text(blocks), before])
                self.kinds.learn(cursor, tail, before)
                cursor.execute("COMMIT")
            except BaseException:
                rolled_back(cursor)
                raise
            self.taken = max(before, blocks[-1][0])
            self.waiting = self._number(f"SELECT count(*) FROM {tail} WHERE seq > {self.drained}")

    def drain(self) -> int:
        with self.writing:
            while True:
                self.refresh()
                upto = self.taken
                if upto > self.drained:
                    try:
                        self._drain(upto)
                    except Outpaced as error:
                        if not self.catalog.is_shared:
                            raise
                        log.debug("lake.outpaced", lake=self.catalog.shown, error=str(error))
                        continue
                return self.drained

    def _drain(self, upto: int) -> None:
        with self.transaction(upto) as cursor:
            cursor.execute(
                f"INSERT INTO {self.files}.instance ({NAMES}) SELECT {NAMES}"
                f" FROM memory.{self.name}.tail"
                f" WHERE seq > {self.drained} AND seq <= {upto} ORDER BY {ORDER}"
            )

    # --- what readers see ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Take up what other processes have committed.

        Raises:
            CatalogAway: the catalog cannot be read.
        """
        import duckdb

        if self.catalog.is_shared and self.catalog.version() != self._version:
            try:
                self.publish()
            except duckdb.Error as error:
                raise CatalogAway(f"{self.catalog.shown} cannot be read: {error}") from error

    def publish(self) -> None:
        """Let readers see the files as they are now, and no longer the tail's rows in them.

        Both happen in one transaction in memory.
        """
        with self._taking:
            cursor = self._cursor
            version = self.catalog.version()  # before the files: it may be too old, never too new
            cursor.execute("BEGIN")
            try:
                drained = self._learned(cursor) if self.catalog.is_shared else self.drained
                views.make(cursor, self.catalog, self.files, self.name, drained)
                tail = f"memory.{self.name}.tail"
                cursor.execute(f"DELETE FROM {tail} WHERE seq <= {drained}")
                cursor.execute("COMMIT")
            except BaseException:
                rolled_back(cursor)
                raise
            self.drained, self._version = drained, version
            self.taken = max(self.taken, drained)
            self.waiting = self._number(f"SELECT count(*) FROM {tail}")
            with suppressed("tail.not_compacted"):
                cursor.execute("CHECKPOINT memory")

    def _learned(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Learn what other processes have noted; return up to where they have drained."""
        self.kinds.read(cursor, self.files)
        row = cursor.execute(f"SELECT upto FROM {self.files}.mark").fetchone()
        return self.drained if row is None else int(row[0])

    def rewind(self, upto: int) -> None:
        known = self.drained
        with self.catalog.alone(), self.writing:
            self.refresh()
            if upto < self.drained == known:  # or another process has done it meanwhile
                first = self.number(self.drained - upto)
                with self.transaction(upto) as cursor:
                    cursor.execute(
                        f"UPDATE {self.files}.instance SET seq = {first} - (seq - {upto + 1})"
                        f" WHERE seq > {upto}"
                    )
            self.taken = self.drained

    def number(self, count: int) -> int:
        """Return the first of so many new numbers for rows that come from no change; they fall."""
        if not self._is_numbered:  # it takes a look at every row, so it is asked for when needed
            self.catalog.begin(self._number(LOWEST))
            self._is_numbered = True
        return self.catalog.number(count)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, outside any transaction."""
        return self._engine.cursor()

    # --- transactions -------------------------------------------------------------------------

    @contextmanager
    def transaction(self, drained: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor inside a transaction on the files, committed at the end of the block.

        New kinds of series are written along with it, and how far the outbox is drained by it.

        Raises:
            Outpaced: another process has moved the mark of the drain, or changed the same rows.
            OSError: the disk is full or broken; nothing of it happened. Where a database keeps the
                catalog and its connection broke, it may have happened; :meth:`refresh` knows.
            FilesAway: the files cannot be reached; nothing of it happened.
        """
        import duckdb

        cursor = self.cursor()
        try:
            cursor.execute("BEGIN")
            yield cursor
            kinds = self.kinds.write(cursor, self.files)
            if drained is not None:
                self._move_mark(cursor, drained)
            self.catalog.storage.sync()
            self.catalog.confirm()
            cursor.execute("COMMIT")
            self.kinds.written(kinds)
            self.drained = self.drained if drained is None else drained
            self._publish_committed()
        except duckdb.Error as error:
            rolled_back(cursor)
            kind = self._kind(error)
            raise kind(f"the lake in {self.catalog.shown} could not be written: {error}") from error
        except BaseException:
            rolled_back(cursor)
            raise
        finally:
            cursor.close()

    def _publish_committed(self) -> None:
        """Let readers see what was committed; it stays so if the files cannot be reached now."""
        import duckdb

        try:
            self.publish()
        except duckdb.Error as error:
            if not self.catalog.is_shared:  # else :meth:`refresh` does it again
                raise
            log.debug("lake.not_published", lake=self.catalog.shown, error=str(error))

    @contextmanager
    def changing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor as :meth:`transaction` does, for who changes what is in files already."""
        with self.catalog.alone(), self.reshaping, self.writing, self.transaction() as cursor:
            yield cursor

    @contextmanager
    def tidying(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor as :meth:`transaction` does, for what can wait: :meth:`close` ends it.

        Raises:
            OSError: the lake is being closed; see :meth:`transaction` for other reasons.
        """
        with self.writing, self.transaction() as cursor:
            self._tidying = cursor
            try:
                if self._is_closing:
                    raise OSError(f"the lake in {self.catalog.shown} is being closed")
                yield cursor
            finally:
                self._tidying = None

    def _kind(self, error: duckdb.Error) -> type[OSError]:
        """Return what is raised for a transaction that the engine could not do."""
        if _is_conflict(error):
            return Outpaced
        return FilesAway if self.catalog.storage.is_away(error) else OSError

    def _move_mark(self, cursor: duckdb.DuckDBPyConnection, to: int) -> None:
        moved = cursor.execute(
            f"UPDATE {self.files}.mark SET upto = {to} WHERE upto = {self.drained}"
        ).fetchone()
        if moved is None or moved[0] != 1:
            raise Outpaced(f"{self.catalog.shown} was drained by another process")

    @contextmanager
    def reading(self, temporal: Temporal | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor that sees one moment: all of it, and what a window needs of it.

        Raises:
            Away: the catalog or the files cannot be read.
        """
        import duckdb

        self.refresh()
        cursor = self._engine.cursor()
        try:
            cursor.execute(f"USE memory.{self.name}")
            cursor.execute("BEGIN")
            # This fixes the moment: the views, which name the files, and the tail beside them.
            views.choose(cursor, temporal)
            yield cursor
        except duckdb.Error as error:
            if self.catalog.storage.is_away(error):
                raise FilesAway(f"{self.catalog.shown} cannot be read: {error}") from error
            raise
        finally:
            rolled_back(cursor)
            cursor.close()

    def close(self) -> None:
        """Let go of everything; what is only being tidied is broken off, and changes nothing."""
        self._is_closing = True
        while not self.reshaping.acquire(timeout=0.1):
            if (tidying := self._tidying) is not None:
                tidying.interrupt()
        try:
            with self.writing, self._taking, suppressed("lake.not_detached"):
                self._cursor.execute(f"DROP SCHEMA memory.{self.name} CASCADE")
                self._cursor.execute(f"DETACH {self.files}")
                self._cursor.close()
        finally:
            self.catalog.close()
            self.reshaping.release()


def _is_conflict(error: duckdb.Error) -> bool:
    """Tell whether DuckLake refused a commit for what another one has done meanwhile."""
    text = str(error)
    return "Transaction conflict" in text or "maximum retry count" in text


@contextmanager
def suppressed(event: str) -> Iterator[None]:
    """Log an error of DuckDB instead of raising it, where what failed is tried again later."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        log.debug(event, error=str(error))


def rolled_back(cursor: duckdb.DuckDBPyConnection) -> None:
    """End a transaction; one that the engine has ended by itself is no error."""
    import duckdb

    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error:
        return
