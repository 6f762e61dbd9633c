"""Gateways that publish for a whole city of devices, and what history must have of it then.

They are paho's client, as makers use it: QoS 1, what was not acknowledged is sent again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TypeVar

import numpy as np
import orjson
import polars as pl
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

QUANTITIES = ("pm25", "pm10", "o3", "no2", "so2", "co", "temperature", "humidity", "noise", "co2")
PROFILE = 'type = "AirQualityObserved"\n[attributes]\n' + "".join(
    f'{name} = {{ unit = "GQ" }}\n' for name in QUANTITIES
)
UNDER_WAY = 50  # messages of a gateway that are sent and not acknowledged
PAUSE_S = 0.005
Number = TypeVar("Number", int, pl.Expr)


class Gateway:
    """One client that publishes for its devices in turn, at an even rate, ten quantities each.

    What is due while the broker is away is sent when it is back.

    Args:
        port: of the broker, on this machine.
        devices: their numbers.
        rate: of messages. [1/s]
        keeps_s: how long it has messages still after their acknowledgement, to send them again
            when the connection is lost: for a broker that acknowledges what it may lose.
    """

    def __init__(self, port: int, devices: range, rate: float, keeps_s: float = 0) -> None:
        self.made: list[int] = []
        """When each message was observed, in their order. [ms since 1970]"""
        self.longest_wait_s = 0.0
        """Between one acknowledgement and the next."""
        self._devices = devices
        self._rate = rate
        self._sent = self._acknowledged = 0
        self._last = time.monotonic()
        self._numbers: dict[int, int] = {}
        self._keeps_s = keeps_s
        self._kept: deque[tuple[float, int]] = deque()  # when they were acknowledged, and which
        self._again: deque[int] = deque()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        name = f"gateway-{devices.start}"
        client = self._client = Client(CallbackAPIVersion.VERSION2, name, clean_session=False)
        client.max_inflight_messages_set(UNDER_WAY)
        client.reconnect_delay_set(1, 1)
        client.on_publish = self._published
        client.on_connect = self._connected
        client.connect("127.0.0.1", port)
        client.loop_start()
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._done.wait(PAUSE_S):
            self._send_again()
            while len(self.made) < (time.monotonic() - began) * self._rate:
                self._make()
                self._send(len(self.made) - 1)

    def _make(self) -> None:
        now, several = time.time_ns() // 1_000_000, len(self._devices)
        before = self.made[-several] if len(self.made) >= several else 0
        self.made.append(max(now, before + 1))  # a device says nothing twice for one time

    def _send(self, number: int) -> None:
        device, at = self._devices[number % len(self._devices)], self.made[number]
        values = {name: quantity(number, place) for place, name in enumerate(QUANTITIES)}
        body = orjson.dumps({"observedAt": instant(at), **values})
        sent = self._client.publish(f"v1/devices/{name_of(device)}/up", body, qos=1)
        self._numbers[sent.mid] = number
        self._sent += 1

    def _send_again(self) -> None:
        while self._again:
            self._send(self._numbers[self._again.popleft()])

    def _published(self, client: Client, data: object, mid: int, *_: object) -> None:
        now = time.monotonic()
        self.longest_wait_s = max(self.longest_wait_s, now - self._last)
        self._last = now
        self._acknowledged += 1
        if self._keeps_s:
            self._kept.append((now, mid))
            while now - self._kept[0][0] > self._keeps_s:
                self._kept.popleft()

    def _connected(self, *_: object) -> None:
        self._again.extend(mid for _, mid in self._kept)
        self._kept.clear()

    def stop(self) -> None:
        """Make no more messages."""
        self._done.set()
        self._thread.join()

    def finish(self, seconds: float) -> None:
        """Wait until everything that was sent has been acknowledged, and leave."""
        end = time.monotonic() + seconds
        while self._acknowledged < self._sent or self._again:
            self._send_again()
            assert time.monotonic() < end, "messages are not acknowledged"
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()

    def told(self) -> pl.DataFrame:
        """Return all values of its messages: entity, attribute, time, number."""
        numbers = np.arange(len(self.made))
        ids = pl.Series([entity(device) for device in self._devices])
        messages = pl.DataFrame({"n": numbers, "at": self.made}).select(
            ids.gather(numbers % len(ids)).alias("entity"),
            pl.from_epoch("at", "ms").cast(pl.Datetime("us")).alias("time"),
            *(
                quantity(pl.col("n"), place).cast(pl.Float64).alias(name)
                for place, name in enumerate(QUANTITIES)
            ),
        )
        return messages.unpivot(
            index=["entity", "time"], variable_name="attribute", value_name="number"
        )


def name_of(device: int) -> str:
    return f"kill-{device}"


def entity(device: int) -> str:
    return f"urn:ngsi-ld:AirQualityObserved:{name_of(device)}"


def instant(ms: int) -> str:
    """Return a time as RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}Z"


def quantity(number: Number, place: int) -> Number:
    """Return the value of a quantity, by its place, in a message."""
    return number % 97 + place
