"""Hub and broker are killed while devices publish: each message is in history once.

The devices are paho's client, as makers use it: QoS 1, what was not acknowledged is sent again.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
import time
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.server import API, Server, free_port

DEVICES = 20
PROFILE = 'type = "Weather"\n[attributes]\ntemperature = { unit = "CEL" }\n'
START = datetime(2026, 1, 1, tzinfo=UTC)
UNDER_WAY = 50  # messages sent and not acknowledged


class Gateway:
    """One client that publishes for several devices, as fast as it is acknowledged.

    Args:
        port: of the broker, on this machine.
        every_s: time from one message to the next.
        keeps: how many messages it has still after their acknowledgement, to send them again when
            the connection is lost: for a broker that acknowledges what it may lose.
    """

    def __init__(self, port: int, every_s: float = 0.002, keeps: int = 0) -> None:
        self.messages = 0
        self.acknowledged = 0
        self._sent = 0
        self._numbers: dict[int, int] = {}
        self._kept: deque[int] = deque(maxlen=keeps)
        self._again: deque[int] = deque()
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        client = self._client = Client(CallbackAPIVersion.VERSION2, "gateway", clean_session=False)
        client.max_inflight_messages_set(UNDER_WAY)
        client.reconnect_delay_set(1, 1)
        client.on_publish = self._published
        client.on_connect = self._connected
        client.connect("127.0.0.1", port)
        client.loop_start()
        self._thread.start()

    def _run(self) -> None:
        while not self._done.wait(self._every_s):
            self._send_again()
            self._send(self.messages)
            self.messages += 1

    def _send(self, number: int) -> None:
        at = START + timedelta(seconds=number // DEVICES)
        body = {"temperature": number % 40, "observedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        topic = f"v1/devices/kill-{number % DEVICES}/up"
        sent = self._client.publish(topic, orjson.dumps(body), qos=1)  # waits for a connection
        self._numbers[sent.mid] = number
        self._sent += 1

    def _send_again(self) -> None:
        while self._again:
            self._send(self._numbers[self._again.popleft()])

    def _published(self, client: Client, data: object, mid: int, *_: object) -> None:
        self.acknowledged += 1
        self._kept.append(mid)

    def _connected(self, *_: object) -> None:
        self._again.extend(self._kept)
        self._kept.clear()

    def stop(self) -> None:
        """Make no more messages."""
        self._done.set()
        self._thread.join()

    def finish(self, seconds: float) -> None:
        """Wait until everything that was sent has been acknowledged, and leave."""
        end = time.monotonic() + seconds
        while self.acknowledged < self._sent or self._again:
            self._send_again()
            assert time.monotonic() < end, "messages are not acknowledged"
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()


def register(server: Server) -> None:
    assert server.request("PUT", "/profiles/kill", {"text": PROFILE}).status == 201
    for number in range(DEVICES):
        device = {"device": f"kill-{number}", "profile": "kill"}
        assert server.request("POST", "/devices", device).status == 201


def history(server: Server, number: int) -> list[tuple[datetime, float]]:
    """Return all values of a device that history has."""
    id = f"urn:ngsi-ld:Weather:kill-{number}"
    answer = server.request(
        "GET", f"{API}/temporal/entities/{id}?options=temporalValues&attrs=temperature"
    )
    if answer.status == 404:
        return []
    assert answer.status == 200, answer.body
    content = orjson.loads(answer.body)
    pairs = content["temperature"]["values"]
    return sorted((datetime.fromisoformat(at), value) for value, at in pairs)


def published(messages: int, device: int) -> list[tuple[datetime, float]]:
    """Return the values of a device that so many messages of the gateway have told."""
    return [
        (START + timedelta(seconds=number // DEVICES), number % 40)
        for number in range(device, messages, DEVICES)
    ]


def compare(server: Server, messages: int, wait_s: float) -> None:
    """Fail unless history has each message once, at the latest after so long."""
    assert messages > 500
    end = time.monotonic() + wait_s
    for device in range(DEVICES):
        told, found = published(messages, device), history(server, device)
        while len(found) < len(told) and time.monotonic() < end:
            time.sleep(0.2)
            found = history(server, device)
        counts = Counter(found)
        assert not [one for one, times in counts.items() if times > 1], "doubled"
        assert sorted(set(told) - set(found)) == [], "lost"
        assert found == told


def test_every_message_is_in_history_once_whenever_the_hub_is_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    with Server(tmp_path / "data", environ={"MADANG_HISTORY_DRAIN_S": "0.5"}) as server:
        register(server)
        gateway = Gateway(server.mqtt_port)
        try:
            for _ in range(4):
                time.sleep(chance.uniform(0.3, 2.0))
                server.kill()
                server.start()
        finally:
            gateway.stop()
        gateway.finish(120)
        compare(server, gateway.messages, 0)


@needs_mosquitto
async def test_every_message_is_in_history_once_though_mosquitto_is_killed(tmp_path: Path) -> None:
    """Mosquitto alone has what comes while the hub stands still, and is killed then, too.

    It acknowledges before it writes to the disk, so the gateway keeps its last 200 messages.
    """
    mosquitto = Mosquitto(free_port(), tmp_path / "mosquitto")
    table = {"host": "127.0.0.1", "port": mosquitto.port, "topics": ["v1/devices/+/up"]}
    environ = {
        "MADANG_HISTORY_DRAIN_S": "0.5",
        "MADANG_LIMIT_APP_PER_S": "0",
        "MADANG_MQTT_BROKERS": json.dumps({"field": table}),
    }
    async with mosquitto:
        with Server(tmp_path / "data", environ=environ) as server:
            await asyncio.to_thread(register, server)
            await asyncio.to_thread(wait_for_broker, server)
            gateway = await asyncio.to_thread(Gateway, mosquitto.port, 0.005, 4 * UNDER_WAY)
            try:
                for hub_stands_still in (False, True):
                    await kill(mosquitto, server, hub_stands_still)
                await asyncio.sleep(1)
            finally:
                await asyncio.to_thread(gateway.stop)
            await asyncio.to_thread(gateway.finish, 120)
            await asyncio.to_thread(compare, server, gateway.messages, 60)


def wait_for_broker(server: Server) -> None:
    """Wait until the hub has subscribed at the broker, which keeps its session from then on."""
    wanted = b'madang_mqtt_broker_connected{broker="field"} 1.0'
    server.wait_for(lambda: wanted in server.request("GET", "/metrics").body)


async def kill(mosquitto: Mosquitto, server: Server, hub_stands_still: bool) -> None:
    """Kill Mosquitto under load and start it again, on its port and with its file."""
    await asyncio.sleep(2)
    if hub_stands_still:
        os.kill(server.pid, signal.SIGSTOP)
        await asyncio.sleep(4)
    try:
        await mosquitto.kill()
    finally:
        if hub_stands_still:
            os.kill(server.pid, signal.SIGCONT)
    await asyncio.sleep(0.2)
    await mosquitto.start()
