"""A lease of work that one of several hubs does: held by beating, taken over when the beat stops.

Who waits for it watches the beat with a clock of its own, and only while the database answers. So
a database that was away takes no work from who had it: the holder beats again before anybody can
have seen it silent for long enough.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from madang.model.errors import Unavailable
from madang.store.postgres.connections import Connections
from madang.store.postgres.schema import Connection

BEAT_S = 1.0  # from one sign of life of the holder to the next
SILENCE_S = 3.0  # after which others take over
_LOOK = "SELECT holder, number, beat FROM madang.lease WHERE work = %s"
_FIRST = "INSERT INTO madang.lease VALUES (%s, %s, 1, 0) ON CONFLICT DO NOTHING RETURNING number"
_TAKE = (
    "UPDATE madang.lease SET holder = %s, number = number + 1, beat = 0"
    " WHERE work = %s AND number = %s AND beat = %s RETURNING number"
)
_BEAT = (
    "UPDATE madang.lease SET beat = beat + 1 WHERE work = %s AND holder = %s AND number = %s"
    " RETURNING number"
)
_RELEASE = (
    "UPDATE madang.lease SET holder = '' WHERE work = %s AND holder = %s AND number = %s"
    " RETURNING number"
)


class Lease:
    """One work, as one hub sees it.

    Args:
        writing: connections.
        work: its name.
        holder: the name of this hub, which no other has.
    """

    def __init__(self, writing: Connections, work: str, holder: str) -> None:
        self._writing = writing
        self._work = work
        self._holder = holder
        self.number = 0
        """Of the lease while it is held; each has a higher one than those before."""

    async def won(self, patience: Callable[[], float]) -> None:
        """Wait until this hub has the lease.

        Args:
            patience: returns for how long it is to be left to other hubs once it is free. [s]
        """
        while not self.number:
            try:
                await self._try(patience)
            except Unavailable:
                await asyncio.sleep(BEAT_S)

    async def _try(self, patience: Callable[[], float]) -> None:
        """Take the lease if it is free, or if its holder is silent for long enough."""
        rows = await self._ask(_FIRST, self._work, self._holder)
        seen, since, looked = None, 0.0, 0.0
        while not rows:
            [found] = await self._ask(_LOOK, self._work)
            now = time.monotonic()
            if found != seen or now - looked > 2 * BEAT_S:  # the database was away meanwhile
                seen, since = found, now
            looked = now
            holder, number, beat = found
            if now - since >= patience() + (SILENCE_S if holder else 0.0):
                rows = await self._ask(_TAKE, self._holder, self._work, number, beat)
            if not rows:
                await asyncio.sleep(BEAT_S / 2)
        self.number = int(rows[0][0])

    async def lost(self) -> None:
        """Hold the lease; return when another hub has taken it."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                if not await self._ask(_BEAT, self._work, self._holder, self.number):
                    self.number = 0
                    return
            except Unavailable:
                continue  # nobody can take it either

    async def release(self) -> None:
        """Let another hub take it at once."""
        if self.number:
            await self._ask(_RELEASE, self._work, self._holder, self.number)
            self.number = 0

    async def _ask(self, statement: str, *values: object) -> list[Any]:
        async def asked(connection: Connection) -> list[Any]:
            found = await connection.execute(statement, values)
            return await found.fetchall()

        return await self._writing.do(asked)
