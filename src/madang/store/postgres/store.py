"""The state of one tenant in one schema of a PostgreSQL database.

The hub is the only writer of what it has in memory (``Engine.claim``), so entities it has read or
written are kept there. The version of each row guards that all the same: a commit based on another
one is refused. What differs for several hubs is in :mod:`madang.store.postgres.shared`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
import psycopg

from madang.model.entity import Entity
from madang.model.errors import Unavailable
from madang.query.tree import Query
from madang.store.postgres import read, upkeep
from madang.store.postgres.commit import Last, Writing
from madang.store.postgres.connections import PAUSE, Connections, is_lost
from madang.store.postgres.copy import to_file
from madang.store.postgres.plan import COLUMNS, Plan, plan, tally
from madang.store.postgres.schema import Connection
from madang.store.postgres.shapes import PostgresShapes
from madang.store.protocol import (
    Batch,
    Block,
    Delivery,
    Documents,
    ItemKind,
    Outdated,
    Page,
    Row,
    Shape,
)
from madang.store.rows import Head, read_times
from madang.store.sql import shape_condition

T = TypeVar("T")
P = TypeVar("P")

KEPT = 100_000  # entities whose rows are kept in memory
PLANS = 1_000  # plans kept

_LOAD = (
    "SELECT e.id, e.version, e.shape, ST_XMin(e.place), ST_YMin(e.place), ST_XMax(e.place),"
    " ST_YMax(e.place), e.created, e.modified, e.written, e.times, e.doc"
    " FROM {s}.entity e WHERE e.id = ANY(%s)"
)


class PostgresStore:
    """See :class:`madang.store.protocol.Store`.

    Args:
        schema: of the tenant.
        reading: connections for queries; the server ends statements that take too long.
        writing: connections for everything else.
        query_seconds: how long a query may take.
    """

    is_shared = False
    """Other hubs write to the same schema."""

    def __init__(
        self, schema: str, reading: Connections, writing: Connections, query_seconds: float
    ) -> None:
        self.schema = self._schema = schema
        self._reading = reading
        self._writing = writing
        self._query_seconds = query_seconds
        self._shapes = PostgresShapes(is_shared=self.is_shared)
        self._heads: dict[str, Head] = {}
        self._loaded: dict[str, Head] = {}
        """What the writer's turn goes by: word of other hubs may take it out of the heads."""
        self._rows: dict[str, Row] = {}
        self._plans: dict[int, Plan] = {}
        self._seq = 0
        self.next_expiry: int | None = None
        self._turn = secrets.token_hex(8), 0
        self._lock = asyncio.Lock()
        self._is_known = False
        self.refusal: Callable[[], None] = lambda: None
        """Raises if the hub has lost its claim to the database."""

    async def refresh(self) -> None:
        """Learn anew what is kept in memory: shapes, last number, next expiry."""
        s = self._schema

        async def learn(connection: Connection) -> None:
            shapes = await connection.execute(f"SELECT id, types, attributes, count FROM {s}.shape")
            rows = await shapes.fetchall()
            counter = await connection.execute(
                f"SELECT seq, (SELECT min(expires) FROM {s}.entity WHERE expires IS NOT NULL)"
                f" FROM {s}.counter"
            )
            self._shapes.fill(rows)
            self._shapes.fresh.clear()
            [(self._seq, self.next_expiry)] = await counter.fetchall()

        self._heads.clear()
        self._rows.clear()
        await self._writing.do(learn)
        self._is_known = True

    # --- the writer's turn --------------------------------------------------------------------

    async def load(self, ids: Collection[str]) -> dict[str, Entity]:
        async with self._lock:
            if not self._is_known:
                await self.refresh()
            heads = self._heads
            if len(heads) > KEPT:
                heads.clear()
            found = self._loaded = {id: heads[id] for id in ids if id in heads}
            missing = [id for id in ids if id not in found]
            if missing:
                rows = await self._all(_LOAD.format(s=self._schema), (missing,))
                for id, version, shape, *box, created, modified, written, times, doc in rows:
                    entity = Entity(orjson.loads(doc), created, modified, written)
                    earliest = None if times is None else read_times(entity, times)
                    at: Any = None if box[0] is None else tuple(box)
                    found[id] = heads[id] = Head(version, shape, at, earliest, entity)
            return {id: head.entity for id, head in found.items()}

    async def commit(self, batch: Batch) -> Sequence[int]:
        async with self._lock:
            self.refusal()
            if not self._is_known:
                await self.refresh()
            try:
                heads, self._loaded = {**self._heads_of(batch), **self._loaded}, {}
                writing = Writing(batch, heads, self._shapes, is_shared=self.is_shared)
                last = await self._commit(writing)
            except BaseException as error:
                await self._failed(batch, error)
                raise
            self._remember(writing, last)
            return writing.keys(last)

    def _heads_of(self, batch: Batch) -> dict[str, Head]:
        return {id: self._heads[id] for id in batch.states if id in self._heads}

    async def _failed(self, _batch: Batch, error: BaseException) -> None:
        """Learn anew what may not be as it is in memory."""
        self._is_known = False
        if not isinstance(error, Unavailable):
            with suppress(Unavailable):
                await self.refresh()

    async def _commit(self, writing: Writing) -> Last:
        """Write and commit, again if the database went away before it had committed."""
        while True:
            self._turn = self._turn[0], self._turn[1] + 1
            last = await self._writing.do(lambda connection: self._attempt(connection, writing))
            if last is not None or (last := await self._settled()) is not None:
                return last

    async def _attempt(self, connection: Connection, writing: Writing) -> Last | None:
        """Write and commit; return the last numbers, None if it is not known what came of it."""
        try:
            last = await writing.write(connection, self._schema, self._turn)
            self._check(writing, last)
        except Outdated:
            await connection.execute("ROLLBACK")
            raise
        self._shapes.announce(writing.counts)
        try:
            await connection.execute("COMMIT")
        except psycopg.Error as error:
            if is_lost(error):
                return None
            raise
        return last

    def _check(self, _writing: Writing, _last: Last) -> None:
        """Raise Outdated if another hub has changed what this commit had to go by."""

    async def _settled(self) -> Last | None:
        """Return the last numbers if the commit of this turn was done after all.

        Nothing else can be written before that is known, so it waits for the database as long as
        that takes. Locking the row waits for a server process that is still at it.
        """
        s, (writer, number) = self._schema, self._turn
        statement = (
            f"SELECT t.last FROM {s}.counter c, {s}.turn t"
            " WHERE t.writer = %s AND t.number = %s FOR UPDATE"
        )
        while True:
            try:
                rows = await self._all(statement, (writer, number))
                return Last(*rows[0][0]) if rows else None
            except Unavailable:
                await asyncio.sleep(PAUSE)

    def _remember(self, writing: Writing, last: Last) -> None:
        """Take over into memory what is now committed."""
        self._seq = last.seq
        self._shapes.fresh.clear()
        self._shapes.committed(writing.counts)
        for id, head in writing.heads.items():
            self._rows.pop(id, None)
            if head is None:
                self._heads.pop(id, None)
                continue
            self._heads[id] = head
            due = head.expires
            if due is not None and (self.next_expiry is None or due < self.next_expiry):
                self.next_expiry = due

    @property
    def last_change(self) -> int:
        return self._seq

    async def newest(self) -> int:
        return int((await self._all(f"SELECT seq FROM {self._schema}.counter"))[0][0])

    @property
    def taken_up(self) -> int:
        return 0

    # --- reading ------------------------------------------------------------------------------

    async def get(self, id: str) -> Row | None:
        found = self._rows.get(id)
        if found is None and "\0" not in id:
            seq = self._seq
            statement = f"SELECT {COLUMNS} FROM {self._schema}.entity e WHERE e.id = %s"
            rows = await self._all(statement, (id,), self._reading)
            if rows:
                found = read.row_of(rows[0])
                if seq == self._seq and not self._lock.locked():  # it may be of before a commit
                    if len(self._rows) >= KEPT:
                        self._rows.clear()
                    self._rows[id] = found
        return found

    async def query(self, query: Query, now: int) -> Page:
        return await self._read(query, now, read.page)

    async def documents(self, query: Query, now: int) -> Documents:
        return await self._read(query, now, read.documents)

    async def _read(
        self,
        query: Query,
        now: int,
        do: Callable[[Connection, Plan, str, read.Clock], Awaitable[T]],
    ) -> T:
        clock = read.Clock(self._query_seconds)
        while True:  # until no shape came between the plan and the moment that was read
            work = self._plan(query, now)
            found = await self._limited(do, work, clock)
            if work.is_current(self._shapes):
                return found

    async def _look(self) -> None:
        """Learn which shapes there are, if others may have made some."""

    async def _limited(
        self,
        do: Callable[[Connection, P, str, read.Clock], Awaitable[T]],
        work: P,
        clock: read.Clock,
    ) -> T:
        try:
            return await self._reading.do(lambda c: do(c, work, self._schema, clock))
        except psycopg.errors.QueryCanceled:
            raise clock.over() from None

    def _plan(self, query: Query, now: int) -> Plan:
        """Return the plan of a query, kept while no shape has come or gone; found by identity."""
        due = self.next_expiry
        if due is not None and due <= now:
            return plan(query, self._shapes, self._schema, now)
        found = self._plans.get(id(query))
        if found is None or found.query is not query or found.generation != self._shapes.generation:
            if len(self._plans) > PLANS:
                self._plans.clear()
            found = self._plans[id(query)] = plan(query, self._shapes, self._schema)
        return found

    async def stream(self, query: Query, now: int) -> AsyncIterator[list[Row]]:
        async with self._reading.lent() as connection:
            while True:
                await self._look()
                work, is_first = self._plan(query, now), True
                async for rows in read.streamed(connection, work, self._schema):
                    if is_first:
                        await self._look()
                        if not work.is_current(self._shapes):
                            break
                    is_first = False
                    yield rows
                else:
                    return

    async def shapes(self, query: Query | None = None, now: int = 0) -> list[Shape]:
        wanted = Query() if query is None else query
        due = self.next_expiry if query is not None else None
        clock = read.Clock(self._query_seconds)
        is_due = due is not None and due <= now
        while True:
            work = tally(wanted, self._shapes, self._schema, now if is_due else None)
            counts = await self._limited(read.tallied, work, clock)
            if work.unsure is None or work.unsure.is_current(self._shapes):
                break
        known = self._shapes.all
        return [
            Shape(known[id].types, known[id].attributes, counts[id])
            for id in sorted(counts)
            if counts[id]
        ]

    @property
    def generation(self) -> int:
        return self._shapes.generation

    def layouts(self, query: Query) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        fitting = self._shapes.where(shape_condition(query))
        return [(shape.types, shape.names) for shape in fitting]

    async def expired(self, now: int, limit: int) -> list[str]:
        s = self._schema
        rows = await self._all(
            f"SELECT id FROM {s}.entity WHERE expires <= %s ORDER BY expires LIMIT %s",
            (now, limit),
        )
        if not rows:
            found = await self._all(
                f"SELECT min(expires) FROM {s}.entity WHERE expires IS NOT NULL"
            )
            self.next_expiry = found[0][0]
        return [str(row[0]) for row in rows]

    async def items(self, kind: ItemKind) -> list[tuple[str, bytes]]:
        statement = (
            f"SELECT id, body FROM {self._schema}.item"
            " WHERE kind = %s AND body IS NOT NULL ORDER BY id"
        )
        return [(id, bytes(body)) for id, body in await self._all(statement, (kind,))]

    async def item(self, kind: ItemKind, id: str) -> bytes | None:
        statement = f"SELECT body FROM {self._schema}.item WHERE kind = %s AND id = %s"
        rows = await self._all(statement, (kind, id))
        return bytes(rows[0][0]) if rows and rows[0][0] is not None else None

    async def deliveries(
        self, subscription: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Delivery]:
        where = "" if subscription is None else "subscription = %s AND "
        values: tuple[Any, ...] = () if subscription is None else (subscription,)
        rows = await self._all(
            f"SELECT key, subscription, at, body, attempts, error FROM {self._schema}.delivery"
            f" WHERE {where}key > %s ORDER BY key LIMIT %s",
            (*values, after, limit),
        )
        return [Delivery(*row) for row in rows]

    async def _all(
        self, statement: str, values: tuple[Any, ...] = (), by: Connections | None = None
    ) -> list[Any]:
        async def fetched(connection: Connection) -> list[Any]:
            found = await connection.execute(statement, values)
            return await found.fetchall()

        return await (by or self._writing).do(fetched)

    # --- outbox and upkeep --------------------------------------------------------------------

    async def outbox(self, after: int, limit: int) -> list[Block]:
        return await self._writing.do(lambda c: upkeep.blocks(c, self._schema, after, limit))

    async def drained(self, upto: int) -> None:
        await self._writing.do(lambda c: upkeep.forget(c, self._schema, upto))

    async def backup(self, target: Path) -> None:
        async with self._reading.lent() as connection, read.snapshot(connection, unlimited=True):
            await to_file(connection, self._schema, target)

    async def check(self) -> list[str]:
        return await self._writing.do(lambda c: upkeep.faults(c, self._schema))

    async def size(self) -> dict[str, int]:
        return await self._writing.do(lambda c: upkeep.size(c, self._schema))

    async def close(self) -> None:
        """Part with this writer's place; the engine closes the connections."""
        if self._turn[1]:
            with suppress(Unavailable):
                await self._all(
                    f"DELETE FROM {self._schema}.turn WHERE writer = %s RETURNING 1",
                    (self._turn[0],),
                )
