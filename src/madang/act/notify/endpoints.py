"""Alerts of subscriptions whose endpoint does not take what is sent, until it does again.

An alert names the subscription and no more: why it fails is for its owner and administrators to
ask. Each of several hubs looks after those that it sends to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from madang.hub.duties import lane_of
from madang.model.context import CORE
from madang.model.errors import NgsiError, ResourceNotFound
from madang.query.q import parse
from madang.query.tree import HasType, Query, Selector
from madang.services import records
from madang.services.failure import end, put
from madang.services.records import ALERT
from madang.services.service import Text

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.subscription import Subscription
    from madang.hub.tenant import Tenant

log = structlog.get_logger("madang.endpoints")

KIND: Final = "endpointFailure"
AFTER_S: Final = 30.0
"""How long an endpoint may be in trouble before there is an alert; many are back sooner."""
LOOK_S: Final = 2.0
_PREFIX: Final = f"urn:ngsi-ld:{ALERT}:{KIND}:"
_OPEN: Final = parse('status=="open"', CORE)
TITLE: Final = Text(
    "A subscription's endpoint does not take notifications", "구독의 수신처가 알림을 받지 않습니다"
)


class EndpointAlerts:
    """Raises and ends the alerts of all tenants.

    Args:
        hub: its tenants.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._duties: frozenset[str] | None = None
        self._since: dict[str, dict[str, int]] = {}
        """When an endpoint was seen in trouble first, by tenant and subscription."""
        self._open: dict[str, set[str]] = {}
        """Subscriptions that there is an open alert of, by tenant."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Look no more; open alerts stay until somebody looks again."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._take_over()
            for tenant in list(self._hub.open.values()):
                try:
                    await self._look(tenant)
                except NgsiError as error:  # the store is away: the next look says it again
                    log.warning("endpoint.alert_unwritten", tenant=tenant.name, error=str(error))

    def _take_over(self) -> None:
        """Begin anew with what this hub sends to now: another one may have raised its alerts."""
        duties = frozenset(self._hub.duties)
        if duties != self._duties:
            self._duties = duties
            self._open.clear()

    async def _look(self, tenant: Tenant) -> None:
        delivery, now = tenant.subscriptions.delivery, tenant.clock.now()
        if tenant.name not in self._open:
            self._open[tenant.name] = await self._left_open(tenant)
        opened = self._open[tenant.name]
        known = _known(tenant, {*delivery.troubled(), *opened})
        troubled = {id for id in delivery.troubled() if id in known and _tells(known[id], now)}
        before = self._since.get(tenant.name, {})
        since = self._since[tenant.name] = {id: before.get(id, now) for id in troubled}
        for id in troubled - opened:
            if now - since[id] >= AFTER_S * 1e6:
                await put(tenant, alert_of(id), _alert(id, now), now)
                opened.add(id)
        for id in opened - troubled:
            if id not in known or _is_well(tenant, known[id], now):
                await end(tenant, alert_of(id), now)
                opened.discard(id)

    async def _left_open(self, tenant: Tenant) -> set[str]:
        """Return those of this hub's that an alert was left open of; some may be gone."""
        query = Query(selectors=(Selector(types=HasType(ALERT)),), q=_OPEN)
        ids = {row.id async for rows in tenant.stream(query) for row in rows}
        found = {id.removeprefix(_PREFIX) for id in ids if id.startswith(_PREFIX)}
        return {id for id in found if lane_of("notifications", id) in self._hub.duties}


def alert_of(subscription: str) -> str:
    """Return the id of the alert of a subscription."""
    return _PREFIX + subscription


def _known(tenant: Tenant, ids: Collection[str]) -> dict[str, Subscription]:
    found: dict[str, Subscription] = {}
    for id in ids:
        with suppress(ResourceNotFound):
            found[id] = tenant.subscriptions.get(id)
    return found


def _tells(subscription: Subscription, now: int) -> bool:
    return subscription.status(now) == "active"


def _is_well(tenant: Tenant, subscription: Subscription, now: int) -> bool:
    """Tell whether nothing is in trouble any more; after a start it may just not be seen yet."""
    waiting = tenant.subscriptions.delivery.circuit(subscription.id)["waiting"]
    return subscription.statistics.ok or not waiting or not _tells(subscription, now)


def _alert(id: str, now: int) -> records.Attributes:
    text = Text(
        f"What it does not take is kept and tried again: madang subscription waiting {id}",
        f"받지 않은 알림은 보관하고 다시 보냅니다: madang subscription waiting {id}",
    )
    return records.alert(KIND, "medium", TITLE, text, [], None, now, f"subscription:{id}")
