"""Moving an embedded city into a database: in chunks that each are durable, then compared.

``turn`` has under the writer ``move`` which row was copied last, committed with the rows
themselves, so a move that was cut off goes on where it was. ``madang.tenant`` says of every tenant
which folder is being moved until all of them are done; no hub starts on the database before that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import orjson

from madang.model.errors import MadangError
from madang.store.connection import connect
from madang.store.engine import SYSTEM as SYSTEM_FILE
from madang.store.engine import SqliteEngine
from madang.store.postgres import schema as schemas
from madang.store.postgres.commit import INSERT
from madang.store.postgres.engine import SYSTEM_NAME, PostgresEngine
from madang.store.postgres.schema import REGISTER, SYSTEM, Connection, schema_of

CHUNK = 2_000
_DONE = 2**63 - 1  # as the last row copied: all are
_OTHERS = {
    "shape": ("id, types, attributes, count", "id"),
    "outbox": ("seq, count, body", "seq"),
    "item": ("kind, id, body", "kind, id"),
    "delivery": ("key, subscription, at, body, attempts, error", "key"),
}
_ENTITY = "id, shape, created, modified, written, expires"
_ENTITIES = f"SELECT rowid, {_ENTITY}, west, south, east, north, times, doc FROM entity"
_ENTITIES += " WHERE rowid > ? ORDER BY rowid LIMIT ?"  # a chunk after the last one

Told = Callable[[str, int], None]
"""Is told what is done to a tenant, and of how many entities more."""


class MoveError(MadangError):
    """The city cannot be moved to this database, or is not there as it was."""


class Source:
    """An embedded tenant: its name, its file, and the schema it moves to."""

    def __init__(self, name: str, schema: str, file: Path) -> None:
        self.name = name
        self.schema = schema
        self.file = file
        with closing(connect(file)) as connection:
            self.entities = int(next(connection.execute("SELECT count(*) FROM entity"))[0])


async def sources(folder: Path) -> list[Source]:
    """Return the tenants of a state folder, and what belongs to none."""
    engine = SqliteEngine(folder)
    found = [Source(name, schema_of(name), engine.file(name)) for name in await engine.tenants()]
    await engine.close()
    system = folder / f"{SYSTEM_FILE}.sqlite"
    return [*found, Source(SYSTEM_NAME, SYSTEM, system)] if system.exists() else found


async def move(
    engine: PostgresEngine,
    folder: Path,
    found: list[Source],
    told: Told,
    rest: Callable[[], Awaitable[None]],
) -> None:
    """Copy all tenants and compare them; raises if a hub could not go on with the copies.

    Args:
        engine: where to.
        folder: the state folder they come from.
        found: see :func:`sources`.
        told: is told how far it is.
        rest: does what else there is to be done before a hub may start on the database.

    Raises:
        MoveError: the database has a city already, or a copy is not like its original.
    """
    connection = await engine.connect()
    try:
        await _begin(connection, str(folder))
        for source in found:
            await schemas.migrate(connection, source.name, source.schema)
            await connection.execute(
                f"UPDATE {REGISTER} SET moving = %s WHERE name = %s", (str(folder), source.name)
            )
        for source in found:
            with closing(connect(source.file)) as file:
                await _copy(connection, source.schema, file, lambda n: told("copying", n))
                await _compare(connection, source, file, lambda n: told("comparing", n))
        await rest()
        async with connection.transaction():
            for source in found:
                await connection.execute(f"DELETE FROM {source.schema}.turn WHERE writer = 'move'")
            await connection.execute(f"UPDATE {REGISTER} SET moving = NULL")
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _begin(connection: Connection, folder: str) -> None:
    if not await schemas.claim(connection, is_shared=False):
        raise MoveError("a hub works on that database; name one without")
    if not await schemas.has_register(connection):
        return
    rows = await connection.execute(
        f"SELECT moving FROM {REGISTER} WHERE moving IS DISTINCT FROM %s", (folder,)
    )
    other = await rows.fetchone()
    if other is not None:
        there = f"a city is being moved there from {other[0]}" if other[0] else "a city is there"
        raise MoveError(f"{there} already; name an empty database")


async def _copy(
    connection: Connection, schema: str, file: apsw.Connection, told: Callable[[int], None]
) -> None:
    rows = await connection.execute(f"SELECT number FROM {schema}.turn WHERE writer = 'move'")
    begun = await rows.fetchone()
    if begun is None:
        await _copy_others(connection, schema, file)
    last = 0 if begun is None else int(begun[0])
    if last:
        told(next(file.execute("SELECT count(*) FROM entity WHERE rowid <= ?", (last,)))[0])
    while last != _DONE:
        some = list(file.execute(_ENTITIES, (last, CHUNK)))
        last = some[-1][0] if some else _DONE
        text = orjson.dumps(list(map(_row, some))).decode()
        async with connection.transaction():
            await connection.execute(INSERT.format(s=schema), (text,))
            await connection.execute(
                f"UPDATE {schema}.turn SET number = %s WHERE writer = 'move'", (last,)
            )
        told(len(some))


async def _copy_others(connection: Connection, schema: str, file: apsw.Connection) -> None:
    """Copy everything but entities, in one transaction."""
    seq = next(
        file.execute(
            "SELECT max(coalesce((SELECT max(seq) FROM outbox), 0), coalesce((SELECT"
            " CAST(CAST(body AS TEXT) AS INTEGER) FROM item WHERE kind = 'setting'"
            " AND id = 'drained'), 0)),"
            " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'delivery'), 0)"
        )
    )
    async with connection.transaction(), connection.cursor() as cursor:
        for table, (columns, _) in _OTHERS.items():
            async with cursor.copy(f"COPY {schema}.{table} ({columns}) FROM STDIN") as copy:
                for row in file.execute(f"SELECT {columns} FROM {table}"):
                    await copy.write_row(list(map(_storable, row)))
        await cursor.execute(f"UPDATE {schema}.counter SET seq = %s, key = %s", seq)
        await cursor.execute(f"INSERT INTO {schema}.turn VALUES ('move', 0)")


def _storable(value: Any) -> Any:
    """Return a value that PostgreSQL can keep: its texts cannot have NUL."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _row(values: Any) -> dict[str, Any]:
    _, id, shape, created, modified, written, expires, *box, times, doc = values
    own = None if times is None else orjson.loads(times).get("")
    return {
        "i": id, "s": shape, "c": created, "m": modified, "w": written, "e": expires,
        "n": own[2] if own else None, "b": None if box[0] is None else box, "t": times, "d": doc,
    }  # fmt: skip


