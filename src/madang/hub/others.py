"""Changes of several hubs in one stream: in the order of their numbers, with none left out.

The numbers have no gaps, and their commits become visible in their order, so whoever hears of a
number reads what is missing up to it from the outbox. A hub tells of its own changes as it made
them; those of others are put together from the outbox and from the entity as it is now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from madang.model.entity import INSTANCE, Entity
from madang.model.errors import NgsiError
from madang.store.protocol import Block, Change

if TYPE_CHECKING:
    from madang.hub.changes import Changes
    from madang.store.postgres.shared import SharedStore

log = structlog.get_logger("madang.others")

AT_ONCE = 2_000  # changes read from the outbox at a time
RETRY_S = 0.5


class Others:
    """Tells the followers of one tenant of the changes that all hubs make."""

    def __init__(self, store: SharedStore, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._told = store.last_change
        self._target = self._told
        self._own: dict[int, list[Change]] = {}
        """What this hub has committed and not told yet, by the number of the last of each."""
        self._task: asyncio.Task[None] | None = None

    def own(self, changes: list[Change]) -> None:
        """Take what this hub has just committed."""
        last = self._store.committed
        if self._changes.followed and last > self._told:
            for number, change in enumerate(changes, last - len(changes) + 1):
                change.number = number
            self._own[last] = changes
        self.hear(last)

    def hear(self, last: int) -> None:
        """Take note that there are changes up to a number."""
        self._target = max(self._target, last)
        if not self._changes.followed and self._task is None:
            self._told = self._target
            self._own.clear()
            return
        self._tell_own()
        if self._told < self._target and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def _tell_own(self) -> None:
        """Tell what this hub has made, as far as it is what comes next."""
        while self._task is None and (found := self._next_own()) is not None:
            self._publish(found)

    def _next_own(self) -> list[Change] | None:
        for last, changes in self._own.items():  # they come in their order, so it is the first
            return self._own.pop(last) if changes[0].number == self._told + 1 else None
        return None

    def _publish(self, changes: list[Change]) -> None:
        self._told = changes[-1].number
        self._changes.publish(changes)

    async def _run(self) -> None:
        try:
            while self._told < self._target:
                try:
                    await self._catch_up()
                except NgsiError as error:  # the database is away
                    log.warning("others.unread", tenant=self._store.name, error=str(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            self._task = None

    async def _catch_up(self) -> None:
        """Read what is missing, and tell what of it anybody follows."""
        types = self._changes.types
        blocks = await self._store.news(self._told, AT_ONCE, types)
        if not blocks:  # drained by who heard of it sooner
            self._lose(self._target)
            return
        first = blocks[0].last - blocks[0].size
        if first > self._told:
            self._lose(first)
        states = await self._store.states(self._written_by_others(blocks))
        if not _covers(types, self._changes.types):
            return  # somebody has begun to follow more: it is read anew
        for block in blocks:
            # Not beyond what has been heard of: who begins to follow has read up to there.
            if self._told < block.last <= self._target:
                own = self._own.pop(block.last, None)
                if own or block.body:
                    self._publish(own or made(block, states))
                self._told = block.last

    def _written_by_others(self, blocks: list[Block]) -> set[str]:
        return {
            str(row["id"])
            for block in blocks
            if block.body and block.last not in self._own
            for row in orjson.loads(block.body)
            if row["kind"] != "deleted"
        }

    def _lose(self, upto: int) -> None:
        """Go on after changes that cannot be had any more; followers read the state anew."""
        log.warning("others.missed", tenant=self._store.name, changes=upto - self._told)
        self._told = upto
        self._own = {last: own for last, own in self._own.items() if last > upto}
        self._changes.lose()

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


def _covers(read: Collection[str] | None, wanted: Collection[str] | None) -> bool:
    """Tell whether what was read about types has all that is wanted; None is all."""
    return read is None or (wanted is not None and set(wanted) <= set(read))


def made(block: Block, states: dict[str, Entity]) -> list[Change]:
    """Return the changes of another hub's commit.

    Args:
        block: as the outbox has it.
        states: of the entities, as they are now.
    """
    rows = orjson.loads(block.body)
    changes = [_change(row, states.get(row["id"])) for row in rows]
    for number, change in enumerate(changes, block.last - block.size + 1):
        change.number = number
    return changes


def _change(row: dict[str, Any], state: Entity | None) -> Change:
    """Return a change; what has been deleted since is told as deleted already."""
    at, id, trace = row["at"], row["id"], row.get("trace", "")
    if state is None or row["kind"] == "deleted":
        gone = Entity({"id": id, "type": row["type"]}, at, at, at)
        return Change("deleted", at, id, gone, None, (), tuple(row.get("deleted", ())), trace)
    put = {n: v for n, v in row["entity"].items() if n not in ("id", "type")}
    names = tuple(row.get("put", put))
    after = _with(state, {name: put[name] for name in names if name in put})
    gone_paths = row.get("deleted", {})
    stubs = {path.partition(INSTANCE)[0]: {"type": kind} for path, kind in gone_paths.items()}
    before = None if row["kind"] == "created" else _with(state, stubs)
    return Change(row["kind"], at, id, before, after, names, tuple(gone_paths), trace)


def _with(state: Entity, attributes: dict[str, Any]) -> Entity:
    document = {**state.document, **attributes}
    return Entity(document, state.created, state.modified, state.written, state.times)
