"""Runs the feeds of all tenants: each when it is due, none waiting for another."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from madang.model.errors import BadRequestData, NgsiError
from madang.sense.feeds import alarm
from madang.sense.feeds.book import Book, Entry
from madang.sense.feeds.declaration import Feed, parse
from madang.sense.feeds.errors import FeedError, Refused, Unavailable, Unusable
from madang.sense.feeds.fetch import Fetch, Fetcher
from madang.sense.feeds.kept import Kept, folder_of
from madang.sense.feeds.progress import Progress
from madang.sense.feeds.pull import Pull, Sink, Trial, attempt
from madang.sense.feeds.state import Trouble

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.settings import Settings

log = structlog.get_logger("madang.feeds")

_SECOND = 1_000_000
_SPREAD_S = 30.0  # over which feeds that fell due while Madang was down are read
_LONGEST_SLEEP_S = 3600.0


class Feeds:
    """All feeds of the process. Call :meth:`start` on a running event loop."""

    def __init__(self, settings: Settings, hub: Hub, sink: Sink) -> None:
        self._settings = settings
        self._hub = hub
        self._sink = sink
        self._fetcher = Fetcher(settings)
        self._books: dict[str, Book] = {}
        self._opening = asyncio.Lock()
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Take up the feeds of all tenants."""
        for name in list(self._hub.open):
            book = await self.book(name)
            now = book.tenant.clock.now()
            for entry in book:
                if entry.state.next < now:  # not all of them at the first moment
                    spread = min(_SPREAD_S, entry.feed.every_s / 2 if entry.feed else 0.0)
                    entry.state.next = now + round(random.uniform(0, spread) * _SECOND)
                self._plan(book, entry)

    async def close(self) -> None:
        """End what is under way; what was not finished is asked for again."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._fetcher.close()

    async def book(self, tenant: str) -> Book:
        """Return the feeds of a tenant.

        Raises:
            NonexistentTenant: there is none of that name.
        """
        found = self._books.get(tenant)
        if found is not None:
            return found
        async with self._opening:
            if tenant not in self._books:
                opened = await self._hub.tenant(tenant, create=False)
                self._books[tenant] = await Book.open(opened)
            return self._books[tenant]

    # --- changes ------------------------------------------------------------------------------

    async def add(self, tenant: str, name: str, text: str, by: str, replace: bool) -> Entry:
        """Take up a feed and read it at once.

        Raises:
            BadFeed: the declaration cannot be used.
            AlreadyExists: there is one of that name, and ``replace`` is false.
        """
        feed = self._checked(tenant, parse(text, name))
        book = await self.book(tenant)
        await self._end(tenant, name)
        try:
            entry = await book.add(feed, by, replace)
        except NgsiError:
            self._resume(book, name)
            raise
        self._plan(book, entry)
        return entry

    async def remove(self, tenant: str, name: str) -> None:
        """Forget a feed, its kept answers and its alarm; the entities that it wrote stay."""
        book = await self.book(tenant)
        book.get(name)
        await self._end(tenant, name)
        await book.remove(name)
        await asyncio.to_thread(Kept(folder_of(self._settings.data, tenant, name)).remove)
        await alarm.removed(book.tenant, name)

    async def switch(self, tenant: str, name: str, on: bool) -> Entry:
        """Switch a feed on or off."""
        book = await self.book(tenant)
        entry = book.get(name)
        await self._end(tenant, name)
        entry.state.on = on
        if on:
            entry.state.next = book.tenant.clock.now()
        elif entry.state.alarm:
            entry.state.alarm = False
            await alarm.ended(book.tenant, name, book.tenant.clock.now())
        await book.save(entry)
        self._plan(book, entry)
        return entry

    async def run(self, tenant: str, name: str, progress: Progress) -> Progress:
        """Read a feed now, whether it is due or on, and write all of it again.

        If it is being read already, that is waited for.
        ``progress`` is counted on meanwhile, and returned.

        Raises:
            BadRequestData: its file is of another version and cannot be used.
            FeedError: it could not be read; the state has why.
        """
        book = await self.book(tenant)
        entry = book.get(name)
        if entry.feed is None:
            raise BadRequestData(entry.state.error)
        error = await self._read(book, entry, progress, everything=True)
        self._resume(book, name)
        if error is not None:
            raise error
        return progress

    async def attempt(
        self, tenant: str, text: str, name: str, kept: bool, progress: Progress
    ) -> Trial:
        """Return what a feed would write, without writing.

        Args:
            tenant: where it would be.
            text: its declaration.
            name: of the feed, also of the one whose kept answers are read.
            kept: ask nobody: read the answers that were kept of the feed of that name.
            progress: is counted on meanwhile.

        Raises:
            BadFeed: the declaration cannot be used.
            FeedError: it cannot be read.
        """
        feed = self._checked(tenant, parse(text, name))
        if kept:
            place = Kept(folder_of(self._settings.data, tenant, name))
            fetch = Fetch(self._fetcher, feed, place, None, progress, only_kept=True)
            return await attempt(feed, fetch)
        base = self._settings.data / "feeds"
        await asyncio.to_thread(base.mkdir, parents=True, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=base, prefix="try-"))
        try:
            fetch = Fetch(self._fetcher, feed, Kept(folder), None, progress)
            return await attempt(feed, fetch)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _checked(self, tenant: str, feed: Feed[Any]) -> Feed[Any]:
        wanted = feed.declaration.tenant
        if wanted and wanted != tenant:
            raise BadRequestData(
                f"the feed {feed.name} is for the tenant {wanted!r}, but this request is for"
                f" {tenant or 'the default one'!r}; name the same in both"
            )
        return feed

    # --- the schedule -------------------------------------------------------------------------

    def _plan(self, book: Book, entry: Entry) -> None:
        """Begin to read a feed whenever it is due."""
        key = book.tenant.name, entry.name
        if entry.is_due and key not in self._tasks:
            self._tasks[key] = asyncio.get_running_loop().create_task(self._keep(book, entry))

    def _resume(self, book: Book, name: str) -> None:
        """Begin anew with the time that is next now."""
        task = self._tasks.pop((book.tenant.name, name), None)
        if task is not None:
            task.cancel()
        if any(entry.name == name for entry in book):
            self._plan(book, book.get(name))

    async def _end(self, tenant: str, name: str) -> None:
        task = self._tasks.pop((tenant, name), None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self, book: Book, entry: Entry) -> None:
        clock = book.tenant.clock
        while True:
            wait = (entry.state.next - clock.now()) / _SECOND
            if wait > 0:  # in parts, for the clock of the machine may be set
                await asyncio.sleep(min(wait, _LONGEST_SLEEP_S))
            else:
                await self._read(book, entry, Progress())

    async def _read(
        self, book: Book, entry: Entry, progress: Progress, everything: bool = False
    ) -> FeedError | None:
        """Read a feed and note how it went; return what went wrong."""
        feed, state, tenant = entry.feed, entry.state, book.tenant
        assert feed is not None, "what is not due is not read"
        place = Kept(folder_of(self._settings.data, tenant.name, feed.name))
        async with entry.turn:
            everything = everything or state.anew
            if everything:
                entry.known.clear()
            fetch = Fetch(self._fetcher, feed, place, state.notes, progress, everything=everything)
            pull = Pull(tenant.name, feed, fetch, self._sink, entry.known)
            failure = await _pulled(pull, feed.name, state.letters)
            now = tenant.clock.now()
            if failure is None:
                _note(entry, progress, fetch, now)
                state.went_well(now, feed.every_s)
            else:
                wait = getattr(failure, "retry_after_s", 0.0)
                state.went_wrong(now, feed.every_s, _trouble(failure), str(failure), wait)
                log.warning("feed.failed", feed=feed.name, reason=str(failure)[:300])
            await self._tell(book, entry, now)
            await book.save(entry)
        return failure

    async def _tell(self, book: Book, entry: Entry, now: int) -> None:
        """Raise or end the alarm."""
        state, feed = entry.state, entry.feed
        assert feed is not None
        try:
            if state.needs_alarm(now, feed.every_s):
                if not state.alarm:
                    await alarm.raised(book.tenant, feed.name, feed.urls[0], state, now)
                state.alarm = True
            elif state.alarm and not state.failures:
                await alarm.ended(book.tenant, feed.name, now)
                state.alarm = False
        except NgsiError as error:  # too busy or a full disk: with the next reading
            log.error("feed.alarm_unwritten", feed=feed.name, reason=str(error))


async def _pulled(pull: Pull, name: str, letters: Sequence[int]) -> FeedError | None:
    """Read a feed; return what went wrong."""
    try:
        await pull.run(letters)
    except FeedError as error:
        return error
    except Exception as error:
        # A fault of ours or of the store ends this reading, and no other feed.
        log.exception("feed.fault", feed=name)
        return FeedError(f"Madang failed at this feed: {type(error).__name__}: {error}")
    return None


def _trouble(error: FeedError) -> Trouble:
    if isinstance(error, Unavailable):
        return "unavailable"
    if isinstance(error, Refused):
        return "refused"
    return "unusable" if isinstance(error, Unusable) else "fault"


def _note(entry: Entry, progress: Progress, fetch: Fetch, now: int) -> None:
    """Note what a good reading has brought; if that was nothing new, the figures stay."""
    state = entry.state
    state.notes = fetch.notes
    if not progress.changed:
        return
    state.changed = now
    state.records, state.entities = progress.records, progress.entities
    state.written, state.bad = progress.written, progress.bad
    state.letters = progress.letters
