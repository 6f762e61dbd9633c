"""Moving an embedded city into a database, while a hub goes on working on it.

Of each tenant, first all entities are copied in chunks that each are durable: ``turn`` has under
the writer ``move`` which row was copied last, committed with the rows themselves. What changes
meanwhile is noted in the tenant's own file (:mod:`madang.store.move_log`) and copied anew, again
and again (:meth:`Mover.follow`), until nobody writes any more and nothing is noted
(:meth:`Mover.finish`). So a move that was cut off goes on where it was, and its last part takes as
long as there is to do then.

Each row is compared after it was written for the last time: all rows that are not noted when the
first copy is there, and those that are noted whenever they are copied. In the end the number of
entities is compared with what the hub has counted.

``madang.tenant`` says of every tenant which folder is being moved until all of them are done; no
hub starts on the database before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Literal

import apsw
import psycopg

from madang.store import move_log
from madang.store.engine import SYSTEM as SYSTEM_FILE
from madang.store.engine import SqliteEngine
from madang.store.postgres import move_rows
from madang.store.postgres import schema as schemas
from madang.store.postgres.connections import PATIENCE, PAUSE
from madang.store.postgres.engine import SYSTEM_NAME, PostgresEngine
from madang.store.postgres.move_rows import CHUNK, MoveError
from madang.store.postgres.schema import REGISTER, SYSTEM, Connection, schema_of
from madang.store.schema import MIGRATIONS

_DONE = 2**63 - 1  # as the last row copied: all are
_GIVEN_UP = " (given up)"  # behind the folder that is being moved
_LOCKED = f"LOCK TABLE {REGISTER} IN EXCLUSIVE MODE"
FROZEN_S = 10
"""How long a mover may be silent where it makes the move final, before the server ends that."""

Part = Literal["copying", "comparing"]
Told = Callable[[Part, int], None]
"""Is told of how many entities more something is done."""


class Source:
    """An embedded tenant: its name, its file, and the schema it moves to."""

    def __init__(self, name: str, schema: str, file: Path) -> None:
        self.name = name
        self.schema = schema
        self.file = file
        self.copied: int | None = None
        """How many entities the copy has; None before all of it was compared."""


async def sources(folder: Path) -> list[Source]:
    """Return the tenants of a state folder, and what belongs to none.

    Raises:
        MoveError: one of them is of another version.
    """
    engine = SqliteEngine(folder)
    found = [Source(name, schema_of(name), engine.file(name)) for name in await engine.tenants()]
    await engine.close()
    system = folder / f"{SYSTEM_FILE}.sqlite"
    if system.exists():
        found.append(Source(SYSTEM_NAME, SYSTEM, system))
    return [source for source in found if _is_whole(source.file)]


async def tenants(folder: Path) -> list[str]:
    """Return the names of the tenants of a state folder."""
    return [source.name for source in await sources(folder) if source.name != SYSTEM_NAME]


def _is_whole(file: Path) -> bool:
    """Tell whether a hub has made the tables of a file already."""
    with closing(move_log.connect(file)) as connection:
        version = connection.pragma("user_version")
    if version not in (0, len(MIGRATIONS)):
        raise MoveError(
            f"{file} has store version {version}, not {len(MIGRATIONS)}; start a hub of this"
            " version on it first"
        )
    return bool(version)


def count(found: list[Source]) -> int:
    """Return how many entities there are."""
    total = 0
    for source in found:
        with closing(move_log.connect(source.file)) as file:
            total += _counted(file)
    return total


def _counted(file: apsw.Connection) -> int:
    return int(next(file.execute("SELECT count(*) FROM entity"))[0])


async def decide(engine: PostgresEngine) -> bool:
    """Tell whether what was being moved into a database is there to its end.

    If it is not, it will not be, whatever the mover still does: that is noted for it here.

    Raises:
        MadangError: the database does not answer.
    """
    connection = await engine.connect()
    try:
        if not await schemas.has_register(connection):
            return False
        async with connection.transaction():
            await connection.execute(_LOCKED)  # after a commit that is under way
            rows = await connection.execute(
                f"UPDATE {REGISTER} SET moving = replace(moving, %s, '') || %s"
                " WHERE moving IS NOT NULL",
                (_GIVEN_UP, _GIVEN_UP),
            )
            counted = await connection.execute(f"SELECT count(*) FROM {REGISTER}")
            [(tenants,)] = await counted.fetchall()
        return bool(tenants) and not rows.rowcount
    finally:
        await connection.close()


class Mover:
    """Moves the tenants of one state folder.

    Args:
        connection: to the database, held for as long as the move takes.
        folder: the state folder.
        told: is told how far it is.
    """

    def __init__(self, connection: Connection, folder: Path, told: Told) -> None:
        self._connection = connection
        self._folder = folder
        self._told = told
        self._found: dict[str, Source] = {}
        self._step: Callable[[], None] = _unseen

    @property
    def tenants(self) -> list[str]:
        """The names of the tenants that are being moved."""
        return [name for name in self._found if name != SYSTEM_NAME]

    @property
    def entities(self) -> int:
        """How many entities have been moved."""
        return sum(source.copied or 0 for source in self._found.values())

    async def begin(self) -> None:
        """Make sure that the database is one to move to, and that nobody else works on it.

        Raises:
            MoveError: it is not.
        """
        for _ in range(int(PATIENCE / PAUSE)):  # the server may not know yet that a move was killed
            if await schemas.claim(self._connection, is_shared=False):
                break
            await asyncio.sleep(PAUSE)
        else:
            raise MoveError("a hub works on that database; name one without")
        if not await schemas.has_register(self._connection):
            return
        rows = await self._connection.execute(
            f"SELECT replace(moving, %s, '') FROM {REGISTER}"
            " WHERE replace(moving, %s, '') IS DISTINCT FROM %s",
            (_GIVEN_UP, _GIVEN_UP, str(self._folder)),
        )
        other = await rows.fetchone()
        if other is not None:
            there = (
                f"a city is being moved there from {other[0]}" if other[0] else "a city is there"
            )
            raise MoveError(f"{there} already; name an empty database")

    async def follow(self) -> int:
        """Copy what is not there yet, or has changed since it was; return how many rows.

        Raises:
            MoveError: a copy is not like its original.
        """
        rows = 0
        for source in await sources(self._folder):
            self._step()
            known = self._found.setdefault(source.name, source)
            with closing(move_log.connect(known.file)) as file:
                if known.copied is None:
                    await self._copy(known, file)
                rows += await self._renew(known, file)
        return rows

    async def prepare(self) -> None:
        """Do what would take long in the end: count what a planner must know of the tables."""
        await self._connection.execute("ANALYZE")

    async def finish(self, step: Callable[[], None], note: Callable[[], None]) -> bool:
        """Bring the move to its end, when nobody writes any more; let go of the database.

        Args:
            step: is called again and again, and raises if a hub has gone on.
            note: is called when all is there, right before that is made final.

        Returns:
            Whether it has become final; False if a hub has given it up meanwhile.

        Raises:
            MoveError: a copy is not like its original, or the database went away in the end.
        """
        self._step = step
        await self.follow()
        for source in self._found.values():
            with closing(move_log.connect(source.file)) as file:
                counted = _counted(file)
            self._step()
            if counted != source.copied:
                raise MoveError(
                    f"{source.file.name} has {counted:,} entities, its copy {source.copied:,};"
                    " drop the database and move again"
                )
        note()
        try:
            return await self._made_final()
        except psycopg.Error as error:
            said = str(error).partition("\n")[0]
            raise MoveError(
                f"the database went away while the move was made final ({said}); the hub, or its"
                " next start, finds out whether it is; if not, run the same command again"
            ) from error

    async def _made_final(self) -> bool:
        for limit in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
            await self._connection.execute(f"SET {limit} = '{FROZEN_S}s'")
        async with self._connection.transaction():
            await self._connection.execute(_LOCKED)
            rows = await self._connection.execute(
                f"UPDATE {REGISTER} SET moving = NULL WHERE moving = %s", (str(self._folder),)
            )
            if rows.rowcount < len(self._found):
                return False
            for source in self._found.values():
                await self._connection.execute(
                    f"DELETE FROM {source.schema}.turn WHERE writer = 'move'"
                )
        await self._connection.close()  # or the hub would take it for another one
        return True

    def tidy(self) -> None:
        """Leave the files as if they had never been moved."""
        for source in self._found.values():
            with closing(move_log.connect(source.file)) as file:
                move_log.end(file)

    # --- one tenant ---------------------------------------------------------------------------

    async def _copy(self, source: Source, file: apsw.Connection) -> None:
        """Copy all there is of a tenant, or what a move before has not come to, and compare it."""
        async with self._connection.transaction():  # or a hub would take it for whole
            await schemas.migrate(self._connection, source.name, source.schema)
            await self._connection.execute(
                f"UPDATE {REGISTER} SET moving = %s WHERE name = %s",
                (str(self._folder), source.name),
            )
        begun = await self._turn(source)
        if begun is None:
            move_log.begin(file)
            await self._copy_others(source, file)
        elif not move_log.is_there(file):
            raise MoveError(
                f"{source.file.name} is not the file whose move to that database was begun; drop"
                " the database and move again"
            )
        if begun != _DONE:
            await self._copy_entities(source, file, begun or 0)
        else:
            self._told("copying", _counted(file))
        await self._renew(source, file)  # so that there is less that cannot be compared
        counts = await move_rows.compare(
            self._connection, source.schema, file, lambda more: self._told("comparing", more)
        )
        source.copied = counts["entity"]

    async def _turn(self, source: Source) -> int | None:
        rows = await self._connection.execute(
            f"SELECT number FROM {source.schema}.turn WHERE writer = 'move'"
        )
        begun = await rows.fetchone()
        return None if begun is None else int(begun[0])

    async def _copy_others(self, source: Source, file: apsw.Connection) -> None:
        """Copy everything but entities."""
        items = file.execute("SELECT kind, id, body FROM item").fetchall()
        async with self._connection.transaction():
            await move_rows.insert(self._connection, source.schema, "item", items)
            await self._connection.execute(f"INSERT INTO {source.schema}.turn VALUES ('move', 0)")

    async def _copy_entities(self, source: Source, file: apsw.Connection, last: int) -> None:
        # What is made from now on is noted, so the copy comes to an end however fast that is.
        end = next(file.execute("SELECT coalesce(max(rowid), 0) FROM entity"))[0]
        if last:
            [(done,)] = file.execute("SELECT count(*) FROM entity WHERE rowid <= ?", (last,))
            self._told("copying", done)
        while last != _DONE:
            upto, rows = move_rows.entities_after(file, last)
            last = _DONE if upto >= end or not rows else upto
            async with self._connection.transaction():
                await move_rows.insert(self._connection, source.schema, "entity", rows)
                await self._connection.execute(
                    f"UPDATE {source.schema}.turn SET number = %s WHERE writer = 'move'", (last,)
                )
            self._told("copying", len(rows))

    async def _renew(self, source: Source, file: apsw.Connection) -> int:
        """Copy what has changed; return how many rows."""
        move_log.take(file)
        renewed = 0
        for table in move_log.KEYS:
            keys = move_log.noted(file, table)
            for n in range(0, len(keys), CHUNK):
                self._step()
                some = keys[n : n + CHUNK]
                more = await move_rows.renew(self._connection, source.schema, file, table, some)
                if table == "entity" and source.copied is not None:
                    source.copied += more
            renewed += len(keys)
        await move_rows.renew_others(self._connection, source.schema, file)
        move_log.settle(file)
        return renewed


def _unseen() -> None:
    """Nobody waits for the next step."""
