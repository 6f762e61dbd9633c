"""Publishes how good the data of each provider was, a few minutes after each day (UTC)."""

from __future__ import annotations

import asyncio
import contextlib
import time as clocks
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import date
from typing import TYPE_CHECKING, Final

import structlog

from madang.hub.operations import Operation, Upsert
from madang.model.context import CORE
from madang.model.errors import NgsiError
from madang.model.normalize import entity as normalized
from madang.query.tree import HasType, Query, Selector
from madang.sense.devices.device import TYPE as DEVICE
from madang.sense.quality.report import TYPE, Assessment, Expected, assess, yesterday

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.station import Station

log = structlog.get_logger("madang.quality")

DUE: Final = 5 * 60  # after midnight, when most late values have come [s]
FIRST: Final = 60.0  # from the start to the first look, lest it slow the start down [s]
RETRY: Final = 600.0  # [s]
_DAY: Final = 86_400
_LONGEST_SLEEP: Final = 3600.0  # [s]; a clock may be put right meanwhile


async def assessed(station: Station, day: date) -> list[Assessment]:
    """Return the assessments of a day as history has it now, by provider.

    Raises:
        HistoryBehind: history cannot be read for the moment.
    """
    tenant, devices = station.tenant, station.devices
    since = {id: created async for id, created in _created(tenant, DEVICE)}
    expected = [
        Expected(device.id, device.owner, interval, since.get(device.id, 0))
        for device in devices
        if device.state == "active" and (interval := devices.interval(device))
    ]
    now = tenant.clock.now()
    return await tenant.history.read(lambda lake: assess(lake, day, now, expected))


async def publish(station: Station, day: date) -> list[Assessment]:
    """Write the assessments of a day as entities, in place of those written before.

    Raises:
        NgsiError: history cannot be read or the hub cannot write for the moment.
    """
    found = await assessed(station, day)
    operations: list[Operation] = []
    for one in found:
        entity = one.entity(station.tenant.clock.now())
        operations.append(Upsert(entity["id"], normalized(entity, CORE)))
    if operations:
        for result in await station.tenant.write(operations):
            if isinstance(result, NgsiError):
                raise result
    log.info("quality.published", tenant=station.tenant.name, day=str(day), providers=len(found))
    return found


class Daily:
    """Does so for all tenants, every day.

    Args:
        stations: what there is now.
    """

    def __init__(self, stations: Callable[[], Iterable[Station]]) -> None:
        self._stations = stations
        self._task: asyncio.Task[None] | None = None
        self._upto: dict[str, int] = {}
        """The midnight up to which each tenant's days are published. [us since 1970]"""

    def start(self) -> None:
        """Begin; what was missed while Madang was down is done in a minute."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            failed = False
            for station in list(self._stations()):
                failed |= not await self._done(station)
            await asyncio.sleep(min(RETRY if failed else _LONGEST_SLEEP, _until_due()))

    async def _done(self, station: Station) -> bool:
        """Publish what was due last, if that was not done yet; tell whether it is."""
        tenant = station.tenant
        due = tenant.clock.now() - DUE * 1_000_000
        midnight = due - due % (_DAY * 1_000_000)
        if self._upto.get(tenant.name) == midnight:
            return True
        try:
            if not [id async for id, created in _created(tenant, TYPE) if created >= midnight]:
                await publish(station, yesterday(due))
        except (NgsiError, OSError) as error:
            log.error("quality.unpublished", tenant=tenant.name, error=str(error))
            return False
        self._upto[tenant.name] = midnight
        return True


async def _created(tenant: Tenant, kind: str) -> AsyncIterator[tuple[str, int]]:
    """Yield which entities of a type there are, and since when."""
    query = Query(selectors=(Selector(types=HasType(kind)),))
    async for rows in tenant.stream(query):
        for row in rows:
            yield row.id, row.created
        await asyncio.sleep(0)


def _until_due() -> float:
    """Return how long it is until the next day is due. [s]"""
    return _DAY - (clocks.time() - DUE) % _DAY + 1.0
