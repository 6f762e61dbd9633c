"""The one writer of a tenant: groups what arrives, applies it in memory, commits it together.

While one group waits for the disk the next one gathers, so the cost of a full sync is shared by all
that arrived meanwhile (group commit). A future resolves only after its group is on the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog

from madang.hub.clock import Clock
from madang.hub.operations import Expire, Operation
from madang.hub.records import Own, record_of, refusal
from madang.model.entity import Entity
from madang.model.errors import InternalError, NgsiError, Overloaded, Unavailable
from madang.model.merge import earliest_expiry
from madang.model.state import Outcome
from madang.store.protocol import Batch, Change, ChangeKind, Delivery, ItemKind, Outdated, Store

log = structlog.get_logger("madang.writer")

Result = Outcome | NgsiError

GROUP = 1_000  # operations applied in one turn; more would hold up the event loop
SLICE = 250  # operations of one request that go into the same turn
PASSES = 2
"""How often the event loop goes round before a group is taken: answers to the last one go out, and
what their clients send next comes in. Without it two halves of the clients take turns at syncs."""
WAITING = 50_000  # operations that may wait before new ones are refused


class Matcher(Protocol):
    """Finds the notifications that changes call for."""

    def match(self, changes: Sequence[Change], now: int) -> list[tuple[str, int, bytes]]: ...


class _Work:
    """Operations of one request that go through one turn together, and who waits for them."""

    __slots__ = ("future", "operations", "results")

    def __init__(
        self, operations: Sequence[Operation], future: asyncio.Future[list[Result]]
    ) -> None:
        self.operations = operations
        self.future = future
        self.results: list[Result] = []


class _Kept(NamedTuple):
    """Who waits for something that is no operation to be durable, and for which item, if one."""

    future: asyncio.Future[None]
    item: tuple[ItemKind, str] | None = None


class Writer:
    """Applies operations in order, many to a commit. Everything here runs on the event loop."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: deque[_Work] = deque()
        self.waiting = 0
        self._pending = Batch()
        self._kept: list[_Kept] = []
        self._turn: asyncio.Task[None] | None = None
        self.matcher: Matcher | None = None
        self.on_changes: Callable[[list[Change]], None] | None = None
        self.on_applied: Callable[[list[Change]], None] | None = None
        """Is told of changes before they are durable; for warnings, which must not wait for a
        disk. It returns at once and raises nothing."""
        self.on_deliveries: Callable[[list[Delivery]], None] | None = None
        self.groups = 0
        self.operations = 0

    async def write(self, operations: Sequence[Operation]) -> list[Result]:
        """Apply operations in order, each alone; return their results when they are durable.

        Raises:
            Overloaded: too much is waiting already; nothing was done.
        """
        if self.waiting + len(operations) > WAITING and self.waiting:
            raise Overloaded("too many writes are waiting; try again in a second")
        if len(operations) <= SLICE:
            return await self._submit(operations)
        slices = [operations[i : i + SLICE] for i in range(0, len(operations), SLICE)]
        done = await asyncio.gather(*map(self._submit, slices), return_exceptions=True)
        results: list[Result] = []
        for some, outcome in zip(slices, done, strict=True):
            if isinstance(outcome, NgsiError):  # this slice failed; others may be durable
                results += [outcome] * len(some)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                results += outcome
        return results

    def _submit(self, operations: Sequence[Operation]) -> asyncio.Future[list[Result]]:
        future = asyncio.get_running_loop().create_future()
        self._queue.append(_Work(operations, future))
        self.waiting += len(operations)
        self._wake()
        return future

    async def keep(
        self, kind: ItemKind, id: str, body: bytes | None, *, is_guarded: bool = False
    ) -> None:
        """Store or remove one of the hub's own things; return when that is durable.

        Args:
            kind: of thing.
            id: of the thing.
            body: None removes it.
            is_guarded: other hubs take it up before they commit anything more.

        Raises:
            Outdated: another hub has changed this subscription meanwhile; it was not stored.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._pending.known is None:
            self._pending.known = self._store.taken_up
        self._pending.items[kind, id] = body
        self._pending.is_guarded |= is_guarded
        self._kept.append(_Kept(future, (kind, id)))
        self._wake()
        await future

    def settle(self, delivered: list[int], failed: list[tuple[int, int, str]]) -> None:
        """Note what became of deliveries; it goes with the next commit."""
        self._pending.delivered += delivered
        self._pending.failed += failed
        self._wake()

    async def add_deliveries(self, deliveries: list[tuple[str, int, bytes]]) -> None:
        """Store notifications that no change called for (periodic ones) and hand them on.

        Raises:
            NgsiError: they could not be stored, and are not handed on.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.deliveries += deliveries
        self._kept.append(_Kept(future))
        self._wake()
        await future

    def _wake(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._queue or self._has_pending():
                for _ in range(PASSES):
                    await asyncio.sleep(0)
                await self._group()
        finally:
            self._turn = None

    async def close(self) -> None:
        """Finish what is waiting."""
        while self._turn is not None:
            await asyncio.wait([self._turn])

    def _has_pending(self) -> bool:
        waiting = self._pending
        return bool(waiting.items or waiting.delivered or waiting.failed or self._kept)

    async def _group(self) -> None:
        """Take what waits, apply it, commit it, and tell those who wait."""
        group: list[_Work] = []
        size = 0
        while self._queue and size < GROUP:
            work = self._queue.popleft()
            size += len(work.operations)
            group.append(work)
        self.waiting -= size
        batch, self._pending = self._pending, Batch()
        kept, self._kept = self._kept, []
        try:
            keys = await self._commit(group, batch, kept)
        except Exception as error:
            # A full disk or a fault of ours: this group was not done, and the next ones go on.
            if isinstance(error, Unavailable):
                log.error("commit.unavailable", operations=size, error=str(error))
                self._fail(group, kept, error)
            else:
                log.exception("commit.failed", operations=size)
                self._fail(group, kept, InternalError(f"the change could not be stored: {error}"))
            self._pending.delivered[:0] = batch.delivered
            self._pending.failed[:0] = batch.failed
            await asyncio.sleep(0.1)
            return
        self.groups += 1
        self.operations += size
        for work in group:
            if not work.future.done():
                work.future.set_result(work.results)
        for one in kept:
            if not one.future.done():
                one.future.set_result(None)
        self._publish(batch, keys)

    async def _commit(self, group: list[_Work], batch: Batch, kept: list[_Kept]) -> Sequence[int]:
        """Apply and commit a group, anew for as long as another writer is faster."""
        periodic = list(batch.deliveries)
        while True:
            await self._apply(group, batch)
            if self.on_applied is not None:
                self.on_applied(batch.changes)
            try:
                return await self._store.commit(batch)
            except Outdated as error:
                _leave_out(batch, kept, error)
                batch.known = self._store.taken_up
                batch.states.clear()
                batch.judged.clear()
                batch.changes.clear()
                batch.deliveries[:] = periodic
                for work in group:
                    work.results.clear()

    def _publish(self, batch: Batch, keys: Sequence[int]) -> None:
        if batch.deliveries and self.on_deliveries is not None:
            self.on_deliveries(
                [Delivery(key, *row) for key, row in zip(keys, batch.deliveries, strict=True)]
            )
        if batch.changes and self.on_changes is not None:
            self.on_changes(batch.changes)

    @staticmethod
    def _fail(group: list[_Work], kept: list[_Kept], error: NgsiError) -> None:
        futures = [one.future for one in kept]
        waiting: list[asyncio.Future[Any]] = [*(work.future for work in group), *futures]
        for future in waiting:
            if not future.done():
                future.set_exception(error)

    async def _apply(self, group: list[_Work], batch: Batch) -> None:
        now = self._clock.tick()
        ids = {operation.id for work in group for operation in work.operations}
        entities: dict[str, Entity | None] = {**await self._store.load(ids)}
        if batch.known is None:
            batch.known = self._store.taken_up
        states, changes = batch.states, batch.changes
        due = self._store.next_expiry
        if due is not None and due <= now:
            self._expire(entities, batch, now)
        told = len(changes)
        for work in group:
            results = work.results
            for operation in work.operations:
                id = operation.id
                current = entities.get(id)
                try:
                    outcome = operation.apply(current, now)
                except NgsiError as error:
                    batch.judged.add(id)
                    results.append(error)
                    continue
                except Exception:
                    # A fault of ours fails this operation, not those of other clients.
                    log.exception("operation.failed", entity=id)
                    results.append(InternalError(f"the hub failed at entity {id}; see its log"))
                    continue
                after = outcome.entity
                if after is not current:
                    record = record_of(current, after)
                    if record and type(operation) is not Own:
                        batch.judged.add(id)
                        results.append(refusal(record))
                        continue
                    entities[id] = states[id] = after
                    changes.append(_change(current, outcome, id, now))
                else:
                    batch.judged.add(id)
                results.append(outcome)
        if self.matcher is not None and len(changes) > told:
            batch.deliveries += self.matcher.match(changes[told:], now)

    @staticmethod
    def _expire(entities: dict[str, Entity | None], batch: Batch, now: int) -> None:
        """Remove what has expired from loaded entities, before anything is done to them."""
        for id, entity in entities.items():
            ends = None if entity is None else earliest_expiry(entity)
            if entity is not None and ends is not None and ends <= now:
                outcome = Expire(id).apply(entity, now)
                entities[id] = batch.states[id] = outcome.entity
                batch.changes.append(_change(entity, outcome, id, now))


def _leave_out(batch: Batch, kept: list[_Kept], error: Outdated) -> None:
    """Leave subscriptions out that another hub has changed since they were worked out."""
    late = {item for item in error.items if item[0] == "subscription" and item in batch.items}
    for item in late:
        del batch.items[item]
    for one in kept:
        if one.item in late and not one.future.done():
            one.future.set_exception(error)


def _change(before: Entity | None, outcome: Outcome, id: str, now: int) -> Change:
    after = outcome.entity
    kind: ChangeKind = "deleted" if after is None else "created" if before is None else "updated"
    updated, deleted = tuple(outcome.updated), tuple(outcome.deleted)
    return Change(kind, now, id, before, after, updated, deleted, outcome.trace)
