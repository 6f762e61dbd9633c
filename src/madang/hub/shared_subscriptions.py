"""The subscriptions of a tenant that several hubs work on.

All of them match; the one that has a subscription's lane sends. What another hub has changed is
taken up (:meth:`take`) before this one commits anything more, so every change is matched with the
newest subscriptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import structlog

from madang.hub import subscription as stored_as
from madang.hub.arrivals import Arrivals, lane_of
from madang.hub.duties import Duty
from madang.hub.subscription import Subscription
from madang.hub.subscriptions import Subscriptions
from madang.model.context import Context, Names
from madang.model.errors import BadRequestData, NgsiError
from madang.store.protocol import Outdated

log = structlog.get_logger("madang.subscriptions")

T = TypeVar("T")

Known = Callable[[object], Context | None]
"""Returns the Context of an @context if it need not be fetched."""


Count = Callable[[str], Awaitable[int]]
"""Returns how many notifications of a subscription wait."""


class SharedSubscriptions(Subscriptions):
    """See :class:`madang.hub.subscriptions.Subscriptions`.

    Args:
        known: see :data:`Known`.
        count: see :data:`Count`.
    """

    def __init__(self, *, known: Known, count: Count, **parts: Any) -> None:
        super().__init__(**parts)
        self._known_context = known
        self._count = count
        self._tasks: set[asyncio.Task[None]] = set()
        self.arrivals = Arrivals(self.delivery)

    async def work(self, lane: Duty) -> None:
        """Send from now on, and tell periodic subscriptions, in a lane: no other hub does."""
        await self.arrivals.begin(lane)
        for subscription in self._all.values():
            if lane_of(subscription.id) == lane:
                self.periodic.put(subscription)

    async def rest(self, lane: Duty) -> None:
        """Leave a lane to another hub, with nothing of it under way and statistics stored."""
        self.arrivals.end(lane)
        for id in self._all:
            if lane_of(id) == lane:
                self.periodic.remove(id)
        await self.delivery.leave(lambda id: lane_of(id) == lane)
        await self._store_statistics()

    async def _recover(self) -> None:
        """Leave what is to be sent to the hub that has the work."""

    def _put(self, subscription: Subscription) -> None:
        super()._put(subscription)
        if not self.arrivals.is_mine(subscription.id):
            self.periodic.remove(subscription.id)

    # --- what another hub has changed ---------------------------------------------------------

    def take(self, id: str, body: bytes | None) -> None:
        """Take up a subscription as another hub has left it."""
        known = self._all.get(id)
        if body is None:
            if known is not None:
                self._drop(id)
                self.delivery.forget(id)
            return
        record = stored_as.read(body)
        if known is not None and self.arrivals.is_mine(id):
            if record.statistics != known.statistics:  # this hub sends, so it knows best
                self.delivery.touched.add(id)
            record.statistics = known.statistics
        self._without_context.pop(id, None)
        self._put(self._ready(record, self._context_at_hand(record.context)))
        self.delivery.resend(id)
        if id in self._without_context:
            self._soon(self._find_contexts())

    def _context_at_hand(self, source: object) -> Context | None:
        try:
            return self._known_context(source)
        except BadRequestData:
            return None

    # --- what this hub changes ----------------------------------------------------------------

    async def create(
        self, given: object, names: Context, *, owner: str | None = None, inside: bool = True
    ) -> Subscription:
        make = partial(super().create, given, names, owner=owner, inside=inside)
        return await _until_newest(make)

    async def update(
        self,
        id: str,
        given: object,
        names: Names,
        *,
        owner: str | None = None,
        inside: bool = True,
    ) -> Subscription:
        change = partial(super().update, id, given, names, owner=owner, inside=inside)
        return await _until_newest(change)

    async def delete(self, id: str, owner: str | None = None) -> None:
        await _until_newest(partial(super().delete, id, owner))

    async def circuit(self, id: str) -> dict[str, Any]:
        if self.arrivals.is_mine(id):
            return await super().circuit(id)
        # Another hub sends: what it has noted in the database tells.
        is_ok = self.get(id).statistics.ok
        state: dict[str, Any] = {"state": "closed", "waiting": await self._count(id)}
        first = await self.delivery.undelivered(id, 0, 1)
        if first and first[0].error:
            state |= {"state": "closed" if is_ok else "open", "error": first[0].error}
        return state

    def resend(self, id: str) -> None:
        if self.arrivals.is_mine(id):
            super().resend(id)
            return
        self.get(id)
        self._soon(self._ask_again(id))

    async def _ask_again(self, id: str) -> None:
        """Store a subscription as it is: the hub that sends tries again what it takes up."""
        async with self._changing:
            while (subscription := self._all.get(id)) is not None:
                try:
                    return await self._save(id, subscription.stored())
                except Outdated:  # it has been taken up as the other hub left it
                    continue
                except NgsiError as error:
                    log.warning("resend.failed", subscription=id, error=str(error))
                    return None
        return None

    async def _store_statistics(self) -> None:
        touched = set(self.delivery.touched)
        try:
            await super()._store_statistics()
        except Outdated:  # one was changed elsewhere: stored with that the next time
            self.delivery.touched |= touched

    def _soon(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.arrivals.close()
        await super().close()


async def _until_newest(change: Callable[[], Awaitable[T]]) -> T:
    """Make a change, anew on what is there then for as long as another hub is faster."""
    while True:
        try:
            return await change()
        except Outdated:  # what the other hub has left has been taken up
            continue
