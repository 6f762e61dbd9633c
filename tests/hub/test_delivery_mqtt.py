"""Notifications over MQTT, received from a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiomqtt
import orjson
import pytest

from madang.hub.delivery_mqtt import MqttSender
from madang.hub.endpoint import Endpoint, parse
from madang.hub.message import Message, SendFailed
from tests.e2e.certificate import certificate
from tests.e2e.mosquitto import Mosquitto, needs_mosquitto

pytestmark = needs_mosquitto

MESSAGE = Message("application/json", "https://c.example/", b'{"type":"Notification","data":[]}')


class Broker(Mosquitto):
    """A broker that subscriptions name."""

    def endpoint(self, account: str = "", scheme: str = "mqtt", **info: str) -> Endpoint:
        notifier = [{"key": key.replace("_", "-"), "value": value} for key, value in info.items()]
        return parse(
            {
                "uri": f"{scheme}://{account}127.0.0.1:{self.port}/city/seoul",
                "timeout": 1500,
                "receiverInfo": [{"key": "X-Key", "value": "secret"}],
                **({"notifierInfo": notifier} if notifier else {}),
            }
        )

    @contextlib.asynccontextmanager
    async def listener(self, **account: Any) -> AsyncIterator[Callable[[], Any]]:
        """Yield a function that waits for the next message on the topic."""
        async with aiomqtt.Client("127.0.0.1", self.port, **account) as client:
            await client.subscribe("city/#", qos=2)

            async def heard() -> aiomqtt.Message:
                async with asyncio.timeout(5):
                    return await anext(aiter(client.messages))

            yield heard


@pytest.fixture
async def broker(unused_tcp_port: int, tmp_path: Path) -> AsyncIterator[Broker]:
    made = Broker(unused_tcp_port, tmp_path / "mosquitto")
    yield made
    await made.stop()


@pytest.fixture
async def sender() -> AsyncIterator[MqttSender]:
    made = MqttSender()
    yield made
    await made.close()


async def test_metadata_and_body_travel_together(broker: Broker, sender: MqttSender) -> None:
    await broker.start()
    async with broker.listener() as heard:
        await sender.send(broker.endpoint(), MESSAGE, "seoul")
        message = await heard()
    assert str(message.topic) == "city/seoul"
    content = orjson.loads(message.payload)
    assert content["body"] == {"type": "Notification", "data": []}
    assert content["metadata"].pop("Link").startswith("<https://c.example/>")
    assert content["metadata"] == {
        "Content-Type": "application/json",
        "NGSILD-Tenant": "seoul",
        "X-Key": "secret",
    }


@pytest.mark.parametrize("version", ["mqtt3.1.1", "mqtt5.0"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
async def test_version_and_qos_can_be_chosen(
    broker: Broker, sender: MqttSender, version: str, qos: str
) -> None:
    await broker.start()
    async with broker.listener() as heard:
        await sender.send(broker.endpoint(MQTT_Version=version, MQTT_QoS=qos), MESSAGE, "")
        assert (await heard()).qos == int(qos)


async def test_user_and_password_are_used(broker: Broker, sender: MqttSender) -> None:
    broker.admit("user", "pass word")
    await broker.start()
    async with broker.listener(username="user", password="pass word") as heard:
        await sender.send(broker.endpoint("user:pass%20word@"), MESSAGE, "")
        assert await heard()
    with pytest.raises(SendFailed):
        await sender.send(broker.endpoint("user:wrong@"), MESSAGE, "")


async def test_a_user_without_password_is_accepted(broker: Broker, sender: MqttSender) -> None:
    await broker.start()
    async with broker.listener() as heard:
        await sender.send(broker.endpoint("user@"), MESSAGE, "")
        assert await heard()


async def test_subscribers_of_one_account_share_a_connection(
    broker: Broker, sender: MqttSender
) -> None:
    await broker.start()
    async with broker.listener() as heard:
        await asyncio.gather(
            *(sender.send(broker.endpoint(MQTT_QoS=str(n % 3)), MESSAGE, "") for n in range(60))
        )
        for _ in range(60):
            await heard()
    assert len(sender._connections) == 1


async def test_order_is_kept(broker: Broker, sender: MqttSender) -> None:
    await broker.start()
    async with broker.listener() as heard:
        for n in range(100):
            message = MESSAGE._replace(body=str(n).encode())
            await sender.send(broker.endpoint(MQTT_QoS="1"), message, "")
        numbers = [orjson.loads((await heard()).payload)["body"] for _ in range(100)]
    assert numbers == list(range(100))


@pytest.mark.parametrize("qos", ["0", "1"])
async def test_it_connects_again_after_the_broker_was_away(
    broker: Broker, sender: MqttSender, qos: str
) -> None:
    endpoint = broker.endpoint(MQTT_QoS=qos)
    with pytest.raises(SendFailed):
        await sender.send(endpoint, MESSAGE, "")
    await broker.start()
    await sender.send(endpoint, MESSAGE, "")
    await broker.stop()
    await asyncio.sleep(0.1)
    with pytest.raises(SendFailed):
        await sender.send(endpoint, MESSAGE, "")
    await broker.start()
    async with broker.listener() as heard:
        await sender.send(endpoint, MESSAGE, "")
        assert await heard()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho's socket
async def test_mqtts_is_encrypted_and_the_broker_is_verified(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, key = certificate(tmp_path)
    await broker.start([f"certfile {chain}", f"keyfile {key}"])
    endpoint = broker.endpoint(scheme="mqtts", MQTT_QoS="1")
    stranger = MqttSender()
    with pytest.raises(SendFailed, match="certificate"):
        await stranger.send(endpoint, MESSAGE, "")
    await stranger.close()
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    sender = MqttSender()
    await asyncio.gather(*(sender.send(endpoint, MESSAGE, "") for _ in range(50)))
    await sender.close()


async def test_a_broker_that_does_not_answer_is_a_failure_in_time(
    sender: MqttSender, unused_tcp_port: int
) -> None:
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        closed.set()

    async with await asyncio.start_server(silent, "127.0.0.1", unused_tcp_port):
        endpoint = parse({"uri": f"mqtt://127.0.0.1:{unused_tcp_port}/a", "timeout": 200})
        with pytest.raises(SendFailed, match=r"0\.2 s"):
            await sender.send(endpoint, MESSAGE, "")
        await sender.close()
        await asyncio.wait_for(closed.wait(), 5)
