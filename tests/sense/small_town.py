"""A city in this process, without a listener: hub, trust and sense over one folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from madang.app import City
from madang.lake.questions import Wanted
from madang.sense.message import Message
from madang.settings import Settings
from madang.trust.principal import OPEN, Principal

NOW = 1_795_000_000_000_000


@asynccontextmanager
async def town(folder: Path, **settings: Any) -> AsyncIterator[City]:
    """Start it; end it in the order that the process ends in."""
    values: dict[str, Any] = {"open": True, "mqtt_port": 0, **settings}
    city = await City.open(Settings(data=folder, **values))
    await city.hub.start()
    await city.sense.start()
    try:
        yield city
    finally:
        await city.sense.close()
        await city.trust.identities.close()
        await city.hub.close()
        await city.tenants.close()
        await city.trust.close()


def message(
    body: object,
    codec: str = "ngsi-ld",
    device: str = "",
    *,
    principal: Principal = OPEN,
    received: int = NOW,
    tenant: str = "",
) -> Message:
    """Return a message as HTTP push makes it."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    address = f"/devices/{device}/up"
    return Message("http", address, raw, principal, received, tenant, codec, device)


async def past_of(city: City, id: str, attribute: str) -> list[tuple[int, Any]]:
    """Return what history has of one attribute: times and values, in order of time."""
    tenant = await city.hub.tenant("", create=False)
    pasts = await tenant.history.read(lambda lake: lake.pasts(Wanted()).entities)
    found = [
        (one.time, one.value)
        for past in pasts
        for one in past.instances
        if (one.entity, one.attribute) == (id, attribute)
    ]
    return sorted(found)
