"""A service in one tenant: switched, set, working here or at another hub, and how it goes.

Where several hubs share the work, the one that a service works at keeps why it does not go on
beside what the service keeps, so that all tell of it and any can let it go on.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import orjson
import structlog
from pydantic import ValidationError

from madang.hub.duties import Duty, lane_of_service
from madang.hub.shared_tenant import SharedTenant
from madang.model import time
from madang.model.errors import BadRequestData, Conflict
from madang.services.live import Live, State, skipping
from madang.services.records import ALERT, COMMAND, DECISION, INDICATOR, NOTICE
from madang.services.service import Options, Service, Text
from madang.services.workers import Workers
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.trust.gate import Gate

log = structlog.get_logger("madang.services")

PATIENCE_S = 5.0  # how long a service may go on with what it is at when it is to stop
KEPT = "kept:"
FAILURE = "failure:"


@dataclass(frozen=True, slots=True)
class Failing:
    """Why a service does not go on, as the hub that it works at keeps it for the others."""

    state: State
    message: str
    attempts: int
    at: str
    trace: str
    key: str
    """Of the call that failed; see :class:`madang.services.run.ServiceFailed`."""
    wish: Literal["", "resume", "skip"] = ""
    """What another hub was asked for: to let it go on, or without that call."""

    @property
    def alarm(self) -> dict[str, Any]:
        return {"message": self.message, "attempts": self.attempts, "at": self.at,
                "trace": self.trace}  # fmt: skip


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
    told: Failing | None = None
    """Why it does not go on at the hub that it works at."""
    live: Live | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def lane(self) -> Duty:
        return lane_of_service(self.tenant.name, self.service.name)

    @property
    def state(self) -> str:
        if not self.is_on or (self.works and self.live is None):
            return "off"
        failing = self._failing
        return "running" if failing is None else failing.state

    @property
    def _failing(self) -> Failing | None:
        if not self.works:
            return self.told
        return self._failing_as("failed" if self._task is None or self._task.done() else "retrying")

    def _failing_as(self, state: State) -> Failing | None:
        if self.live is None or self.live.failure is None:
            return None
        failure = self.live.failure
        at = time.render(failure.at)
        return Failing(state, str(failure), self.live.attempts, at, failure.trace, failure.key)

    async def start(self) -> None:
        """Begin to work, from where it stopped, unless another hub has its lane."""
        if not self.works:
            return
        await self._go_on()
        principal = principal_of(self.service.fitted(self.options), self.tenant.name)
        self.live = Live(
            self.service,
            self.tenant,
            lambda: self.gate.seen(principal, self.tenant, "", ""),
            self.workers,
            self.options,
            await self.tenant.store.item("service", KEPT + self.service.name),
            self._keep,
            self._tell,
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

    async def resume(self, skip: bool) -> None:
        """Let it go on that has failed, here or at the hub that it works at.

        Args:
            skip: leave the call out that failed.

        Raises:
            Conflict: it has not failed, or nothing can be left out.
        """
        failing = self._failing if self.is_on else None
        if failing is None:
            raise Conflict(f"the service {self.service.name} has not failed; it is {self.state}")
        if skip and not failing.key:
            raise Conflict("it was no single call that failed, so nothing can be left out")
        if not self.works:
            await self._keep_failing(replace(failing, wish="skip" if skip else "resume"))
            return
        if skip:
            await self._skip(failing.key)
        await self.stop()
        await self.start()

    async def _go_on(self) -> None:
        """Do what another hub was asked for while this service did not go on."""
        body = None
        if isinstance(self.tenant, SharedTenant):
            body = await self.tenant.store.item("service", FAILURE + self.service.name)
        if body is None:
            return
        failing = Failing(**orjson.loads(body))
        if failing.wish == "skip":
            await self._skip(failing.key)
        await self._keep_failing(None)

    async def _skip(self, key: str) -> None:
        kept = await self.tenant.store.item("service", KEPT + self.service.name)
        await self._keep(skipping(kept, key))

    async def _tell(self, state: State) -> None:
        """Tell other hubs how it goes."""
        if isinstance(self.tenant, SharedTenant):
            await self._keep_failing(self._failing_as(state) if state != "running" else None)

    async def _keep_failing(self, failing: Failing | None) -> None:
        body = None if failing is None else orjson.dumps(failing)
        await self.tenant.writer.keep("service", FAILURE + self.service.name, body)
        self.hear(body)

    def hear(self, body: bytes | None) -> bool:
        """Take up why it does not go on; tell whether it is to go on here, as asked elsewhere."""
        failing = None if body is None else Failing(**orjson.loads(body))
        is_asked = failing is not None and bool(failing.wish)
        self.told = None if is_asked else failing
        return is_asked and self.works and self.is_on

    async def save(self) -> None:
        """Keep whether it is on, and with which options."""
        body = {"on": self.is_on, "options": self.options.model_dump(mode="json")}
        await self.tenant.writer.keep("service", self.service.name, orjson.dumps(body))

    async def kept(self) -> dict[str, Any]:
        """Return what its functions keep, as it was last written."""
        body = await self.tenant.store.item("service", KEPT + self.service.name)
        state: dict[str, Any] = {} if body is None else orjson.loads(body)["state"]
        return state

    async def _keep(self, body: bytes) -> None:
        await self.tenant.writer.keep("service", KEPT + self.service.name, body)

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
        failing = self._failing if self.is_on else None
        if failing is None:
            return None
        return {name: value for name, value in failing.alarm.items() if whole or name != "trace"}


def said(service: Service, body: bytes | None) -> tuple[Options, bool]:
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
