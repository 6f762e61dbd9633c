"""A store that several hubs write to: what each keeps in memory, and how it learns of the others.

Rows are not kept for readers, so that what one hub has acknowledged is seen through every other at
once. What the writer keeps may be out of date: the versions of the rows tell, and it works the
group out anew. The hub's own things (items) have a number that rises with each commit that changes
some; those that bear on what is committed (subscriptions) raise the guard as well, and a commit
that finds another guard than it knows is rolled back, takes them up, and is worked out again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from madang.model.entity import Entity
from madang.model.errors import Unavailable
from madang.store.postgres import read, upkeep
from madang.store.postgres.commit import Last, Writing
from madang.store.postgres.connections import Connections
from madang.store.postgres.plan import COLUMNS
from madang.store.postgres.schema import Connection
from madang.store.postgres.store import PostgresStore
from madang.store.protocol import Batch, Block, Delivery, Item, ItemKind, Outdated, Row
from madang.store.rows import entity_of
from madang.store.word import Word

MOST_TAKEN = 10_000  # items taken up that are remembered, for commits that wait meanwhile

T = TypeVar("T")
P = TypeVar("P")

_NEWER = (
    "SELECT c.items, c.guard, i.number, i.kind, i.id, i.body FROM {s}.counter c"
    " LEFT JOIN {s}.item i ON i.number > %s ORDER BY i.number"
)
_SHAPES = (
    "SELECT c.shapes, s.id, s.types, s.attributes, s.count FROM {s}.counter c"
    " LEFT JOIN {s}.shape s ON s.id > %s"
)


class SharedStore(PostgresStore):
    """See :class:`madang.store.protocol.Store`, and the module.

    Args:
        name: of the tenant, for the other hubs.
    """

    is_shared = True

    def __init__(
        self,
        name: str,
        schema: str,
        reading: Connections,
        writing: Connections,
        query_seconds: float,
    ) -> None:
        super().__init__(schema, reading, writing, query_seconds)
        self.name = name
        self.on_commit: Callable[[Word], None] = lambda _: None
        """Is told of each commit of this hub."""
        self.on_items: Callable[[Sequence[Item]], None] | None = None
        """Is given the items that other hubs have changed; until it is set, they wait."""
        self.committed = 0
        """The number of the last change that this hub has made."""
        self._items = -1
        self._mine: set[int] = set()
        """Numbers of this hub's own items beyond those it has taken up."""
        self._taken: deque[tuple[int, tuple[ItemKind, str]]] = deque(maxlen=MOST_TAKEN)
        """What was last taken up, by its number."""
        self._guard = 0
        self._unread: Collection[str] = ()
        """Entities that were loaded last without asking the database."""
        self._shapes_made = 0

    async def refresh(self) -> None:
        s = self._schema
        # Before the rest: what comes between the two is learnt twice, and nothing is missed.
        [(items, guard, made)] = await self._all(f"SELECT items, guard, shapes FROM {s}.counter")
        before = self._seq
        await super().refresh()
        self._seq = max(self._seq, before)
        self._shapes_made = made
        if self._items < 0:
            self._items, self._guard = items, guard

    # --- writing ------------------------------------------------------------------------------

    async def load(self, ids: Collection[str]) -> dict[str, Entity]:
        self._unread = self._heads.keys() & ids
        found = await super().load(ids)
        if any(head.shape not in self._shapes.all for head in self._loaded.values()):
            await self._look()  # another hub has made it, and nothing was read here since
        return found

    async def commit(self, batch: Batch) -> Sequence[int]:
        if batch.judged:
            await self._check_judged(batch)
        return await super().commit(batch)

    async def _check_judged(self, batch: Batch) -> None:
        """Make sure that what answers go by is as it was when it was loaded.

        What a commit changes is looked at in its own turn.

        Raises:
            Outdated: another hub has changed one.
        """
        ids = batch.judged - batch.states.keys()
        known = {id: self._loaded[id].row for id in ids if id in self._unread}
        if not known:
            return
        statement = f"SELECT id, version FROM {self._schema}.entity WHERE id = ANY(%s)"
        now = dict(await self._all(statement, (list(known),)))
        late = [id for id, version in known.items() if now.get(id) != version]
        for id in late:
            self._heads.pop(id, None)
        if late:
            reason = "another hub has changed what an answer goes by"
            raise Outdated(reason, self._since(batch.known))

    def _check(self, writing: Writing, last: Last) -> None:
        # What was taken up while the commit waited for the lock is too late for it as well.
        if last.guard - writing.steps[3] != self._guard or self._since(writing.known):
            raise Outdated("another hub has changed what this commit goes by")

    def _since(self, known: int | None) -> set[tuple[ItemKind, str]]:
        """Return what of other hubs has been taken up after a number; None is now."""
        if known is None or not self._taken or self._taken[-1][0] <= known:
            return set()
        return {key for number, key in self._taken if number > known}

    async def _failed(self, batch: Batch, error: BaseException) -> None:
        if not isinstance(error, Outdated) or self._shapes.fresh:
            await super()._failed(batch, error)
        for id in batch.states:
            self._heads.pop(id, None)
        if isinstance(error, Outdated):
            before = self._since(batch.known)
            with suppress(Unavailable):
                error.items = before | await self._take_up()

    def _remember(self, writing: Writing, last: Last) -> None:
        before = self._seq
        super()._remember(writing, last)
        self._seq = max(before, last.seq)
        changes, deliveries, items, _, made = writing.steps
        self._guard = last.guard
        if last.items == self._items + items:
            self._items = last.items
        elif items:
            self._mine.add(last.items)
        if last.shapes == self._shapes_made + made:
            self._shapes_made = last.shapes
        if changes:
            self.committed = last.seq
        if changes or deliveries or items:
            ends = [head.expires for head in writing.heads.values() if head and head.expires]
            due, ids = min(ends, default=None), tuple(writing.heads)
            self.on_commit(Word(self.name, last.seq, last.key, last.items, due, ids))

    # --- what the others do -------------------------------------------------------------------

    def hear(self, word: Word) -> None:
        """Take note of a commit of another hub."""
        for id in word.ids:
            self._heads.pop(id, None)
        self._seq = max(self._seq, word.last)
        if word.expires is not None:
            known = self.next_expiry
            self.next_expiry = word.expires if known is None else min(known, word.expires)

    def misses(self, items: int) -> bool:
        """Tell whether other hubs have changed items that this one has not taken up."""
        return items > self._items

    @property
    def taken_up(self) -> int:
        """Up to which number the items of other hubs have been taken up."""
        return self._items

    async def take_up(self) -> set[tuple[ItemKind, str]]:
        """Take up the items that other hubs have changed; return which."""
        async with self._lock:  # or one that this hub changes meanwhile would be put back
            return await self._take_up()

    async def _take_up(self) -> set[tuple[ItemKind, str]]:
        rows = await self._all(_NEWER.format(s=self._schema), (self._items,))
        items, guard = rows[0][:2]
        rows = [row[2:] for row in rows if row[2] is not None and row[2] not in self._mine]
        found = [
            Item(kind, id, None if body is None else bytes(body)) for _, kind, id, body in rows
        ]
        if self.on_items is not None:
            self._items = max(items, self._items)
            self._mine = {number for number in self._mine if number > self._items}
            self._taken.extend((number, (kind, id)) for number, kind, id, _ in rows)
            if found:
                self.on_items(found)
        self._guard = max(guard, self._guard)
        return {(item.kind, item.id) for item in found}

    async def learn_expiry(self) -> None:
        """Learn when something next expires, after words have been missed."""
        [(due,)] = await self._all(
            f"SELECT min(expires) FROM {self._schema}.entity WHERE expires IS NOT NULL"
        )
        if due is not None and (self.next_expiry is None or due < self.next_expiry):
            self.next_expiry = due

    # --- reading ------------------------------------------------------------------------------

    async def get(self, id: str) -> Row | None:
        if "\0" in id:
            return None
        statement = f"SELECT {COLUMNS} FROM {self._schema}.entity e WHERE e.id = %s"
        rows = await self._all(statement, (id,), self._reading)
        return read.row_of(rows[0]) if rows else None

    async def deliveries(
        self, subscription: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Delivery]:
        rows = await super().deliveries(subscription, after, limit)
        if rows and subscription is None:
            await self.take_up()  # afterwards: nothing is of a subscription that is not known
        return rows

    async def waiting(self, subscription: str) -> int:
        """Return how many notifications of a subscription wait, whichever hub sends them."""
        statement = f"SELECT count(*) FROM {self._schema}.delivery WHERE subscription = %s"
        return int((await self._all(statement, (subscription,)))[0][0])

    async def news(self, after: int, limit: int, types: Collection[str] | None) -> list[Block]:
        """Return the outbox as :meth:`outbox` does, with bodies of what is about types only."""
        return await self._writing.do(lambda c: upkeep.blocks(c, self._schema, after, limit, types))

    async def states(self, ids: Collection[str]) -> dict[str, Entity]:
        """Return those of the entities that exist, as they are in the database now."""
        statement = f"SELECT {COLUMNS} FROM {self._schema}.entity e WHERE e.id = ANY(%s)"
        rows = await self._all(statement, (list(ids),), self._reading)
        return {values[0]: entity_of(read.row_of(values)) for values in rows}

    async def _limited(
        self,
        do: Callable[[Connection, P, str, read.Clock], Awaitable[T]],
        work: P,
        clock: read.Clock,
    ) -> T:
        found = await super()._limited(do, work, clock)
        await self._look()  # afterwards: no entity in what was read is of an unknown shape
        return found

    async def _look(self) -> None:
        statement = f"SELECT shapes FROM {self._schema}.counter"
        [(made,)] = await self._all(statement, (), self._reading)
        if made == self._shapes_made:
            return
        rows: list[Any] = await self._all(
            _SHAPES.format(s=self._schema), (self._shapes.newest,), self._reading
        )
        self._shapes.add(row[1:] for row in rows if row[1] is not None)
        self._shapes_made = max(rows[0][0], self._shapes_made)
