"""The hub that listens to a city's own broker is killed, and another one takes the devices over."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.contract.cluster import shared
from tests.e2e import sense_crash
from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.nats_mqtt import HUB, PASSWORD, NatsMqtt
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.sense_crash import ENVIRON, Load, is_subscribed, register
from tests.e2e.server import Server, free_port
from tests.e2e.test_several_hubs import SECRET, has, told, until

pytestmark = [needs_nats, needs_mosquitto]
numbers = count()
TAKEN_OVER_S = 20.0  # within which another hub has the devices


class Several(sense_crash.Hub):
    """Devices publish to a broker; of two hubs that may listen to it, the one that does is killed.

    The centre is a worker, which has nothing to do with devices.
    """

    def __init__(
        self, folder: Path, broker: Mosquitto | NatsMqtt, *, orderly: bool = False
    ) -> None:
        self._orderly = orderly
        self._broker = broker
        self.ports = [broker.port]
        self.url = shared().make(f"sensed_{next(numbers)}")
        self._nats = NatsServer()
        self.standstills: list[float] = []
        """For how long nothing came in, each time. [s]"""
        table = {"host": "127.0.0.1", "port": broker.port, "topics": ["v1/devices/+/up"]}
        if isinstance(broker, NatsMqtt):
            table |= {"username": HUB, "password": PASSWORD}
        environ = ENVIRON | {
            "MADANG_STORE": self.url,
            "MADANG_BUS": self._nats.url,
            "MADANG_BUS_PASSWORD": self._nats.password,
            "MADANG_SECRET_KEY": SECRET,
            "MADANG_HISTORY_PATH": str(folder / "history"),
            "MADANG_MQTT_BROKERS": json.dumps({"field": table}),
        }
        self._listening, self._waiting = (
            Server(folder / f"sense{number}", environ=environ, role="sense") for number in range(2)
        )
        self.centre = Server(folder / "worker", environ=environ, role="worker")

    async def start(self, devices: int) -> None:
        if isinstance(self._broker, NatsMqtt):
            self._broker.start()
            await asyncio.to_thread(self._broker.wait)
        else:
            await self._broker.start()
        self._nats.start()
        await asyncio.to_thread(self._start, devices)

    def _start(self, devices: int) -> None:
        self._listening.start()
        until(lambda: listens(self._listening))
        for hub in (self._waiting, self.centre):
            hub.start()
            until(lambda hub=hub: told(hub, "bus"))  # type: ignore[misc]
        register(self._listening, devices)

    async def kill(self, turn: int) -> None:
        await asyncio.to_thread(self._kill)

    def _kill(self) -> None:
        with Standstill(self.url) as standstill:
            if self._orderly:
                self._listening.stop()
            else:
                self._listening.kill()
            until(lambda: listens(self._waiting), TAKEN_OVER_S)
            standstill.until_over()
        self.standstills.append(standstill.longest_s)
        self._listening.start()
        self._listening, self._waiting = self._waiting, self._listening

    def arrived(self) -> bool:
        return False  # the broker does not say: the comparison waits

    async def end(self) -> None:
        for hub in (self._listening, self._waiting, self.centre):
            hub.kill()
        self._nats.kill()
        if isinstance(self._broker, NatsMqtt):
            self._broker.kill()
        else:
            await self._broker.kill()


class Standstill:
    """Looks for how long nothing that devices send comes in."""

    def __init__(self, url: str) -> None:
        self.longest_s = 0.0
        self._url = url
        self._last = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as asking:
            since = time.monotonic()
            while not self._ending.wait(0.005):
                [(last,)] = asking.execute("SELECT seq FROM madang_default.counter").fetchall()
                if last > self._last:
                    now = time.monotonic()
                    self.longest_s = max(self.longest_s, now - since)
                    self._last, since = last, now

    def until_over(self) -> None:
        before = self._last
        until(lambda: self._last > before, TAKEN_OVER_S)

    def __enter__(self) -> Standstill:
        self._thread.start()
        until(lambda: self._last > 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()


def listens(hub: Server) -> bool:
    return has(hub, "sense") and is_subscribed(hub)


def mosquitto(folder: Path) -> Mosquitto:
    return Mosquitto(free_port(), folder / "mosquitto")


def nats_mqtt(folder: Path) -> NatsMqtt:
    return NatsMqtt(folder / "nats-mqtt")


@pytest.mark.parametrize("broker", [mosquitto, nats_mqtt])
async def test_every_value_is_in_history_once_when_the_hub_that_listens_is_killed(
    tmp_path: Path, broker: Callable[[Path], Mosquitto | NatsMqtt]
) -> None:
    load = Load(devices=200, rate=200, gateways=2)
    city = Several(tmp_path, broker(tmp_path))
    seen = await sense_crash.crash(city, load, 2, (2.0, 4.0), random.Random(7))
    assert seen.messages > 500
    print(f"{seen.messages} messages, each value once; nothing came for {city.standstills} s")


async def test_devices_are_cut_off_for_a_moment_when_the_hub_that_listens_is_stopped(
    tmp_path: Path,
) -> None:
    load = Load(devices=200, rate=200, gateways=2)
    city = Several(tmp_path, mosquitto(tmp_path), orderly=True)
    await sense_crash.crash(city, load, 3, (2.0, 3.0), random.Random(7))
    print(f"nothing came for {city.standstills} s")
    assert max(city.standstills) < 3.0
