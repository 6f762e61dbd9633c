"""Devices over the MQTT of NATS, whose JetStream keeps what they publish until the hub has it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from structlog.testing import capture_logs

from tests.e2e import sense_crash
from tests.e2e.commanded import LAMP, Lamp, Town
from tests.e2e.mosquitto import needs_clients, published
from tests.e2e.nats_mqtt import HUB, PASSWORD, NatsMqtt, cluster
from tests.e2e.nats_server import needs_nats
from tests.e2e.sense_crash import ENVIRON, Load, is_subscribed
from tests.e2e.server import Server, free_port
from tests.e2e.test_mqtt_external import Hub
from tests.sense.mqtt_town import until

pytestmark = needs_nats
UP = "v1/devices/jongno-1/up"
USER = {"username": HUB, "password": PASSWORD}
LIGHT = """
title = "Light"
type = "Streetlight"
[attributes]
powerState = { path = "power" }
[downlink]
broker = "field"
[commands.setLevel]
title = { en = "Set the level", ko = "밝기 설정" }
parameters = { type = "object", required = ["level"], properties = { level = { type = "number" } } }
"""


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsMqtt]:
    made = NatsMqtt(tmp_path / "nats")
    made.start()
    made.wait()
    yield made
    made.kill()


class Taking:
    """Hubs that take messages from a NATS server; all are closed at the end."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self.hubs: list[Hub] = []

    def hub(self, **more: Any) -> Hub:
        self.hubs.append(Hub(self._folder, self._port, **{**USER, **more}))
        return self.hubs[-1]


@pytest.fixture
async def taking(nats: NatsMqtt, tmp_path: Path) -> AsyncIterator[Taking]:
    made = Taking(tmp_path, nats.port)
    yield made
    for hub in made.hubs:
        hub.intake.gate.set()
        await hub.source.close()


def client(nats: NatsMqtt) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", nats.port)


async def test_messages_wait_in_jetstream_while_the_hub_is_away(
    nats: NatsMqtt, taking: Taking
) -> None:
    hub = taking.hub()
    await hub.start()
    await hub.source.close()
    async with client(nats) as maker:
        await maker.publish(f"{UP}/senml", b"1", qos=1)
        await maker.publish(UP, b"2", qos=1)
    nats.kill()
    nats.start()
    await asyncio.to_thread(nats.wait)
    await hub.start()
    await until(lambda: len(hub.intake.messages) == 2)
    assert {(one.codec, one.device, one.body) for one in hub.intake.messages} == {
        ("senml", "jongno-1", b"1"),
        ("", "jongno-1", b"2"),
    }


async def test_what_the_hub_is_long_in_taking_comes_again_and_is_acknowledged_once(
    nats: NatsMqtt, taking: Taking
) -> None:
    hub = taking.hub()
    await hub.start()
    hub.intake.gate.clear()
    async with client(nats) as maker:
        await maker.publish(UP, b"1", qos=1)
        await until(lambda: hub.intake.calls == 2)
        hub.intake.gate.set()
        await maker.publish(UP, b"2", qos=1)
        await until(lambda: hub.intake.bodies[-1:] == [b"2"])
    assert hub.source.connected


@needs_clients
async def test_a_device_is_heard_on_its_own_topics_only(nats: NatsMqtt, taking: Taking) -> None:
    hub = taking.hub()
    await hub.start()
    user = ("-u", "jongno-1", "-P", PASSWORD)
    for topic in ("v1/devices/mapo-1/up", UP):  # NATS acknowledges the first, and throws it away
        code, said = await asyncio.to_thread(published, nats.port, topic, b"1", *user)
        assert code == 0, said
    await until(lambda: hub.intake.messages)
    assert [one.device for one in hub.intake.messages] == ["jongno-1"]


async def test_a_server_that_is_away_is_passed_over(taking: Taking, nats: NatsMqtt) -> None:
    hub = taking.hub(host=f"127.0.0.1:{free_port()},127.0.0.1:{nats.port}")
    await hub.start()
    async with client(nats) as maker:
        await maker.publish(UP, b"1", qos=1)
        await until(lambda: hub.intake.bodies == [b"1"])


