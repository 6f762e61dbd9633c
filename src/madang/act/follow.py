"""Work that entities ask for, done durably: each that waits is looked at until it waits no more.

The entities themselves are the queue. At the start those that wait are read from the hub, later
ones come with their change, and each is handled as it is then, not as it was. So nothing is lost
with the process, nobody keeps a position, and the lake is not asked. A crash while one is handled
lets it be handled again: at least once. Who handles must therefore be able to do so twice.

Only the live hub has followers: what is written in a replay or a branch reaches nobody.

Source: level-triggered reconciliation, as controllers of Kubernetes work (B. Burns et al., Borg,
Omega, and Kubernetes, ACM Queue 14(1), 2016).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from madang.hub.changes import FellBehind
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.query.evaluate import compile
from madang.query.q import parse
from madang.query.tree import HasType, Query, Selector
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.store.protocol import Change

log = structlog.get_logger("madang.act")

AT_ONCE = 200
"""Entities that are handled at the same time; others wait for their turn."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_LOOK_S = 86_400.0

Handle = Callable[[Entity], Awaitable[float | None]]
"""Does what an entity waits for. Returns after how many seconds it is to be looked at again though
nothing has changed; None: not before its next change."""


class Follower:
    """Hands over entities that wait for something, each by itself and never twice at a time.

    Args:
        tenant: whose entities.
        name: for the log, such as ``commands``.
        types: of the entities.
        waiting: a condition in the query language that tells which of them wait:
            ``status=="waiting"``.
        handle: see :data:`Handle`. If it raises, the entity is handled again after a while, at
            longer and longer intervals.
    """

    def __init__(
        self, tenant: Tenant, name: str, types: Sequence[str], waiting: str, handle: Handle
    ) -> None:
        self.alarm: str | None = None
        """What went wrong the last time, until something goes well."""
        self._tenant = tenant
        self._name = name
        self._types = frozenset(types)
        self._condition = parse(waiting, CORE)
        self._waits = compile(self._condition)
        self._handle = handle
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """What is handled now, by id."""
        self._again: set[str] = set()
        """What has changed while it was handled."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin with those that wait already; return when no later one can be missed."""
        ready = asyncio.Event()
        self._following = asyncio.get_running_loop().create_task(self._follow(ready))
        await ready.wait()

    async def close(self) -> None:
        """End; what is under way is begun again at the next start."""
        running = [*self._tasks.values(), *([self._following] if self._following else [])]
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._following = None
        self._tasks.clear()  # one that had not begun could not take itself out
        self._again.clear()

    def look(self, id: str) -> None:
        """Handle an entity now if it waits: something beside it has changed.

        Nothing is done before the start: then another hub has the work.
        """
        if self._following is None:
            return
        timer = self._timers.pop(id, None)
        if timer is not None:
            timer.cancel()
        if id in self._tasks:
            self._again.add(id)
        else:
            self._tasks[id] = asyncio.get_running_loop().create_task(self._work(id))

    async def _follow(self, ready: asyncio.Event) -> None:
        """Read those that wait, then see every change; once more if that was too slow."""
        while True:
            changes = self._tenant.follow(self._concerns, self._types)
            first = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0)  # it follows from here on, so nothing is missed
            ready.set()
            await self._read()
            try:
                while (change := await first) is not None:
                    first = asyncio.ensure_future(anext(changes, None))
                    self.look(change.id)
                return
            except FellBehind:
                log.warning("act.reread", follower=self._name, tenant=self._tenant.name)
            finally:
                first.cancel()

    def _concerns(self, change: Change) -> bool:
        after = change.after
        return after is not None and self._is_one(after)

    def _is_one(self, entity: Entity) -> bool:
        return not self._types.isdisjoint(entity.types) and self._waits(entity, None)

    async def _read(self) -> None:
        selectors = tuple(Selector(types=HasType(name)) for name in sorted(self._types))
        query = Query(selectors=selectors, q=self._condition)
        async for rows in self._tenant.stream(query):
            for row in rows:
                self.look(row.id)
            await asyncio.sleep(0)

    async def _work(self, id: str) -> None:
        """Handle one entity, as often as it changes meanwhile; then let it wait or be."""
        after_s: float | None = None
        try:
            async with self._room:
                while True:
                    self._again.discard(id)
                    after_s = await self._handled(id)
                    if id not in self._again:
                        break
        finally:
            del self._tasks[id]
        if after_s is not None:
            loop = asyncio.get_running_loop()
            wait_s = min(max(after_s, 0.0), LONGEST_LOOK_S)
            self._timers[id] = loop.call_later(wait_s, self.look, id)

    async def _handled(self, id: str) -> float | None:
        """Handle an entity as it is now; return after how many seconds to look again."""
        try:
            row = await self._tenant.get(id)
            entity = None if row is None else entity_of(row)
            if entity is None or not self._is_one(entity):
                after_s = None
            else:
                after_s = await self._handle(entity)
        except Exception as error:
            return self._failed(id, error)
        self.alarm = None
        self._failures.pop(id, None)
        return after_s

    def _failed(self, id: str, error: Exception) -> float:
        failures = self._failures[id] = self._failures.get(id, 0) + 1
        wait_s: float = min(FIRST_WAIT_S * 2 ** min(failures - 1, 10), LONGEST_WAIT_S)
        self.alarm = f"{id}: {type(error).__name__}: {error}"
        log.exception("act.failed", follower=self._name, entity=id, again_in_s=wait_s)
        return wait_s
