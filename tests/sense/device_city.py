"""A hub without network for tests of devices."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from madang.hub.hub import Hub
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.sense.devices.registry import Devices
from madang.settings import Settings
from madang.store.engine import SqliteEngine


@asynccontextmanager
async def a_tenant(folder: Path) -> AsyncIterator[Tenant]:
    """Open the default tenant of a data folder."""
    tenants = Tenants(Settings(data=folder))
    hub = Hub(SqliteEngine(folder / "state"), tenants.make)
    try:
        yield await hub.tenant("", create=True)
    finally:
        await hub.close()
        await tenants.close()


@asynccontextmanager
async def registry(tenant: Tenant) -> AsyncIterator[Devices]:
    """Open the registry of a tenant."""
    devices = await Devices.open(tenant)
    try:
        yield devices
    finally:
        await devices.close()


def prop(value: object) -> dict[str, object]:
    """Return a Property."""
    return {"type": "Property", "value": value}
