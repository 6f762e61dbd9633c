"""The hub is killed again and again while devices publish: each message is in history once.

The devices are paho's client, as makers use it: QoS 1, what was not acknowledged is sent again.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.server import API, Server

DEVICES = 20
PROFILE = 'type = "Weather"\n[attributes]\ntemperature = { unit = "CEL" }\n'
START = datetime(2026, 1, 1, tzinfo=UTC)


class Gateway:
    """One client that publishes for several devices, as fast as it is acknowledged."""

    def __init__(self, port: int) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, "gateway", clean_session=False)
        self.client.max_inflight_messages_set(50)
        self.client.reconnect_delay_set(1, 1)
        self.sent = self.acknowledged = 0
        self.client.on_publish = self._published
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish(self, number: int) -> None:
        at = START + timedelta(seconds=number // DEVICES)
        body = {"temperature": number % 40, "observedAt": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
        topic = f"v1/devices/kill-{number % DEVICES}/up"
        self.client.publish(topic, orjson.dumps(body), qos=1)  # waits while there is no hub
        self.sent += 1

    def _published(self, *_: object) -> None:
        self.acknowledged += 1

    def wait(self, seconds: float) -> None:
        """Wait until everything that was sent has been acknowledged."""
        end = time.monotonic() + seconds
        while self.acknowledged < self.sent:
            assert time.monotonic() < end, "messages are not acknowledged"
            time.sleep(0.05)


def register(server: Server) -> None:
    assert server.request("PUT", "/profiles/kill", {"text": PROFILE}).status == 201
    for number in range(DEVICES):
        device = {"device": f"kill-{number}", "profile": "kill"}
        assert server.request("POST", "/devices", device).status == 201


def history(server: Server, number: int) -> list[tuple[str, float]]:
    """Return all values of a device that history has."""
    id = f"urn:ngsi-ld:Weather:kill-{number}"
    answer = server.request(
        "GET", f"{API}/temporal/entities/{id}?options=temporalValues&attrs=temperature"
    )
    assert answer.status == 200, answer.body
    content = orjson.loads(answer.body)
    return [(at, value) for value, at in content["temperature"]["values"]]


@pytest.mark.slow
def test_every_message_is_in_history_once_whenever_the_hub_is_killed(tmp_path: Path) -> None:
    with Server(tmp_path / "data", environ={"MADANG_HISTORY_DRAIN_S": "0.5"}) as server:
        check_kills(server)


def check_kills(server: Server) -> None:
    chance = random.Random(7)
    register(server)
    gateway = Gateway(server.mqtt_port)
    done = threading.Event()

    def publish() -> None:
        number = 0
        while not done.is_set():
            gateway.publish(number)
            number += 1
            time.sleep(0.002)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        for _ in range(4):
            time.sleep(chance.uniform(0.3, 2.0))
            server.kill()
            server.start()
    finally:
        done.set()
        publisher.join()
    gateway.wait(120)
    gateway.client.disconnect()
    gateway.client.loop_stop()

    wanted = [
        (START + timedelta(seconds=n // DEVICES), n % 40, n % DEVICES) for n in range(gateway.sent)
    ]
    assert len(wanted) > 500
    for number in range(DEVICES):
        told = [(at, value) for at, value, of in wanted if of == number]
        found = [(datetime.fromisoformat(at), value) for at, value in history(server, number)]
        counts = Counter(found)
        assert not [one for one, times in counts.items() if times > 1], "doubled"
        assert sorted(found) == sorted(told), "lost"
