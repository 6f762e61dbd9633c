"""Values that came too late for the state: they go to where they belong in history.

They are gathered for a moment, because history takes many as fast as one. What was told before is
told again without effect: an instance of the same time replaces the one that is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from madang.lake.questions import Instance

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

GATHER_S = 0.2
MOST = 20_000  # instances put into history in one go

Key = tuple[str, str, str | None, int]


class Pasts:
    """Late values of one tenant on their way into its history."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._waiting: list[tuple[Sequence[Instance], asyncio.Future[None]]] = []
        self._turn: asyncio.Task[None] | None = None
        self.on_added: Callable[[Sequence[Instance]], Awaitable[None]] | None = None
        """Is told of them when they are in history, before those who wait for that."""

    async def add(self, instances: Sequence[Instance]) -> None:
        """Put instances into history; return when that is durable.

        Raises:
            HistoryBehind, OSError: history cannot be written now; nothing was done.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((instances, future))
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(self._run())
        await future

    async def close(self) -> None:
        """Finish what is under way."""
        while self._turn is not None:
            await asyncio.wait([self._turn])

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                await self._write(self._some())
        finally:
            self._turn = None

    def _some(self) -> list[tuple[Sequence[Instance], asyncio.Future[None]]]:
        size = count = 0
        for instances, _ in self._waiting:
            size += len(instances)
            count += 1
            if size >= MOST:
                break
        some, self._waiting = self._waiting[:count], self._waiting[count:]
        return some

    async def _write(self, some: list[tuple[Sequence[Instance], asyncio.Future[None]]]) -> None:
        # Of one time there is one value: the last that was told.
        each: dict[Key, Instance] = {
            (one.entity, one.attribute, one.dataset, one.time): one
            for instances, _ in some
            for one in instances
        }
        told = list(each.values())
        try:
            await self._tenant.history.change(lambda lake: lake.add(told, only_news=True))
            if self.on_added is not None:
                await self.on_added(told)
        except Exception as error:  # whoever waits is told
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        for _, future in some:
            if not future.done():
                future.set_result(None)
