"""Notifications on their way out: in order for each subscription, retried until they are taken.

What waits is in the store; memory holds a window of each queue. A queue has a task only while it is
sending and a timer only while it waits to try again, so an endpoint that is dead or slow costs
nothing and delays nobody else. A notification is sent at least once; its id never changes, so a
receiver can tell a second copy.
Source: ETSI GS CIM 009 clauses 5.8.6 (notification behaviour), 5.2.15 (timeout, cooldown).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from madang.hub.endpoint import Endpoint
from madang.hub.message import DEFERRED, Message, Refused, Sender, SendFailed, unpack
from madang.hub.sent import Counters, Statistics
from madang.hub.waiting import Queue
from madang.model import time
from madang.store.protocol import Delivery as Waiting

log = structlog.get_logger("madang.delivery")

HELD_BYTES = 64_000_000  # of all queues of a tenant held in memory
PAGE = 64  # notifications read from the store at a time
PROBES = 64  # endpoints in trouble that are tried at the same time
SETTLE_S = 0.05  # how long results gather before they go to the store
REFUSALS = 3  # attempts at a notification that its endpoint does not want


class Recipient(Protocol):
    """What delivery needs to know of a subscription."""

    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def statistics(self) -> Statistics: ...
    @property
    def within(self) -> str:
        """Mark of what its owner may see now (:attr:`madang.hub.message.Message.within`)."""

    def status(self, now: int) -> str: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient delivery is."""

    first_retry_s: float = 1.0
    longest_retry_s: float = 300.0
    jitter: float = 0.2
    keep_s: float = 86_400.0
    """How long a notification is kept if its endpoint does not take it."""
    most_waiting: int = 100_000
    """Notifications kept for one subscription; beyond that the oldest are given up."""

    def delay(self, attempts: int) -> float:
        """Return how long to wait after so many failed attempts. [s]"""
        wait = min(self.longest_retry_s, self.first_retry_s * 2.0 ** min(attempts - 1, 30))
        return wait * random.uniform(1 - self.jitter, 1 + self.jitter)


Read = Callable[[str | None, int, int], Awaitable[list[Waiting]]]
"""Reads waiting notifications: of a subscription or all, after a key, so many at most."""

Settle = Callable[[list[int], list[tuple[int, int, str]]], None]
"""Takes keys that are done with, and (key, attempts, error) of those that failed."""

Complete = Callable[[str, Message], Awaitable[Message | None]]
"""Completes a deferred notification, or makes one anew that was made for another reach; None if
there is nothing to tell after all."""


