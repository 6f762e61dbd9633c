"""Periodic subscriptions (``timeInterval``): all that matches, told again and again.

Source: ETSI GS CIM 009 clauses 5.2.12 (timeInterval), 5.8.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from madang.hub.look import shown_state
from madang.hub.matching import Rendered
from madang.hub.notification import deferred, made
from madang.hub.subscription import Subscription
from madang.hub.subscription_sight import OnPersonal
from madang.model.entity import Entity
from madang.model.errors import MadangError
from madang.store.protocol import Change

log = structlog.get_logger("madang.periodic")

MOST_ENTITIES = 1_000  # in one notification

Ask = Callable[[Subscription], AsyncIterator[list[Entity]]]
"""Yields all entities that a periodic subscription is about, some at a time."""


class Periodic:
    """Has a timer for each periodic subscription; the first telling is one interval away."""

    def __init__(
        self,
        ask: Ask,
        store: Callable[[list[Rendered]], Awaitable[None]],
        waits: Callable[[str], bool],
        now: Callable[[], int],
        on_personal: OnPersonal | None = None,
    ) -> None:
        """Take what it needs of the hub.

        Args:
            ask: see :data:`Ask`.
            store: stores notifications and hands them to delivery; returns when both are done.
            waits: tells whether an earlier notification of a subscription is still not delivered.
                Then, and while one is being made, nothing is added: the next one will say what
                there is then.
            now: the hub's clock. [us since 1970]
            on_personal: is told of personal data that owners of subscriptions get to see.
        """
        self._ask = ask
        self._store = store
        self._waits = waits
        self._now = now
        self._on_personal = on_personal
        self._subscriptions: dict[str, Subscription] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._telling: dict[str, asyncio.Task[None]] = {}

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
        busy = id in self._telling or self._waits(id)
        if not busy and subscription.status(self._now()) == "active":
            task = asyncio.get_running_loop().create_task(self._tell(subscription))
            self._telling[id] = task
            task.add_done_callback(lambda _: self._telling.pop(id, None))

    async def _tell(self, subscription: Subscription) -> None:
        """Store notifications about all there is; only one of them is in memory at a time."""
        now = self._now()
        tell = self._tell_later if subscription.deferred else self._tell_now
        try:
            async for entities in self._batches(subscription):
                if self._subscriptions.get(subscription.id) is not subscription:
                    return
                seen = _seen(subscription, entities)
                body = tell(subscription, seen, now)
                if body is not None:
                    self._note(subscription, seen)
                    await self._store([(subscription.id, now, body)])
        except MadangError as error:
            log.warning("periodic.failed", subscription=subscription.id, error=str(error))

    def _note(self, subscription: Subscription, seen: list[Entity]) -> None:
        if subscription.sight is not None and self._on_personal is not None:
            shown = ((entity, subscription.look.view) for entity in seen)
            subscription.sight.tell(self._on_personal, subscription.owner or "", shown)

    async def _batches(self, subscription: Subscription) -> AsyncIterator[list[Entity]]:
        batch: list[Entity] = []
        async for some in self._ask(subscription):
            batch += some
            while len(batch) >= MOST_ENTITIES:
                yield batch[:MOST_ENTITIES]
                batch = batch[MOST_ENTITIES:]
        if batch:
            yield batch

    @staticmethod
    def _tell_now(subscription: Subscription, entities: list[Entity], now: int) -> bytes | None:
        shown = [shown_state(subscription.look, entity) for entity in entities]
        fragments = [fragment for fragment in shown if fragment is not None]
        return made(subscription, fragments, now) if fragments else None

    @staticmethod
    def _tell_later(subscription: Subscription, entities: list[Entity], now: int) -> bytes | None:
        states = [Change("updated", now, entity.id, None, entity, ()) for entity in entities]
        return deferred(subscription, states, now) if states else None

    async def close(self) -> None:
        """Stop all timers and what they began."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        telling = list(self._telling.values())
        for task in telling:
            task.cancel()
        if telling:
            await asyncio.wait(telling)


def _seen(subscription: Subscription, entities: list[Entity]) -> list[Entity]:
    """Return entities as the owner of a subscription may see them."""
    if subscription.sight is None:
        return entities
    return list(filter(None, map(subscription.sight.entity, entities)))
