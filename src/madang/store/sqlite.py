"""The embedded engine: one SQLite file a tenant, write-ahead log, full sync, group commit.

The statements of a commit run on the event loop's thread, where nothing competes for the
interpreter; only ``COMMIT`` itself, which waits for the disk, runs on a thread of its own, so that
reads go on meanwhile. Readers have connections of their own and see what was last committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import orjson

from madang.model.entity import Entity
from madang.query.tree import Query
from madang.store import schema, sql
from madang.store.connection import connect
from madang.store.log import Log
from madang.store.places import kept
from madang.store.protocol import (
    Batch,
    Block,
    Change,
    Delivery,
    Documents,
    ItemKind,
    Page,
    Row,
    Shape,
)
from madang.store.rows import Head, Texts, outbox_row, read_times, times_text
from madang.store.shapes import SqliteShapes
from madang.store.sqlite_pool import ReaderPool
from madang.store.sqlite_read import Plan, Reader, plan, tally
from madang.store.upkeep import blocks, copy, faults, forget
from madang.store.worker import Worker

KEPT = 20_000  # entities kept in memory, for what is written or read again and again
LAST_WAIT_MS = 1_000  # at the end, for who reads the log: it may be long, and nothing is lost
INLINE_STEPS = 120_000  # SQLite steps (some milliseconds) a query may take on the loop

_LOAD = """
SELECT e.rowid, e.shape, e.west, e.south, e.east, e.north,
       e.created, e.modified, e.written, e.times, e.doc
FROM entity e WHERE e.id = ?
"""
_INSERT = """
INSERT INTO entity (id, shape, created, modified, written, expires, west, south, east, north,
                    times, doc, rowid)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE = "UPDATE entity SET created=?, modified=?, written=?, times=?, doc=? WHERE rowid=?"
_RESHAPE = """
UPDATE entity SET id=?, shape=?, created=?, modified=?, written=?, expires=?, west=?, south=?,
                  east=?, north=?, times=?, doc=?
WHERE rowid=?
"""
_OUTBOX = "INSERT INTO outbox (seq, count, body) VALUES (?, ?, ?)"
_DELIVERY = "INSERT INTO delivery (subscription, at, body) VALUES (?, ?, ?) RETURNING key"


