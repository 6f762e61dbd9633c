"""Tells the centre of what changes here: in order, at least once, from a durable position.

The node's own feed of changes is the queue: it is on the disk before a device is answered, it has
no end, and history keeps it while the centre is cut off. A batch is sent again until the centre
has answered that it is durable there; only then the position moves on. The centre leaves out what
it knows, so at least once has the effect of once (see :func:`madang.model.merge.observe`).

The rules of what leaves may change on the way: those before hold up to a change whose number is
durable before anything leaves by the new ones. Open windows are cut there, so that each value is in
one aggregate, or leaves by itself, also if the change is made again after a crash.
"""

from __future__ import annotations

import asyncio
import random
import time as clocks
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import structlog

from madang.hub.feed import Event, events
from madang.model.errors import BadRequestData, MadangError
from madang.sense.edge.centre import Centre, CutOff, Refused
from madang.sense.edge.late import Late, leaving
from madang.sense.edge.position import Position, Told
from madang.sense.edge.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from madang.hub.tenant import Tenant
    from madang.lake.questions import Instance
    from madang.model.entity import Document
    from madang.sense.edge.rules import Rules

log = structlog.get_logger("madang.edge")

MOST_CHANGES = 500  # read before they are sent
MOST_BYTES = 256 * 1024  # of a body before it is compressed
MOST_ENTITIES = 200  # of a body
LATE_AT_ONCE = 20  # batches of late values between two looks at changes
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
IDLE_S = 1.0  # between two looks at windows when nothing changes
RETRY_S = 5.0  # after the feed itself failed

Keep = Callable[[bytes, str], Awaitable[None]]
"""Keeps a body that the centre cannot use, with the reason."""

Settle = Callable[[int], Awaitable[None]]
"""Makes durable that other rules hold after the change of a number; 0: they are the same."""


class Turn(NamedTuple):
    """A change of the rules."""

    before: Rules
    after: int
    """Number of the last change that the rules before hold for."""


class _Coming(NamedTuple):
    rules: Rules
    settle: Settle