async def test_topics_that_nats_does_not_take_are_named(taking: Taking) -> None:
    hub = taking.hub(topics=["air quality/+"])
    with capture_logs() as logs:
        await hub.start()
    assert {"event": "mqtt.topic_refused", "topic": "air quality/+"}.items() <= logs[-1].items()


async def test_a_message_that_nats_does_not_take_is_named(taking: Taking) -> None:
    hub = taking.hub()
    await hub.start()
    assert not await hub.source.publish("lamps/of the north/set", b"1")
    await until(lambda: "acknowledged messages to lamps/of the north/set" in hub.source.problem)
    await until(lambda: hub.source.subscribed)


async def test_a_wrong_password_is_named(taking: Taking) -> None:
    hub = taking.hub(password="wrong")
    hub.source.start()
    await until(lambda: "refuses the connection: the user may not" in hub.source.problem)


class Cluster(sense_crash.Hub):
    """Devices publish to three NATS servers; the hub, its server, and all servers are killed."""

    def __init__(self, folder: Path) -> None:
        self._servers = cluster(folder)
        self.ports = [server.port for server in self._servers]
        table = {
            "host": ",".join(f"127.0.0.1:{port}" for port in self.ports),
            "topics": ["v1/devices/+/up"],
            **USER,
        }
        brokers = {"MADANG_MQTT_BROKERS": json.dumps({"field": table})}
        self.centre = Server(folder / "data", environ=ENVIRON | brokers)

    async def start(self, devices: int) -> None:
        await asyncio.to_thread(self._start_all)
        await super().start(devices)
        await asyncio.to_thread(self.centre.wait_for, lambda: is_subscribed(self.centre))

    def _start_all(self) -> None:
        for server in self._servers:
            server.start()
        for server in self._servers:
            server.wait()

    async def kill(self, turn: int) -> None:
        if turn == 0:
            await super().kill(turn)
        elif turn == 1:
            await asyncio.to_thread(self._kill_one)
        else:
            for server in self._servers:
                server.kill()
            await asyncio.to_thread(self._start_all)

    def _kill_one(self) -> None:
        """Kill the server that the hub is connected to, and see it go to another one."""
        self.centre.wait_for(lambda: is_subscribed(self.centre))
        (server,) = (one for one in self._servers if one.has("madang-field"))
        server.kill()
        others = [one for one in self._servers if one is not server]
        self.centre.wait_for(lambda: any(one.has("madang-field") for one in others), 40)
        server.start()

    def arrived(self) -> bool:
        return False  # NATS does not say: the comparison waits

    async def end(self) -> None:
        await super().end()
        for server in self._servers:
            server.kill()


async def test_every_value_is_in_history_once_whichever_part_is_killed(tmp_path: Path) -> None:
    load = Load(devices=300, rate=150, gateways=3)
    seen = await sense_crash.crash(Cluster(tmp_path), load, 3, (2.0, 3.0), random.Random(7))
    assert seen.messages > 500
    print(
        f"{seen.messages} messages, each value once; a device waited for {seen.longest_wait_s:.1f}"
        f" s at most; all in history {seen.caught_up_s:.1f} s after the last"
    )


def test_commands_reach_devices_through_nats_also_after_it_was_killed(
    nats: NatsMqtt, tmp_path: Path
) -> None:
    table = {
        "host": "127.0.0.1",
        "port": nats.port,
        "topics": ["v1/devices/+/up", "v1/devices/+/ack"],
        **USER,
    }
    environ = {"MADANG_MQTT_BROKERS": json.dumps({"field": table})}
    server = Server(tmp_path / "data", environ=environ, open=False)
    lamp: Lamp | None = None
    try:
        server.start(90)
        town = Town(server)
        connected = b'madang_mqtt_broker_connected{broker="field"} 1.0'
        server.wait_for(lambda: connected in town.ask("GET", "/metrics").body)
        town.profile("light", LIGHT)
        town.device("lamp-1", "light")
        town.put(LAMP.format("lamp-1"), powerState="on")
        lamp = Lamp(nats.port, "lamp-1")
        for level in (0.3, 0.6):
            asked = town.command(LAMP.format("lamp-1"), "setLevel", parameters={"level": level})
            town.becomes(asked["id"], "done")
            nats.kill()
            nats.start()
        assert [one["parameters"]["level"] for one in lamp.done] == [0.3, 0.6]
    finally:
        if lamp is not None:
            lamp.close()
        server.kill()
