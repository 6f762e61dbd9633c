"""Reading the SQLite engine in threads, for what would hold up the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw
import orjson

from madang.model.errors import TooComplexQuery
from madang.store import sql
from madang.store.protocol import Page, Row, Shape
from madang.store.shapes import Known
from madang.store.sqlite_read import Plan, Tally, execute, free, row_of

T = TypeVar("T")

THREADS = 3
CHUNK = 500
STEP = 20_000  # SQLite steps between two looks at the clock
AGAIN = 5  # times that a page is read, if shapes come faster than that


class ReaderPool:
    """Reads in threads, each with a connection, for what would hold up the event loop."""

    def __init__(self, connect: Callable[[], apsw.Connection], seconds: float) -> None:
        self.threads = ThreadPoolExecutor(THREADS, "read")
        self._connect = connect
        self._seconds = seconds
        self._idle: SimpleQueue[apsw.Connection] = SimpleQueue()
        self._all: list[apsw.Connection] = []

    @contextmanager
    def connection(self) -> Iterator[apsw.Connection]:
        """Lend a connection to the calling thread."""
        if self._idle.empty():
            connection = self._connect()
            sql.register(connection)
            self._all.append(connection)
        else:
            connection = self._idle.get()
        try:
            yield connection
        finally:
            free(connection)
            self._idle.put(connection)

    async def call(self, work: Callable[[apsw.Connection], T]) -> T:
        def lent() -> T:
            with self.connection() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self.threads, lent)

    async def run(self, plan: Callable[[], Plan], has_new: Callable[[int], bool]) -> Page:
        """Read a page within the time limit.

        Before its turn comes, a commit may give an entity a shape that the plan does not know, and
        the page would lack it: then it is read again.

        Args:
            plan: makes the plan.
            has_new: tells whether a shape has come since a generation that the plan should know.
        """
        for _ in range(AGAIN):
            work = plan()
            page = await self._once(work)
            if not has_new(work.generation):
                break
        return page

    async def _once(self, work: Plan) -> Page:
        return await self._limited(lambda connection, end: execute(connection, work, end))

    async def shapes(self, work: Tally) -> list[Shape]:
        """Count entities by shape within the time limit."""
        found = [shape.public() for shape in work.sure]
        if work.statement:
            found += await self._limited(
                lambda connection, _end: [
                    Known(0, orjson.loads(types), orjson.loads(attributes), count).public()
                    for types, attributes, count in connection.execute(work.statement, work.values)
                ]
            )
        return found

    async def _limited(self, work: Callable[[apsw.Connection, float], T]) -> T:
        """Do work on a connection; it is given the instant at which its time is over."""
        deadline = time.monotonic() + self._seconds

        def limited(connection: apsw.Connection) -> T:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, STEP)
            try:
                return work(connection, deadline)
            except apsw.InterruptError:
                raise TooComplexQuery(
                    f"the query took longer than {self._seconds:g} s;"
                    " narrow it by type, id or place"
                ) from None

        return await self.call(limited)

    async def stream(self, work: Plan) -> AsyncIterator[list[Row]]:
        """Yield the rows of a plan in chunks, all of one snapshot."""
        loop = asyncio.get_running_loop()
        with self.connection() as connection:
            # The plan knows the shapes of now, so the rows must be those of now.
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM shape LIMIT 1").fetchall()
            rows: Iterator[Any] | None = None

            def some() -> list[Row]:
                nonlocal rows
                if rows is None:  # the first row may be far away
                    rows = iter(connection.execute(work.statement, work.values))
                found = []
                for values in rows:
                    found.append(row_of(values[:7]))
                    if len(found) == CHUNK:
                        break
                return found

            while True:
                reading = loop.run_in_executor(self.threads, some)
                try:
                    chunk = await asyncio.shield(reading)
                except asyncio.CancelledError:
                    await asyncio.wait([reading])  # the thread still has the connection
                    raise
                if not chunk:
                    return
                yield chunk

    def close(self) -> None:
        self.threads.shutdown()
        for connection in self._all:
            connection.close()
