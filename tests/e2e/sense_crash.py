"""Kills the hub, its broker or an edge node while devices publish, and compares what history has.

Used by tests/e2e/test_kill_sense.py, test_mqtt_nats.py and bench/kill_sense.py.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import polars as pl

from tests.e2e.edge_city import Node, caught_up
from tests.e2e.gateway import PROFILE, QUANTITIES, Gateway, name_of
from tests.e2e.mosquitto import Mosquitto
from tests.e2e.server import Server, free_port

ENVIRON = {"MADANG_HISTORY_DRAIN_S": "0.5", "MADANG_LIMIT_APP_PER_S": "0"}
START_S = 120  # that a process may take to start again, on a busy machine
SETTLE_S = 300  # that what is acknowledged may take to arrive, after the last kill
COLUMNS = ["entity", "attribute", "time", "number"]


class SenseFault(AssertionError):
    """Something acknowledged is not in history, or is there twice."""


@dataclass(frozen=True)
class Load:
    """What devices do.

    Args:
        devices: how many there are.
        rate: of the messages of all of them. [1/s]
        gateways: how many clients publish for them.
    """

    devices: int = 50_000
    rate: float = 50_000 / 60
    gateways: int = 10

    def start(self, ports: Sequence[int], keeps_s: float) -> list[Gateway]:
        """Return gateways that publish from now on, each to one of the ports."""
        each = self.rate / self.gateways
        shares = (range(n, self.devices, self.gateways) for n in range(self.gateways))
        return [
            Gateway(port, share, each, keeps_s)
            for share, port in zip(shares, cycle(ports), strict=False)
        ]


class Hub:
    """Devices publish to the hub, which is killed."""

    keeps_s = 0.0

    def __init__(self, folder: Path) -> None:
        self.centre = Server(folder / "data", environ=ENVIRON)
        self.ports = [self.centre.mqtt_port]

    async def start(self, devices: int) -> None:
        await asyncio.to_thread(self.centre.start)
        await asyncio.to_thread(register, self.centre, devices)

    async def kill(self, turn: int) -> None:
        self.centre.kill()
        await asyncio.to_thread(self.centre.start, START_S)

    def arrived(self) -> bool:
        """Return whether all that devices were acknowledged is at the centre."""
        return True

    async def end(self) -> None:
        self.centre.kill()


class Broker(Hub):
    """Devices publish to Mosquitto, which is killed.

    It acknowledges what it writes to the disk within a second, so gateways keep their messages
    for five. Every second time the hub stands still before, so that Mosquitto alone has what has
    come meanwhile.
    """

    keeps_s = 5.0

    def __init__(self, folder: Path) -> None:
        self.ports = [port := free_port()]
        self._mosquitto = Mosquitto(port, folder / "mosquitto")
        table = {"host": "127.0.0.1", "port": port, "topics": ["v1/devices/+/up"]}
        brokers = {"MADANG_MQTT_BROKERS": json.dumps({"field": table})}
        self.centre = Server(folder / "data", environ=ENVIRON | brokers)

    async def start(self, devices: int) -> None:
        await self._mosquitto.start()
        await super().start(devices)
        # The broker keeps the hub's session from its subscription on.
        await asyncio.to_thread(self.centre.wait_for, lambda: is_subscribed(self.centre))

    async def kill(self, turn: int) -> None:
        with ExitStack() as stack:
            if turn % 2:
                os.kill(self.centre.pid, signal.SIGSTOP)
                stack.callback(os.kill, self.centre.pid, signal.SIGCONT)
                await asyncio.sleep(4)
            await self._mosquitto.kill()
        await asyncio.sleep(0.2)
        await self._mosquitto.start()

    def arrived(self) -> bool:
        return False  # the broker does not say: the comparison waits

    async def end(self) -> None:
        await super().end()
        await self._mosquitto.kill()


class Edge(Hub):
    """Devices publish to an edge node, which is killed, and its centre every second time."""

    def __init__(self, folder: Path) -> None:
        self.centre = Server(folder / "centre", environ=ENVIRON)
        self._node = Node(folder / "edge", self.centre.url)
        self.ports = [self._node.mqtt_port]

    async def start(self, devices: int) -> None:
        await asyncio.to_thread(self.centre.start)
        await asyncio.to_thread(self._node.start)
        await asyncio.to_thread(register, self._node, devices)

    async def kill(self, turn: int) -> None:
        victim = self.centre if turn % 2 else self._node
        victim.kill()
        await asyncio.to_thread(victim.start, START_S)

    def arrived(self) -> bool:
        caught_up(self._node, SETTLE_S)
        return True

    async def end(self) -> None:
        self._node.kill()
        await super().end()


@dataclass
class Summary:
    """What was seen."""

    messages: int
    values: int
    seconds: float
    """For which devices published."""
    longest_wait_s: float
    """Of a gateway for its next acknowledgement."""
    caught_up_s: float = field(default=0)
    """From the last message to the last value in history."""


def is_subscribed(server: Server) -> bool:
    """Tell whether a hub listens to the broker ``field``."""
    wanted = b'madang_mqtt_broker_connected{broker="field"} 1.0'
    return wanted in server.request("GET", "/metrics").body


def register(server: Server, devices: int) -> None:
    made = server.request("PUT", "/profiles/kill", {"text": PROFILE})
    assert made.status == 201, made.body
    rows = "device\n" + "".join(f"{name_of(number)}\n" for number in range(devices))
    head = {"Content-Type": "text/csv"}
    path = "/devices/import?profile=kill"
    done = server.request("POST", path, rows.encode(), head, timeout_s=600)
    assert done.status == 200, done.body[:500]
    assert b'"error"' not in done.body, done.body[:500]


async def crash(
    victim: Hub,
    load: Load,
    kills: int,
    between_s: tuple[float, float],
    chance: random.Random,
    killed: Callable[[], object] = lambda: None,
) -> Summary:
    """Kill so many times under load, and compare.

    Args:
        victim: what is killed.
        load: what devices do meanwhile.
        kills: how many times.
        between_s: shortest and longest time from one to the next.
        chance: draws these times.
        killed: called after each.

    Raises:
        SenseFault: History lacks something that was acknowledged, or has it twice.
    """
    gateways: list[Gateway] = []
    try:
        await victim.start(load.devices)
        began = time.monotonic()
        gateways = await asyncio.to_thread(load.start, victim.ports, victim.keeps_s)
        try:
            for turn in range(kills):
                await asyncio.sleep(chance.uniform(*between_s))
                await victim.kill(turn)
                killed()
            await asyncio.sleep(between_s[0])
        finally:
            for one in gateways:
                one.stop()
        ended = time.monotonic()
        for one in gateways:
            await asyncio.to_thread(one.finish, SETTLE_S)
        told = pl.concat([one.told() for one in gateways])
        await asyncio.to_thread(compare, victim, told)
        return Summary(
            sum(len(one.made) for one in gateways), told.height, ended - began,
            max(one.longest_wait_s for one in gateways), time.monotonic() - ended,
        )  # fmt: skip
    finally:
        await victim.end()


def compare(victim: Hub, told: pl.DataFrame) -> None:
    """Fail unless history has each value that was told once, and no other."""
    wait_s = 0.0 if victim.arrived() else SETTLE_S
    end = time.monotonic() + wait_s
    found = history(victim.centre)
    while found.height < told.height and time.monotonic() < end:
        time.sleep(1)
        found = history(victim.centre)
    faults = {
        "lost": told.join(found, on=COLUMNS, how="anti"),
        "doubled": found.filter(found.is_duplicated()),
        "never told": found.join(told, on=COLUMNS, how="anti"),
    }
    if any(rows.height for rows in faults.values()):
        text = "; ".join(f"{rows.height:,} {fault}: {rows[:5]}" for fault, rows in faults.items())
        raise SenseFault(f"of {told.height:,} values {text}")


def history(server: Server) -> pl.DataFrame:
    """Return all values that history has: entity, attribute, time, number."""
    path = "/history/export?type=history&format=parquet"
    answer = server.request("GET", path, timeout_s=300)
    assert answer.status == 200, answer.body[:500]
    rows = pl.read_parquet(io.BytesIO(answer.body))
    return rows.filter(pl.col("attribute").is_in(QUANTITIES)).select(COLUMNS)
