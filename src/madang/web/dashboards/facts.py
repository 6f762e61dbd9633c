"""What tiles show: worked out once here, for pages without scripts and for the control room alike.

Facts are JSON. They hold what the reader may see and nothing else, say how old it is, what it means
by a guideline that has a name, and what is missing.
"""

from __future__ import annotations

import asyncio
import time as wall_clock
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from madang.act.incidents.report import public
from madang.act.incidents.requests import listed
from madang.model import time
from madang.model.errors import NgsiError
from madang.services.catalogue import both
from madang.web.dashboards.catalogue import Kind, ground_of, kinds_of
from madang.web.dashboards.kept import Readers
from madang.web.dashboards.reading import PRESENT_S, Fact, Reading
from madang.web.dashboards.tiles import (
    ChartTile,
    IncidentsTile,
    MapTile,
    NumberTile,
    ServicesTile,
    TableTile,
    TextTile,
    Tile,
)

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity
    from madang.services.services import Services
    from madang.trust.gate import Gate
    from madang.trust.principal import Principal
    from madang.trust.view import View

STILL_S: Final = 300.0
"""How long what stands still is. [s]"""
RECENT_US: Final = 7 * 86_400 * 1_000_000
"""How long incidents that are over are told of."""


@dataclass(frozen=True, slots=True)
class Look:
    """A tenant as somebody sees it; without one, they see nothing."""

    seen: Tenant | View | None
    whole: Tenant | None
    """For what is public whoever asks, such as published incidents."""
    knows_services: bool = False
    """They may see how services go."""


class Facts:
    """Works out what tiles show."""

    def __init__(self, hub: Hub, services: Services, gate: Gate) -> None:
        self._hub = hub
        self._services = services
        self._gate = gate
        self._readers = Readers()

    @property
    def now(self) -> int:
        """The present, for ages. [us since 1970]"""
        return wall_clock.time_ns() // 1000

    def look(self, principal: Principal, tenant_name: str, address: str) -> Look:
        """Return a tenant as somebody sees it."""
        tenant, gate = self._hub.open.get(tenant_name), self._gate
        if tenant is None:
            return Look(None, None)
        may_read = gate.may(principal, "readEntity", tenant_name)
        seen = gate.seen(principal, tenant, "", address) if may_read else None
        return Look(seen, tenant, gate.may(principal, "seeServices", tenant_name))

    async def kinds(self, look: Look) -> list[Kind]:
        """Return the types of entities that somebody sees."""
        seen = look.seen
        if seen is None:
            return []
        answers = self._readers.of(seen)
        return await answers.get("kinds", PRESENT_S, lambda: kinds_of(seen))

    async def entities(self, look: Look, type: str) -> list[Entity]:
        """Return the entities of a type that somebody sees, as many as are read for a page."""
        seen = look.seen
        if seen is None:
            return []
        return (await Reading(seen, self._readers.of(seen)).all(type, "")).entities

    async def ground(self, look: Look) -> list[tuple[str, dict[str, Any]]]:
        """Return what stands still and is drawn below everything else on maps."""
        seen = look.seen
        if seen is None:
            return []
        answers = self._readers.of(seen)
        return await answers.get("ground", STILL_S, lambda: ground_of(seen))

    async def of(self, tiles: Sequence[Tile], look: Look) -> list[Fact]:
        """Return the facts of tiles, in their order."""
        return list(await asyncio.gather(*(self._one(tile, look) for tile in tiles)))

    async def _one(self, tile: Tile, look: Look) -> Fact:
        try:
            return {"kind": tile.kind} | await self._told(tile, look)
        except NgsiError as error:  # the other tiles are as good as ever
            return {"kind": tile.kind, "problem": error.detail}

    async def _told(self, tile: Tile, look: Look) -> Fact:
        match tile:
            case TextTile():
                return {}
            case IncidentsTile():
                return await self._incidents(tile, look)
            case ServicesTile():
                return await self._of_services(look)
        if look.seen is None:
            return {"missing": "type"}
        reading = Reading(look.seen, self._readers.of(look.seen))
        match tile:
            case NumberTile():
                return await reading.number(tile)
            case ChartTile():
                return await reading.chart(tile)
            case TableTile():
                return await reading.table(tile)
            case MapTile():
                return await reading.places(tile)

    async def _incidents(self, tile: IncidentsTile, look: Look) -> Fact:
        if look.whole is None:
            return {"incidents": []}
        now = look.whole.clock.now()
        found, _ = await listed(look.whole, "", tile.limit, 0, only_public=True)
        told = [public(one) for one in found]
        recent = [one for one in told if not _is_long_over(one["ended"], now)]
        kept = ("number", "title", "severity", "status", "area", "started", "ended")
        return {"incidents": [{name: one[name] for name in kept} for one in recent]}

    async def _of_services(self, look: Look) -> Fact:
        told: Fact = {"count": len(self._services.catalogue), "services": []}
        if look.knows_services and look.whole is not None:
            working = await self._services.list(look.whole.name)
            told["services"] = [
                {"name": one.service.name, "title": both(one.service.title), "state": one.state}
                for one in working
                if one.state != "off"
            ]
        return told


def _is_long_over(ended: str, now: int) -> bool:
    return bool(ended) and now - time.parse(ended) > RECENT_US
