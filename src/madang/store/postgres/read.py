"""Reading entities from PostgreSQL: pages, counts and streams, each of one moment.

Rows that a statement finds too many are looked at in memory as they come (``Plan.exact``). The
entities that their relationships lead to are fetched when a condition first asks for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import Any, NamedTuple

import psycopg

from madang.model.entity import Entity
from madang.model.errors import TooComplexQuery
from madang.query import order
from madang.query.evaluate import accepts
from madang.query.tree import Query
from madang.store.postgres.plan import COLUMNS, Plan, Tally
from madang.store.postgres.schema import Connection
from madang.store.protocol import Documents, Page, Row
from madang.store.rows import entity_of

CHUNK = 500
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Found(NamedTuple):
    """An entity that a statement found, in memory and as a row."""

    entity: Entity
    row: Row
    shape: int


class Clock:
    """The time that one query may take; waiting for rows is limited by the server."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def look(self) -> None:
        if time.monotonic() > self._end:
            raise self.over()

    def over(self) -> TooComplexQuery:
        return TooComplexQuery(
            f"the query took longer than {self._seconds:g} s; narrow it by type, id or place"
        )


def row_of(values: Any) -> Row:
    id, doc, created, modified, written, expires, times = values
    stamps = None if times is None else times.encode()
    return Row(id, doc.encode(), created, modified, written, expires, stamps)


@asynccontextmanager
async def snapshot(connection: Connection, *, unlimited: bool = False) -> AsyncIterator[None]:
    """Read one moment, for as long as it takes if ``unlimited``."""
    await connection.execute(_SNAPSHOT)
    try:
        if unlimited:
            await connection.execute("SET LOCAL statement_timeout = 0")
        yield
    finally:
        with suppress(psycopg.Error):  # a connection that is not idle is parted with
            await connection.execute("ROLLBACK")


async def page(connection: Connection, work: Plan, schema: str, clock: Clock) -> Page:
    """Return the page of a query and, if asked, the count, both of one moment."""
    if not work.is_direct:
        return await _looked_at(connection, work, schema, clock)
    found, count = await _direct(connection, work, COLUMNS)
    more = _cut(found, work.query.limit)
    return Page(list(map(row_of, found)), count, more)


async def documents(connection: Connection, work: Plan, schema: str, clock: Clock) -> Documents:
    """Return the documents of the page."""
    if not work.is_direct:
        found = await _looked_at(connection, work, schema, clock)
        texts = [row.document.decode() for row in found.rows]
        return Documents(texts, found.count, found.more)
    rows, count = await _direct(connection, work, "e.doc")
    more = _cut(rows, work.query.limit)
    return Documents([row[0] for row in rows], count, more)


async def _direct(connection: Connection, work: Plan, columns: str) -> tuple[list[Any], int | None]:
    query = work.query
    if not query.count:
        found = await connection.execute(*work.page(columns))
        return await found.fetchall(), None
    rows = None
    async with connection.pipeline():
        await connection.execute(_SNAPSHOT)
        if query.limit:
            rows = await connection.execute(*work.page(columns))
        counted = await connection.execute(work.counting, work.counted)
        await connection.execute("COMMIT")
    count = await counted.fetchone()
    assert count is not None
    return [] if rows is None else await rows.fetchall(), int(count[0])


def _cut(rows: list[Any], limit: int) -> bool:
    """Take off the row that only shows that there are more, and tell whether it was there."""
    more = 0 < limit < len(rows)
    if more:
        rows.pop()
    return more


async def _looked_at(connection: Connection, work: Plan, schema: str, clock: Clock) -> Page:
    """Return the page of what is decided or ordered in memory."""
    query = work.query
    end = query.offset + query.limit
    enough = None if query.order or query.count else end + 1
    found = None
    for size in (CHUNK,) if enough is None else (2 * enough, CHUNK):  # half is taken to match
        found = await _at_once(connection, work, min(size, CHUNK), enough)
        clock.look()
        if found is not None:
            break
    else:
        found = []
        async with snapshot(connection):
            async for some in matching(connection, work, schema, clock):
                found += [_keyed(one, query) for one in some]
                if enough is not None and len(found) >= enough:
                    break
    if query.order:
        found.sort(key=lambda pair: pair[0])
    page = [row for _, row in found[query.offset : end]]
    more = bool(query.limit) and len(found) > end
    return Page(page, len(found) if query.count else None, more)