class Forwarder:
    """Forwards the changes of one tenant.

    Args:
        tenant: whose changes.
        centre: where to.
        position: how far it got.
        late: values that are not in the feed of changes.
        rules: what may leave.
        keep: what to do with what the centre cannot use.
        turned: how the rules came to be these, if they were others before.
    """

    def __init__(
        self,
        tenant: Tenant,
        centre: Centre,
        position: Position,
        late: Late,
        rules: Rules,
        keep: Keep,
        turned: Turn | None = None,
    ) -> None:
        self._tenant = tenant
        self._centre = centre
        self._position = position
        self._late = late
        self._late_count = len(late)
        self._rules = rules
        self._keep = keep
        self._turned = turned
        self._turn: Turn | None = None
        """The last one, until the windows of the rules before are cut and the centre has them."""
        self._coming: _Coming | None = None
        self._windows = Windows()
        self._read = 0
        """Number of the last change that was read."""
        self._clock = 0
        """When windows were last looked at. [us since 1970]"""
        self._before = position.content
        """What was kept before the start: windows that ended until then have been sent."""
        self._is_replayed = False
        self._done = self._before.read
        """Number of the last change that the centre has, or that need not leave."""
        self._saved_at = 0.0
        self.reached: float | None = None
        """When the centre last answered well. [s since 1970]"""
        self.alarm: str | None = None
        """Why it is cut off, or None."""
        self.sent = 0
        """Entities that the centre acknowledged since the start."""

    @property
    def behind(self) -> int:
        """Changes, and batches of late values, that the centre has not acknowledged."""
        changes = max(self._tenant.history.last - self._done, 0)
        return changes + self._late_count

    def status(self) -> dict[str, Any]:
        """Return how it goes, for operators."""
        return {
            "position": self._position.content.position,
            "behind": self.behind,
            "sent": self.sent,
            "reached": self.reached,
            "alarm": self.alarm,
        }

    async def late_ones(self, instances: Sequence[Instance]) -> None:
        """Keep values that came too late for the state, until the centre has them."""
        found = leaving(instances, self._rules)
        if found:
            await asyncio.to_thread(self._late.put, found)
            self._late_count += 1

    def change(self, rules: Rules, settle: Settle) -> None:
        """Let other rules hold from the next batch on, instead of any that are awaited.

        Args:
            settle: is called when it is known after which change.
        """
        self._coming = _Coming(rules, settle)

    async def run(self) -> None:
        """Forward until cancelled."""
        while True:
            try:
                await self._follow()
                return  # the tenant is closed
            except BadRequestData as error:  # the store was put back from an older copy
                log.warning("edge.position.ahead", detail=str(error))
                self._position.save(Told())
                self._turned = None
            except (MadangError, OSError) as error:
                self.alarm = str(error)
                log.error("edge.failed", detail=str(error), retry_in_s=RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        told = self._position.content
        self._windows = Windows()
        self._before = told
        self._is_replayed = False
        self._read = told.position
        self._done, self._clock = told.read, told.clock
        turned = self._turned
        # Who has told nothing yet tells all of it by the rules there are now.
        is_told = turned is None or not told.read or told.position >= turned.after
        self._turn = None if is_told else turned
        queue: asyncio.Queue[Event] = asyncio.Queue(MOST_CHANGES)
        reading = asyncio.ensure_future(self._fill(queue, told.position))
        try:
            while True:
                await self._take_up()
                found = await self._some(queue, reading)
                await self._tell(found)
                if self._late_count:
                    await self._tell_late()
                if reading.done() and queue.empty():
                    return reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _take_up(self) -> None:
        """Let the rules that are to come hold from here on."""
        coming = self._coming
        if coming is None or self._turn is not None:
            return
        if coming.rules.are_like(self._rules):
            await coming.settle(0)
        else:
            after = max(self._read, self._done)
            await coming.settle(after)
            self._turn = self._turned = Turn(self._rules, after)
            self._rules = coming.rules
        if self._coming is coming:
            self._coming = None

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
        going: list[Document] = []
        turn = self._turn
        for event in found:
            if event.position > self._before.read:
                self._replayed()
            if turn is not None and event.position > turn.after:
                going += self._cut()
            ended = self._gather(event, going)
            if event.position > self._before.read:
                going += ended
            self._read = event.position
        if not found and self._read >= self._tenant.history.last:
            self._replayed()
            going += self._cut()
            self._clock = clocks.time_ns() // 1000
            going += self._windows.close(self._clock)
        for body in bodies(going):
            await self._deliver(body)
        self._done = max(self._read, self._done)
        await self._save(bool(going) or self._turn is not turn)

    def _cut(self) -> list[Document]:
        """End the windows of the rules before; return what may leave by the new ones, too."""
        if self._turn is None:
            return []
        self._turn = None
        left = (self._rules.left_of(entity) for entity in self._windows.cut())
        return [entity for entity in left if entity is not None]

    def _replayed(self) -> None:
        """Forget the windows that were sent before the start; they were only filled again."""
        if not self._is_replayed:
            self._windows.close(self._before.clock)
            self._is_replayed = True

    def _gather(self, event: Event, going: list[Document]) -> list[Document]:
        """Add what leaves at once, fill windows, and return those that end by it."""
        ended = self._windows.close(event.at)
        self._clock = max(self._clock, event.at)
        rules = self._rules if self._turn is None else self._turn.before
        now, gathered = rules.outgoing(event)
        if now is not None:
            going.append(now)
        widths = rules.kind(event.types).windows
        for name, attribute in gathered.items():
            assert event.entity is not None
            ended += self._windows.add(
                event.entity, name, attribute, widths[name], event.position, event.at
            )
        return ended

    async def _tell_late(self) -> None:
        """Tell the centre of late values, the oldest first, for a while."""
        for _ in range(LATE_AT_ONCE):
            first = await asyncio.to_thread(self._late.first)
            if first is None:
                self._late_count = 0
                return
            number, entities = first
            left = (self._rules.left_of(entity) for entity in entities)
            for body in bodies(entity for entity in left if entity is not None):
                await self._deliver(body)
            await asyncio.to_thread(self._late.remove, number)
            self._late_count = max(self._late_count - 1, 1)

    async def _save(self, has_sent: bool) -> None:
        first = self._windows.first
        told = Told(self._read if first is None else first - 1, self._done, self._clock)
        # What did not leave moves the position, too, but there is no hurry.
        is_due = clocks.monotonic() - self._saved_at > LONGEST_WAIT_S
        if has_sent or (is_due and told.read > self._position.content.read):
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
