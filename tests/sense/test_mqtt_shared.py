"""Clients that share a subscription: each message goes to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.e2e.mosquitto import PUB, SUB, needs_clients
from tests.sense.mqtt_town import Town, client, run, until

WORK = "$share/workers/jobs/#"
V5 = aiomqtt.ProtocolVersion.V5


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    await made.start()
    yield made
    await made.broker.close()
    await asyncio.sleep(0.01)  # until closed sockets are gone


async def heard(of: aiomqtt.Client, count: int, seconds: float = 10) -> list[str]:
    """Return what a client gets."""
    found: list[str] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            payload = (await anext(aiter(of.messages))).payload
            assert isinstance(payload, bytes)
            found.append(payload.decode())
    return found


async def publish(town: Town, count: int, qos: int = 1, start: int = 0) -> None:
    async with client(town, "gateway") as sender:
        for n in range(start, start + count):
            await sender.publish(f"jobs/{n}", str(n), qos=qos)


@pytest.mark.parametrize("qos", [0, 1])
async def test_each_message_goes_to_one_of_them_by_turns(town: Town, qos: int) -> None:
    async with client(town, "operator") as one, client(town, "gateway") as two:
        await one.subscribe(WORK, qos=1)
        await two.subscribe(WORK, qos=1)
        await publish(town, 10, qos)
        shares = [await heard(one, 5), await heard(two, 5)]
    assert sorted(shares[0] + shares[1], key=int) == [str(n) for n in range(10)]


async def test_who_has_subscribed_otherwise_or_under_another_name_gets_all(town: Town) -> None:
    async with client(town, "operator") as one, client(town, "operator") as two:
        await one.subscribe("jobs/#", qos=1)
        await two.subscribe("$share/others/jobs/+", qos=1)
        async with client(town, "operator") as three:
            await three.subscribe(WORK, qos=1)
            await publish(town, 4)
            for each in (one, two, three):
                assert await heard(each, 4) == ["0", "1", "2", "3"]


async def test_what_one_did_not_acknowledge_goes_to_another_when_it_is_gone(town: Town) -> None:
    kept: list[bytes] = []
    ready = asyncio.Event()
    loop = asyncio.get_running_loop()
    lost = Client(CallbackAPIVersion.VERSION2, manual_ack=True)
    lost.username_pw_set("x", "operator")

    def connected(*_: Any) -> None:
        lost.subscribe(WORK, 1)

    def subscribed(*_: Any) -> None:
        loop.call_soon_threadsafe(ready.set)

    lost.on_connect, lost.on_subscribe = connected, subscribed
    lost.on_message = lambda *given: kept.append(given[2].payload)
    async with client(town, "operator") as one:
        await one.subscribe(WORK, qos=1)
        await asyncio.to_thread(lost.connect, "127.0.0.1", town.port)
        lost.loop_start()
        await asyncio.wait_for(ready.wait(), 10)
        await publish(town, 6)
        found = await heard(one, 3)
        await until(lambda: len(kept) == 3)
        lost.disconnect()
        await asyncio.to_thread(lost.loop_stop)
        found += await heard(one, 3)
    assert sorted(found) == [str(n) for n in range(6)]


async def test_who_is_away_is_waited_for_only_if_nobody_else_is_there(town: Town) -> None:
    kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    kept.SessionExpiryInterval = 600

    def worker() -> aiomqtt.Client:
        return client(
            town, "operator", protocol=V5, identifier="away", clean_start=False, properties=kept
        )

    async with worker() as away:
        await away.subscribe(WORK, qos=1)
    await until(lambda: town.broker.figures.connections == 0)
    async with client(town, "operator") as here:
        await here.subscribe(WORK, qos=1)
        await publish(town, 2)
        assert await heard(here, 2) == ["0", "1"]
    await until(lambda: town.broker.figures.connections == 0)
    await publish(town, 2, start=2)
    async with worker() as away:
        assert await heard(away, 2) == ["2", "3"]


async def test_nobody_is_chosen_for_what_they_may_not_see(town: Town) -> None:
    every = "$share/workers/#"
    async with client(town, "operator") as here, client(town, "seoul") as seoul:
        await here.subscribe(every, qos=1)
        await seoul.subscribe(every, qos=1)
        async with client(town, "gateway") as sender:
            for n in range(6):
                await sender.publish("v1/devices/a/up", str(n), qos=1)
        assert await heard(here, 6) == [str(n) for n in range(6)]


async def test_a_new_member_gets_nothing_that_was_retained(town: Town) -> None:
    async with client(town, "gateway") as sender, client(town, "operator") as one:
        await sender.publish("jobs/old", "old", qos=1, retain=True)
        await one.subscribe(WORK, qos=1)
        await sender.publish("jobs/new", "new", qos=1)
        assert await heard(one, 1) == ["new"]


async def test_who_shares_no_more_gets_nothing_more(town: Town) -> None:
    async with client(town, "operator") as one, client(town, "operator") as two:
        await one.subscribe(WORK, qos=1)
        await two.subscribe(WORK, qos=1)
        await one.unsubscribe(WORK)
        await publish(town, 4)
        assert len(await heard(two, 4)) == 4


async def test_no_local_cannot_be_asked_for(town: Town) -> None:
    async with client(town, "operator", protocol=V5) as one:
        options = SubscribeOptions(qos=1, noLocal=True)
        asking = asyncio.create_task(one.subscribe(WORK, options=options))
        with pytest.raises(aiomqtt.MqttError, match="Disconnected"):
            await heard(one, 1)
        asking.cancel()


@needs_clients
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_sub_shares(town: Town, version: str) -> None:
    who = ["-V", version, "-p", str(town.port), "-u", "x", "-P", "operator", "-q", "1"]
    worker = asyncio.create_task(run(str(SUB), *who, "-t", WORK, "-C", "3", "-W", "15"))
    await until(lambda: town.broker.is_heard("jobs/0"))
    for n in range(3):
        assert (await run(str(PUB), *who, "-t", f"jobs/{n}", "-m", str(n)))[0] == 0
    assert await worker == (0, "0\n1\n2\n")
