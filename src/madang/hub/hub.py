"""The hub: the tenants of one place, opened when they are first needed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import get_args

from madang.hub.duties import DUTIES, Duty, Work, concerns, work_of
from madang.hub.tenant import Tenant
from madang.model.errors import BadRequestData, NonexistentTenant, TooManyResults
from madang.store.protocol import Engine, Store

_TENANT = re.compile(r"[^\x00-\x20\x7f]+")
LONGEST_NAME = 72  # bytes; as the name of a file it may be three times as long
MOST_TENANTS = 1_000

TenantFactory = Callable[[str, Store], Awaitable[Tenant]]


class Hub:
    """Opens tenants and closes them; all else is done by :class:`~madang.hub.tenant.Tenant`."""

    def __init__(self, engine: Engine, make: TenantFactory) -> None:
        self._engine = engine
        self._make = make
        self._opening = asyncio.Lock()
        self.open: dict[str, Tenant] = {}
        self.on_open: list[Callable[[Tenant], Awaitable[object]]] = []
        """Called with each tenant that is opened from then on, before anybody else has it."""
        self.on_work: dict[Work, list[Callable[[Tenant], Awaitable[object]]]]
        self.on_work = {work: [] for work in get_args(Work)}
        """Called with each tenant for which this hub begins a work from then on."""
        self.on_rest: dict[Work, list[Callable[[Tenant], Awaitable[object]]]]
        self.on_rest = {work: [] for work in get_args(Work)}
        """Called with each tenant for which it ends one."""
        self.on_close: list[Callable[[], Awaitable[object]]] = []
        """Called when all tenants are closed, and the engine is not."""
        self.is_told: Callable[[], bool] = lambda: False
        """Tells whether word of other hubs comes in at present."""
        self.is_shared = engine.is_shared
        """Whether other hubs may work on the same state."""
        self.duties: set[Duty] = set() if engine.is_shared else set(DUTIES)
        """What this hub does that one of several does for all."""

    async def start(self) -> None:
        """Open the default tenant and every other that exists, and take up their work."""
        await self.tenant("", create=True)
        for name in await self._engine.tenants():
            await self.tenant(name, create=False)

    async def tenant(self, name: str, create: bool) -> Tenant:
        """Return a tenant; the default one is the empty string.

        Raises:
            NonexistentTenant: there is none of that name and ``create`` is false.
            BadRequestData: the name is too long or has control characters.
        """
        found = self.open.get(name)
        if found is not None:
            return found
        if name and (not _TENANT.fullmatch(name) or len(name.encode()) > LONGEST_NAME):
            raise BadRequestData(f"NGSILD-Tenant must have 1 to {LONGEST_NAME} bytes and no blanks")
        async with self._opening:
            if name not in self.open:
                if create and len(self.open) >= MOST_TENANTS:
                    raise TooManyResults(f"there are {MOST_TENANTS:,} tenants already")
                store = await self._engine.open(name, create)
                if store is None:
                    raise NonexistentTenant(f"there is no tenant {name!r}")
                tenant = await self._make(name, store)
                await tenant.start()
                for told in self.on_open:
                    await told(tenant)
                for duty in DUTIES:
                    if duty in self.duties:
                        await self._begin(tenant, duty)
                self.open[name] = tenant
            return self.open[name]

    async def work(self, duty: Duty) -> None:
        """Begin a duty in every tenant that it concerns: no other hub has it now."""
        async with self._opening:
            self.duties.add(duty)
            for tenant in self.open.values():
                await self._begin(tenant, duty)

    async def _begin(self, tenant: Tenant, duty: Duty) -> None:
        if not concerns(duty, tenant.name):
            return
        await tenant.work(duty)
        for told in self.on_work[work_of(duty)]:
            await told(tenant)

    async def rest(self, duty: Duty) -> None:
        """End a duty in every tenant that it concerns: another hub is to have it."""
        async with self._opening:
            self.duties.discard(duty)
            await asyncio.gather(*(self._rest(tenant, duty) for tenant in self.open.values()))

    async def _rest(self, tenant: Tenant, duty: Duty) -> None:
        if not concerns(duty, tenant.name):
            return
        for told in self.on_rest[work_of(duty)]:
            await told(tenant)
        await tenant.rest(duty)

    async def close(self) -> None:
        """Finish what is under way in every tenant and close the engine."""
        for tenant in self.open.values():
            await tenant.close()
        self.open.clear()
        for told in self.on_close:
            await told()
        await self._engine.close()
