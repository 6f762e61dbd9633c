"""What one commit writes: rows of entities as JSON, in as few statements as it can be.

A statement takes all rows of its kind at once. Those that change or remove an entity name the
version they are based on; if one of them meets another, somebody else has written that entity.
"""

from __future__ import annotations

from random import getrandbits
from typing import Any, NamedTuple

import orjson

from madang.model.entity import Entity
from madang.store.places import kept
from madang.store.postgres.schema import Connection
from madang.store.postgres.shapes import PostgresShapes
from madang.store.protocol import Batch, Outdated
from madang.store.rows import Head, Texts, outbox_row, times_text

_FIRST_BITS = 28
"""Of an entity's first version, which is drawn: if another hub removes an entity and makes it anew,
it is not taken for the one that it was."""
ROWS = (
    'json_to_recordset(%s::json) AS v(i text COLLATE "C", v int, s int, c bigint, m bigint,'
    " w bigint, n bigint, e bigint, b float8[], g bool, t text, d text)"
)
_PLACE = (
    "ST_SetSRID(ST_MakeBox2D(ST_MakePoint(v.b[1], v.b[2]), ST_MakePoint(v.b[3], v.b[4]))::geometry,"
    " 4326)"
)
INSERT = (
    "INSERT INTO {s}.entity (id, shape, version, created, modified, written, ends, expires, place,"
    f" times, doc) SELECT i, s, v, c, m, w, n, e, {_PLACE}, t, d FROM {ROWS}"
    " ON CONFLICT (id) DO NOTHING"
)
_UPDATE = (
    "UPDATE {s}.entity e SET shape = v.s, version = e.version + 1, created = v.c, modified = v.m,"
    f" written = v.w, ends = v.n, expires = v.e, times = v.t, doc = v.d,"
    f" place = CASE WHEN v.g THEN {_PLACE} ELSE e.place END"
    f" FROM {ROWS} WHERE e.id = v.i AND e.version = v.v"
)
_DELETE = f"DELETE FROM {{s}}.entity e USING {ROWS} WHERE e.id = v.i AND e.version = v.v"
_COUNT = (
    "UPDATE {s}.shape s SET count = s.count + v.c"
    " FROM json_to_recordset(%s::json) AS v(s int, c bigint) WHERE s.id = v.s"
)
_COUNTER = (
    "UPDATE {s}.counter SET seq = seq + %s, key = key + %s, items = items + %s,"
    " guard = guard + %s, shapes = shapes + %s RETURNING seq, key, items, guard, shapes"
)
_TURN = (
    "INSERT INTO {s}.turn SELECT %s, %s, ARRAY[seq, key, items, guard, shapes] FROM {s}.counter"
    " ON CONFLICT (writer) DO UPDATE SET number = excluded.number, last = excluded.last"
)
_OUTBOX = "INSERT INTO {s}.outbox SELECT seq, %s, %b FROM {s}.counter"
_ITEM = (
    "INSERT INTO {s}.item SELECT %s, %s, %b, items FROM {s}.counter"
    " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, number = excluded.number"
)
_DELIVERIES = (
    "INSERT INTO {s}.delivery (key, subscription, at, body)"
    " SELECT c.key - %s + v.n, v.s, v.a, v.b FROM {s}.counter c,"
    " unnest(%s::text[], %s::bigint[], %s::bytea[]) WITH ORDINALITY AS v(s, a, b, n)"
)


class Last(NamedTuple):
    """The counters of a tenant as a commit leaves them."""

    seq: int
    """Of changes, without gaps."""
    key: int
    """Of notifications."""
    items: int
    """Of commits that changed the hub's own things."""
    guard: int
    """Of those that no other commit may miss (:attr:`Batch.is_guarded`)."""
    shapes: int
    """Of commits that made a shape."""


