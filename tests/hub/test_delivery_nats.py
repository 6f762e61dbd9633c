"""Notifications over NATS, kept by a real server with JetStream."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import nats
import orjson
import pytest

from madang.bus.nats import Bus
from madang.bus.stream import PARTITIONS, escaped, partition_of
from madang.hub.delivery_nats import NatsSender
from madang.hub.endpoint import BUS, parse
from madang.hub.hosts import Bounds
from madang.hub.message import Message, Refused, SendFailed
from tests.bus import served
from tests.bus.test_nats import until
from tests.e2e.nats_server import NatsServer, needs_nats

pytestmark = needs_nats
server, bus = served.server, served.bus
SUBSCRIPTION = "urn:ngsi-ld:Subscription:가.b c*>"
ENDPOINT = parse({"uri": BUS, "receiverInfo": [{"key": "X-Key", "value": "key"}]})


@pytest.fixture
def sender(bus: Bus) -> NatsSender:
    return NatsSender(bus, 2.0, Bounds())


def notification(number: int, *entities: dict[str, Any], collection: bool = False) -> Message:
    data: Any = {"type": "FeatureCollection", "features": entities} if collection else entities
    told = {
        "id": f"urn:ngsi-ld:Notification:{number}", "type": "Notification",
        "subscriptionId": SUBSCRIPTION, "notifiedAt": "2026-11-23T05:00:00Z", "data": data,
    }  # fmt: skip
    return Message("application/json", "https://c.example/", orjson.dumps(told))


def lamp(number: int, power: int = 1) -> dict[str, Any]:
    return {"id": f"urn:ngsi-ld:Lamp:{number}", "type": "Lamp", "power": power}


async def kept(server: NatsServer, tenant: str = "default") -> list[Any]:
    """Return all messages of the subscription, in the order in which they came."""
    client = await nats.connect(server.url, user="madang", password=server.password)
    subject = f"madang.here.notifications.{tenant}.{escaped(SUBSCRIPTION)}.*"
    consumer = await client.jetstream().pull_subscribe(subject)
    messages = await consumer.fetch(1_000, timeout=0.3)
    await client.close()
    return messages


def powers(messages: list[Any]) -> list[int]:
    return [orjson.loads(message.data)["data"][0]["power"] for message in messages]


async def test_a_notification_goes_as_it_is_with_its_headers(
    server: NatsServer, sender: NatsSender
) -> None:
    message = notification(1, lamp(7))
    await sender.send(ENDPOINT, message, "new.town")
    (found,) = await kept(server, "new=2Etown")
    assert found.data == message.body
    assert found.subject.endswith(f".{partition_of('urn:ngsi-ld:Lamp:7')}")
    told = {"Content-Type": "application/json", "NGSILD-Tenant": "new.town", "X-Key": "key"}
    assert told.items() <= found.headers.items()
    assert "https://c.example/" in found.headers["Link"]


@pytest.mark.parametrize("collection", [False, True])
async def test_each_entity_has_a_message_in_its_partition(
    server: NatsServer, sender: NatsSender, collection: bool
) -> None:
    lamps = [lamp(number) for number in range(100)]
    await sender.send(ENDPOINT, notification(1, *lamps, collection=collection), "")
    found = [(message.subject, orjson.loads(message.data)) for message in await kept(server)]
    entities = []
    for subject, told in found:
        data = told.pop("data")
        (entity,) = data["features"] if collection else data
        assert int(subject.rpartition(".")[2]) == partition_of(entity["id"])
        assert told["id"] == "urn:ngsi-ld:Notification:1"
        entities.append(entity)
    assert sorted(entities, key=str) == sorted(lamps, key=str)
    assert len({subject for subject, _ in found}) == PARTITIONS


async def test_what_is_sent_again_is_kept_once(server: NatsServer, sender: NatsSender) -> None:
    for number in range(20):
        for _ in range(1 + number % 2):
            await sender.send(ENDPOINT, notification(number, lamp(1, number), lamp(2, number)), "")
    found = powers(await kept(server))
    assert found[::2] == found[1::2] == [*range(20)]


async def test_it_goes_on_when_the_server_is_back_and_when_it_has_lost_all(
    server: NatsServer, bus: Bus, sender: NatsSender
) -> None:
    await sender.send(ENDPOINT, notification(1, lamp(1, 1)), "")
    server.kill()
    await until(lambda: not bus.is_connected)
    with pytest.raises(SendFailed, match="NATS"):
        await sender.send(ENDPOINT, notification(2, lamp(1, 2)), "")
    await asyncio.to_thread(server.start)
    await until(lambda: bus.is_connected)
    await sender.send(ENDPOINT, notification(2, lamp(1, 2)), "")
    assert powers(await kept(server)) == [1, 2]
    server.kill()
    await until(lambda: not bus.is_connected)
    server.forget()
    await asyncio.to_thread(server.start)
    await until(lambda: bus.is_connected)
    await sender.send(ENDPOINT, notification(3, lamp(1, 3)), "")
    assert powers(await kept(server)) == [3]


async def test_what_is_too_large_for_a_message_is_put_aside(
    server: NatsServer, sender: NatsSender
) -> None:
    large = {**lamp(1), "note": "x" * 2**20}
    with pytest.raises(Refused, match="bytes at most"):
        await sender.send(ENDPOINT, notification(1, lamp(2), large), "")
    key = {"key": "X-Key", "value": "x" * 2**20}
    with pytest.raises(Refused, match="headers"):
        await sender.send(parse({"uri": BUS, "receiverInfo": [key]}), notification(1, lamp(2)), "")
    half = {"note": "x" * 600_000}
    await sender.send(ENDPOINT, notification(2, {**lamp(1), **half}, {**lamp(2), **half}), "")
    assert len(await kept(server)) == 2


async def test_a_stranger_may_have_it_notified_only_if_the_settings_say_so(
    server: NatsServer, bus: Bus, sender: NatsSender
) -> None:
    strangers = replace(ENDPOINT, inside=False)
    with pytest.raises(SendFailed, match="notify_hosts"):
        await sender.send(strangers, notification(1, lamp(1)), "")
    opened = NatsSender(bus, 2.0, Bounds(named=(BUS,)))
    await opened.send(strangers, notification(1, lamp(1)), "")
    assert len(await kept(server)) == 1


async def test_a_server_without_jetstream_is_told_as_such() -> None:
    server = NatsServer(jetstream=False)
    await asyncio.to_thread(server.start)
    bus = Bus(server.url, server.password, "here", lambda _: None)
    bus.start()
    await until(lambda: bus.is_connected)
    with pytest.raises(SendFailed, match="jetstream"):
        await NatsSender(bus, 2.0, Bounds()).send(ENDPOINT, notification(1, lamp(1)), "")
    await bus.close()
    server.kill()
