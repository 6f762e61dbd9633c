"""The rows of a move: read from SQLite, written to PostgreSQL, and held to one another."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, NamedTuple

import apsw
import orjson

from madang.model.errors import MadangError
from madang.store import move_log
from madang.store.move_log import Key, Logged
from madang.store.postgres.commit import INSERT
from madang.store.postgres.schema import Connection

CHUNK = 2_000

_ENTITY = "id, shape, created, modified, written, expires"
_BOX = "ST_XMin(place), ST_YMin(place), ST_XMax(place), ST_YMax(place)"
_ITEM = "kind, id, body"


class _Logged(NamedTuple):
    here: str
    """What SQLite selects."""
    there: str
    """What PostgreSQL selects to have the same."""
    order: str
    """By which both sort alike."""


_LOGGED: dict[Logged, _Logged] = {
    "entity": _Logged(
        f"SELECT {_ENTITY}, west, south, east, north, times, doc FROM entity",
        f"SELECT {_ENTITY}, {_BOX}, times, doc FROM {{s}}.entity e",
        "id",
    ),
    "item": _Logged(
        f"SELECT {_ITEM} FROM item", f"SELECT {_ITEM} FROM {{s}}.item e", 'kind COLLATE "C", id'
    ),
}
_WHOLE = {
    "shape": ("id, types, attributes, count", "id"),
    "outbox": ("seq, count, body", "seq"),
    "delivery": ("key, subscription, at, body, attempts, error", "key"),
}
"""Tables that are short, or of which little stays long enough to be copied twice."""

_LAST = (
    "SELECT max(coalesce((SELECT max(seq) FROM outbox), 0), coalesce((SELECT"
    " CAST(CAST(body AS TEXT) AS INTEGER) FROM item WHERE kind = 'setting'"
    " AND id = 'drained'), 0)),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'delivery'), 0)"
)

Row = tuple[Any, ...]
Told = Callable[[int], None]
"""Is told of how many rows more something is done."""


class MoveError(MadangError):
    """The city cannot be moved to this database, or is not there as it was."""


class Marks(NamedTuple):
    """What is compared."""

    rows: int
    checksum: str


def storable(row: Iterable[Any]) -> Row:
    """Return values that PostgreSQL can keep: its texts cannot have NUL."""
    return tuple(v.replace("\0", "\ufffd") if isinstance(v, str) else v for v in row)


# --- the first copy ---------------------------------------------------------------------------


def entities_after(file: apsw.Connection, rowid: int) -> tuple[int, list[Row]]:
    """Return the next chunk of entities and the last rowid of it."""
    select = _LOGGED["entity"].here.replace("SELECT", "SELECT rowid,", 1)
    found = list(file.execute(f"{select} WHERE rowid > ? ORDER BY rowid LIMIT ?", (rowid, CHUNK)))
    return (found[-1][0] if found else rowid), [row[1:] for row in found]


async def insert(connection: Connection, schema: str, table: Logged, rows: Sequence[Row]) -> None:
    """Write rows, but for entities that are there already."""
    if table == "entity":
        text = orjson.dumps(list(map(_entity, rows))).decode()
        await connection.execute(INSERT.format(s=schema), (text,))
        return
    await _fill(connection, f"{schema}.item ({_ITEM})", rows)


def _entity(values: Row) -> dict[str, Any]:
    id, shape, created, modified, written, expires, *box, times, doc = values
    own = None if times is None else orjson.loads(times).get("")
    return {
        "i": id, "v": 1, "s": shape, "c": created, "m": modified, "w": written, "e": expires,
        "n": own[2] if own else None, "b": None if box[0] is None else box, "t": times, "d": doc,
    }  # fmt: skip


async def _fill(connection: Connection, table: str, rows: Iterable[Row]) -> None:
    async with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            await copy.write_row(storable(row))


# --- what has changed -------------------------------------------------------------------------


async def renew(
    connection: Connection, schema: str, file: apsw.Connection, table: Logged, keys: Sequence[Key]
) -> int:
    """Make rows what they are in the file now; return how many more there are than before.

    Raises:
        MoveError: one of them is not there as it was written.
    """
    columns = [list(column) for column in zip(*keys, strict=True)]
    names = move_log.KEYS[table]
    here, there, _ = _LOGGED[table]
    given = ", ".join(f"value ->> {n}" for n in range(len(names)))
    rows = list(
        file.execute(
            f"{here} WHERE ({', '.join(names)}) IN (SELECT {given} FROM json_each(?))",
            (orjson.dumps(keys).decode(),),
        )
    )
    arrays = ", ".join("%s::text[]" for _ in names)
    among = f"unnest({arrays}) AS k({', '.join(f'k{n}' for n in range(len(names)))})"
    same = " AND ".join(f"e.{name} = k.k{n}" for n, name in enumerate(names))
    values = [list(storable(column)) for column in columns]
    async with connection.transaction():
        gone = await connection.execute(
            f"DELETE FROM {schema}.{table} e USING {among} WHERE {same}", values
        )
        await insert(connection, schema, table, rows)
    read = await connection.execute(f"{there.format(s=schema)}, {among} WHERE {same}", values)
    found = {row[: len(names)]: row for row in await read.fetchall()}
    wanted = {row[: len(names)]: row for row in map(storable, rows)}
    if found != wanted:
        wrong = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
        raise MoveError(f"{table} {' '.join(wrong[0])} is not in the database as it was written")
    return len(rows) - gone.rowcount


async def renew_others(connection: Connection, schema: str, file: apsw.Connection) -> None:
    """Copy what is short whole, in one transaction, and hold it to the original.

    Raises:
        MoveError: a copy is not like its original.
    """
    with move_log.snapshot(file):
        async with connection.transaction():
            for table, (columns, _) in _WHOLE.items():
                await connection.execute(f"DELETE FROM {schema}.{table}")
                rows = file.execute(f"SELECT {columns} FROM {table}")
                await _fill(connection, f"{schema}.{table} ({columns})", rows)
            numbers = next(file.execute(_LAST))
            await connection.execute(f"UPDATE {schema}.counter SET seq = %s, key = %s", numbers)
        for table, (columns, order) in _WHOLE.items():
            text = f"SELECT {columns} FROM {{}} ORDER BY {order}"
            wanted = _digest(map(storable, file.execute(text.format(table))))
            copied = rows_of(connection, text.format(f"{schema}.{table}"))
            check(table, wanted, (await _digest_there(copied, frozenset(), 0, _silent))[0])


# --- comparing --------------------------------------------------------------------------------


async def compare(
    connection: Connection, schema: str, file: apsw.Connection, told: Told
) -> dict[Logged, int]:
    """Hold the copy to its original, but for what is noted to have changed since.

    Returns:
        How many rows the copy of each table has.

    Raises:
        MoveError: the number of rows or a checksum differs.
    """
    counts: dict[Logged, int] = {}
    with move_log.snapshot(file):
        for table, (here, there, order) in _LOGGED.items():
            size = len(move_log.KEYS[table])
            noted = frozenset(move_log.noted(file, table))
            order_here = order.replace(' COLLATE "C"', "")
            rows = map(storable, file.execute(f"{here} ORDER BY {order_here}"))
            wanted = _digest(row for row in rows if row[:size] not in noted)
            copied = rows_of(connection, f"{there.format(s=schema)} ORDER BY {order}")
            found, counts[table] = await _digest_there(
                copied, noted, size, told if table == "entity" else _silent
            )
            check(table, wanted, found)
    return counts


def check(table: str, wanted: Marks, found: Marks) -> None:
    """Raise MoveError if a copy is not like its original."""
    if found != wanted:
        raise MoveError(
            f"{table} has {wanted.rows:,} rows with checksum {wanted.checksum[:12]}, its copy"
            f" {found.rows:,} with {found.checksum[:12]}; drop the database and move again"
        )


async def rows_of(connection: Connection, statement: str) -> AsyncIterator[list[Row]]:
    """Yield the rows of a statement in chunks."""
    async with connection.transaction(), connection.cursor(name="compared") as cursor:
        await cursor.execute(statement)
        while rows := await cursor.fetchmany(CHUNK):
            yield rows


def _digest(rows: Iterable[Row]) -> Marks:
    number, found = 0, hashlib.sha256()
    for row in rows:
        number += 1
        found.update(repr(row).encode())
    return Marks(number, found.hexdigest())


async def _digest_there(
    chunks: AsyncIterator[list[Row]], noted: frozenset[Key], size: int, told: Told
) -> tuple[Marks, int]:
    """Return the marks of what is not noted, and how many rows there are with those that are."""
    number, total, found = 0, 0, hashlib.sha256()
    async for rows in chunks:
        total += len(rows)
        for row in rows:
            if row[:size] not in noted:
                number += 1
                found.update(repr(row).encode())
        told(len(rows))
    return Marks(number, found.hexdigest()), total


def _silent(_more: int) -> None:
    """Tell nobody."""
