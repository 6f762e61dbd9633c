"""A tenant that several hubs work on: it hears of the others, and one hub has its work."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from madang.hub.duties import Duty, work_of
from madang.hub.others import Others
from madang.hub.relay import Relay
from madang.hub.shared_subscriptions import SharedSubscriptions
from madang.hub.stream_feed import StreamFeed
from madang.hub.tenant import Tenant
from madang.model.errors import NgsiError
from madang.store.protocol import Change, Item, ItemKind
from madang.store.word import Word

if TYPE_CHECKING:
    from madang.bus.stream import Stream
    from madang.store.postgres.shared import SharedStore

log = structlog.get_logger("madang.hub")

Taker = Callable[[str, bytes | None], None]
"""Takes up one of the hub's own things as another hub has left it: id, body; None is gone."""


class SharedTenant(Tenant):
    """See :class:`madang.hub.tenant.Tenant`."""

    subscriptions: SharedSubscriptions
    store: SharedStore

    def __init__(self, name: str, store: SharedStore) -> None:
        super().__init__(name, store)
        self.takers: defaultdict[ItemKind, list[Taker]] = defaultdict(list)
        self._others = Others(store, self.changes)
        self.writer.on_changes = self._own
        self.relay: Relay | None = None
        self._stream_feed: StreamFeed | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    def listen(self) -> None:
        """Take up what other hubs change; all parts must be there."""
        self.takers["subscription"].append(self.subscriptions.take)
        self.takers["context"].append(self.contexts.take)
        self.takers["setting"].append(lambda *item: self.soon(self.history.take(*item)))
        self.store.on_items = self._take

    def join(self, stream: Stream) -> None:
        """Tell of changes by a stream, and let services hear of them by it."""
        self.relay = Relay(stream, self.store, self.history)
        self.feed = self._stream_feed = StreamFeed(stream, self.history)

    async def work(self, duty: Duty) -> None:
        await super().work(duty)
        if work_of(duty) == "history" and self.relay is not None:
            self.relay.start()
        if work_of(duty) == "notifications":
            await self.subscriptions.work(duty)

    async def rest(self, duty: Duty) -> None:
        if work_of(duty) == "history" and self.relay is not None:
            await self.relay.stop()
        await super().rest(duty)
        if work_of(duty) == "notifications":
            try:
                await self.subscriptions.rest(duty)
                await self.writer.add_deliveries([])  # what was sent is noted when this returns
            except NgsiError as error:  # the database is away; some may come twice
                log.warning("lane.not_noted", lane=duty, error=str(error))

    def hear(self, word: Word) -> None:
        """Take note of what another hub has committed."""
        self.store.hear(word)
        self._others.hear(word.last)
        self._ring_relay()
        self.subscriptions.arrivals.hear(word.key)
        if word.expires is not None:
            self._set_alarm()

    def _own(self, changes: list[Change]) -> None:
        self._others.own(changes)
        self._ring_relay()

    def _ring_relay(self) -> None:
        if self.relay is not None:
            self.relay.hear()

    @property
    def alarm(self) -> str | None:
        relay = self.relay
        stream = f"the stream of changes: {relay.alarm}" if relay and relay.alarm else None
        return super().alarm or stream

    @property
    def unstreamed(self) -> int | None:
        return None if self.relay is None else self.relay.waiting

    def _take(self, items: Sequence[Item]) -> None:
        for item in items:
            for taker in self.takers[item.kind]:
                taker(item.id, item.body)

    def soon(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that takes a while, as long as the tenant is open."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self.store.on_items = None
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._others.close()
        if self.relay is not None:
            await self.relay.stop()
        if self._stream_feed is not None:
            await self._stream_feed.close()
        await super().close()
