"""The write-ahead log of a SQLite store: kept short, without stopping the writer for long.

A long log costs every reader time and the disk space. Its pages are first copied to the file beside
the writer, who goes on meanwhile; what came in the meantime is copied in the writer's own turn.
Only a log that is copied to its end begins anew.
"""

from __future__ import annotations

import asyncio

import apsw
import structlog

from madang.store.sqlite_pool import ReaderPool
from madang.store.worker import Worker

log = structlog.get_logger("madang.store")

LONGEST = 16_000  # pages, some 64 MB, before they are copied


class Log:
    """Copies the log of one store when it has grown long."""

    def __init__(
        self, writer: apsw.Connection, writing: asyncio.Lock, worker: Worker, pool: ReaderPool
    ) -> None:
        self._writer = writer
        self._writing = writing
        self._worker = worker
        self._pool = pool
        self._pages = 0
        self._work: asyncio.Task[None] | None = None
        writer.set_wal_hook(self._grown)

    def _grown(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    def look(self) -> None:
        """Begin to copy the log if it is long. To be called after a commit."""
        if self._pages > LONGEST and self._work is None:
            self._work = asyncio.get_running_loop().create_task(self._copy())

    async def _copy(self) -> None:
        try:
            await self._pool.call(_pass)
            async with self._writing:
                await self._worker.run(_pass, self._writer)
                self._pages = 0
        except apsw.Error as error:
            log.warning("log.not_copied", error=str(error))  # tried again after a later commit
        finally:
            self._work = None

    async def close(self) -> None:
        if self._work is not None:
            await asyncio.wait([self._work])


def _pass(connection: apsw.Connection) -> None:
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
