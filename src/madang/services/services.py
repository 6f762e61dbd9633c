"""The services of one process: which there are, which are switched on in which tenant, how they go.

Services are found through the entry point group ``madang.services``, those of Madang among them. A
service works as a principal of its own, which reads the types that it needs and writes those that
it gives, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from pydantic import ValidationError

from madang.hub.duties import Duty, lane_of_service
from madang.hub.shared_tenant import SharedTenant
from madang.model import time
from madang.model.errors import BadRequestData, Conflict, ResourceNotFound
from madang.services.live import Live, skipping
from madang.services.records import ALERT, COMMAND, DECISION, INDICATOR, NOTICE
from madang.services.service import Options, Service, Text
from madang.services.workers import Workers
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.trust.gate import Gate

log = structlog.get_logger("madang.services")

GROUP = "madang.services"
PATIENCE_S = 5.0  # how long a service may go on with what it is at when it is to stop
_KEPT = "kept:"


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


@dataclass
class Working:
    """A service in one tenant."""

    service: Service
    tenant: Tenant
    gate: Gate
    workers: Workers
    options: Options
    is_on: bool = False
    works: bool = True
    """It works here if it is on; False: another hub has its lane."""
    live: Live | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def lane(self) -> Duty:
        return lane_of_service(self.tenant.name, self.service.name)

    @property
    def state(self) -> str:
        if self.is_on and not self.works:
            return "running"
        if not self.is_on or self.live is None:
            return "off"
        if self.live.failure is None:
            return "running"
        return "failed" if self._task is None or self._task.done() else "retrying"

    async def start(self) -> None:
        """Begin to work, from where it stopped, unless another hub has its lane."""
        if not self.works:
            return
        principal = principal_of(self.service.fitted(self.options), self.tenant.name)
        self.live = Live(
            self.service,
            self.tenant,
            lambda: self.gate.seen(principal, self.tenant, "", ""),
            self.workers,
            self.options,
            await self.tenant.store.item("service", _KEPT + self.service.name),
            self._keep,
        )
        self._task = asyncio.get_running_loop().create_task(self.live.run())

    async def stop(self) -> None:
        """Stop working, after what it is at if that does not take long; what it keeps stays."""
        if self._task is not None and self.live is not None:
            self.live.end()
            await asyncio.wait([self._task], timeout=PATIENCE_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task, self.live = None, None

    async def skip(self) -> None:
        """Leave the call out that failed, from the next start on."""
        assert self.live is not None
        assert self.live.failure is not None
        kept = await self.tenant.store.item("service", _KEPT + self.service.name)
        if not self.live.failure.key or kept is None:
            raise Conflict("it was no single call that failed, so nothing can be left out")
        await self._keep(skipping(kept, self.live.failure.key))

    async def save(self) -> None:
        """Keep whether it is on, and with which options."""
        body = {"on": self.is_on, "options": self.options.model_dump(mode="json")}
        await self.tenant.writer.keep("service", self.service.name, orjson.dumps(body))

    async def kept(self) -> dict[str, Any]:
        """Return what its functions keep, as it was last written."""
        body = await self.tenant.store.item("service", _KEPT + self.service.name)
        state: dict[str, Any] = {} if body is None else orjson.loads(body)["state"]
        return state

    async def _keep(self, body: bytes) -> None:
        await self.tenant.writer.keep("service", _KEPT + self.service.name, body)

    def shown(self, whole: bool = False) -> dict[str, Any]:
        """Return it as JSON; ``whole`` with what can be set and what it keeps count of."""
        service, live = self.service, self.live
        told: dict[str, Any] = {
            "name": service.name,
            "title": _text(service.title),
            "purpose": _text(service.purpose),
            "category": service.category,
            "version": service.version,
            "state": self.state,
            "alarm": self._alarm(whole),
        }
        if not whole:
            return told
        last = self.tenant.history.last
        return told | {
            "needs": list(service.needs),
            "gives": list(service.gives),
            "commands": list(service.commands),
            "operator": _text(service.operator),
            "cost": _text(service.cost),
            "indicators": [
                {"name": one.name, "title": _text(one.title), "unit": one.unit,
                 "better": one.better}
                for one in service.indicators.values()
            ],
            "schema": service.options.model_json_schema(),
            "options": self.options.model_dump(mode="json"),
            "lane": self.lane if isinstance(self.tenant, SharedTenant) else None,
            "position": None if live is None else live.position,
            "behind": None if live is None else max(last - live.position, 0),
            "calls": 0 if live is None else live.calls,
            "effects": 0 if live is None else live.effects,
        }  # fmt: skip

    def _alarm(self, whole: bool) -> dict[str, Any] | None:
        if self.live is None or self.live.failure is None:
            return None
        failure = self.live.failure
        told = {"message": str(failure), "attempts": self.live.attempts,
                "at": time.render(failure.at)}  # fmt: skip
        return {**told, "trace": failure.trace} if whole else told


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
        if not name.startswith(_KEPT):
            tenant.soon(self.take(tenant.name, name, body))

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
            options, is_on = _said(working.service, body)
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
            Conflict: it has not failed, or nothing can be left out, or another hub has it.
        """
        async with self._changing:
            working = await self.find(tenant, name)
            if working.is_on and not working.works:
                where = f"at the hub that has {working.lane}; `madang status` tells which"
                raise Conflict(f"the service {name} works {where}: let it go on there")
            if working.live is None or working.live.failure is None:
                raise Conflict(f"the service {name} has not failed; it is {working.state}")
            if skip:
                await working.skip()
            await working.stop()
            await working.start()
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
                one.name: self._restored(one, tenant, items.get(one.name))
                for one in self.catalogue.values()
            }
            found = self._working.setdefault(name, found)
        return found

    def _restored(self, service: Service, tenant: Tenant, body: bytes | None) -> Working:
        options, is_on = _said(service, body)
        found = Working(service, tenant, self._gate, self.workers, options, is_on)
        found.works = found.lane in self._hub.duties
        return found


def _said(service: Service, body: bytes | None) -> tuple[Options, bool]:
    """Return the options of a service as they are kept, and whether it is on."""
    said = {} if body is None else orjson.loads(body)
    try:
        return options_of(service, said.get("options", {})), said.get("on", False)
    except BadRequestData as error:  # of another version: better off than working otherwise
        log.error("service.options_unknown", service=service.name, reason=error.detail)
        return service.given({}), False


def options_of(service: Service, values: dict[str, Any]) -> Options:
    """Return the options of a service with some of them set.

    Raises:
        BadRequestData: one is unknown, or outside its limits.
    """
    try:
        return service.given(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "options"
        raise BadRequestData(f"{place}: {first['msg']}") from None


def principal_of(service: Service, tenant: str) -> Principal:
    """Return as whom a service works."""
    gives = frozenset({*service.gives, ALERT, DECISION, INDICATOR, NOTICE})
    if service.commands:
        gives |= {COMMAND}
    reads = gives | frozenset(service.needs) | frozenset(service.commands)
    return Principal(
        f"service:{service.name}", "app", service.title.en, frozenset({"app"}),
        frozenset({tenant}), reads=reads, writes=gives,
    )  # fmt: skip


def _text(text: Text | None) -> dict[str, str] | None:
    return None if text is None else {"en": text.en, "ko": text.ko}
