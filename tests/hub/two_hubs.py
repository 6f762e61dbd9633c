"""The default tenant at two hubs on one database; word of one is carried by the tests alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from madang.hub.duties import DUTIES, work_of
from madang.hub.hub import Hub
from madang.hub.shared_tenant import SharedTenant
from madang.hub.tenants import Tenants
from madang.settings import Settings
from madang.store.postgres.engine import PostgresEngine
from tests.contract.cluster import shared

LANES = [duty for duty in DUTIES if work_of(duty) == "notifications"]
numbers = count()


@pytest.fixture
async def tenants(tmp_path: Path) -> AsyncIterator[list[SharedTenant]]:
    """The default tenant at two hubs; the first has the work."""
    url = shared().make(f"subscriptions_{next(numbers)}")
    parts: list[tuple[Hub, Tenants]] = []
    found = []
    for name in ("first", "second"):
        settings = Settings(data=tmp_path / name, store=url, bus="nats://127.0.0.1:1")
        makers = Tenants(settings)
        engine = PostgresEngine(url, is_shared=True)
        await engine.claim()
        hub = Hub(engine, makers.make)
        parts.append((hub, makers))
        await hub.start()
        tenant = hub.open[""]
        assert isinstance(tenant, SharedTenant)
        found.append(tenant)
    for lane in LANES:
        await parts[0][0].work(lane)
    yield found
    for hub, makers in parts:
        await hub.close()
        await makers.close()
