"""Tells the centre of what changes here: in order, at least once, from a durable position.

The node's own feed of changes is the queue: it is on the disk before a device is answered, it has
no end, and history keeps it while the centre is cut off. A batch is sent again until the centre
has answered that it is durable there; only then the position moves on. The centre leaves out what
it knows, so at least once has the effect of once (see :func:`madang.model.merge.observe`).
"""

from __future__ import annotations

import asyncio
import random
import time as clocks
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from madang.hub.feed import Event, events
from madang.model.errors import BadRequestData, MadangError
from madang.sense.edge.centre import Centre, CutOff, Refused
from madang.sense.edge.position import Position, Told
from madang.sense.edge.windows import Windows

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Document
    from madang.sense.edge.rules import Rules

log = structlog.get_logger("madang.edge")

MOST_CHANGES = 500  # read before they are sent
MOST_BYTES = 256 * 1024  # of a body before it is compressed
MOST_ENTITIES = 200  # of a body
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
IDLE_S = 1.0  # between two looks at windows when nothing changes
RETRY_S = 5.0  # after the feed itself failed

Keep = Callable[[bytes, str], Awaitable[None]]
"""Keeps a body that the centre cannot use, with the reason."""


class Forwarder:
    """Forwards the changes of one tenant.

    Args:
        tenant: whose changes.
        centre: where to.
        position: how far it got.
        rules: what may leave.
        keep: what to do with what the centre cannot use.
    """

    def __init__(
        self, tenant: Tenant, centre: Centre, position: Position, rules: Rules, keep: Keep
    ) -> None:
        self._tenant = tenant
        self._centre = centre
        self._position = position
        self._rules = rules
        self._keep = keep
        self._windows = Windows()
        self._read = 0
        """Number of the last change that was read."""
        self._saved_at = 0.0
        self.reached: float | None = None
        """When the centre last answered well. [s since 1970]"""
        self.alarm: str | None = None
        """Why it is cut off, or None."""
        self.sent = 0
        """Entities that the centre acknowledged since the start."""

    @property
    def behind(self) -> int:
        """Changes that the centre has not acknowledged."""
        return max(self._tenant.history.last - self._position.told.position, 0)

    def status(self) -> dict[str, Any]:
        """Return how it goes, for operators."""
        return {
            "position": self._position.told.position,
            "behind": self.behind,
            "sent": self.sent,
            "reached": self.reached,
            "alarm": self.alarm,
        }

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            try:
                await self._follow()
                return  # the tenant is closed
            except BadRequestData as error:  # the store was put back from an older copy
                log.warning("edge.position.ahead", detail=str(error))
                self._position.save(Told())
            except (MadangError, OSError) as error:
                self.alarm = str(error)
                log.error("edge.failed", detail=str(error), retry_in_s=RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        told = self._position.told
        self._windows = Windows(told.closed)
        self._read = told.position
        queue: asyncio.Queue[Event] = asyncio.Queue(MOST_CHANGES)
        reading = asyncio.ensure_future(self._fill(queue, told.position))
        try:
            while True:
                found = await self._some(queue, reading)
                await self._tell(found)
                if reading.done() and queue.empty():
                    return reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _fill(self, queue: asyncio.Queue[Event], after: int) -> None:
        async with aclosing(events(self._tenant, after)) as changes:
            async for event in changes:
                await queue.put(event)

    @staticmethod
    async def _some(queue: asyncio.Queue[Event], reading: asyncio.Future[None]) -> list[Event]:
        """Return the changes that are there, after waiting a moment for the first."""
        first = asyncio.ensure_future(queue.get())
        waited: set[asyncio.Future[Any]] = {first, reading}
        await asyncio.wait(waited, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            first.cancel()
            return []
        found = [first.result()]
        while not queue.empty() and len(found) < MOST_CHANGES:
            found.append(queue.get_nowait())
        return found

    async def _tell(self, found: list[Event]) -> None:
        """Tell the centre of changes, and of the windows that have ended; move the position."""
        leaving: list[Document] = []
        for event in found:
            now, gathered = self._rules.outgoing(event)
            leaving += self._windows.close(event.at)
            if now is not None:
                leaving.append(now)
            widths = self._rules.kind(event.types).windows
            for name, attribute in gathered.items():
                assert event.entity is not None
                self._windows.add(event.entity, name, attribute, widths[name], event.position)
            self._read = event.position
        if not found and self._read >= self._tenant.history.last:
            leaving += self._windows.close(clocks.time_ns() // 1000)
        for body in bodies(leaving):
            await self._deliver(body)
        await self._save(bool(leaving))

    async def _save(self, has_sent: bool) -> None:
        first = self._windows.first
        told = Told(self._read if first is None else first - 1, self._windows.closed)
        # What did not leave moves the position, too, but there is no hurry.
        is_due = has_sent or clocks.monotonic() - self._saved_at > LONGEST_WAIT_S
        if told.position > self._position.told.position and is_due:
            await asyncio.to_thread(self._position.save, told)
            self._saved_at = clocks.monotonic()

    async def _deliver(self, entities: list[bytes]) -> None:
        """Send entities until the centre has them; those that it cannot use are kept here."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                await self._centre.push(b"[" + b",".join(entities) + b"]")
            except Refused as error:
                await self._apart(entities, str(error))
                return
            except CutOff as error:
                if self.alarm is None:
                    log.warning("edge.lost", centre=self._centre.url, detail=str(error))
                self.alarm = str(error)
                await asyncio.sleep(max(error.retry_after_s, wait_s * random.uniform(0.5, 1.0)))
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            else:
                self._well(len(entities))
                return

    async def _apart(self, entities: list[bytes], why: str) -> None:
        """Send the halves of what was refused, down to the one that is to blame."""
        if len(entities) == 1:
            await self._keep(entities[0], why)
            return
        middle = len(entities) // 2
        await self._deliver(entities[:middle])
        await self._deliver(entities[middle:])

    def _well(self, count: int) -> None:
        if self.alarm is not None:
            log.info("edge.back", centre=self._centre.url, behind=self.behind)
        self.alarm = None
        self.reached = clocks.time()
        self.sent += count


def bodies(entities: Iterable[Document]) -> Iterable[list[bytes]]:
    """Yield entities as JSON in lists that fit into one request, in their order."""
    some: list[bytes] = []
    size = 0
    for entity in entities:
        content = orjson.dumps(entity)
        if some and (size + len(content) > MOST_BYTES or len(some) >= MOST_ENTITIES):
            yield some
            some, size = [], 0
        some.append(content)
        size += len(content) + 1
    if some:
        yield some
