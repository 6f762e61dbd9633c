"""The subscriptions of a tenant as one principal sees them: their own, or all for administrators.

Stands in for :class:`madang.hub.subscriptions.Subscriptions`. Those of others are not there. Ids
are one namespace, though: a conflict tells that an id is taken.
"""

from __future__ import annotations

from typing import Any

from madang.hub.subscription import Subscription
from madang.hub.subscriptions import Subscriptions
from madang.model.context import Context, Names
from madang.model.errors import Forbidden
from madang.store.protocol import Delivery

MOST = 1_000  # subscriptions of one principal, unless they may see those of others


class OwnSubscriptions:
    """Keeps subscriptions for one principal.

    Args:
        service: all subscriptions of the tenant.
        owner: the id of the principal; what they create is theirs.
        sees_all: they may ``seeSubscriptions``: also those of others, and name any endpoint.
    """

    def __init__(self, service: Subscriptions, owner: str, *, sees_all: bool = False) -> None:
        self._service = service
        self._owner = owner
        self._sees_all = sees_all
        self._whose = None if sees_all else owner

    async def create(self, given: object, names: Context) -> Subscription:
        """Create a subscription; see :meth:`Subscriptions.create`.

        Raises:
            Forbidden: the principal has very many already, or names an endpoint inside.
        """
        if not self._sees_all and self._service.page(0, 0, self._owner)[1] >= MOST:
            raise Forbidden(
                f"you have {MOST:,} subscriptions, which is the most; delete some, or let one be"
                " about several entity types"
            )
        return await self._service.create(given, names, owner=self._owner, inside=self._sees_all)

    async def update(self, id: str, given: object, names: Names) -> Subscription:
        """Change a subscription; see :meth:`Subscriptions.update`. It stays its owner's."""
        return await self._service.update(
            id, given, names, owner=self._whose, inside=self._sees_all
        )

    def get(self, id: str) -> Subscription:
        """Return a subscription.

        Raises:
            ResourceNotFound: there is none with this id that the principal may see.
        """
        return self._service.get(id, self._whose)

    def page(self, offset: int, limit: int) -> tuple[list[Subscription], int]:
        """Return a page of the subscriptions, oldest first, and how many there are."""
        return self._service.page(offset, limit, self._whose)

    async def delete(self, id: str) -> None:
        """Remove a subscription and what waits for it."""
        await self._service.delete(id, self._whose)

    async def undelivered(self, id: str, after: int = 0, limit: int = 100) -> list[Delivery]:
        """Return notifications that the endpoint has not taken, oldest first, after a key."""
        self.get(id)
        return await self._service.undelivered(id, after, limit)

    async def circuit(self, id: str) -> dict[str, Any]:
        """Return how the endpoint of a subscription is doing."""
        self.get(id)
        return await self._service.circuit(id)

    def resend(self, id: str) -> None:
        """Try all undelivered notifications of a subscription again at once."""
        self.get(id)
        self._service.resend(id)
