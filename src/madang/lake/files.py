"""History in a DuckLake: rows in Parquet files, a catalog of them in SQLite.

What was taken from the outbox waits in the **tail**, a table in memory, and goes to the files in
bulk. The number up to which the outbox has been drained is written in the same transaction as the
rows, and readers leave out of the tail what lies below it: whatever moment a read sees, each row is
there once. After a crash the tail is taken from the outbox again, from that number on.
Source: DuckLake 1.0 specification, https://ducklake.select.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from madang.lake import schema
from madang.lake.engine import Engine
from madang.lake.intake import TAKE
from madang.lake.kinds import Kinds
from madang.lake.protocol import Hold
from madang.lake.schema import NAMES, ORDER

if TYPE_CHECKING:
    import duckdb

log = structlog.get_logger("madang.lake")


class Files:
    """The tables of one lake and how rows get into them; reading is built on it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.folder = folder
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
        schema.attach(self._cursor, self.files, self.name, folder)
        self.drained = self._number("SELECT upto FROM {lake}.mark")
        self.taken = self.drained
        self.waiting = 0
        self.holds: Sequence[Hold] = ()
        self.kinds = Kinds()
        self.kinds.read(self._cursor, self.files)
        self._own = self._lowest()
        """The lowest number given so far to a row that came from no change."""

    def _number(self, sql: str) -> int:
        row = self._cursor.execute(sql.format(lake=self.files)).fetchone()
        return int(row[0]) if row else 0

    # --- from the outbox ----------------------------------------------------------------------

    def take(self, blocks: Sequence[tuple[int, int, bytes]]) -> None:
        if not blocks:
            return
        lasts, sizes, bodies = zip(*blocks, strict=True)
        tail = f"memory.{self.name}.tail"
        with self._taking:
            cursor = self._cursor
            texts = [body.decode() for body in bodies]
            before = self.taken
            cursor.execute("BEGIN")
            try:
                cursor.execute(
                    TAKE.replace("{tail}", tail), [list(lasts), list(sizes), texts, before]
                )
                self.kinds.learn(cursor, tail, before)
                cursor.execute("COMMIT")
            except BaseException:
                rolled_back(cursor)
                raise
            self.taken = max(before, int(lasts[-1]))
            self.waiting = self._number(f"SELECT count(*) FROM {tail} WHERE seq > {self.drained}")

    def drain(self) -> int:
        with self.writing:
            upto = self.taken
            if upto > self.drained:
                with self.transaction() as cursor:
                    cursor.execute(
                        f"INSERT INTO {self.files}.instance ({NAMES}) SELECT {NAMES}"
                        f" FROM memory.{self.name}.tail"
                        f" WHERE seq > {self.drained} AND seq <= {upto} ORDER BY {ORDER}"
                    )
                    cursor.execute(f"UPDATE {self.files}.mark SET upto = {upto}")
                with self._taking:
                    self._empty_tail(upto)
            return self.drained

    def _empty_tail(self, upto: int) -> None:
        # Readers that began before keep seeing the rows, and leave them out by the mark.
        self.drained = upto
        tail = f"memory.{self.name}.tail"
        self._cursor.execute(f"DELETE FROM {tail} WHERE seq <= {upto}")
        self.waiting = self._number(f"SELECT count(*) FROM {tail}")
        with suppressed("tail.not_compacted"):
            self._cursor.execute("CHECKPOINT memory")

    def rewind(self, upto: int) -> None:
        with self.writing, self._taking:
            with self.transaction() as cursor:
                first = self._own - 1
                cursor.execute(
                    f"UPDATE {self.files}.instance SET seq = {upto} - seq + {first}"
                    f" WHERE seq > {upto}"
                )
                cursor.execute(f"UPDATE {self.files}.mark SET upto = {upto}")
            self._own = self._lowest()
            self.taken = self.drained = upto

    def _lowest(self) -> int:
        return self._number("SELECT least(coalesce(min(seq), 0), 0) FROM {lake}.instance")

    def number(self, count: int) -> int:
        """Return the first of so many new numbers for rows that come from no change; they fall."""
        first = self._own - 1
        self._own -= count
        return first

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, outside any transaction."""
        return self._engine.cursor()

    # --- transactions -------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor inside a transaction on the files, committed at the end of the block.

        New kinds of series are written along with it.

        Raises:
            OSError: the disk is full or broken; nothing of it happened.
        """
        import duckdb

        cursor = self._engine.cursor()
        try:
            cursor.execute("BEGIN")
            yield cursor
            kinds = self.kinds.write(cursor, self.files)
            cursor.execute("COMMIT")
            self.kinds.written(kinds)
        except duckdb.Error as error:
            rolled_back(cursor)
            raise OSError(f"the lake in {self.folder} could not be written: {error}") from error
        except BaseException:
            rolled_back(cursor)
            raise
        finally:
            cursor.close()

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._engine.cursor()
        try:
            cursor.execute(f"USE memory.{self.name}")
            cursor.execute("BEGIN")
            # The tail's moment is fixed before the lake's: what leaves the tail meanwhile is
            # seen in both, and left out of the tail by the mark.
            cursor.execute("SELECT 1 FROM tail LIMIT 1").fetchall()
            cursor.execute(f"SELECT upto FROM {self.files}.mark").fetchall()
            yield cursor
        finally:
            rolled_back(cursor)
            cursor.close()

    def close(self) -> None:
        with self.writing, self._taking:
            self._cursor.execute(f"DROP SCHEMA memory.{self.name} CASCADE")
            self._cursor.execute(f"DETACH {self.files}")
            self._cursor.close()


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
