"""A cluster on this machine, of which one part after the other is killed while load goes on.

Three NATS servers, a PostgreSQL, two hubs that answer and three that work. Nothing that was
acknowledged may be lost, the changes of an entity stay in their order, and each is notified at
least once, under one id. The stream of changes over NATS has each of them, and programs of others
that follow it, one for each partition, are told of all.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psycopg
import pytest

from madang.bus.stream import PARTITIONS, partition_of
from tests.contract import cluster
from tests.e2e.balanced import RETRIED, Balanced
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.nats_server import cluster as nats_cluster
from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Server
from tests.e2e.stream_reader import StreamReader
from tests.e2e.test_several_hubs import (
    LANE,
    ROOM,
    SECRET,
    good,
    has,
    reading,
    room,
    subscription,
    told,
    until,
)

pytestmark = needs_nats
WRITERS = 4
PACE_S = 0.02  # from one write of a writer to its next
RECOVERY_S = 20.0  # after which a part that was killed must not be noticed any more
CATCH_UP_S = 90.0
"""In which programs that follow the stream have read, one by one and while more comes, what has
gathered until JetStream had elected leaders (4 to 9 s); with other work on the machine up to 40."""


class City:
    """The engines, and the hubs that share them."""

    def __init__(self, folder: Path) -> None:
        self.postgres = cluster.started()
        self.nats = nats_cluster(3)
        url = self.postgres.make("city")
        environ = {
            "MADANG_STORE": url,
            "MADANG_BUS": ",".join(server.url for server in self.nats),
            "MADANG_BUS_PASSWORD": self.nats[0].password,
            "MADANG_SECRET_KEY": SECRET,
            "MADANG_HISTORY_PATH": str(folder / "history"),
            "MADANG_HISTORY_DRAIN_S": "1",
        }

        def hub(role: str, number: int) -> Server:
            return Server(folder / f"{role}{number}", environ=environ, role=role)

        self.answering = [hub("api", number) for number in range(2)]
        self.working = [hub("worker", number) for number in range(3)]

    @property
    def hubs(self) -> list[Server]:
        return [*self.answering, *self.working]

    def start(self) -> None:
        for server in self.nats:
            server.start()
        first, *others = self.hubs
        first.start()  # it makes the tables
        for hub in others:
            hub.launch()
        for hub in others:
            hub.wait_for(hub.ready)
        until(self.is_whole)

    def is_whole(self) -> bool:
        """Tell whether all hubs hear one another, and each worker has a part of the work."""
        return all(told(hub, "bus") for hub in self.hubs) and all(
            told(hub, "works") for hub in self.working
        )

    def is_current(self) -> bool:
        """Tell whether each NATS server has all that there is, so that the next one may go."""
        return all(server.is_current() for server in self.nats)

    def worker(self, duty: str) -> Server:
        """Return who has a duty."""
        return next(hub for hub in self.working if has(hub, duty))

    def close(self) -> None:
        for hub in self.hubs:
            hub.kill()
        for server in self.nats:
            server.kill()
        cluster._end(self.postgres)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path)
    try:
        made.start()
        yield made
    except BaseException:
        print("\n".join(hub.log_end(1500) for hub in made.hubs))
        print("\n".join(server.watch("/healthz") for server in made.nats))
        raise
    finally:
        made.close()


class Write(NamedTuple):
    """A write that was acknowledged."""

    value: int
    began: float
    acknowledged: float


class Load:
    """Writers, each with a room of its own, whose temperature it raises again and again."""

    def __init__(self, clients: list[Balanced]) -> None:
        self.written: list[list[Write]] = [[] for _ in range(WRITERS)]
        self.failures: list[str] = []
        self._ending = threading.Event()
        self.clients = clients
        self._threads = [
            threading.Thread(target=self._write, args=(number,)) for number in range(WRITERS)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread, client in zip(self._threads, self.clients, strict=True):
            thread.join()
            client.close()

    def _write(self, number: int) -> None:
        try:
            for value in range(1, 1_000_000):
                began = time.monotonic()
                status, body = self.clients[number].request(
                    "PATCH", f"{ROOM}{number}/attrs", reading(value)
                )
                assert status == 204, body
                self.written[number].append(Write(value, began, time.monotonic()))
                if self._ending.wait(PACE_S):
                    return
        except AssertionError as error:
            self.failures.append(f"writer {number}: {error}")

    def last(self) -> list[int]:
        """Return what each writer's last write was that has been acknowledged."""
        assert self.failures == []
        return [done[-1].value if done else 0 for done in self.written]

    def longest_wait(self, since: float, writers: Collection[int] = range(WRITERS)) -> float:
        """Return the longest that any write took which has ended since. [s]"""
        ended = [w for number in writers for w in self.written[number] if w.acknowledged > since]
        return max(w.acknowledged - w.began for w in ended)