async def _compare(
    connection: Connection, source: Source, file: apsw.Connection, told: Callable[[int], None]
) -> None:
    """Hold the copy to its original: the number of rows and a checksum of each table."""
    box = "ST_XMin(place), ST_YMin(place), ST_XMax(place), ST_YMax(place)"
    here = f"SELECT {_ENTITY}, west, south, east, north, times, doc FROM entity ORDER BY id"
    there = f"SELECT {_ENTITY}, {box}, times, doc FROM {source.schema}.entity ORDER BY id"
    tables = {"entity": (here, there)}
    for table, (columns, order) in _OTHERS.items():
        text = f"SELECT {columns} FROM {{}} ORDER BY {order}"
        tables[table] = text.format(table), text.format(f"{source.schema}.{table}")
    for table, (original, copied) in tables.items():
        wanted = _digest(file.execute(original))
        found = await _digest_there(connection, copied, told if table == "entity" else _silent)
        if found != wanted:
            raise MoveError(
                f"{table} of {source.file.name} has {wanted[0]:,} rows with checksum"
                f" {wanted[1][:12]}, its copy {found[0]:,} with {found[1][:12]}; drop the database"
                " and move again"
            )


def _digest(rows: Iterable[Any]) -> tuple[int, str]:
    number, found = 0, hashlib.sha256()
    for row in rows:
        number += 1
        found.update(repr(tuple(map(_storable, row))).encode())
    return number, found.hexdigest()


async def _digest_there(
    connection: Connection, statement: str, told: Callable[[int], None]
) -> tuple[int, str]:
    number, found = 0, hashlib.sha256()
    async with connection.transaction(), connection.cursor(name="compared") as cursor:
        await cursor.execute(statement)
        while rows := await cursor.fetchmany(CHUNK):
            number += len(rows)
            for row in rows:
                found.update(repr(row).encode())
            told(len(rows))
    return number, found.hexdigest()


def _silent(_more: int) -> None:
    """Tell nobody."""