class SqliteStore:
    """The state of one tenant in one SQLite file. See :class:`madang.store.protocol.Store`."""

    def __init__(self, file: Path, query_seconds: float) -> None:
        self.file = file
        self._writer = connect(file)
        schema.migrate(self._writer, file)
        self._shapes = SqliteShapes(self._writer)
        self._heads: dict[str, Head] = {}
        self._rows: dict[str, Row] = {}
        self._seq: int = self._one(
            "SELECT max(coalesce((SELECT max(seq) FROM outbox), 0),"
            " coalesce((SELECT CAST(CAST(body AS TEXT) AS INTEGER) FROM item"
            "           WHERE kind='setting' AND id='drained'), 0))"
        )
        self._rowid: int = self._one("SELECT coalesce(max(rowid), 0) FROM entity")
        self.next_expiry: int | None = self._one(
            "SELECT min(expires) FROM entity WHERE expires IS NOT NULL"
        )
        self._writing = asyncio.Lock()
        self._committer = Worker(f"commit-{file.stem}")
        self._reader = Reader(connect(file))
        self._pool = ReaderPool(lambda: connect(file), query_seconds)
        self._log = Log(self._writer, self._writing, self._committer, self._pool)

    def _one(self, sql: str, *values: Any) -> Any:
        row = self._writer.execute(sql, values).fetchone()
        return row[0] if row else None

    # --- the writer's turn --------------------------------------------------------------------

    async def load(self, ids: Collection[str]) -> dict[str, Entity]:
        found: dict[str, Entity] = {}
        async with self._writing:  # the log may be being copied, in a thread
            self._load(ids, found)
        return found

    def _load(self, ids: Collection[str], found: dict[str, Entity]) -> None:
        heads, execute = self._heads, self._writer.execute
        if len(heads) > KEPT:
            heads.clear()
        for id in ids:
            head = heads.get(id)
            if head is not None:
                found[id] = head.entity
                continue
            if (row := execute(_LOAD, (id,)).fetchone()) is None:
                continue
            rowid, shape, west, south, east, north, created, modified, written, times, doc = row
            box = None if west is None else (west, south, east, north)
            entity = Entity(orjson.loads(doc), created, modified, written)
            earliest = None
            if times is not None:
                earliest = read_times(entity, times)
            heads[id] = Head(rowid, shape, box, earliest, entity)
            found[id] = entity

    async def commit(self, batch: Batch) -> Sequence[int]:
        async with self._writing:
            return await self._commit(batch)

    async def _commit(self, batch: Batch) -> Sequence[int]:
        before = self._seq, self._rowid
        counts: dict[int, int] = {}
        texts: Texts = {}
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            if batch.states:
                self._write_states(batch.states, counts, texts)
            if batch.changes:
                self._write_outbox(batch.changes, texts)
            keys = self._write_rest(batch)
            await self._committer.run(self._writer.execute, "COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            self._seq, self._rowid = before
            self._heads.clear()
            self._shapes.reload()
            raise
        if counts:
            self._shapes.committed(counts)
        for id in batch.states:
            self._rows.pop(id, None)
        self._log.look()
        return keys

    def _write_states(
        self, states: dict[str, Entity | None], counts: dict[int, int], texts: Texts
    ) -> None:
        inserts, updates, reshapes, removed = [], [], [], []
        places: list[tuple[Any, ...]] = []
        heads, shape_of, dumps = self._heads, self._shapes.of, orjson.dumps
        for id, entity in states.items():
            head = heads.get(id)
            if entity is None:
                if head is not None:
                    del heads[id]
                    removed.append((head.row,))
                    counts[head.shape] = counts.get(head.shape, 0) - 1
                continue
            document = entity.document
            shape = shape_of(entity)
            times, expires = times_text(entity) if entity.times or entity.expires else (None, None)
            raw = dumps(document)
            texts[id] = entity, raw
            text = raw.decode()
            box, outgrown = kept(head.box if head else None, document, shape.geometries)
            if head is None:
                self._rowid += 1
                rowid = self._rowid
            else:
                rowid = head.row
                head.entity = entity
                if head.shape == shape.id and not outgrown and head.expires == expires:
                    updates.append(
                        (entity.created, entity.modified, entity.written, times, text, rowid)
                    )
                    continue
            row = (
                id, shape.id, entity.created, entity.modified, entity.written, expires,
                *(box or (None, None, None, None)), times, text, rowid,
            )  # fmt: skip
            heads[id] = Head(rowid, shape.id, box, expires, entity)
            if head is None:
                inserts.append(row)
                counts[shape.id] = counts.get(shape.id, 0) + 1
                if box is not None:
                    places.append((rowid, box[0], box[2], box[1], box[3]))
            else:
                reshapes.append(row)
                if head.shape != shape.id:
                    counts[head.shape] = counts.get(head.shape, 0) - 1
                    counts[shape.id] = counts.get(shape.id, 0) + 1
                if outgrown:
                    if box is None:
                        self._writer.execute("DELETE FROM place WHERE rowid=?", (rowid,))
                    else:
                        places.append((rowid, box[0], box[2], box[1], box[3]))
            if expires is not None and (self.next_expiry is None or expires < self.next_expiry):
                self.next_expiry = expires
        many = self._writer.executemany
        if updates:
            many(_UPDATE, updates)
        if inserts:
            many(_INSERT, inserts)
        if reshapes:
            many(_RESHAPE, reshapes)
        if removed:
            many("DELETE FROM entity WHERE rowid=?", removed)
            many("DELETE FROM place WHERE rowid=?", removed)
        if places:
            many("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)", places)
        if counts:
            self._shapes.write_counts(counts)

    @property
    def last_change(self) -> int:
        return self._seq

    async def newest(self) -> int:
        return self._seq

    @property
    def taken_up(self) -> int:
        return 0

    def _write_outbox(self, changes: list[Change], texts: Texts) -> None:
        rows = [outbox_row(change, texts) for change in changes]
        self._seq += len(rows)
        self._writer.execute(_OUTBOX, (self._seq, len(rows), orjson.dumps(rows)))

    def _write_rest(self, batch: Batch) -> list[int]:
        execute = self._writer.execute
        keys = [int(next(execute(_DELIVERY, row))[0]) for row in batch.deliveries]
        if batch.delivered:
            self._writer.executemany(
                "DELETE FROM delivery WHERE key=?", [(key,) for key in batch.delivered]
            )
        for key, attempts, error in batch.failed:
            execute("UPDATE delivery SET attempts=?, error=? WHERE key=?", (attempts, error, key))
        for (kind, id), body in batch.items.items():
            if body is None:
                execute("DELETE FROM item WHERE kind=? AND id=?", (kind, id))
                if kind == "subscription":
                    execute("DELETE FROM delivery WHERE subscription=?", (id,))
            else:
                execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?)", (kind, id, body))
        return keys

    # --- reading ------------------------------------------------------------------------------

    async def get(self, id: str) -> Row | None:
        found = self._rows.get(id)
        if found is None:
            found = self._reader.get(id)
            if found is not None:
                if len(self._rows) >= KEPT:
                    self._rows.clear()
                self._rows[id] = found
        return found

    async def query(self, query: Query, now: int) -> Page:
        page = self._reader.run(self._plan(query, now), INLINE_STEPS)
        return await self._in_thread(query, now) if page is None else page

    async def documents(self, query: Query, now: int) -> Documents:
        plan = self._plan(query, now)
        found = self._reader.documents(plan, INLINE_STEPS)
        if found is None:
            page = await self._in_thread(query, now)
            texts = [row.document.decode() for row in page.rows]
            found = Documents(texts, page.count, page.more)
        return found

    async def _in_thread(self, query: Query, now: int) -> Page:
        fits = sql.shape_condition(query)
        return await self._pool.run(
            lambda: self._plan(query, now), lambda since: self._shapes.has_new(since, fits)
        )

    def _plan(self, query: Query, now: int) -> Plan:
        due = self.next_expiry
        if due is not None and due <= now:
            return plan(query, self._shapes, now)
        return self._reader.plan(query, self._shapes)

    async def stream(self, query: Query, now: int) -> AsyncIterator[list[Row]]:
        async for rows in self._pool.stream(self._plan(query, now)):
            yield rows

    async def shapes(self, query: Query | None = None, now: int = 0) -> list[Shape]:
        wanted = Query() if query is None else query
        due = self.next_expiry if query is not None else None
        is_due = due is not None and due <= now
        return await self._pool.shapes(tally(wanted, self._shapes, now if is_due else None))

    @property
    def generation(self) -> int:
        return self._shapes.generation

    def layouts(self, query: Query) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        fitting = self._shapes.where(sql.shape_condition(query))
        return [(shape.types, shape.names) for shape in fitting]

    async def expired(self, now: int, limit: int) -> list[str]:
        rows = self._reader.all(
            "SELECT id FROM entity WHERE expires <= ? ORDER BY expires LIMIT ?", (now, limit)
        )
        if not rows:
            found = self._reader.all("SELECT min(expires) FROM entity WHERE expires IS NOT NULL")
            self.next_expiry = found[0][0]
        return [str(row[0]) for row in rows]

    async def items(self, kind: ItemKind) -> list[tuple[str, bytes]]:
        sql = "SELECT id, body FROM item WHERE kind=? ORDER BY id"
        return self._reader.all(sql, (kind,))

    async def item(self, kind: ItemKind, id: str) -> bytes | None:
        rows = self._reader.all("SELECT body FROM item WHERE kind=? AND id=?", (kind, id))
        return bytes(rows[0][0]) if rows else None

    async def deliveries(
        self, subscription: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Delivery]:
        where = "" if subscription is None else "subscription=? AND "
        values: tuple[Any, ...] = () if subscription is None else (subscription,)
        rows = self._reader.all(
            "SELECT key, subscription, at, body, attempts, error FROM delivery"
            f" WHERE {where}key>? ORDER BY key LIMIT ?",
            (*values, after, limit),
        )
        return [Delivery(*row) for row in rows]

    async def outbox(self, after: int, limit: int) -> list[Block]:
        return await self._pool.call(lambda connection: blocks(connection, after, limit))

    async def drained(self, upto: int) -> None:
        is_left = True
        while is_left:
            async with self._writing:
                is_left = await self._committer.run(forget, self._writer, upto)

    # --- upkeep -------------------------------------------------------------------------------

    async def backup(self, target: Path) -> None:
        await self._pool.call(lambda connection: copy(connection, target))

    async def check(self) -> list[str]:
        return await self._pool.call(faults)

    async def size(self) -> dict[str, int]:
        entities = sum(shape.count for shape in self._shapes.all.values())
        drained, waiting = self._reader.all(
            "SELECT (SELECT seq - count FROM outbox ORDER BY seq LIMIT 1),"
            " (SELECT count(*) FROM delivery)"
        )[0]
        files = self.file, self.file.with_name(self.file.name + "-wal")
        return {
            "entities": entities,
            "shapes": len(self._shapes.where(None)),
            "bytes": sum(file.stat().st_size for file in files if file.exists()),
            "outbox": 0 if drained is None else self._seq - drained,
            "deliveries": waiting,
        }

    async def close(self) -> None:
        await self._log.close()
        self._committer.close()
        self._reader.close()
        self._pool.close()
        self._writer.set_busy_timeout(LAST_WAIT_MS)
        with suppress(apsw.BusyError):  # somebody reads, a frozen mover say; the log is kept then
            self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._writer.close()