def balanced(city: City, retried: Collection[int] = RETRIED) -> list[Balanced]:
    """Return a client of all hubs that answer for each writer."""
    ports = [hub.port for hub in city.answering]
    return [Balanced(ports, number, retried) for number in range(WRITERS)]


class Disaster:
    """What happens to parts of a city, and how long it is noticed."""

    def __init__(self, load: Load, receiver: Receiver, reader: StreamReader) -> None:
        self._load = load
        self._reader = reader
        self._receiver = receiver
        self._read = 0
        self._newest = [0] * WRITERS
        self._followed = dict.fromkeys(reader.told, 0)
        self._newest_followed = [0] * WRITERS

    @contextlib.contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Print what is noticed of what the block does, and of its repair."""
        began = time.monotonic()
        yield
        behind_s = self.until_told_of(self._load.last())
        print(
            f"{name}: the longest write took {self._load.longest_wait(began):.2f} s, the longest"
            f" silence of notifications {_silence(self._receiver.times, began):.2f} s,"
            f" of a partition of the stream {self._silence_of_the_stream(began):.2f} s; it had told"
            f" all {behind_s:.2f} s after the notifications"
        )

    def until_told_of(self, values: list[int]) -> float:
        """Wait until everything is told up to these writes, and until each writer goes on.

        Returns:
            How long after all was notified programs that follow the stream had it. [s]
        """
        until(lambda: all(map(int.__lt__, values, self._load.last())), RECOVERY_S)
        until(lambda: all(map(int.__le__, values, self.notified())), RECOVERY_S)
        try:
            return until(lambda: all(map(int.__le__, values, self.followed())), CATCH_UP_S)
        except AssertionError:
            print(f"the stream has told {self.followed()} of {values}")
            raise

    def _silence_of_the_stream(self, since: float) -> float:
        """Return the longest time in which a partition that has a room told nothing. [s]"""
        return max(_silence(times, since) for times in self._reader.times.values() if times)

    def notified(self) -> list[int]:
        """Return the newest temperature of each room that has been notified."""
        new = self._receiver.taken[self._read :]
        self._read += len(new)
        for one in new:
            for number, value in rooms(one):
                self._newest[number] = max(value, self._newest[number])
        return self._newest

    def followed(self) -> list[int]:
        """Return the newest temperature of each room that the stream has told of."""
        for partition, changes in self._reader.told.items():
            new = changes[self._followed[partition] :]
            self._followed[partition] += len(new)
            for number, value in (room_of(change["entity"]) for change in new):
                self._newest_followed[number] = max(value, self._newest_followed[number])
        return self._newest_followed


def _silence(told: Sequence[float], since: float) -> float:
    """Return the longest time in which nothing was told. [s]"""
    times = [since, *(at for at in list(told) if at > since), time.monotonic()]
    return max(b - a for a, b in itertools.pairwise(times))


def rooms(notification: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the numbers and temperatures of the rooms that a notification tells of."""
    return [room_of(entity) for entity in notification["data"]]


def room_of(entity: dict[str, Any]) -> tuple[int, int]:
    """Return the number and the temperature of a room."""
    return int(entity["id"].rpartition(":")[2]), int(entity["temperature"]["value"])


async def test_no_part_of_a_cluster_is_missed_for_long(city: City) -> None:
    async with Receiver() as receiver:
        await asyncio.to_thread(kill_in_turn, city, receiver)


