"""A tenant's changes as its stream tells them, for who needs no more of a change than what was put.

Services follow it. Each hub reads the stream once and tells all of its own; the database is not
asked. Who starts at an older position, or has missed some, reads history up to where the stream is
(:func:`madang.hub.feed.events`). While the stream says nothing of what there is, all read history.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, TypeVar

import orjson
import structlog

from madang.bus.stream import Stream, StreamAway, end
from madang.hub.changes import Changes
from madang.model import time
from madang.model.entity import Entity
from madang.store.protocol import Change

if TYPE_CHECKING:
    from madang.hub.history import History
    from madang.lake.protocol import Readable

log = structlog.get_logger("madang.stream")

T = TypeVar("T")

LOOK_S = 0.5  # between two looks at whether the stream goes on
LATE_S = 2.0  # that it may say nothing of changes that there are


class StreamFeed:
    """The changes of one tenant; see :class:`madang.hub.feed.Followed`."""

    def __init__(self, stream: Stream, history: History) -> None:
        self._stream = stream
        self._past = history
        self._changes = Changes()
        self._told = history.last
        """Number of the last change that followers were told of, or have to look up."""
        self._new: list[Change] = []
        """What has arrived since followers were told of something."""
        self._asked = asyncio.Event()
        self._is_away = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    # --- as a history (madang.hub.feed.Record) ------------------------------------------------

    @property
    def history(self) -> StreamFeed:
        return self

    @property
    def last(self) -> int:
        """Number of the last change: what comes later is told to who follows already."""
        return max(self._past.last, self._told)

    @property
    def is_open(self) -> bool:
        return True

    async def newest(self) -> int:
        return await self._past.newest()

    async def read(self, question: Callable[[Readable], T]) -> T:
        return await self._past.read(question)

    # --- as a stream --------------------------------------------------------------------------

    def follow(
        self, wanted: Callable[[Change], bool] | None = None
    ) -> AsyncGenerator[Change, None]:
        """Yield changes from now on; of an entity they have what was put."""
        if not self._changes.followed:
            self._told = self.last
        self._asked.set()
        return self._changes.follow(wanted)

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            try:
                async with self._stream.followed(self._told, self._take):
                    self._say(is_away=False)
                    await self._while_it_goes_on()
            except StreamAway as error:
                self._say(is_away=True, why=str(error))
                await asyncio.sleep(LATE_S)
            if self._changes.followed:
                if self._told < self._past.last:
                    self._lose()
            else:
                self._asked.clear()
                await asyncio.sleep(0)  # who has just asked follows from now on
                if self._changes.followed:
                    self._asked.set()

    async def _while_it_goes_on(self) -> None:
        """Return when nobody follows any more, or when it has been silent for too long."""
        since, told = 0.0, self._told
        while self._changes.followed and since < LATE_S:
            await asyncio.sleep(LOOK_S)
            is_late = self._told == told < self._past.last
            since, told = (since + LOOK_S if is_late else 0.0), self._told

    def _take(self, body: bytes) -> None:
        if not body:
            self._lose()
            return
        change = change_of(body)
        if change.number <= self._told:
            return
        is_next = change.number == self._told + 1
        self._told = change.number
        if not is_next:
            self._lose()
            return
        self._new.append(change)
        if len(self._new) == 1:  # what arrives in this turn of the loop is told at once
            asyncio.get_running_loop().call_soon(self._publish)

    def _publish(self) -> None:
        new, self._new = self._new, []
        self._changes.publish(new)

    def _lose(self) -> None:
        """Let all who follow look up in history what there is by now."""
        self._told = self.last
        self._changes.lose()

    def _say(self, is_away: bool, why: str = "") -> None:
        if is_away and not self._is_away:
            log.warning("stream.away", tenant=self._past.name, error=why)
        self._is_away = is_away

    async def close(self) -> None:
        """Let every follower end."""
        await end(self._task)
        self._changes.close()


def change_of(body: bytes) -> Change:
    """Return the change that a message tells; see :func:`madang.hub.feed.told`."""
    told = orjson.loads(body)
    at, id, entity = time.parse(told["at"]), told["id"], told["entity"]
    state = Entity(entity or {"id": id, "type": told["type"]}, at, at, at)
    before, after = (state, None) if entity is None else (None, state)
    names, deleted = tuple(told["attributes"]), tuple(told["deleted"])
    return Change(told["kind"], at, id, before, after, names, deleted, "", told["position"])
