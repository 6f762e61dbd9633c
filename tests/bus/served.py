"""A NATS server with JetStream for a test, and a hub's connection to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from madang.bus.nats import Bus
from tests.bus.test_nats import until
from tests.e2e.nats_server import NatsServer


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    found = NatsServer()
    await asyncio.to_thread(found.start)
    yield found
    found.kill()


@pytest.fixture
async def bus(server: NatsServer) -> AsyncIterator[Bus]:
    found = Bus(server.url, server.password, "here", lambda _: None)
    found.start()
    await until(lambda: found.is_connected)
    yield found
    await found.close()
