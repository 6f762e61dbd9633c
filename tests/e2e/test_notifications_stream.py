"""Notifications over the NATS by which hubs share a city, as programs of others read them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import orjson
import pytest
from nats import connect
from nats.aio.msg import Msg
from nats.errors import Error

from madang.bus.stream import PARTITIONS, partition_of
from madang.hub.duties import lane_of
from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, cluster, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.stream_reader import StreamReader
from tests.e2e.test_changes_stream import HOW_TO, written
from tests.e2e.test_several_hubs import ROOM, good, has, reading, room, told, two, until

pytestmark = needs_nats
numbers = count()
ROOMS = 40
SUBSCRIPTION = "urn:ngsi-ld:Subscription:hot"


@pytest.fixture
def servers() -> Iterator[list[NatsServer]]:
    found = cluster(3)
    for server in found:
        server.start()
    yield found
    for server in found:
        server.kill()


@pytest.fixture
def database() -> str:
    return shared().make(f"notified_{next(numbers)}")


def subscribe(hub: Server) -> None:
    """Subscribe as the how-to does."""
    text = HOW_TO.read_text().split("-H 'Content-Type: application/json' -d '", 1)[1]
    good(hub, "POST", f"{API}/subscriptions", orjson.loads(text.split("'\n```", 1)[0]))


def temperatures(reader: StreamReader) -> dict[str, list[int]]:
    """Return the temperatures of each room, each notification once, in the order told."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for partition, notifications in reader.told.items():
        for one in notifications:
            (entity,) = one["data"]
            assert partition_of(entity["id"]) == partition
            found[entity["id"]].setdefault(one["id"], entity["temperature"])
    return {id: list(values.values()) for id, values in found.items()}


def test_order_holds_while_a_hub_and_a_server_of_nats_are_killed(
    tmp_path: Path, database: str, servers: list[NatsServer]
) -> None:
    everywhere = {"MADANG_BUS": ",".join(server.url for server in servers)}
    lane = lane_of("notifications", SUBSCRIPTION)
    with two(tmp_path, database, servers[0], everywhere) as hubs:
        until(lambda: any(has(hub, lane) for hub in hubs))
        made = [room(number, temperature=100) for number in range(ROOMS)]
        good(hubs[0], "POST", f"{API}/entityOperations/create", made)
        subscribe(hubs[1])
        worker = next(hub for hub in hubs if has(hub, lane))
        other = next(hub for hub in hubs if hub is not worker)
        ending, last = threading.Event(), [100] * ROOMS

        def heat() -> None:
            while not ending.is_set():
                for number in range(ROOMS):
                    good(other, "PATCH", f"{ROOM}{number}/attrs", reading(last[number] + 1))
                    last[number] += 1

        with StreamReader(servers, range(PARTITIONS), SUBSCRIPTION) as reader:
            writing = threading.Thread(target=heat)
            writing.start()
            try:
                until(lambda: len(temperatures(reader)) == ROOMS, 30)
                took = until_told(reader, last, worker.kill)
                print(f"worker killed: all rooms told of again after {took:.2f} s")
                until(lambda: has(other, lane), 20)
                took = until_told(reader, last, servers[1].kill)
                print(f"server of NATS killed: all rooms told of again after {took:.2f} s")
            finally:
                ending.set()
                writing.join()
            wanted = dict(zip((str(one["id"]) for one in made), last, strict=True))
            until(lambda: {i: v[-1] for i, v in temperatures(reader).items()} == wanted, 30)
        for values in temperatures(reader).values():
            assert values == [*range(values[0], values[-1] + 1)]


@dataclass
class Program:
    """The program of the how-to, and what it prints."""

    process: subprocess.Popen[bytes]
    output: Path

    def rooms(self) -> list[int]:
        """Return the numbers of the rooms that it has told of in whole lines."""
        lines = self.output.read_text().splitlines(keepends=True)
        told = [orjson.loads(line) for line in lines if line.endswith("}\n")]
        return [int(one["data"][0]["id"].rpartition(":")[2]) for one in told]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def start(text: str, nats: NatsServer, place: str, folder: Path) -> Program:
    number = next(numbers)
    path, output = folder / f"program_{number}.py", folder / f"{number}.log"
    path.write_text(text.replace("4222", str(nats.port)))
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", str(path), place], stdout=log, stderr=subprocess.STDOUT
        )
    return Program(process, output)


