"""History where several hubs share a database and each has a lake in its own data folder.

Only the hub that has the city's work moves changes into its lake and reads it. One whose lake has
not all that left the outbox refuses, so that nothing more leaves it for the wrong lake.
"""

from __future__ import annotations

from madang.hub.history import RULES, History, HistoryBehind
from madang.lake.protocol import Lake
from madang.lake.rules import parse


class LentHistory(History):
    """See :class:`madang.hub.history.History`."""

    _is_here = False

    async def start(self) -> None:
        """Learn the policies; changes are moved by the hub that has the work."""
        for id, body in await self._store.items("setting"):
            await self.take(id, body)

    async def take(self, id: str, body: bytes | None) -> None:
        """Take up policies as they are stored."""
        if id == RULES and body is not None:
            await self._enforce(parse(body))

    async def work(self) -> None:
        """Move changes from now on: no other hub does."""
        self._is_here = True
        await super().start()

    @property
    def waiting(self) -> int:
        return super().waiting if self._is_here else 0

    async def _opened(self) -> Lake:
        if not self._is_here:
            raise HistoryBehind(
                "this hub has no history: ask the hub that has the city's work (`madang status`)"
            )
        return await super()._opened()

    async def _agree(self, lake: Lake) -> None:
        self._began = self._store.last_change  # others may have written since this hub was started
        mark = await self._store.item("setting", "drained")
        if mark is not None and int(mark) > lake.drained:
            await self._thread(self._shared.writers, lake.close)
            raise HistoryBehind(
                f"the history up to change {int(mark)} is in the data folder of another hub, this"
                f" one has it up to {lake.drained}; start that hub first, or move its folder `lake`"
            )
        await super()._agree(lake)