def kill_in_turn(city: City, receiver: Receiver) -> None:
    for number in range(WRITERS):
        good(city.answering[0], "POST", f"{API}/entities", room(number, temperature=0))
    good(city.answering[1], "POST", f"{API}/subscriptions", subscription(receiver.uri, 1))
    with StreamReader(city.nats, range(PARTITIONS)) as reader:
        load = all_are_killed(city, receiver, reader)
        until(lambda: followed(reader) >= set(enumerate(load.last())), CATCH_UP_S)
    check(city, load, receiver)
    told = reader.changes()
    positions = [change["position"] for change in told]
    assert positions == list(range(1, len(positions) + 1)), "nothing is missing in the stream"
    for partition, changes in reader.told.items():
        assert {partition_of(change["id"]) for change in changes} <= {partition}
        wanted = sorted({change["position"] for change in changes})
        assert list(dict.fromkeys(change["position"] for change in changes)) == wanted
    again = sum(map(len, reader.told.values())) - len(told)
    print(f"the stream: {len(told)} changes, {again} told twice")


def followed(reader: StreamReader) -> set[tuple[int, int]]:
    """Return the rooms and temperatures that the stream has told of."""
    lists = list(reader.told.values())
    return {room_of(change["entity"]) for changes in lists for change in list(changes)}


def all_are_killed(city: City, receiver: Receiver, reader: StreamReader) -> Load:
    """Kill one part after the other under load; return the load when all has been notified."""
    with Load(balanced(city)) as load:
        disaster = Disaster(load, receiver, reader)
        with disaster.named("nothing happens"):
            until(lambda: min(load.last()) > 50)
        for server in city.nats:
            until(city.is_current, CATCH_UP_S)
            with disaster.named("a NATS server is killed"):
                lose(city, server)
        for duty in (LANE, "history/1"):
            worker = city.worker(duty)
            with disaster.named(f"the hub with {duty} is killed"):
                lose_worker(city, worker, duty)
            worker.start()
            until(city.is_whole)
        with disaster.named("a hub that answers is killed"):
            city.answering[0].kill()
        city.answering[0].start()
        with disaster.named("PostgreSQL is killed and started again"):
            city.postgres.stop("immediate")
            city.postgres.start()
        until(city.is_whole)
        disaster.until_told_of(load.last())
    until(lambda: disaster.notified() == load.last())
    return load


def lose(city: City, server: NatsServer) -> None:
    server.kill()
    until(city.is_whole)
    server.start()


def lose_worker(city: City, worker: Server, duty: str) -> None:
    worker.kill()
    others = [hub for hub in city.working if hub is not worker]
    until(lambda: any(has(hub, duty) for hub in others))


def check(city: City, load: Load, receiver: Receiver) -> None:
    """See that everything is there: in the state, in the changes, in the notifications."""
    wanted = [list(range(1, last + 1)) for last in load.last()]
    first: dict[str, list[tuple[int, int]]] = {}
    for one in receiver.taken:
        assert first.setdefault(one["id"], rooms(one)) == rooms(one)
    in_order("the notifications", itertools.chain(*first.values()), wanted)
    for hub in city.hubs:
        for number, values in enumerate(wanted):
            body = good(hub, "GET", f"{ROOM}{number}?options=keyValues")
            assert f'"temperature":{values[-1]}'.encode() in body
        in_order("the changes", changes(hub, wanted), wanted)
    total = sum(map(len, wanted))
    print(f"{total} writes, {len(first)} notifications, {len(receiver.taken) - len(first)} twice")


def changes(hub: Server, wanted: list[list[int]]) -> list[tuple[int, int]]:
    """Return the rooms and temperatures of all changes, as a hub tells them from the first one."""
    found, positions = [], []
    left = {(number, values[-1]) for number, values in enumerate(wanted)}
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=60)
    with closing(connection):
        connection.request("GET", "/changes?type=Room&after=0")
        answer = connection.getresponse()
        while left:
            line = answer.readline()
            assert line, "the hub has ended the answer"
            if line.startswith(b"data: "):
                event = orjson.loads(line[6:])
                found.append(room_of(event["entity"]))
                positions.append(event["position"])
                left.discard(found[-1])
    assert positions == list(range(1, len(positions) + 1)), "nothing is missing or told twice"
    return found


