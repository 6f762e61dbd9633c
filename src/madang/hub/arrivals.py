"""Notifications that several hubs store, on their way to the one that sends them: by their keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from madang.hub.delivery import Delivery
from madang.model.errors import NgsiError
from madang.store.protocol import Delivery as Waiting

log = structlog.get_logger("madang.delivery")

RETRY_S = 0.5


class Arrivals:
    """Gives delivery what is stored, once each and in order, whichever hub has stored it."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._given = 0
        self._heard = 0
        self._task: asyncio.Task[None] | None = None
        self._is_begun = False

    async def begin(self) -> None:
        """Take up what waits, and from now on what comes."""
        self._given = await self._delivery.recover()
        self._is_begun = True
        self.hear(self._heard)

    def own(self, deliveries: Sequence[Waiting]) -> None:
        """Take what this hub has just stored."""
        if self._is_begun and self._task is None and deliveries[0].key == self._given + 1:
            self._given = deliveries[-1].key
            self._delivery.enqueue(deliveries)
        self.hear(deliveries[-1].key)

    def hear(self, key: int) -> None:
        """Take note that there are notifications up to a key."""
        self._heard = max(self._heard, key)
        if self._is_begun and self._task is None and self._heard > self._given:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._heard > self._given:
                upto = self._heard
                try:
                    self._given = max(upto, await self._delivery.recover(self._given))
                except NgsiError as error:  # the database is away
                    log.warning("notifications.unread", error=str(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            self._task = None

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
