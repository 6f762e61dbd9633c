"""Connections to the database: made when needed, lent, and made anew when the database was away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg
from psycopg import conninfo
from psycopg.pq import TransactionStatus

from madang.model.errors import Unavailable
from madang.store.postgres.schema import Connection

T = TypeVar("T")

NAME = "madang"  # of our sessions, for the server
PATIENCE = 5.0  # [s] that work waits for a database that is away
PAUSE = 0.1  # [s] from one attempt to the next
_AWAY = frozenset({"57P01", "57P02", "57P03", "25P03"})  # stopped, crashed, starting, idle too long
_OPTIONS = {
    "jit": "off",  # compiling costs more than the statements of a page
    "synchronous_commit": "on",  # acknowledged is on the disk, whatever the server's default
    "tcp_keepalives_idle": "10",  # a hub whose machine has died is noticed in half a minute
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}
LOOKUPS = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
"""For who only finds rows by their key: no estimate may lead to reading whole tables."""


def is_lost(error: psycopg.Error) -> bool:
    """Tell whether an error means that the connection is gone, not that the work is wrong."""
    if isinstance(error, psycopg.InterfaceError) or error.sqlstate in _AWAY:
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith("08")


def shown(url: str) -> str:
    """Return an address without a password, for people to read."""
    given = conninfo.conninfo_to_dict(url)
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    return f"postgres://{user}{given.get('host', '')}{port}/{given.get('dbname', '')}"


class Connections:
    """Lends connections, no more than so many at a time.

    Args:
        url: of the database, as libpq reads it.
        password: empty for ``PGPASSWORD``, a password file, or none.
        most: how many there may be.
        options: server settings of these connections.
    """

    def __init__(self, url: str, password: str, most: int, options: dict[str, str]) -> None:
        self._url = url
        self._password = password
        self._options = " ".join(f"-c {k}={v}" for k, v in (_OPTIONS | options).items())
        self._idle: list[Connection] = []
        self._free = asyncio.Semaphore(most)
        self._closed = False

    async def connect(self) -> Connection:
        """Make a connection that nobody else is lent."""
        return await psycopg.AsyncConnection.connect(
            conninfo.make_conninfo(self._url, password=self._password or None),
            autocommit=True,
            connect_timeout=5,
            client_encoding="utf8",
            application_name=NAME,
            options=self._options,
            prepare_threshold=3,
        )

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Connection]:
        """Lend a connection; a transaction left open on it ends with it."""
        async with self._free:
            connection = self._idle.pop() if self._idle else await self.connect()
            try:
                yield connection
            except psycopg.Error:
                await connection.close()  # which statements it has prepared is not sure any more
                raise
            finally:
                is_idle = connection.info.transaction_status is TransactionStatus.IDLE
                if is_idle and not self._closed:
                    self._idle.append(connection)
                else:
                    await connection.close()

    async def do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do work that may be done again if the connection is lost before it ends.

        Raises:
            Unavailable: the database does not answer.
        """
        end = time.monotonic() + PATIENCE
        while True:
            try:
                async with self.lent() as connection:
                    return await work(connection)
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
                await self.forget()
                if time.monotonic() > end:
                    raise Unavailable(
                        f"the database {shown(self._url)} does not answer"
                        f" ({_first_line(error)}); try again in a few seconds"
                    ) from error
            await asyncio.sleep(PAUSE)

    async def forget(self) -> None:
        """Part with the connections that are idle: the database has most likely closed them."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def close(self) -> None:
        self._closed = True
        await self.forget()


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
