"""Which steps of making the demo city are done: none is taken twice, whenever it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import orjson

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

_MARK: Final = "demo"
"""Of the setting of the tenant that holds it."""


class Progress:
    """The steps that are done, each with what is to be known of it later."""

    def __init__(self, tenant: Tenant, done: dict[str, str]) -> None:
        self._tenant = tenant
        self._done = done

    @classmethod
    async def load(cls, tenant: Tenant) -> Self:
        """Take up what is kept of a tenant."""
        body = await tenant.store.item("setting", _MARK)
        return cls(tenant, {} if body is None else orjson.loads(body))

    def __contains__(self, step: object) -> bool:
        return step in self._done

    def __getitem__(self, step: str) -> str:
        return self._done[step]

    async def add(self, step: str, known: str = "") -> None:
        """Note that a step is done; when this returns, that is on the disk."""
        self._done[step] = known
        await self._tenant.writer.keep("setting", _MARK, orjson.dumps(self._done))
