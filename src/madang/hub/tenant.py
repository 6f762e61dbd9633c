"""One tenant of the hub: its state, its writer, its subscriptions and contexts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence

import structlog

from madang.hub.changes import Changes
from madang.hub.clock import Clock
from madang.hub.contexts import Contexts
from madang.hub.duties import Duty, work_of
from madang.hub.feed import Followed
from madang.hub.history import History
from madang.hub.operations import Expire, Operation
from madang.hub.records import Own
from madang.hub.subscriptions import Subscriptions
from madang.hub.writer import Result, Writer
from madang.model.entity import Entity
from madang.model.errors import NgsiError
from madang.query.tree import Query
from madang.store.protocol import Change, Documents, Page, Row, Shape, Store
from madang.store.rows import entity_of

log = structlog.get_logger("madang.hub")

RETRY = 1.0  # [s] from one removal of expired things to the next
SWEEP = 500  # expired entities removed in one go


class Tenant:
    """What the hub offers for one tenant's entities. Everything runs on the event loop."""

    contexts: Contexts
    history: History
    subscriptions: Subscriptions

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.clock = Clock()
        self.opened = self.clock.now()
        self.writer = Writer(store, self.clock)
        self.changes = Changes()
        self.feed: Followed = self
        """Where services hear of changes."""
        self.writer.on_changes = self._publish
        self._sweep: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    async def write(self, operations: Sequence[Operation]) -> list[Result]:
        """Apply operations in order, each atomic and alone; return when they are durable."""
        results = await self.writer.write(operations)
        if self.store.next_expiry is not None:
            self._set_alarm()
        return results

    async def get(self, id: str) -> Row | None:
        """Return one entity as last committed."""
        if self.store.next_expiry is not None:
            await self._without_expired()
        return await self.store.get(id)

    async def entities(self, ids: Collection[str]) -> dict[str, Entity]:
        """Return those of the entities that exist, for following relationships."""
        found: dict[str, Entity] = {}
        for id in ids:
            row = await self.get(id)
            if row is not None:
                found[id] = entity_of(row)
        return found

    async def query(self, query: Query) -> Page:
        """Return a page of the entities that match."""
        if self.store.next_expiry is not None:
            await self._without_expired()
        return await self.store.query(query, self.clock.now())

    async def documents(self, query: Query) -> Documents:
        """Return the same page as :meth:`query` does, as JSON texts without times."""
        if self.store.next_expiry is not None:
            await self._without_expired()
        return await self.store.documents(query, self.clock.now())

    async def stream(self, query: Query) -> AsyncIterator[list[Row]]:
        """Yield all entities that match, in chunks, from one snapshot."""
        if self.store.next_expiry is not None:
            await self._without_expired()
        async for rows in self.store.stream(query, self.clock.now()):
            yield rows

    async def shapes(self, query: Query | None = None) -> list[Shape]:
        """Return which combinations of types and attributes exist, and how many of each.

        With a query, only entities that match it count.
        """
        if self.store.next_expiry is not None:
            await self._without_expired()
        return await self.store.shapes(query, self.clock.now())

    def follow(
        self,
        wanted: Callable[[Change], bool] | None = None,
        types: Collection[str] | None = None,
    ) -> AsyncGenerator[Change, None]:
        """Yield changes from now on. See :meth:`madang.hub.changes.Changes.follow`."""
        return self.changes.follow(wanted, types)

    def _publish(self, changes: list[Change]) -> None:
        """Pass on what was just committed; who follows gets the numbers as well."""
        if self.changes.followed:
            for number, change in enumerate(changes, self.store.last_change - len(changes) + 1):
                change.number = number
            self.changes.publish(changes)

    # --- expiry (clause 4.22) -----------------------------------------------------------------

    async def _without_expired(self) -> None:
        """Make sure that nothing a reader may see has expired."""
        due = self.store.next_expiry
        if due is None or due > self.clock.now():
            return
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().create_task(self._remove_expired())
        await asyncio.shield(self._sweep)

    async def _remove_expired(self) -> None:
        try:
            while ids := await self.store.expired(self.clock.now(), SWEEP):
                await self.writer.write([Own(Expire(id)) for id in ids])
        except NgsiError as error:  # a full disk, say: readers still get what there is
            log.error("expiry.failed", tenant=self.name, error=str(error))
        finally:
            self._sweep = None
            self._set_alarm(RETRY)

    def _set_alarm(self, soonest: float = 0.05) -> None:
        """Remove expired things in time even if nobody reads them, but not sooner than so. [s]"""
        due = self.store.next_expiry
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if due is not None:
            loop = asyncio.get_running_loop()
            delay = max(soonest, (due - self.clock.now()) / 1e6)
            self._alarm = loop.call_later(min(delay, 3600.0), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().create_task(self._remove_expired())

    async def start(self) -> None:
        """Take up what a stop or a crash left: expiries that are due, history to be moved."""
        self._set_alarm()
        await self.history.start()

    async def work(self, duty: Duty) -> None:
        """Do from now on what one hub does for all; a hub alone does it from the start."""
        if work_of(duty) == "history":
            await self.history.work()

    async def rest(self, duty: Duty) -> None:
        """Leave to another hub what one does for all."""
        if work_of(duty) == "history":
            await self.history.rest()

    @property
    def alarm(self) -> str | None:
        """What keeps changes from where they belong, or None."""
        return self.history.alarm

    @property
    def unstreamed(self) -> int | None:
        """How many changes are not on the stream yet; None: this hub puts none there."""
        return None

    async def close(self) -> None:
        """End what runs; the store is closed by its engine."""
        if self._sweep is not None:
            await asyncio.wait([self._sweep])
        if self._alarm is not None:
            self._alarm.cancel()
        self.changes.close()
        await self.subscriptions.close()
        await self.writer.close()
        await self.history.close()
