"""Opens the stores of all tenants of one PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog

from madang.model.errors import MadangError, Unavailable
from madang.store.postgres import schema as schemas
from madang.store.postgres.connections import LOOKUPS, NAME, PATIENCE, PAUSE, Connections, shown
from madang.store.postgres.lease import Lease
from madang.store.postgres.nodes import Nodes
from madang.store.postgres.schema import REGISTER, SYSTEM, Connection, schema_of
from madang.store.postgres.shared import SharedStore
from madang.store.postgres.store import PostgresStore
from madang.store.word import Word

log = structlog.get_logger("madang.store")

READERS = 8
WRITERS = 4
OLDEST = 150_000  # of PostgreSQL, as libpq numbers versions
LOOK = 2.0  # [s] from one look whether the claim still stands to the next
_SHORTEST_MS = 50  # time limit of a statement, below which even a cheap one might not end
SYSTEM_NAME = "\x1fsystem"  # in the register; no tenant can have it
HELD_S = 3.0
"""How long a hub may be silent in the middle of a commit for which others wait."""
ALONE_S = 5.0
"""How long one that changes history, for which others wait, may show no sign of life."""
_FREE = (
    "SELECT holder.pid, pg_terminate_backend(holder.pid) FROM pg_stat_activity waiting,"
    " unnest(pg_blocking_pids(waiting.pid)) blocking, pg_stat_activity holder"
    " WHERE waiting.wait_event_type = 'Lock'"
    # Those of history (lake/catalog_postgres.py) have longer names.
    f" AND waiting.datname = current_database() AND waiting.application_name LIKE '{NAME}%'"
    f" AND holder.pid = blocking AND holder.application_name LIKE '{NAME}%'"
    " AND holder.usename = current_user AND holder.wait_event = 'ClientRead'"
    " AND (holder.state <> 'idle'"
    f" AND holder.state_change < now() - interval '{HELD_S:g} seconds'"
    f" OR holder.application_name = '{NAME}-history-alone'"
    f" AND holder.state_change < now() - interval '{ALONE_S:g} seconds')"
)
_MOVING = f"SELECT name, moving FROM {REGISTER} WHERE moving IS NOT NULL LIMIT 1"


class UnusableDatabase(MadangError):
    """The database cannot keep the state of a city; a person must mend it."""


class PostgresEngine:
    """One database for all tenants, a schema each.

    Args:
        url: ``postgres://user@host/database``, as libpq reads it.
        password: empty for ``PGPASSWORD``, a password file, or none.
        query_seconds: how long a query may take.
        is_shared: several hubs work on the database at the same time.
    """

    def __init__(
        self, url: str, password: str = "", query_seconds: float = 30.0, *, is_shared: bool = False
    ) -> None:
        self.is_shared = is_shared
        self.on_commit: Callable[[Word], None] = lambda _: None
        """Is told of each commit of this hub, where several share the database."""
        self.shown = shown(url)
        limit = str(max(_SHORTEST_MS, int(query_seconds * 1000)))
        self._query_seconds = query_seconds
        self._reading = Connections(url, password, READERS, {"statement_timeout": limit})
        self._writing = Connections(url, password, WRITERS, LOOKUPS)
        self._stores: dict[str, PostgresStore] = {}
        self._opening = asyncio.Lock()
        self._is_checked = False
        self._claim: Connection | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._is_taken = False

    async def open(self, tenant: str, create: bool) -> PostgresStore | None:
        if tenant in self._stores:
            return self._stores[tenant]
        if not create and tenant not in await self.tenants():
            return None
        return await self._open(tenant, schema_of(tenant))

    async def system(self) -> PostgresStore:
        """Return the store of what belongs to no tenant."""
        return await self._open(SYSTEM_NAME, SYSTEM)

    async def _open(self, name: str, schema: str) -> PostgresStore:
        async with self._opening:
            found = self._stores.get(name)
            if found is None:
                await self._check()
                await self._writing.do(lambda c: schemas.migrate(c, name, schema))
                found = self._made(name, schema)
                found.refusal = self._refuse
                await found.refresh()
                self._stores[name] = found
            return found

    def _made(self, name: str, schema: str) -> PostgresStore:
        ways = self._reading, self._writing, self._query_seconds
        if not self.is_shared:
            return PostgresStore(schema, *ways)
        store = SharedStore(name, schema, *ways)
        store.on_commit = lambda word: self.on_commit(word)
        return store

    # --- several hubs -------------------------------------------------------------------------

    def shared(self, name: str) -> SharedStore | None:
        """Return a store that is open and shared with other hubs."""
        found = self._stores.get(name)
        return found if isinstance(found, SharedStore) else None

    async def counters(self) -> list[Word]:
        """Return how far each open store has come, whoever wrote it."""
        stores = list(self._stores.items())
        parts = [
            f"SELECT {n}, seq, key, items FROM {store.schema}.counter"
            for n, (_, store) in enumerate(stores)
        ]

        async def read(connection: Connection) -> list[Word]:
            rows = await connection.execute(" UNION ALL ".join(parts))
            return [
                Word(stores[n][0], seq, key, items) for n, seq, key, items in await rows.fetchall()
            ]

        return await self._writing.do(read) if parts else []

    async def prepare_sharing(self) -> Nodes:
        """Make what hubs share the work by, if need be; return the table of hubs."""
        await self._writing.do(schemas.prepare_leases)
        return Nodes(self._writing)

    def lease(self, work: str, holder: str) -> Lease:
        """Return the lease of some work, which one hub has at a time."""
        return Lease(self._writing, work, holder)

    async def tenants(self) -> list[str]:
        await self._check()

        async def names(connection: Connection) -> list[str]:
            if not await schemas.has_register(connection):
                return []
            rows = await connection.execute(
                f"SELECT name FROM {REGISTER} WHERE name <> %s", (SYSTEM_NAME,)
            )
            return sorted(str(row[0]) for row in await rows.fetchall())

        return await self._writing.do(names)

    async def connect(self) -> Connection:
        """Return a connection of its own for who fills the database (store/postgres/move.py)."""
        await self._check()
        return await self._writing.connect()

    async def _check(self) -> None:
        """See once that the database is one that will do.

        Raises:
            UnusableDatabase: it does not answer, is too old, or lacks PostGIS.
        """
        if self._is_checked:
            return
        try:
            await self._writing.do(self._examine)
        except (Unavailable, psycopg.Error) as error:
            raise UnusableDatabase(
                f"the database {self.shown} cannot be used: {str(error).strip()}; start it or mend"
                " the setting store"
            ) from error
        self._is_checked = True

    async def _examine(self, connection: Connection) -> None:
        if connection.info.server_version < OLDEST:
            raise UnusableDatabase(
                f"the database {self.shown} is PostgreSQL"
                f" {connection.info.server_version // 10_000}; 15 or newer is needed"
            )
        rows = await connection.execute(
            "SELECT current_setting('server_encoding'),"
            " EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'postgis')"
        )
        [(encoding, has_postgis)] = await rows.fetchall()
        if encoding != "UTF8":
            raise UnusableDatabase(
                f"the database {self.shown} has encoding {encoding}; make one with UTF8"
            )
        if not has_postgis:
            raise UnusableDatabase(
                f"the server of {self.shown} has no PostGIS; install it there"
                " (Debian: postgresql-postgis)"
            )

    # --- one hub at a time --------------------------------------------------------------------

    async def claim(self) -> None:
        """Make this process the one hub of the database, or one of those that share it.

        It is that for as long as the engine is open.

        Raises:
            UnusableDatabase: another hub works on it, or it is still being moved to.
        """
        await self._check()
        connection = await self._writing.connect()
        for _ in range(int(PATIENCE / PAUSE)):  # the server may not know yet that a hub has died
            if await schemas.claim(connection, is_shared=self.is_shared):
                break
            await asyncio.sleep(PAUSE)
        else:
            await connection.close()
            raise UnusableDatabase(
                f"another hub works on {self.shown}; stop it first, name another database in the"
                " setting store, or let both share it: the setting bus"
            )
        if await schemas.has_register(connection):
            rows = await (await connection.execute(_MOVING)).fetchall()
            if rows:
                await connection.close()
                raise UnusableDatabase(
                    f"the move of {rows[0][1]} to {self.shown} has not ended; run `madang move`"
                    " again"
                )
        self._claim = connection
        self._keeping = asyncio.get_running_loop().create_task(self._keep_claim())

    async def _keep_claim(self) -> None:
        """Take the claim again when the database was restarted, unless another hub has it now.

        Beside, end the commits of hubs that are frozen, or they would hold up all others.
        """
        while True:
            await asyncio.sleep(LOOK)
            assert self._claim is not None
            try:
                if self._claim.closed:
                    self._claim = await self._writing.connect()
                    self._is_taken = not await schemas.claim(self._claim, is_shared=self.is_shared)
                    if self._is_taken:
                        log.error("store.taken", database=self.shown)
                        await self._claim.close()
                else:
                    freed = await self._claim.execute(_FREE)
                    for pid, _ in await freed.fetchall():
                        log.warning("store.freed", pid=pid, hint="a hub was silent in a commit")
            except psycopg.Error as error:
                log.warning("store.away", database=self.shown, error=str(error).strip())
                await self._claim.close()

    def _refuse(self) -> None:
        if self._is_taken:
            raise Unavailable(
                f"another hub has taken over {self.shown}; this one no longer writes, stop it"
            )

    async def close(self) -> None:
        for store in self._stores.values():
            await store.close()
        self._stores.clear()
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None
        if self._claim is not None:
            await self._claim.close()
            self._claim = None
        await self._reading.close()
        await self._writing.close()
