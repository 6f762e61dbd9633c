"""A service on the live city: it follows the feed of changes and the clock, and writes effects.

Effects are written first, then what the service keeps, with the number of the last change it was
told of. A crash between the two makes the calls be made again, from what was kept before, and they
have the same effects under the same ids, which the hub knows already.
"""

from __future__ import annotations

import asyncio
import time as clocks
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog

from madang.hub.feed import Event, events
from madang.hub.operations import Keep, Observe, Operation
from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import (
    InternalError,
    MadangError,
    NgsiError,
    Overloaded,
    ResourceNotFound,
    TooManyRequests,
    Unavailable,
)
from madang.model.normalize import entity as normalized
from madang.services import failure
from madang.services.ground import Kept
from madang.services.run import Effect, Run, ServiceFailed
from madang.store.rows import entity_of

if TYPE_CHECKING:
    import polars

    from madang.hub.tenant import Tenant
    from madang.lake.questions import Series
    from madang.query.tree import Query
    from madang.services.service import Options, Service
    from madang.services.workers import Workers
    from madang.trust.view import View

log = structlog.get_logger("madang.services")

QUEUE = 1_000  # changes read before the service has taken them
MOST_AT_ONCE = 200  # changes, after which effects are written
KEEP_S = 5.0  # until what is kept is written though nothing had an effect
KEEP_SHARE = 10  # at least so many times as long as writing it takes passes from one to the next
IDLE_S = 1.0  # between two looks at the clock
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
ATTEMPTS = 5  # in a row, after which people are told of a service that is tried again

PASSING = (OSError, TimeoutError, Overloaded, TooManyRequests, Unavailable, InternalError)
"""Errors that may go away by themselves: the call is made again. After others it waits for
somebody to look."""

State = Literal["running", "retrying", "failed"]
Store = Callable[[bytes], Awaitable[None]]
"""Stores what a service keeps; returns when it is durable."""
Tell = Callable[[State], Awaitable[None]]
"""Tells other hubs how it goes, when that changes."""


class LiveCity:
    """The ground of a service that works on the hub."""

    def __init__(self, seen: Callable[[], Tenant | View], workers: Workers) -> None:
        self._seen = seen
        self.compute = workers.compute

    async def get(self, id: str) -> Entity | None:
        row = await self._seen().get(id)
        return None if row is None else entity_of(row)

    async def query(self, query: Query) -> list[Entity]:
        return [entity_of(row) for row in (await self._seen().query(query)).rows]

    async def frame(self, series: Series) -> polars.DataFrame:
        return await self._seen().history.read(lambda lake: lake.frame(series))


