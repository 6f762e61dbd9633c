"""The history of a tenant: its store's outbox, its lake, and what moves rows from one to the other.

A read first takes into the lake what the outbox has gained since the last one, so it sees every
write that was acknowledged before it began. A little later the rows are moved into files in bulk;
they leave the outbox only when the lake has them on the disk. If that disk is full or broken, the
outbox grows and an alarm says so: nothing is lost.

Where several hubs share outbox and catalog, each reads and changes history, and one moves rows in
the background (:meth:`History.work`). A read looks at the outbox first and asks the catalog then
how far it has been drained: what left the outbox between the two is in the files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from madang.hub.lakes import Lakes
from madang.lake.backfill import backfill
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.protocol import Lake
from madang.lake.questions import Figures, Series
from madang.lake.rules import Rules, dump, parse
from madang.lake.sql_run import Moment, moment
from madang.lake.storage import Away
from madang.model.errors import NgsiError, Unavailable
from madang.query.reach import WHOLE
from madang.store.protocol import ItemKind, Store

if TYPE_CHECKING:
    import polars

log = structlog.get_logger("madang.history")

T = TypeVar("T")
Keep = Callable[[ItemKind, str, bytes | None], Awaitable[None]]

RULES = "history"  # of the store's item that holds policies and holds
READERS = 4  # reads at the same time; the engine uses all cores for each
CHUNK = 20_000  # changes taken from the outbox in one go
BULK = 100_000  # instances that are moved into files at once
TAIL = 1_000_000  # instances that may wait in memory; some 200 MB
LOOK = 1.0  # [s] between two looks at what waits
UPKEEP = 60.0  # [s] between two looks at whether files should be merged
DRAINS = 16  # after which that is looked at sooner
RETAIN = 3600.0  # [s] between two applications of the policies
RETRY = 30.0  # [s] until a lake that could not be written is tried again


class HistoryBehind(NgsiError):
    """The lake could not be written for so long that what waits cannot be read."""

    name, title, status = "InternalError", "History cannot be read for the moment", 503


class Histories:
    """What the histories of all tenants share: the engine and its threads."""

    def __init__(self, lakes: Lakes, memory_mb: int, drain_s: float) -> None:
        self.lakes = lakes
        self.drain_s = drain_s
        self.engine = Engine(lakes.folder / "scratch", memory_mb)
        self.readers = ThreadPoolExecutor(READERS, "history")
        self.writers = ThreadPoolExecutor(2, "history-write")

    async def start(self) -> None:
        """Load the engine: while somebody is answered it would hold everything up for 0.2 s.

        Raises:
            UnusableFiles: the bucket of history cannot be used.
        """
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.writers, self.engine.load)
        await loop.run_in_executor(self.writers, self.lakes.check, self.engine)

    def close(self) -> None:
        """End the threads and the engine; the histories must have been closed before."""
        self.readers.shutdown()
        self.writers.shutdown()
        self.engine.close()


class History:
    """What the hub offers of a tenant's past. To be used from the event loop.

    Args:
        name: the tenant's.
        store: its state, with the outbox.
        keep: stores one of the hub's own things; see :meth:`madang.hub.writer.Writer.keep`.
        shared: engine, threads and the places of all lakes.
    """

    def __init__(self, name: str, store: Store, keep: Keep, shared: Histories) -> None:
        self.name = name
        self.alarm: str | None = None
        """Why the lake could not be written the last time, or None."""
        self._store = store
        self._keep = keep
        self._rules = Rules()
        self._retained = 0.0
        self._shared = shared
        self._lake: Lake | None = None
        self._generation = 0  # of the engine on which the lake was opened
        self._opening: asyncio.Task[Lake] | None = None
        self._taking = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._work: asyncio.Task[None] | None = None
        self._waits_since: float | None = None
        self._began = store.last_change
        self._known = 0
        """What the outbox said it was drained up to, until the lake is opened."""

    async def start(self) -> None:
        """Learn the policies and holds."""
        for id, body in await self._store.items("setting"):
            await self.take(id, body)

    async def take(self, id: str, body: bytes | None) -> None:
        """Take up policies and holds as they are stored; other settings are passed over."""
        if id == RULES and body is not None:
            await self._enforce(parse(body))

    async def work(self) -> None:
        """Move rows into the lake from now on when there are some, and apply the policies."""
        self._known = self._store.last_change - (await self._store.size())["outbox"]
        self._work = asyncio.get_running_loop().create_task(self._run())

    async def rest(self) -> None:
        """Leave moving rows to another hub; two drains at once do no harm."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        self._work = self._waits_since = self.alarm = None

    # --- asking -------------------------------------------------------------------------------

    async def read(self, question: Callable[[Lake], T]) -> T:
        """Ask the lake something, in a thread; it has all that was acknowledged before.

        Raises:
            HistoryBehind: the lake could not be written for so long that it cannot be read.
            Unavailable: what has its catalog or its files does not answer.
        """
        try:
            lake = await self._current()
            return await self._thread(self._shared.readers, lambda: question(lake))
        except Away as error:
            raise Unavailable(f"history cannot be read ({error}); try again later") from error

    async def frame(self, series: Series) -> polars.DataFrame:
        """Return values over time as a Polars frame."""
        return await self.read(lambda lake: lake.frame(series))

    async def tables(self, folder: Path) -> Moment:
        """Return what SQL may ask: tables, and the files that hold them, which stay for minutes.

        Args:
            folder: for what is in no file of the lake yet; to be removed afterwards.
        """
        return await self.read(lambda lake: moment(lake, WHOLE, folder))

    async def figures(self) -> Figures:
        """Return figures for operators."""
        return await self.read(lambda lake: lake.figures())

    # --- changing -----------------------------------------------------------------------------

    async def change(self, order: Callable[[Lake], T]) -> T:
        """Let the lake do something to history (add, change, remove, load), one at a time.

        When it returns, it is on the disk. All that was acknowledged before is in the files.

        Raises:
            Unavailable: what has its catalog or its files does not answer; nothing was done.
            OSError: the disk is full or broken; nothing was done.
        """
        async with self._changing:
            try:
                lake = await self._drained()
                if self._shared.lakes.is_shared:  # another hub may have put other holds in force
                    body = await self._store.item("setting", RULES)
                    lake.hold((parse(body) if body else Rules()).holds)
                return await self._thread(self._shared.writers, lambda: order(lake))
            except Away as error:
                raise Unavailable(
                    f"history cannot be changed ({error}); try again later"
                ) from error

    async def load(self, file: Path, created: int) -> int:
        """Load a Parquet file of instances; see :func:`madang.lake.backfill.backfill`."""
        return await self.change(lambda lake: backfill(lake, file, created))

    async def drain(self) -> int:
        """Move everything acknowledged so far into files; return its last sequence number.

        Raises:
            OSError: the disk is full or broken; all of it is still in the outbox.
        """
        async with self._changing:
            return (await self._drained()).drained

    @property
    def last(self) -> int:
        """The sequence number of the last change that this hub knows."""
        return self._store.last_change

    async def newest(self) -> int:
        """Return the sequence number of the last change, whichever hub it came from."""
        return await self._store.newest()

    @property
    def is_open(self) -> bool:
        """Whether there is anything of it that may be read."""
        return True

    @property
    def waiting(self) -> int:
        """How many changes are not in the lake's files yet; 0 where another hub moves them."""
        if self._work is None:
            return 0
        drained = self._lake.drained if self._lake is not None else self._known
        return max(self._store.last_change - drained, 0)

    @property
    def rules(self) -> Rules:
        """The policies and holds in force."""
        return self._rules

    async def set_rules(self, rules: Rules) -> None:
        """Put policies and holds in force, in place of those before; they are durable then."""
        await self._keep("setting", RULES, dump(rules))
        await self._enforce(rules)

    async def _enforce(self, rules: Rules) -> None:
        self._rules = rules
        self._retained = 0.0
        if self._lake is not None:
            self._lake.hold(rules.holds)

    async def close(self) -> None:
        """End the work in the background; what waits is still in the outbox."""
        await self.rest()
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        async with self._changing, self._taking:
            if self._lake is not None:
                await self._thread(self._shared.writers, self._lake.close)

    # --- from the outbox to the lake ----------------------------------------------------------

    async def _opened(self) -> Lake:
        """Return the lake. Whoever is cancelled while it is opened leaves it to all others."""
        if self._lake is None or self._generation != self._shared.engine.generation:
            if self._opening is None:
                self._opening = asyncio.get_running_loop().create_task(self._open())
            return await asyncio.shield(self._opening)
        return self._lake

    async def _open(self) -> Lake:
        shared = self._shared
        try:
            if self._lake is not None:  # of an engine that has failed
                forsaken, self._lake = self._lake, None
                await self._thread(shared.writers, forsaken.close)
            self._generation = shared.engine.generation
            lake = await self._thread(
                shared.writers, lambda: DuckLake(shared.engine, shared.lakes.catalog(self.name))
            )
        except OSError as error:
            self._opening = None
            log.error("history.not_opened", tenant=self.name, reason=str(error))
            raise HistoryBehind("history cannot be opened; the hub's log says why") from error
        try:
            await self._agree(lake)
        except BaseException:
            await self._thread(shared.writers, lake.close)
            raise
        finally:
            self._opening = None
        lake.hold(self._rules.holds)
        self._lake = lake
        return lake

    async def _agree(self, lake: Lake) -> None:
        """Make sure that lake and outbox mean the same by a number."""
        began = self._began
        if self._shared.lakes.is_shared:  # another hub may have written and drained more
            began = await self._store.newest()
        if lake.drained > began:
            # The state was put back from an older copy, so its numbers come a second time.
            log.warning("history.newer_than_state", tenant=self.name, drained=lake.drained)
            await self._thread(self._shared.writers, lambda: lake.rewind(began))
        # A crash may have come between the lake's commit and the outbox's.
        await self._store.drained(lake.drained)

    async def _current(self) -> Lake:
        """Return the lake when it has taken all that the outbox has now."""
        lake = await self._opened()
        target = await self._store.newest()
        if lake.taken >= target:
            return lake
        async with self._taking:
            while lake.taken < target:
                if lake.waiting > TAIL:  # but another hub may have moved it into the files
                    await self._thread(self._shared.readers, lake.refresh)
                if lake.waiting > TAIL:
                    raise HistoryBehind(
                        "history cannot be read now, for too much waits to be written into its"
                        f" files ({self.alarm or 'it is under way'}); try again later"
                    )
                await self._take(lake)
        return lake

    async def _take(self, lake: Lake) -> None:
        """Take what the outbox has next; what another hub has moved from it is in the files."""
        blocks = await self._store.outbox(lake.taken, CHUNK)

        def take() -> None:
            lake.take(blocks)
            lake.refresh()

        await self._thread(self._shared.readers, take)

    async def _drained(self) -> Lake:
        """Return the lake when all that the outbox has now is in its files."""
        lake = await self._opened()
        target = await self._store.newest()
        while lake.drained < target:
            if lake.taken < target and lake.waiting < BULK:
                async with self._taking:
                    await self._take(lake)
            if lake.taken >= target or lake.waiting >= BULK:
                upto = await self._thread(self._shared.writers, lake.drain)
                await self._store.drained(upto)
        return lake

    async def _thread(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with self._shared.engine.guarded(self._generation):
                return work()

        return await asyncio.get_running_loop().run_in_executor(threads, guarded)

    # --- in the background --------------------------------------------------------------------

    async def _run(self) -> None:
        upkeep = time.monotonic() + UPKEEP
        drains = 0
        while True:
            await asyncio.sleep(min(LOOK, self._shared.drain_s))
            try:
                if self._is_due():
                    await self.drain()
                    self._waits_since = None
                    drains += 1
                await self._retain()
                if self._lake is not None and (drains >= DRAINS or time.monotonic() > upkeep):
                    upkeep, drains = time.monotonic() + UPKEEP, 0
                    await self._thread(self._shared.writers, self._lake.maintain)
                self._calm()
            except Exception as error:
                # Most often a full disk. Whatever it is, moving history must go on after it.
                self._raise_alarm(error)
                await asyncio.sleep(RETRY)

    async def _retain(self) -> None:
        """Apply the policies, now and then."""
        policies = self._rules.policies
        if policies and time.monotonic() > self._retained:
            self._retained = time.monotonic() + RETAIN
            now = time.time_ns() // 1000
            await self.change(lambda lake: lake.retain(policies, now))

    def _is_due(self) -> bool:
        """Tell whether enough waits, or anything waits for long enough."""
        waiting = self.waiting
        if not waiting:
            self._waits_since = None
            return False
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return waiting >= CHUNK or now - self._waits_since >= self._shared.drain_s

    def _raise_alarm(self, error: Exception) -> None:
        if self.alarm is None:
            log.error("history.not_written", tenant=self.name, exc_info=error)
        self.alarm = str(error)

    def _calm(self) -> None:
        if self.alarm is not None:
            log.info("history.written_again", tenant=self.name)
            self.alarm = None