def _keyed(found: Found, query: Query) -> tuple[Any, Row]:
    return order.sort_key(found.entity, query.order, query.collation), found.row


async def _at_once(
    connection: Connection, work: Plan, size: int, enough: int | None
) -> list[tuple[Any, Row]] | None:
    """Return what matches if so many rows have enough, or are all; None if more must be read."""
    columns = f"{COLUMNS}, e.shape"
    if enough is None:
        asked = await connection.execute(f"{work.select(columns)} LIMIT {size}", work.values)
    else:
        asked = await connection.execute(*work.part(columns, size))
    rows = await asked.fetchall()
    led: list[str] = []
    found: list[tuple[Any, Row]] = []
    for one in map(_found, rows):
        if work.exact or accepts(work.query, one.entity, linked=led.append):
            found.append(_keyed(one, work.query))
        if led:
            return None  # other entities have a say in it
        if len(found) == enough:
            return found
    return found if len(rows) < size else None


def _found(values: Any) -> Found:
    row = row_of(values[:7])
    return Found(entity_of(row), row, values[7])


async def matching(
    connection: Connection, work: Plan, schema: str, clock: Clock
) -> AsyncIterator[list[Found]]:
    """Yield what matches in chunks, within a transaction."""
    linked = _Linked(connection, schema)
    async with connection.cursor(name="matching") as cursor:
        await cursor.execute(work.select(f"{COLUMNS}, e.shape"), work.values)
        while values := await cursor.fetchmany(CHUNK):
            some = list(map(_found, values))
            yield some if work.exact else await linked.matching(work.query, some)
            clock.look()
            await asyncio.sleep(0)
    clock.look()


async def streamed(connection: Connection, work: Plan, schema: str) -> AsyncIterator[list[Row]]:
    """Yield the rows that match in chunks, all of one moment."""
    async with snapshot(connection, unlimited=True):
        if not work.exact:
            async for some in matching(connection, work, schema, Clock(inf)):
                yield [one.row for one in some]
            return
        async with connection.cursor(name="streamed") as cursor:
            await cursor.execute(work.select(), work.values)
            while found := await cursor.fetchmany(CHUNK):
                yield list(map(row_of, found))


async def tallied(connection: Connection, work: Tally, schema: str, clock: Clock) -> dict[int, int]:
    """Return how many entities match by shape; shapes of which all match have their rows' count."""
    counts: dict[int, int] = {}
    async with snapshot(connection):
        ids = [shape.id for shape in work.sure]
        found = await connection.execute(
            f"SELECT id, count FROM {schema}.shape WHERE id = ANY(%s)", (ids,)
        )
        counts.update(await found.fetchall())
        if work.unsure is None:
            return counts
        if work.unsure.exact:
            found = await connection.execute(work.unsure.counting, work.unsure.counted)
            counts.update(await found.fetchall())
            return counts
        async for some in matching(connection, work.unsure, schema, clock):
            for one in some:
                counts[one.shape] = counts.get(one.shape, 0) + 1
    return counts


class _Linked:
    """Decides on entities whose relationships lead to others, which it fetches as needed."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection = connection
        self._statement = f"SELECT {COLUMNS} FROM {schema}.entity e WHERE e.id = ANY(%s)"
        self._known: dict[str, Entity | None] = {}
        self._missing: set[str] = set()

    def _find(self, id: str) -> Entity | None:
        if id not in self._known:
            self._missing.add(id)
        return self._known.get(id)

    async def matching(self, query: Query, some: list[Found]) -> list[Found]:
        """Return those that match; asked again for as long as they lead to more entities."""
        if len(self._known) > 20 * CHUNK:
            self._known.clear()
        while True:
            found = [one for one in some if accepts(query, one.entity, linked=self._find)]
            if not self._missing:
                return found
            await self._fetch()

    async def _fetch(self) -> None:
        ids = [id for id in self._missing if "\0" not in id]
        rows = await self._connection.execute(self._statement, (ids,))
        self._known |= dict.fromkeys(self._missing)
        self._known |= {values[0]: entity_of(row_of(values)) for values in await rows.fetchall()}
        self._missing.clear()
