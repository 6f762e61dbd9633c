"""Word between hubs, over a real NATS server that is killed and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from madang.bus.nats import Bus
from tests.e2e.nats_server import NatsServer, needs_nats

pytestmark = needs_nats


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    found = NatsServer("p@ss:word/")
    await asyncio.to_thread(found.start)
    yield found
    found.kill()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not so after 10 s")


async def test_the_others_of_the_place_hear_what_one_tells_over_a_restart(
    server: NatsServer,
) -> None:
    heard: dict[str, list[bytes]] = {name: [] for name in ("one", "other", "elsewhere")}
    places = {"one": "here", "other": "here", "elsewhere": "there"}
    hubs = {
        name: Bus(server.url, server.password, place, heard[name].append)
        for name, place in places.items()
    }
    for hub in hubs.values():
        hub.start()
    await until(lambda: all(hub.is_connected for hub in hubs.values()))
    hubs["one"].tell(b"1")
    hubs["other"].tell(b"2")
    await until(lambda: heard["one"] == [b"2"] and heard["other"] == [b"1"])
    server.kill()
    await until(lambda: not any(hub.is_connected for hub in hubs.values()))
    await asyncio.to_thread(server.start)
    await until(lambda: all(hub.is_connected for hub in hubs.values()))
    hubs["one"].tell(b"3")
    await until(lambda: heard["other"] == [b"1", b"3"])
    assert heard["elsewhere"] == []
    for hub in hubs.values():
        await hub.close()


async def test_a_wrong_password_connects_nobody_and_holds_up_nothing(server: NatsServer) -> None:
    hub = Bus(server.url, "wrong", "here", lambda _: None)
    hub.start()
    hub.tell(b"1")
    await asyncio.sleep(0)
    assert not hub.is_connected
    await hub.close()
