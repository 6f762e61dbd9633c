"""Messages from a real Mosquitto, taken by an intake that records (killed: test_kill_sense.py)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from madang.model.errors import MadangError, TooManyRequests
from madang.sense.transports import mqtt_external
from madang.sense.transports.mqtt_external import Source
from madang.settings import Settings
from madang.settings_types import MqttBroker
from tests.e2e.certificate import certificate
from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.server import free_port
from tests.sense.mqtt_town import Recorder, until

pytestmark = needs_mosquitto

UP = "v1/devices/jongno-1/up"


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    made = Mosquitto(free_port(), tmp_path / "mosquitto")
    made.admit("city", "secret")
    yield made
    await made.kill()


class Hub:
    """The part of a hub that takes messages from a broker, and what it took."""

    def __init__(self, folder: Path, port: int, **more: Any) -> None:
        user = {"username": "city", "password": "secret"}
        usual = {"host": "127.0.0.1", "port": port, "topics": ["v1/devices/+/up/#"], **user}
        self._broker = MqttBroker.model_validate({**usual, **more})
        self._settings = Settings(data=folder)
        self.intake = Recorder()
        self.source = self._new()

    def _new(self) -> Source:
        return Source("city", self._broker, self._settings, self.intake)

    async def start(self) -> None:
        self.source = self._new()
        self.source.start()
        await until(lambda: self.source.subscribed)


@pytest.fixture
async def hub(mosquitto: Mosquitto, tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path, mosquitto.port)
    yield made
    made.intake.gate.set()
    await made.source.close()


def client(mosquitto: Mosquitto, **more: Any) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", mosquitto.port, username="city", password="secret", **more)


async def test_messages_of_a_broker_are_taken_in(mosquitto: Mosquitto, hub: Hub) -> None:
    await mosquitto.start()
    await hub.start()
    async with client(mosquitto) as maker:
        await maker.publish(f"{UP}/senml", b"1", qos=1)
        await maker.publish("v1/other", b"2", qos=1)
        await maker.publish(UP, b"3", qos=2)
        await until(lambda: len(hub.intake.messages) == 2)
    first, second = hub.intake.messages
    assert (first.address, first.device, first.codec) == (f"{UP}/senml", "jongno-1", "senml")
    assert (second.body, second.codec, second.origin) == (b"3", "", "127.0.0.1")
    assert second.principal.id == "service:mqtt:city"
    assert second.principal.tenants == {""}


async def test_topics_of_the_citys_own_name_device_codec_and_tenant(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    await mosquitto.start()
    topics = ["air/{device}/data", "noise/#"]
    hub = Hub(tmp_path, mosquitto.port, topics=topics, codec="json", tenant="seoul")
    await hub.start()
    async with client(mosquitto) as maker:
        await maker.publish("air/a-7/data", b"1", qos=1)
        await maker.publish("noise/n/data", b"2", qos=1)
        await until(lambda: len(hub.intake.messages) == 2)
    found = [(one.device, one.codec, one.tenant) for one in hub.intake.messages]
    assert found == [("a-7", "json", "seoul"), ("", "json", "seoul")]
    await hub.source.close()


async def test_what_comes_while_the_hub_is_away_waits_at_the_broker(
    mosquitto: Mosquitto, hub: Hub
) -> None:
    await mosquitto.start()
    await hub.start()
    hub.intake.gate.clear()
    async with client(mosquitto) as maker:
        await maker.publish(UP, b"1", qos=1)
        await until(lambda: hub.intake.calls == 1)
        connection = hub.source._connection
        assert connection is not None
        connection.abort()  # nothing was durable, so nothing was acknowledged
        await until(lambda: hub.intake.calls == 2)  # it comes again
        hub.intake.gate.set()
        await hub.source.close()
        await maker.publish(UP, b"2", qos=1)
        await hub.start()
        await until(lambda: hub.intake.bodies[-1:] == [b"2"])
    assert hub.intake.bodies == [b"1", b"1", b"2"]


async def test_a_broker_that_is_lost_again_and_again_is_not_waited_for_ever_longer(
    mosquitto: Mosquitto, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_external, "FIRST_WAIT_S", 0.05)
    await mosquitto.start()
    await hub.start()
    for _ in range(9):  # twice as long each time, the last would be waited for longer than 10 s
        await asyncio.sleep(0.1)  # longer than the hub has waited
        connection = hub.source._connection
        assert connection is not None
        connection.abort()
        await until(lambda: not hub.source.subscribed)
        await until(lambda: hub.source.subscribed)


async def test_a_hub_that_is_too_busy_makes_the_broker_wait(mosquitto: Mosquitto, hub: Hub) -> None:
    await mosquitto.start()
    await hub.start()
    hub.intake.refusals += [TooManyRequests("slow down", 1)] * 3
    async with client(mosquitto) as maker:
        for n in range(1, 501):
            await maker.publish(UP, b"%d" % n, qos=1)
        await until(lambda: len(hub.intake.messages) == 500)
    assert sorted(hub.intake.bodies, key=int) == [b"%d" % n for n in range(1, 501)]


async def test_tls_is_checked_against_the_given_certificates(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    chain, key = certificate(tmp_path)
    await mosquitto.start([f"certfile {chain}", f"keyfile {key}"])
    stranger = Hub(tmp_path, mosquitto.port, tls=True)
    stranger.source.start()
    await until(lambda: stranger.source.problem)
    assert "certificate" in stranger.source.problem
    await stranger.source.close()
    hub = Hub(tmp_path, mosquitto.port, tls=True, ca=chain)
    await hub.start()
    await hub.source.close()


async def test_a_broker_that_refuses_is_named_with_its_reason(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    hub = Hub(tmp_path, mosquitto.port, password="wrong")
    hub.source.start()
    await until(lambda: "cannot be reached" in hub.source.problem)
    await mosquitto.start()
    await until(lambda: "user may not" in hub.source.problem or "wrong" in hub.source.problem)
    assert not hub.source.connected
    await hub.source.close()


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(MadangError, match=r"mqtt_brokers.city.topics: 'a/#/b' cannot be"):
        Hub(tmp_path, 1883, topics=["a/#/b"])
    hub = Hub(tmp_path, 1883, tls=True, ca=tmp_path / "none.pem")
    with pytest.raises(MadangError, match=r"mqtt_brokers.city.ca"):
        hub.source.start()
