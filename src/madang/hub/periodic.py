"""Periodic subscriptions (``timeInterval``): all that matches, told again and again.

Source: ETSI GS CIM 009 clauses 5.2.12 (timeInterval), 5.8.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from madang.hub.look import shown_state
from madang.hub.matching import MOST_ENTITIES, Rendered
from madang.hub.notification import deferred, made
from madang.hub.subscription import Subscription
from madang.model.entity import Entity
from madang.model.errors import MadangError
from madang.store.protocol import Change

log = structlog.get_logger("madang.periodic")

MOST_BYTES = 1_000_000  # of entities in one notification, more or less

Ask = Callable[[Subscription], Awaitable[list[Entity]]]
"""Returns all entities that a periodic subscription is about."""


class Periodic:
    """Has a timer for each periodic subscription; the first telling is one interval away."""

    def __init__(
        self,
        ask: Ask,
        store: Callable[[list[Rendered]], None],
        waits: Callable[[str], bool],
        now: Callable[[], int],
    ) -> None:
        """Take what it needs of the hub.

        Args:
            ask: see :data:`Ask`.
            store: stores notifications and hands them to delivery.
            waits: tells whether an earlier notification of a subscription is still not delivered;
                then nothing is added, for the next one will say what there is then.
            now: the hub's clock. [us since 1970]
        """
        self._ask = ask
        self._store = store
        self._waits = waits
        self._now = now
        self._subscriptions: dict[str, Subscription] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, subscription: Subscription) -> None:
        """Take up a subscription, in place of an older one with its id."""
        known = self._subscriptions.get(subscription.id)
        if not subscription.active or not subscription.interval:
            self.remove(subscription.id)
            return
        self._subscriptions[subscription.id] = subscription
        if known is None or known.interval != subscription.interval:
            self._set_timer(subscription)

    def remove(self, id: str) -> None:
        """Leave a subscription out from now on."""
        self._subscriptions.pop(id, None)
        timer = self._timers.pop(id, None)
        if timer is not None:
            timer.cancel()

    def _set_timer(self, subscription: Subscription) -> None:
        id = subscription.id
        if id in self._timers:
            self._timers[id].cancel()
        loop = asyncio.get_running_loop()
        self._timers[id] = loop.call_later(subscription.interval / 1e6, self._ring, id)

    def _ring(self, id: str) -> None:
        subscription = self._subscriptions[id]
        self._set_timer(subscription)
        if subscription.status(self._now()) == "active" and not self._waits(id):
            task = asyncio.get_running_loop().create_task(self._tell(subscription))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, subscription: Subscription) -> None:
        try:
            entities = await self._ask(subscription)
        except MadangError as error:
            log.warning("periodic.failed", subscription=subscription.id, error=str(error))
            return
        now = self._now()
        bodies = (
            self._deferred(entities, now)
            if subscription.deferred
            else self._rendered(subscription, entities, now)
        )
        if bodies and self._subscriptions.get(subscription.id) is subscription:
            self._store([(subscription.id, now, body) for body in bodies])

    @staticmethod
    def _rendered(subscription: Subscription, entities: list[Entity], now: int) -> list[bytes]:
        bodies: list[bytes] = []
        fragments: list[bytes] = []
        size = 0
        for entity in entities:
            fragment = shown_state(subscription.look, entity)
            if fragment is None:
                continue
            fragments.append(fragment)
            size += len(fragment)
            if size >= MOST_BYTES:
                bodies.append(made(subscription, fragments, now))
                fragments, size = [], 0
        if fragments:
            bodies.append(made(subscription, fragments, now))
        return bodies

    @staticmethod
    def _deferred(entities: list[Entity], now: int) -> list[bytes]:
        changes = [Change("updated", now, entity.id, None, entity, ()) for entity in entities]
        return [
            deferred(changes[first : first + MOST_ENTITIES], now)
            for first in range(0, len(changes), MOST_ENTITIES)
        ]

    async def close(self) -> None:
        """Stop all timers and what they began."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