async def other_ways(nats: NatsServer, place: str) -> list[str]:
    """Return how the program's user gets what it should not; each way is to be refused."""
    got: list[str] = []

    async def refused(_: Exception) -> None:
        """Whoever is refused is told so."""

    url = f"nats://127.0.0.1:{nats.port}"
    async with await connect(url, user="heating", password="change-me", error_cb=refused) as client:

        async def take(message: Msg) -> None:
            got.append(message.subject)

        await client.subscribe("madang.>", cb=take)
        of, changes = f"madang-notifications-{place}-default", f"madang-{place}-default"
        hot = f"madang.{place}.notifications.default.{SUBSCRIPTION}.*"
        for subject, config in (
            (f"CONSUMER.CREATE.{of}.mine.{hot}", {"name": "mine", "filter_subject": hot}),
            (f"CONSUMER.CREATE.{of}.hot", {"name": "hot"}),
            (f"CONSUMER.CREATE.{of}.hot.madang.>", {"name": "hot", "filter_subject": "madang.>"}),
            (f"CONSUMER.CREATE.{of}.hot.{hot}", {"name": "hot", "filter_subject": "madang.>"}),
            (f"CONSUMER.CREATE.{changes}.hot", {"name": "hot"}),
            (f"CONSUMER.DURABLE.CREATE.{of}.mine", {"durable_name": "mine"}),
            (f"CONSUMER.CREATE.{of}", {"filter_subject": "madang.>"}),
        ):
            body = {"stream_name": of, "config": {"ack_policy": "explicit", **config}}
            try:
                answer = await client.request(f"$JS.API.{subject}", orjson.dumps(body), timeout=0.3)
                if "error" not in orjson.loads(answer.data):
                    got.append(subject)
            except Error:
                pass
    return got


def sent(hub: Server) -> int:
    """Return how many notifications of the subscription were sent."""
    found = orjson.loads(good(hub, "GET", f"{API}/subscriptions/{SUBSCRIPTION}"))
    return int(found["notification"].get("timesSent", 0))


def until_told(reader: StreamReader, values: list[int], kill: Callable[[], None]) -> float:
    """Kill something; return how long until each room is told of with a value after that. [s]"""
    kill()
    later = [value + 1 for value in values]

    def is_told() -> bool:
        found = temperatures(reader)
        rooms = (found[f"urn:ngsi-ld:Room:{number}"][-1] for number in range(ROOMS))
        return all(map(int.__ge__, rooms, later))

    return until(is_told, 40)


def test_the_program_of_the_how_to_reads_its_subscription_and_nothing_else(
    tmp_path: Path, database: str
) -> None:
    program, users, user = (
        written(HOW_TO, *which) for which in (("python", 1), ("text", 0), ("text", 1))
    )
    nats = NatsServer()
    nats.start()
    with two(tmp_path, database, nats) as hubs:
        with StreamReader([nats], ()) as reader:
            until(lambda: reader.place != "")
        nats.kill()
        users = users.replace("  ]\n}", f"{user}  ]\n}}")
        for name, value in {
            "PLACE": reader.place, "$BUS_PASSWORD": nats.password, "$READER_PASSWORD": "x",
            "$HEATING_PASSWORD": "change-me",
        }.items():  # fmt: skip
            users = users.replace(name, value)
        nats.authorization = users
        nats.start()
        until(lambda: all(told(hub, "bus") for hub in hubs))
        good(hubs[0], "POST", f"{API}/entities", room(0, temperature=31))
        subscribe(hubs[0])
        good(hubs[0], "PATCH", f"{ROOM}0/attrs", reading(32))  # or there is no stream yet
        until(lambda: sent(hubs[1]) == 1)
        first = start(program, nats, reader.place, tmp_path)
        rooms = [room(number, temperature=20 + number) for number in range(1, ROOMS)]
        good(hubs[0], "POST", f"{API}/entityOperations/create", rooms)
        wanted = [0, *range(11, ROOMS)]
        until(lambda: [*first.rooms()] == wanted)
        first.end()
        good(hubs[1], "PATCH", f"{ROOM}7/attrs", reading(40))
        later = start(program, nats, reader.place, tmp_path)
        until(lambda: 7 in later.rooms())
        assert set(later.rooms()) <= {7, ROOMS - 1}, "what was not said to be had comes again"
        later.end()
        seen = asyncio.run(other_ways(nats, reader.place))
        good(hubs[0], "PATCH", f"{ROOM}7/attrs", reading(41))
        until(lambda: sent(hubs[1]) == 4)
        assert seen == []
    nats.kill()
