"""The services of one process: which there are, which are switched on in which tenant, how they go.

Services are found through the entry point group ``madang.services``, those of Madang among them. A
service works as a principal of its own, which reads the types that it needs and writes those that
it gives, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import structlog

from madang.hub.duties import Duty
from madang.hub.shared_tenant import SharedTenant
from madang.model.errors import ResourceNotFound
from madang.services.service import Service
from madang.services.workers import Workers
from madang.services.working import FAILURE, KEPT, Working, options_of, said

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.trust.gate import Gate

log = structlog.get_logger("madang.services")

GROUP = "madang.services"


def installed() -> dict[str, Service]:
    """Return the services that packages offer, by name; one that cannot be loaded is left out."""
    found: dict[str, Service] = {}
    for entry in entry_points(group=GROUP):
        try:
            service = entry.load()
        except Exception:
            log.exception("service.not_loaded", name=entry.name, at=entry.value)
            continue
        if not isinstance(service, Service) or service.name in found:
            log.error("service.not_usable", name=entry.name, at=entry.value)
            continue
        found[service.name] = service
    return dict(sorted(found.items()))


class Services:
    """All of them. Started when the hub is, closed before it."""

    def __init__(self, hub: Hub, gate: Gate) -> None:
        self._hub = hub
        self._gate = gate
        self.workers = Workers()
        """Who computes for them, and for others that must not hold up the hub."""
        self._working: dict[str, dict[str, Working]] = {}
        self._changing = asyncio.Lock()
        self.catalogue = installed()
        hub.on_open.append(self._listen)

    async def _listen(self, tenant: Tenant) -> None:
        """Hear of what other hubs that share the database switch, and have switched before."""
        if isinstance(tenant, SharedTenant):
            tenant.takers["service"].append(partial(self._hear, tenant))
            tenant.soon(self._take_up(tenant.name))

    async def _take_up(self, tenant: str) -> None:
        """Start what is on in a tenant that was opened after the start."""
        async with self._changing:
            for working in (await self._of(tenant)).values():
                if working.is_on and working.live is None:
                    await working.start()

    def _hear(self, tenant: SharedTenant, name: str, body: bytes | None) -> None:
        if name.startswith(FAILURE):
            tenant.soon(self._take_failure(tenant.name, name.removeprefix(FAILURE), body))
        elif not name.startswith(KEPT):
            tenant.soon(self.take(tenant.name, name, body))

    async def _take_failure(self, tenant: str, name: str, body: bytes | None) -> None:
        """Take up why a service does not go on at another hub, or is to go on at this one."""
        working = (await self._of(tenant)).get(name)
        if working is not None and working.hear(body):
            async with self._changing:
                await working.stop()
                await working.start()

    async def start(self, duty: Duty) -> None:
        """Start what was on of a lane, in every tenant."""
        async with self._changing:
            for name in [*self._hub.open]:
                for working in (await self._of(name)).values():
                    if working.lane == duty:
                        working.works = True
                        if working.is_on and working.live is None:
                            await working.start()

    async def rest(self, duty: Duty) -> None:
        """Stop those of a lane, in every tenant, for another hub goes on with them."""
        async with self._changing:
            working = [one for one in self._all() if one.lane == duty]
            await asyncio.gather(*(one.stop() for one in working))
            for one in working:
                one.works = False

    async def take(self, tenant: str, name: str, body: bytes | None) -> None:
        """Take up how another hub has set a service."""
        async with self._changing:
            working = (await self._of(tenant)).get(name)
            if working is None:
                return
            options, is_on = said(working.service, body)
            if (options, is_on) == (working.options, working.is_on):
                return
            await working.stop()
            working.options, working.is_on = options, is_on
            if is_on:
                await working.start()

    async def list(self, tenant: str) -> list[Working]:
        """Return all services, as they are in a tenant."""
        return list((await self._of(tenant)).values())

    async def find(self, tenant: str, name: str) -> Working:
        """Return one service.

        Raises:
            ResourceNotFound: there is none of that name.
        """
        found = (await self._of(tenant)).get(name)
        if found is None:
            raise ResourceNotFound(f"there is no service {name!r}; `madang service list` tells all")
        return found

    async def switch(self, tenant: str, name: str, on: bool) -> Working:
        """Switch a service on or off; it goes on from where it stopped."""
        async with self._changing:
            working = await self.find(tenant, name)
            if working.is_on is not on:
                working.is_on = on
                await working.save()
                await (working.start() if on else working.stop())
            return working

    async def set_options(self, tenant: str, name: str, values: dict[str, Any]) -> Working:
        """Set some options of a service; the others stay as they are.

        Raises:
            BadRequestData: one is unknown, or outside its limits.
        """
        async with self._changing:
            working = await self.find(tenant, name)
            before = working.options.model_dump(mode="json")
            working.options = options_of(working.service, before | values)
            await working.save()
            if working.is_on:
                await working.stop()
                await working.start()
            return working

    async def resume(self, tenant: str, name: str, skip: bool) -> Working:
        """Let a service go on that has failed.

        Args:
            tenant: its name.
            name: of the service.
            skip: leave the call out that failed.

        Raises:
            Conflict: it has not failed, or nothing can be left out.
        """
        async with self._changing:
            working = await self.find(tenant, name)
            await working.resume(skip)
            return working

    async def close(self) -> None:
        """Stop all; they go on when the process starts again."""
        await asyncio.gather(*(one.stop() for one in self._all()))
        self.workers.close()

    def _all(self) -> Iterator[Working]:
        return (one for here in self._working.values() for one in here.values())

    async def _of(self, name: str) -> dict[str, Working]:
        found = self._working.get(name)
        if found is None:
            tenant = await self._hub.tenant(name, create=False)
            items = dict(await tenant.store.items("service"))
            found = {
                one.name: self._restored(
                    one, tenant, items.get(one.name), items.get(FAILURE + one.name)
                )
                for one in self.catalogue.values()
            }
            found = self._working.setdefault(name, found)
        return found

    def _restored(
        self, service: Service, tenant: Tenant, body: bytes | None, failing: bytes | None
    ) -> Working:
        options, is_on = said(service, body)
        found = Working(service, tenant, self._gate, self.workers, options, is_on)
        found.works = found.lane in self._hub.duties
        found.hear(failing)
        return found
