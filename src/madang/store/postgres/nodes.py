"""The hubs that share a database: each shows that it lives, what it does, and how far behind it is.

Times are those of the database's clock, so that of no hub matters. Nothing is decided by them but
which hub offers work to which: who has what work is said by the leases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from madang.store.postgres.connections import Connections
from madang.store.postgres.schema import Connection

SILENT_S = 5.0  # after which a hub counts as away
FORGOTTEN_S = 600.0  # after which it is not shown any more
_BEAT = (
    "INSERT INTO madang.node (id, name, role, work, behind) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (id) DO UPDATE SET work = excluded.work, behind = excluded.behind, beat = now()"
)
_ALL = (
    "SELECT id, name, role, work, behind, extract(epoch FROM now() - started)::float8,"
    " extract(epoch FROM now() - beat)::float8 FROM madang.node ORDER BY name, started"
)
_FORGET = f"DELETE FROM madang.node WHERE beat < now() - interval '{FORGOTTEN_S:g} seconds'"
_LEAVE = "DELETE FROM madang.node WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Node:
    """One hub among several."""

    id: str
    name: str
    """For people: machine and port."""
    role: str
    work: Mapping[str, float]
    """What it does for all, and since when. [s since 1970]"""
    behind: int
    """How many changes of others it had not heard of at its last look."""
    up_s: float
    silent_s: float

    @property
    def is_alive(self) -> bool:
        return self.silent_s < SILENT_S


class Nodes:
    """The table of them."""

    def __init__(self, writing: Connections) -> None:
        self._writing = writing

    async def beat(
        self, id: str, name: str, role: str, work: Mapping[str, float], behind: int
    ) -> list[Node]:
        """Show that a hub lives; return all hubs that have shown themselves of late."""
        row = id, name, role, orjson.dumps(work).decode(), behind

        async def beaten(connection: Connection) -> list[Any]:
            await connection.execute(_BEAT, row)
            await connection.execute(_FORGET)
            return await (await connection.execute(_ALL)).fetchall()

        return [Node(*found) for found in await self._writing.do(beaten)]

    async def leave(self, id: str) -> None:
        """Forget a hub that ends."""

        async def left(connection: Connection) -> None:
            await connection.execute(_LEAVE, (id,))

        await self._writing.do(left)
