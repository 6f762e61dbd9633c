"""Puts the changes of a tenant on its stream: out of the outbox, and what has left it from history.

One hub does so, the one that drains the tenant's history. If another does it as well for a moment,
each message is taken once all the same. The numbers of changes and those of messages go together,
so the stream itself says how far it has come, and whatever it has lost is put into it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
import structlog

from madang.bus.stream import Stream, end
from madang.hub.feed import Event, logged, outbox_events, told

if TYPE_CHECKING:
    from madang.hub.history import History
    from madang.lake.protocol import Readable
    from madang.store.postgres.shared import SharedStore

log = structlog.get_logger("madang.relay")

AT_ONCE = 1_000  # changes put on the stream before it is asked whether it has them
RETRY_S = 0.5


class Relay:
    """The changes of one tenant, on their way to its stream.

    Args:
        stream: to be put on.
        store: has the outbox.
        history: has what was drained.
    """

    def __init__(self, stream: Stream, store: SharedStore, history: History) -> None:
        self._stream = stream
        self._store = store
        self._history = history
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._position = 0
        """Number of the last change that the stream has, as far as is known."""
        self.alarm: str | None = None
        """Why nothing can be put on the stream, or None."""

    @property
    def waiting(self) -> int | None:
        """How many changes are not on the stream yet; None: another hub puts them there."""
        return None if self._task is None else max(self._store.last_change - self._position, 0)

    def start(self) -> None:
        """Begin to put changes on the stream."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hear(self) -> None:
        """Take note that there are changes."""
        self._news.set()

    async def stop(self) -> None:
        """Leave it to another hub."""
        if self._task is not None:
            await end(self._task)
        self._task = self.alarm = None

    async def _run(self) -> None:
        while True:
            try:
                await self._begin()
                while True:
                    await self._put()
            except Exception as error:
                # NATS, the database or history is away. Whatever it is, it must go on after it.
                why = str(error) or repr(error)
                if self.alarm is None:
                    log.warning("relay.away", tenant=self._history.name, error=why)
                self.alarm = why
            await asyncio.sleep(RETRY_S)

    async def _begin(self) -> None:
        """Find out how far the stream has come; make it if there is none."""
        reached, newest = await self._stream.reached(), await self._store.newest()
        if reached is None or reached > newest:
            if reached is not None:  # the state was put back from an older copy
                log.warning("relay.newer_than_state", tenant=self._history.name, reached=reached)
            await self._stream.begin(newest)
            reached = newest
        self._position = reached
        if self.alarm is not None:
            log.info("relay.back", tenant=self._history.name, behind=newest - reached)
            self.alarm = None

    async def _put(self) -> None:
        """Put the next changes on the stream, after waiting for some."""
        self._news.clear()
        if self._position >= self._store.last_change:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._news.wait()
            return
        found = await self._next()
        await self._stream.put(self._position, found)
        self._position += len(found)

    async def _next(self) -> Sequence[tuple[str, bytes]]:
        """Return entity and body of the changes that come next, of each one."""
        blocks = await self._store.outbox(self._position, AT_ONCE)
        if blocks and blocks[0].last - blocks[0].size <= self._position:
            events = [event for block in blocks for event in outbox_events(block)]
            return [_message(event) for event in events if event.position > self._position]
        upto = min(self._position + AT_ONCE, self._store.last_change)
        return await self._drained(upto)

    async def _drained(self, upto: int) -> list[tuple[str, bytes]]:
        """Return changes that history has; what was deleted from it has an empty body."""

        def ask(lake: Readable) -> dict[int, Event]:
            found = lake.log(self._position, AT_ONCE, upto)
            return {one.seq: logged(one) for one in found}

        known = await self._history.read(ask)
        numbers = range(self._position + 1, upto + 1)
        return [_message(known[one]) if one in known else ("", b"") for one in numbers]


def _message(event: Event) -> tuple[str, bytes]:
    return event.id, orjson.dumps(told(event))
