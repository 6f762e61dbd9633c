"""Tenants between the engines: from a schema to an embedded store file, and back.

A backup is such a file, so it can be restored to either engine.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from madang.store import schema as embedded
from madang.store.postgres.schema import Connection

CHUNK = 2_000

_ENTITIES = (
    "SELECT e.id, e.shape, e.created, e.modified, e.written, e.expires, ST_XMin(e.place),"
    " ST_YMin(e.place), ST_XMax(e.place), ST_YMax(e.place), e.times, e.doc"
    " FROM {s}.entity e ORDER BY e.id"
)
_OTHERS = (
    ("SELECT id, types, attributes, count FROM {s}.shape ORDER BY id", "shape", 4),
    ("SELECT seq, count, body FROM {s}.outbox ORDER BY seq", "outbox", 3),
    ("SELECT kind, id, body FROM {s}.item WHERE body IS NOT NULL ORDER BY kind, id", "item", 3),
    (
        "SELECT key, subscription, at, body, attempts, error FROM {s}.delivery ORDER BY key",
        "delivery",
        6,
    ),
)


async def to_file(connection: Connection, schema: str, target: Path) -> None:
    """Copy what a transaction sees of a schema to a new embedded store file."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    loop = asyncio.get_running_loop()
    with closing(apsw.Connection(str(part))) as file:
        embedded.migrate(file, part)
        file.execute("BEGIN")
        for statement, table, width in _OTHERS:
            insert = f"INSERT INTO {table} VALUES ({','.join('?' * width)})"
            async for rows in _chunks(connection, statement.format(s=schema)):
                await loop.run_in_executor(None, file.executemany, insert, rows)
        number = 0
        async for rows in _chunks(connection, _ENTITIES.format(s=schema)):
            await loop.run_in_executor(None, _write_entities, file, rows, number)
            number += len(rows)
        rows = await (await connection.execute(f"SELECT seq, key FROM {schema}.counter")).fetchall()
        [(seq, key)] = rows
        _write_counters(file, seq, key)
        file.execute("COMMIT")
    part.replace(target)


async def _chunks(connection: Connection, statement: str) -> Any:
    async with connection.cursor(name="copied") as cursor:
        await cursor.execute(statement)
        while rows := await cursor.fetchmany(CHUNK):
            yield rows


def _write_entities(file: apsw.Connection, rows: list[tuple[Any, ...]], number: int) -> None:
    numbered = [(*row, rowid) for rowid, row in enumerate(rows, number + 1)]
    file.executemany(
        "INSERT INTO entity (id, shape, created, modified, written, expires, west, south, east,"
        " north, times, doc, rowid) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        numbered,
    )
    file.executemany(
        "INSERT INTO place VALUES (?, ?, ?, ?, ?)",
        [(row[12], row[6], row[8], row[7], row[9]) for row in numbered if row[6] is not None],
    )


def _write_counters(file: apsw.Connection, seq: int, key: int) -> None:
    """Let numbers go on where they are, though nothing in the tables may tell of them any more."""
    file.execute("DELETE FROM sqlite_sequence WHERE name = 'delivery'")
    file.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('delivery', ?)", (key,))