class Delivery:
    """Sends what is stored, in order for each subscription."""

    def __init__(
        self,
        find: Callable[[str], Recipient | None],
        read: Read,
        settle: Settle,
        senders: Mapping[str, Sender],
        now: Callable[[], int],
        complete: Complete,
        tenant: str = "",
        policy: Policy | None = None,
    ) -> None:
        self._find = find
        self._read = read
        self._settle = settle
        self._senders = senders
        self._now = now
        self._complete = complete
        self._tenant = tenant
        self._policy = policy or Policy()
        self._queues: dict[str, Queue] = {}
        self._held = 0
        self._probes = asyncio.Semaphore(PROBES)
        self._delivered: list[int] = []
        self._failed: dict[int, tuple[int, str]] = {}
        self._settling: asyncio.TimerHandle | None = None
        self._closing = False
        self.counters = Counters()
        self.touched: set[str] = set()
        """Subscriptions whose statistics changed; whoever stores them clears this."""

    # --- what comes in ------------------------------------------------------------------------

    def enqueue(self, deliveries: Sequence[Waiting]) -> None:
        """Take notifications that are stored now, in the order of their keys."""
        for delivery in deliveries:
            queue = self._queues.get(delivery.subscription)
            if queue is None:
                queue = self._queues[delivery.subscription] = Queue(delivery.subscription)
            before = queue.bytes
            queue.offer(delivery, room=self._held < HELD_BYTES)
            self._held += queue.bytes - before
            self.counters.waiting += 1
            if queue.task is None and queue.timer is None:
                self._start(queue)

    async def recover(
        self, after: int = 0, wanted: Callable[[Waiting], bool] = lambda _: True
    ) -> int:
        """Take up what the store has after a key; call it before anything newer is enqueued.

        Returns:
            The last key there is.
        """
        while rows := await self._read(None, after, 1000):
            self.enqueue([row for row in rows if wanted(row)])
            after = rows[-1].key
        return after

    def wake(self, subscription: str) -> None:
        """Try a queue now: its subscription was changed, or somebody asks for it."""
        queue = self._queues.get(subscription)
        if queue is None or queue.task is not None:
            return
        if queue.timer is not None:
            queue.timer.cancel()
        self._start(queue)

    def forget(self, subscription: str) -> None:
        """Drop a deleted subscription's queue; the store drops its notifications itself."""
        queue = self._queues.pop(subscription, None)
        if queue is None:
            return
        if queue.timer is not None:
            queue.timer.cancel()
        if queue.task is not None:
            queue.task.cancel()
        self._held -= queue.bytes
        self.counters.waiting -= queue.count

    # --- what operators ask -------------------------------------------------------------------

    async def undelivered(self, subscription: str, after: int, limit: int) -> list[Waiting]:
        """Return notifications that no endpoint has taken yet, in order."""
        rows = await self._read(subscription, after, limit)
        done = set(self._delivered)
        return [
            row._replace(attempts=known[0], error=known[1])
            if (known := self._failed.get(row.key))
            else row
            for row in rows
            if row.key not in done
        ]

    def resend(self, subscription: str) -> None:
        """Try everything undelivered again at once, refused notifications included."""
        queue = self._queues.get(subscription)
        if queue is not None and queue.refused:
            queue.count += queue.refused
            self.counters.waiting += queue.refused
            self._held -= queue.bytes
            queue.rewind()
        self.wake(subscription)

    def troubled(self) -> list[str]:
        """Return the subscriptions whose endpoint does not take what is sent, or some of it."""
        return [id for id, queue in self._queues.items() if queue.failures or queue.refused]

    def circuit(self, subscription: str) -> dict[str, Any]:
        """Return how a subscription's endpoint is doing, for operators."""
        queue = self._queues.get(subscription)
        if queue is None:
            return {"state": "closed", "waiting": 0}
        circuit = "open" if queue.timer else "half-open" if queue.failures else "closed"
        state: dict[str, Any] = {"state": circuit, "waiting": queue.count}
        if queue.failures:
            state["failures"] = queue.failures
        if queue.error:
            state["error"] = queue.error
        if queue.timer is not None:
            left_s = max(0.0, queue.timer.when() - asyncio.get_running_loop().time())
            state["nextAttempt"] = time.render(self._now() + int(left_s * 1e6))
        if queue.refused:
            state["refused"] = queue.refused
        return state

    # --- the work -----------------------------------------------------------------------------

    def _ends(self, queue: Queue) -> bool:
        return self._closing or queue.is_ending

    def _start(self, queue: Queue) -> None:
        queue.timer = None
        if not self._ends(queue):
            queue.task = asyncio.get_running_loop().create_task(self._run(queue))

    async def _run(self, queue: Queue) -> None:
        """Send what waits in one queue, until it is empty or has to wait."""
        head: Waiting | None = None
        try:
            while not self._ends(queue) and (head := await self._next(queue)) is not None:
                wait_s = await self._deal_with(queue, head)
                if wait_s is not None:
                    self._pause(queue, wait_s)
                    break
        except Exception as error:  # the queue's outermost loop: it must not die with work in it
            log.exception("delivery.broken", subscription=queue.subscription)
            queue.error = f"{type(error).__name__}: {error}"
            if head is not None:
                self._put_back(queue, head)
            self._pause(queue, self._policy.longest_retry_s)
        finally:
            queue.task = None
            self._tell_dropped(queue)
        if queue.empty and queue.timer is None and not queue.refused:
            self._queues.pop(queue.subscription, None)

    def _tell_dropped(self, queue: Queue) -> None:
        if queue.dropped:
            log.warning(
                "notifications.dropped", subscription=queue.subscription, count=queue.dropped
            )
            self.counters.dropped += queue.dropped
            queue.dropped = 0

    async def _next(self, queue: Queue) -> Waiting | None:
        """Take the next notification of a queue, from the store if the window is empty."""
        while not queue.window and queue.newest > queue.taken:
            upto = queue.newest
            rows = await self._read(queue.subscription, queue.taken, PAGE)
            done = set(self._delivered)
            before = queue.bytes
            queue.refill(
                [row for row in rows if row.key not in done], rows[-1].key if rows else upto
            )
            self._held += queue.bytes - before
        head = queue.pop()
        if head is not None:
            self._held -= len(head.body)
        return head

    async def _deal_with(self, queue: Queue, head: Waiting) -> float | None:
        """Send one notification; return how long to wait if it has to be tried again. [s]"""
        recipient = self._find(queue.subscription)
        now = self._now()
        status = "deleted" if recipient is None else recipient.status(now)
        too_old = head.at < now - self._policy.keep_s * 1e6
        too_many = queue.count > self._policy.most_waiting
        if recipient is None or status == "expired" or too_old or too_many:
            queue.dropped += 1
            self._done(queue, head)
            if queue.dropped % PAGE == 0:
                self._hand_over()
                await asyncio.sleep(0)  # a long backlog must not hold up everybody else
            return None
        if status == "paused":
            self._put_back(queue, head)
            return self._policy.keep_s  # whoever resumes the subscription wakes the queue
        try:
            async with self._probes if queue.failures else nullcontext():
                sent = await self._send(recipient, head)
        except SendFailed as failure:
            return self._failure(queue, recipient, head, failure)
        self._done(queue, head)
        if sent:
            self._success(queue, recipient, head)
        return None

    async def _send(self, recipient: Recipient, head: Waiting) -> bool:
        """Send one notification; return False if there was nothing to tell after all."""
        message = unpack(head.body)
        if message.content_type == DEFERRED or message.within != recipient.within:
            completed = await self._complete(head.subscription, message)
            if completed is None:
                return False
            message = completed
        endpoint = recipient.endpoint
        recipient.statistics.sending(self._now())
        self.touched.add(head.subscription)
        sender = self._senders.get(endpoint.scheme)
        if sender is None:  # it was made when the settings were others
            raise SendFailed(f"this hub cannot notify {endpoint.uri}: it has no bus")
        await sender.send(endpoint, message, self._tenant)
        return True

    def _success(self, queue: Queue, recipient: Recipient, head: Waiting) -> None:
        now = self._now()
        recipient.statistics.succeeded(now)
        if queue.failures:
            log.info("endpoint.back", subscription=head.subscription, uri=recipient.endpoint.uri)
        queue.failures, queue.error = 0, None
        self.counters.success(now - head.at if head.attempts == 0 else None)

    def _failure(
        self, queue: Queue, recipient: Recipient, head: Waiting, failure: SendFailed
    ) -> float | None:
        """Note a failure; return how long to wait, or None to go on with the next one."""
        attempts, reason = head.attempts + 1, str(failure)
        recipient.statistics.failed(self._now())
        self.counters.failed += 1
        self._failed[head.key] = (attempts, reason)
        self._settle_soon()
        refused = isinstance(failure, Refused)
        if not refused and not queue.failures:
            log.warning("endpoint.lost", subscription=head.subscription, reason=reason)
        queue.failures, queue.error = 0 if refused else queue.failures + 1, reason
        if refused and attempts >= REFUSALS:
            queue.refused += 1
            self.counters.refused += 1
            self._count_off(queue)
            return None
        self._put_back(queue, head._replace(attempts=attempts, error=reason))
        wait_s = max(self._policy.delay(attempts), recipient.endpoint.cooldown)
        return max(wait_s, min(failure.retry_after, self._policy.longest_retry_s))

    def _put_back(self, queue: Queue, head: Waiting) -> None:
        before = queue.bytes
        queue.put_back(head)
        self._held += queue.bytes - before

    def _pause(self, queue: Queue, wait_s: float) -> None:
        if not self._closing and self._queues.get(queue.subscription) is queue:
            queue.timer = asyncio.get_running_loop().call_later(wait_s, self._start, queue)

    def _count_off(self, queue: Queue) -> None:
        if self._queues.get(queue.subscription) is queue:
            queue.count -= 1
            self.counters.waiting -= 1

    # --- what goes to the store ---------------------------------------------------------------

    def _done(self, queue: Queue, head: Waiting) -> None:
        self._count_off(queue)
        self._failed.pop(head.key, None)
        self._delivered.append(head.key)
        self._settle_soon()

    def _settle_soon(self) -> None:
        if self._settling is None:
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(SETTLE_S, self._hand_over)

    def _hand_over(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._delivered or self._failed:
            delivered, self._delivered = self._delivered, []
            failed, self._failed = self._failed, {}
            self._settle(delivered, [(key, *what) for key, what in failed.items()])

    async def leave(self, leaves: Callable[[str], bool], grace_s: float = 2.0) -> None:
        """Let what is being sent for some subscriptions arrive, and forget what else waits."""
        leaving = [queue for queue in self._queues.values() if leaves(queue.subscription)]
        await self._finish(leaving, grace_s)
        for queue in leaving:
            self.forget(queue.subscription)

    async def close(self, grace_s: float = 5.0) -> None:
        """Let what is being sent arrive, hand over the results, and stop."""
        self._closing = True
        await self._finish(list(self._queues.values()), grace_s)

    async def _finish(self, queues: list[Queue], grace_s: float) -> None:
        for queue in queues:
            queue.is_ending = True
            if queue.timer is not None:
                queue.timer.cancel()
        tasks = [queue.task for queue in queues if queue.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._hand_over()
