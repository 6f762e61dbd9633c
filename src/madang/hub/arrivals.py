"""Notifications that several hubs store, on their way to the one that sends them: by their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from madang.hub import duties
from madang.hub.delivery import Delivery
from madang.hub.duties import Duty
from madang.model.errors import NgsiError
from madang.store.protocol import Delivery as Waiting

log = structlog.get_logger("madang.delivery")

RETRY_S = 0.5


def lane_of(subscription: str) -> Duty:
    """Return the duty that a subscription's notifications belong to."""
    return duties.lane_of("notifications", subscription)


class Arrivals:
    """Gives delivery what is stored in its lanes, once each and in order, whoever has stored it."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._lanes: set[Duty] = set()
        self._given = 0
        self._heard = 0
        self._task: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()

    def is_mine(self, subscription: str) -> bool:
        """Tell whether this hub is to send what is stored for a subscription."""
        return lane_of(subscription) in self._lanes

    async def begin(self, lane: Duty) -> None:
        """Take up what waits in a lane, and from now on what comes."""
        async with self._reading:
            self._lanes.add(lane)
            given = self._given

            def is_new(row: Waiting) -> bool:
                its = lane_of(row.subscription)
                return its == lane or (row.key > given and its in self._lanes)

            self._given = max(given, await self._delivery.recover(0, is_new))
        self.hear(self._heard)

    def end(self, lane: Duty) -> None:
        """Leave what comes in a lane to another hub."""
        self._lanes.discard(lane)

    def own(self, deliveries: Sequence[Waiting]) -> None:
        """Take what this hub has just stored."""
        is_next = deliveries[0].key == self._given + 1 and not self._reading.locked()
        if self._lanes and self._task is None and is_next:
            self._given = deliveries[-1].key
            self._delivery.enqueue([one for one in deliveries if self.is_mine(one.subscription)])
        self.hear(deliveries[-1].key)

    def hear(self, key: int) -> None:
        """Take note that there are notifications up to a key."""
        self._heard = max(self._heard, key)
        if self._lanes and self._task is None and self._heard > self._given:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            async with self._reading:
                while self._heard > self._given:
                    await self._catch_up(self._heard)
        finally:
            self._task = None

    async def _catch_up(self, upto: int) -> None:
        try:
            last = await self._delivery.recover(
                self._given, lambda row: self.is_mine(row.subscription)
            )
            self._given = max(upto, last)
        except NgsiError as error:  # the database is away
            log.warning("notifications.unread", error=str(error))
            await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