def in_order(what: str, found: Iterable[tuple[int, int]], wanted: list[list[int]]) -> None:
    """See that each room has had all its temperatures, in their order.

    One may be there twice, for what was not acknowledged is written again.
    """
    by_room = defaultdict(list)
    for number, value in found:
        by_room[number].append(value)
    for number, values in enumerate(wanted):
        assert by_room[number] == sorted(by_room[number]), f"{what} of room {number}"
        assert {0, *values} == {0, *by_room[number]}, f"{what} of room {number}"


def test_a_hub_that_is_frozen_in_the_middle_of_a_commit_holds_up_the_others_for_seconds(
    city: City,
) -> None:
    """Each writer has a hub of its own, so what was sent to the frozen one is not sent again."""
    for number in range(WRITERS):
        good(city.answering[0], "POST", f"{API}/entities", room(number, temperature=0))
    ports = [hub.port for hub in city.answering]
    clients = [Balanced([ports[number % 2]], answer_s=60.0) for number in range(WRITERS)]
    frozen, others = city.answering[0], range(1, WRITERS, 2)
    with Load(clients) as load:
        for _ in range(3):
            before = load.last()
            until(lambda before=before: all(map(int.__lt__, before, load.last())))  # type: ignore[misc]
            freeze_in_a_commit(city, frozen)
            began, before = time.monotonic(), load.last()
            until(
                lambda before=before: all(load.last()[n] > before[n] + 1 for n in others),  # type: ignore[misc]
                RECOVERY_S,
            )
            print(f"frozen: the others waited {load.longest_wait(began, others):.2f} s at most")
            frozen.thaw()
        before = load.last()
        until(lambda: all(map(int.__lt__, before, load.last())))
    wanted = [list(range(1, last + 1)) for last in load.last()]
    sent_again = sum(sum(client.passed_over.values()) for client in clients)
    for hub in city.hubs:
        found = changes(hub, wanted)
        in_order("the changes", found, wanted)
        assert len(found) <= sum(map(len, wanted)) + WRITERS + sent_again, "some are doubled"


def freeze_in_a_commit(city: City, hub: Server) -> None:
    """Freeze a hub at a moment at which nobody else can commit any more."""
    for _ in range(200):
        hub.freeze()
        try:
            city.postgres.execute(
                "SET lock_timeout = '500ms'; SELECT FROM madang_default.counter FOR UPDATE", "city"
            )
        except psycopg.errors.LockNotAvailable:
            return
        hub.thaw()
    pytest.fail("the hub was never in the middle of a commit")


def test_hubs_are_restarted_one_after_the_other_without_a_failed_request(city: City) -> None:
    """The client asks the other hub where a connection is closed or refused, and only there."""
    for number in range(WRITERS):
        good(city.answering[0], "POST", f"{API}/entities", room(number, temperature=0))
    with Load(balanced(city, retried=())) as load:
        for hub in city.hubs:
            before = load.last()
            began = time.monotonic()
            assert hub.stop() == 0
            hub.start()
            until(lambda hub=hub: told(hub, "bus"))  # type: ignore[misc]
            until(lambda before=before: all(map(int.__lt__, before, load.last())))  # type: ignore[misc]
            print(f"{hub.data.name}: the longest write took {load.longest_wait(began):.2f} s")
    passed_over = sum((client.passed_over for client in load.clients), Counter[str]())
    print(f"{sum(load.last())} writes; passed over: {dict(passed_over)}")
    closed = {"BrokenPipeError", "ConnectionResetError", "RemoteDisconnected"}
    assert passed_over.keys() <= {"ConnectionRefusedError", *closed}
    until(city.is_whole, RECOVERY_S)
    for number, last in enumerate(load.last()):
        body = good(city.answering[0], "GET", f"{ROOM}{number}?options=keyValues")
        assert f'"temperature":{last}'.encode() in body
