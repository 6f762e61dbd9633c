"""A device over MQTT that numbers its messages and sends again what is not acknowledged (paho)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

UNDER_WAY = 50  # messages sent and not acknowledged


def connected(port: int, name: str, user: str, password: str, *, is_clean: bool = False) -> Client:
    """Return a device's client, which keeps its session and comes back every second.

    Args:
        port: of the broker, on this machine.
        name: the client id.
        user: its name.
        password: of the user.
        is_clean: it begins a new session each time.
    """
    client = Client(CallbackAPIVersion.VERSION2, name, clean_session=is_clean)
    client.username_pw_set(user, password)
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


class Maker:
    """Publishes from the moment it is made until it is stopped.

    Args:
        port: of the broker, on this machine.
        user: its name.
        password: of the user.
        topic: where it publishes to.
        body: makes a message of a number.
    """

    def __init__(
        self, port: int, user: str, password: str, topic: str, body: Callable[[int], str] = str
    ) -> None:
        self.acknowledged: list[int] = []
        """Packet ids, in the order of their acknowledgements."""
        self._topic = topic
        self._body = body
        self._numbers: dict[int, int] = {}
        self._stop = threading.Event()
        self._client = connected(port, "maker", user, password)
        self._client.on_publish = self._on_publish
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        sent = 0
        while not self._stop.wait(0.002):
            if sent - len(self.acknowledged) < UNDER_WAY:
                info = self._client.publish(self._topic, self._body(sent), qos=1)
                self._numbers[info.mid] = sent
                sent += 1

    def _on_publish(self, client: Client, data: Any, mid: int, *rest: Any) -> None:
        self.acknowledged.append(mid)

    @property
    def numbers(self) -> set[int]:
        """Return the numbers that have been acknowledged."""
        return {self._numbers[mid] for mid in self.acknowledged}

    def wait(self, many: int, seconds: float = 60) -> None:
        """Wait until so many more are acknowledged."""
        enough, until = len(self.acknowledged) + many, time.monotonic() + seconds
        while len(self.acknowledged) < enough:
            assert time.monotonic() < until, f"{len(self.acknowledged)} acknowledged in {seconds} s"
            time.sleep(0.01)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()
