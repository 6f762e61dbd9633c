"""A tenant as one principal sees it. It stands in for the tenant wherever somebody is answered.

What is out of reach is not there: not in pages, counts or lists of types, not for joins, not in the
stream of changes, and no condition of a query tells of it. Writes pass the guard.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from madang.model.entity import Entity
from madang.query.reach import Reach
from madang.query.tree import Query
from madang.store.protocol import Change, Documents, Page, Row, Shape
from madang.trust.hiding import OnPersonal
from madang.trust.principal import Principal
from madang.trust.sight import Sight

if TYPE_CHECKING:
    from madang.hub.operations import Operation
    from madang.hub.tenant import Tenant
    from madang.hub.writer import Result
    from madang.trust.guard import Guard
    from madang.trust.own_subscriptions import OwnSubscriptions
    from madang.trust.seen_history import SeenHistory


class Consent(Protocol):
    """What a view asks of the consents."""

    def __call__(self, subject: str, purpose: str, attribute: str, types: Collection[str]) -> bool:
        """Tell whether a person (by entity id) lets an attribute be read, as of now."""


class View:
    """The part of a :class:`~madang.hub.tenant.Tenant` that one principal may see and change.

    Made once for a principal, a tenant and a purpose, and kept as long as the policies stay. There
    is no way from it to the store.

    Args:
        tenant: what there is.
        principal: who looks.
        read: what they may read.
        guard: judges their writes.
        subscriptions: theirs, or those they may see.
        purpose: what they read for; consent is given to purposes.
        consented: opens what is hidden unless they have.
        history: what they may see of the past.
        on_personal: is told of ids, persons and attributes whenever personal data was shown.
    """

    def __init__(
        self,
        tenant: Tenant,
        principal: Principal,
        read: Reach,
        *,
        guard: Guard,
        subscriptions: OwnSubscriptions,
        purpose: str = "",
        consented: Consent,
        on_personal: OnPersonal,
        history: SeenHistory,
    ) -> None:
        self.name = tenant.name
        self.clock = tenant.clock
        self.opened = tenant.opened
        self.contexts = tenant.contexts
        self.subscriptions = subscriptions
        self.history = history
        self.principal = principal
        self.sight = Sight(read, self._is_open, on_personal)
        self._tenant = tenant
        self._guard = guard
        self._purpose = purpose
        self._consented = consented

    def _is_open(self, person: str, attribute: str, types: Collection[str]) -> bool:
        """Tell whether a person lets this reader see an attribute.

        What is known about oneself needs no consent.
        """
        return person in self.principal.entities or self._consented(
            person, self._purpose, attribute, types
        )

    async def write(self, operations: Sequence[Operation]) -> list[Result]:
        """Apply those operations that the principal may; the others come to errors."""
        return await self._guard.write(self._tenant.write, operations)

    async def writes(self, id: str) -> bool:
        """Tell whether an entity may be changed, or is not there."""
        found = await self._tenant.entities([id])
        return all(map(self._guard.updates, found.values()))

    async def deletes(self, id: str) -> bool:
        """Tell whether an entity may be deleted, or is not there."""
        found = await self._tenant.entities([id])
        return all(map(self._guard.deletes, found.values()))

    async def get(self, id: str) -> Row | None:
        """Return one entity as it is seen."""
        row = await self._tenant.get(id)
        return None if row is None else self.sight.row(row)

    async def entities(self, ids: Collection[str]) -> dict[str, Entity]:
        """Return those of the entities that are seen, for following relationships."""
        found = await self._tenant.entities(ids)
        seen = {id: self.sight.entity(entity) for id, entity in found.items()}
        return {id: entity for id, entity in seen.items() if entity is not None}

    async def query(self, query: Query) -> Page:
        """Return a page of the entities that are seen to match."""
        sight, store = self.sight, self._tenant.store
        since = store.generation
        page = await self._tenant.query(sight.query(query))
        if sight.is_clear(query, store, since):
            return page
        return Page(sight.rows(page.rows), page.count, page.more)

    async def documents(self, query: Query) -> Documents:
        """Return the same page as :meth:`query` does, as JSON texts without times."""
        sight, store = self.sight, self._tenant.store
        since = store.generation
        page = await self._tenant.documents(sight.query(query))
        if sight.is_clear(query, store, since):
            return page
        return Documents(sight.texts(page.texts), page.count, page.more)

    async def stream(self, query: Query) -> AsyncIterator[list[Row]]:
        """Yield all entities that are seen to match, in chunks, from one snapshot."""
        async for rows in self._tenant.stream(self.sight.query(query)):
            yield self.sight.rows(rows)

    async def shapes(self) -> list[Shape]:
        """Return which combinations of types and attributes are seen, and how many of each."""
        condition = self.sight.reach.condition
        query = None if condition is None else Query(reach=condition)
        return self.sight.shapes(await self._tenant.shapes(query))

    async def follow(
        self, wanted: Callable[[Change], bool] | None = None
    ) -> AsyncGenerator[Change, None]:
        """Yield changes from now on, as they are seen.

        Raises:
            FellBehind: the follower was so slow that changes had to be dropped.
        """
        sight = self.sight
        async for change in self._tenant.follow(None if sight.reach.is_whole else sight.notices):
            seen = sight.change(change)
            if seen is not None and (wanted is None or wanted(seen)):
                yield seen