class Writing:
    """The rows of one batch, and what is true once they are committed."""

    def __init__(
        self, batch: Batch, heads: dict[str, Head], shapes: PostgresShapes, *, is_shared: bool
    ) -> None:
        self._batch = batch
        self._shapes = shapes
        self._is_shared = is_shared
        self.heads: dict[str, Head | None] = {}
        """By id as they are after the commit; None is gone."""
        self.counts: dict[int, int] = {}
        """By how many entities each shape changes."""
        self._inserts: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._removed: list[dict[str, Any]] = []
        texts: Texts = {}
        for id, entity in batch.states.items():
            head = heads.get(id)
            if entity is not None:
                self._put(id, entity, head, texts)
            elif head is not None:
                self.heads[id] = None
                self._removed.append({"i": id, "v": head.row})
                self._count(head.shape, -1)
        rows = [outbox_row(change, texts) for change in batch.changes]
        self._outbox = orjson.dumps(rows) if rows else b""
        self._fresh = list(shapes.fresh)

    def _put(self, id: str, entity: Entity, head: Head | None, texts: Texts) -> None:
        document = entity.document
        shape = self._shapes.of(entity)
        times, expires = times_text(entity) if entity.times or entity.expires else (None, None)
        raw = orjson.dumps(document)
        texts[id] = entity, raw
        box, outgrown = kept(head.box if head else None, document, shape.geometries)
        version = head.row if head else getrandbits(_FIRST_BITS) + 1
        self.heads[id] = Head(version + 1 if head else version, shape.id, box, expires, entity)
        row = {
            "i": id, "v": version, "s": shape.id, "c": entity.created,
            "m": entity.modified, "w": entity.written, "n": entity.expires, "e": expires,
            "b": box, "g": outgrown, "t": times, "d": raw.decode(),
        }  # fmt: skip
        (self._inserts if head is None else self._updates).append(row)
        if head is None or head.shape != shape.id:
            self._count(shape.id, 1)
            if head is not None:
                self._count(head.shape, -1)

    def _count(self, shape: int, by: int) -> None:
        self.counts[shape] = self.counts.get(shape, 0) + by

    @property
    def known(self) -> int | None:
        """See :attr:`Batch.known`."""
        return self._batch.known

    @property
    def steps(self) -> tuple[int, int, int, int, int]:
        """By how much the counters rise; see :class:`Last`."""
        batch = self._batch
        return (
            len(batch.changes), len(batch.deliveries), int(bool(batch.items)),
            int(batch.is_guarded), int(bool(self._fresh)),
        )  # fmt: skip

    async def write(self, connection: Connection, schema: str, turn: tuple[str, int]) -> Last:
        """Begin a transaction and write everything; return the counters.

        Raises:
            Outdated: an entity is no longer as it was loaded, or a shape has another's number.
        """
        by_rows = [(_UPDATE, self._updates), (INSERT, self._inserts), (_DELETE, self._removed)]
        checked = []
        async with connection.pipeline():
            await connection.execute("BEGIN")
            counter = await connection.execute(_COUNTER.format(s=schema), self.steps)
            await connection.execute(_TURN.format(s=schema), turn)
            for id, types, attributes in self._fresh:
                values = (id, types, attributes)
                done = await connection.execute(
                    f"INSERT INTO {schema}.shape VALUES (%s, %s, %s, 0) ON CONFLICT DO NOTHING",
                    values,
                )
                checked.append((done, 1))
            for statement, rows in by_rows:
                if rows:
                    text = statement.format(s=schema)
                    done = await connection.execute(text, (orjson.dumps(rows).decode(),))
                    checked.append((done, len(rows)))
            counts = [{"s": id, "c": by} for id, by in self.counts.items() if by]
            if counts:
                await connection.execute(_COUNT.format(s=schema), (orjson.dumps(counts).decode(),))
            await self._write_rest(connection, schema)
        if any(done.rowcount != wanted for done, wanted in checked):
            raise Outdated("somebody else has written one of these entities meanwhile")
        last = await counter.fetchone()
        assert last is not None
        return Last(*last)

    async def _write_rest(self, connection: Connection, schema: str) -> None:
        batch = self._batch
        if self._outbox:
            await connection.execute(_OUTBOX.format(s=schema), (len(batch.changes), self._outbox))
        if batch.deliveries:
            columns = map(list, zip(*batch.deliveries, strict=True))
            await connection.execute(
                _DELIVERIES.format(s=schema), (len(batch.deliveries), *columns)
            )
        if batch.delivered:
            await connection.execute(
                f"DELETE FROM {schema}.delivery WHERE key = ANY(%s)", (batch.delivered,)
            )
        for key, attempts, error in batch.failed:
            await connection.execute(
                f"UPDATE {schema}.delivery SET attempts = %s, error = %s WHERE key = %s",
                (attempts, error.replace("\0", "\ufffd"), key),
            )
        for (kind, id), body in batch.items.items():
            await self._write_item(connection, schema, kind, id, body)

    def keys(self, last: Last) -> list[int]:
        """Return the keys of the deliveries, given the last numbers."""
        return list(range(last.key - len(self._batch.deliveries) + 1, last.key + 1))

    async def _write_item(
        self, connection: Connection, schema: str, kind: str, id: str, body: bytes | None
    ) -> None:
        if body is not None or self._is_shared:  # that it is gone must reach the other hubs
            await connection.execute(_ITEM.format(s=schema), (kind, id, body))
        else:
            await connection.execute(
                f"DELETE FROM {schema}.item WHERE kind = %s AND id = %s", (kind, id)
            )
        if body is None and kind == "subscription":
            await connection.execute(
                f"DELETE FROM {schema}.delivery WHERE subscription = %s", (id,)
            )