class Live:
    """Drives one service. Call :meth:`run` as a task.

    Args:
        service: which.
        tenant: whose changes.
        seen: the tenant as the service sees it, and may write it.
        workers: who computes for it.
        options: its settings.
        kept: what it kept, as JSON; None at its first start.
        keep: see :data:`Store`.
        tell: see :data:`Tell`.
    """

    def __init__(
        self,
        service: Service,
        tenant: Tenant,
        seen: Callable[[], Tenant | View],
        workers: Workers,
        options: Options,
        kept: bytes | None,
        keep: Store,
        tell: Tell,
    ) -> None:
        self._service = service
        self._tenant = tenant
        self._seen = seen
        self._ground = LiveCity(seen, workers)
        self._options = options
        self._keep = keep
        self._tell = tell
        self._is_new = kept is None
        self._kept = kept or _dumped(Kept(tenant.history.last, clocks.time_ns() // 1000))
        self._kept_at = 0.0
        self._keep_took = 0.0
        self._is_told = True
        """People may have been told, by the run before, that it does not go on."""
        self._ending = asyncio.Event()
        self.failure: ServiceFailed | None = None
        """Why it does not go on at present."""
        self.attempts = 0
        """How often that failed in a row."""
        self.position = _loaded(self._kept).position
        self.calls = 0
        self.effects = 0

    def end(self) -> None:
        """Let it end as soon as what it does is written and what it keeps is kept."""
        self._ending.set()

    async def run(self) -> None:
        """Work until it is to end, until the tenant is closed, or until it fails for good."""
        wait_s = FIRST_WAIT_S
        while True:
            done = self.position
            try:
                await self._work()
                return
            except ServiceFailed as error:
                self.failure = error
            except (MadangError, OSError) as error:  # of the hub, not of the service
                self.failure = ServiceFailed(self._service.name, "-", "", error)
            self.attempts += 1
            if self.position > done:
                wait_s = FIRST_WAIT_S
            waits = not isinstance(self.failure.cause, PASSING)
            await self._tell_others(waits)
            if waits or self.attempts == ATTEMPTS:
                await self._alert(self.failure, waits)
            if waits:
                log.error("service.failed", reason=str(self.failure), trace=self.failure.trace)
                return
            log.warning("service.retries", reason=str(self.failure), in_s=wait_s)
            try:
                async with asyncio.timeout(wait_s):
                    await self._ending.wait()
                return
            except TimeoutError:
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _tell_others(self, waits: bool) -> None:
        try:
            await self._tell("failed" if waits else "retrying")
        except (MadangError, OSError) as error:  # what failed may well be the hub itself
            log.warning("service.not_told", reason=str(error))

    async def _alert(self, error: ServiceFailed, waits: bool) -> None:
        self._is_told = True
        try:
            await failure.tell(self._seen(), self._service, error, waits)
        except (MadangError, OSError) as another:  # what failed may well be the hub itself
            log.warning("service.not_told", reason=str(another))

    async def _work(self) -> None:
        if self._is_new:  # whatever happens from now on, it will be told of
            await self._keep(self._kept)
            self._is_new = False
        kept = _loaded(self._kept)
        run = Run(self._service, self._ground, self._options, kept)
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)
        reading = asyncio.ensure_future(self._fill(queue, kept.position))
        ending = asyncio.ensure_future(self._ending.wait())
        try:
            while not ending.done() and not (reading.done() and queue.empty()):
                some = await self._some(queue, {reading, ending}, run.due)
                for event in some:
                    if run.concerns(event):
                        await run.change(event)
                    else:
                        kept.position = event.position
                if queue.empty():
                    await run.until(clocks.time_ns() // 1000)
                elif some:
                    await run.until(some[-1].at)
                await self._settle(run)
            if ending.done():
                await self._settle(run, last=True)
            else:
                reading.result()
        finally:
            reading.cancel()
            ending.cancel()
            await asyncio.wait([reading, ending])

    async def _fill(self, queue: asyncio.Queue[Event], after: int) -> None:
        async with aclosing(events(self._tenant.feed, after)) as changes:
            async for event in changes:
                await queue.put(event)

    @staticmethod
    async def _some(
        queue: asyncio.Queue[Event], others: AbstractSet[asyncio.Future[Any]], due: int
    ) -> list[Event]:
        """Return changes that are there, after waiting for the first, for others or what is due."""
        if queue.empty():
            until_due = due / 1e6 - clocks.time()
            first = asyncio.ensure_future(queue.get())
            timeout = min(max(until_due, 0.0), IDLE_S)
            await asyncio.wait(
                {first, *others}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not first.done():
                first.cancel()
                return []
            found = [first.result()]
        else:
            found = []
        while not queue.empty() and len(found) < MOST_AT_ONCE:
            found.append(queue.get_nowait())
        return found

    async def _settle(self, run: Run, last: bool = False) -> None:
        """Write effects, and after them what is kept: not each time, if that takes long."""
        effects, run.effects = run.effects, []
        if effects:
            await self._write(effects)
        now = clocks.monotonic()
        since = now - self._kept_at
        if last or ((effects or since > KEEP_S) and since >= KEEP_SHARE * self._keep_took):
            body = _dumped(run.kept)
            if body != self._kept:
                await self._keep(body)
                self._kept = body
            self._kept_at = clocks.monotonic()
            self._keep_took = self._kept_at - now
            if self.failure is not None:
                await self._tell("running")
            self.failure, self.attempts = None, 0
            if self._is_told:
                await failure.end(
                    self._seen(), failure.alert_of(self._service), clocks.time_ns() // 1000
                )
                self._is_told = False
        self.position = run.kept.position
        self.calls += run.calls
        self.effects += len(effects)
        run.calls = 0

    async def _write(self, effects: list[Effect]) -> None:
        """Write effects as the service.

        Raises:
            ServiceFailed: one of them cannot be written.
        """
        name = self._service.name
        operations: list[Operation] = []
        owners: list[Effect] = []
        for effect in effects:
            try:
                done = _operations(effect)
            except NgsiError as error:
                raise ServiceFailed(name, effect.function, effect.key, error) from error
            operations += done
            owners += [effect] * len(done)
        results = await self._seen().write(operations)
        for effect, operation, result in zip(owners, operations, results, strict=True):
            if isinstance(operation, Keep) and isinstance(result, ResourceNotFound):
                continue  # what is not there has no attributes to remove
            if isinstance(result, NgsiError):
                raise ServiceFailed(name, effect.function, effect.key, result) from result


def _operations(effect: Effect) -> list[Operation]:
    document, found = effect.document, list[Operation]()
    if len(document) > 2:  # more than id and type
        found.append(Observe(document["id"], normalized(document, CORE)))
    if effect.removed:
        found.append(Keep(document["id"], frozenset(effect.removed), drop=True))
    return found


def _dumped(kept: Kept) -> bytes:
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)


def _loaded(body: bytes) -> Kept:
    kept = Kept(**orjson.loads(body))
    kept.timers = {name: (at, call, given) for name, (at, call, given) in kept.timers.items()}
    return kept


def skipping(body: bytes | None, key: str) -> bytes:
    """Return what a service kept, so that it leaves a call out when it goes on."""
    kept = Kept() if body is None else _loaded(body)
    kept.skip = key
    return _dumped(kept)
