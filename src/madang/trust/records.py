"""Trust's own things (accounts, keys, policies …), durable in the engine's system store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from madang.model.errors import Conflict
from madang.store.protocol import Batch, ItemKind, Outdated, Store

Body = dict[str, Any]


class Records:
    """JSON objects by kind and id. What a write returns from is on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = asyncio.Lock()

    async def get(self, kind: ItemKind, id: str) -> Body | None:
        """Return one object, or None."""
        body = await self._store.item(kind, id)
        return None if body is None else orjson.loads(body)

    async def all(self, kind: ItemKind) -> dict[str, Body]:
        """Return all objects of a kind by id; only for kinds that stay in the thousands."""
        return {id: orjson.loads(body) for id, body in await self._store.items(kind)}

    async def put(self, kind: ItemKind, id: str, body: Body | None) -> None:
        """Store an object in place of an older one; None removes it."""
        await self.commit({(kind, id): body})

    async def commit(self, bodies: Mapping[tuple[ItemKind, str], Body | None]) -> None:
        """Store and remove several objects, all or none of them.

        Raises:
            Conflict: another hub has changed one of them at this moment.
        """
        items = {key: None if one is None else orjson.dumps(one) for key, one in bodies.items()}
        known = self._store.taken_up
        async with self._turn:
            while True:
                try:
                    await self._store.commit(Batch(items=items, is_guarded=True, known=known))
                    return
                except Outdated as error:
                    if not items.keys().isdisjoint(error.items):
                        raise Conflict(
                            "another hub has changed the same at this moment; look at it, and try"
                            " again"
                        ) from None
                    known = self._store.taken_up
