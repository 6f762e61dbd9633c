"""A hub is frozen in the middle of a commit of history, and another one goes on without it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import orjson
import psycopg
import pytest

from madang.hub.duties import lane_of
from tests.contract.cluster import shared
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.test_several_hubs import (
    ROOM,
    good,
    has,
    hub,
    past,
    reading,
    room,
    told,
    until,
)

pytestmark = needs_nats
HISTORY = lane_of("history", "")
numbers = count()
RECOVERY_S = 20.0
TRIES = 500
_WRITES = (
    "SELECT count(*) FROM pg_locks JOIN pg_class ON pg_class.oid = pg_locks.relation"
    " WHERE relname = 'ducklake_snapshot' AND mode = 'RowExclusiveLock'"
)


class City:
    """Two hubs on one database; something is written to the one that does not drain."""

    def __init__(self, folder: Path, nats: NatsServer) -> None:
        self.url = shared().make(f"frozen_{next(numbers)}")
        self.hubs = [hub(folder, name, self.url, nats) for name in ("first", "second")]
        for server in self.hubs:
            server.environ["MADANG_HISTORY_DRAIN_S"] = "0.05"
        self.last = 0

    def start(self) -> None:
        for server in self.hubs:
            server.start()
        until(lambda: all(told(server, "bus") for server in self.hubs))
        until(lambda: any(has(server, HISTORY) for server in self.hubs))

    def counted(self, sql: str) -> int:
        with psycopg.connect(self.url, autocommit=True) as asking:
            [(count,)] = asking.execute(sql.encode()).fetchall()
        return int(count)

    @contextlib.contextmanager
    def written(self, server: Server) -> Iterator[None]:
        """Write one value after the other at a hub while the block runs."""
        ending = threading.Event()

        def write() -> None:
            while not ending.wait(0.01):
                good(server, "PATCH", f"{ROOM}1/attrs", reading(self.last + 1))
                self.last += 1

        good(server, "POST", f"{API}/entities", room(1, temperature=0))
        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    nats = NatsServer()
    made = City(tmp_path, nats)
    try:
        nats.start()
        made.start()
        yield made
    except BaseException:
        print("\n".join(server.log_end() for server in made.hubs))
        raise
    finally:
        for server in made.hubs:
            server.kill()
        nats.kill()


def outbox(server: Server) -> int:
    tenants = orjson.loads(server.request("GET", "/status").body)["tenants"]
    return int(tenants["default"]["outbox"])


@pytest.mark.parametrize("is_first", [False, True], ids=["a drain", "the making of the lake"])
def test_a_hub_frozen_in_a_commit_of_history_holds_up_the_others_for_seconds(
    city: City, is_first: bool
) -> None:
    frozen, other = sorted(city.hubs, key=lambda server: not has(server, HISTORY))
    with city.written(other):
        if not is_first:
            until(lambda: city.last > 50 and outbox(other) < city.last)
        freeze_while(city, frozen, _WRITES)
        began = time.monotonic()
        until(lambda: has(other, HISTORY), RECOVERY_S)
        until(lambda: outbox(other) < 20, RECOVERY_S)
        print(f"history goes on {time.monotonic() - began:.1f} s after the other was frozen")
    assert "store.freed" in other.log_end()
    frozen.thaw()
    until(lambda: not _answers(frozen), RECOVERY_S)  # it sees that its work is another's, and ends
    frozen.stop()
    frozen.start()
    until(lambda: outbox(other) == 0, RECOVERY_S)
    for server in city.hubs:
        assert past(server, 1) == list(range(city.last + 1))


def freeze_while(city: City, server: Server, sql: str) -> None:
    """Freeze a hub at a moment at which a count in the database is not 0."""
    for _ in range(TRIES):
        server.freeze()
        if city.counted(sql):
            return
        server.thaw()
        time.sleep(0.003)
    pytest.fail("that moment never came")


def _answers(server: Server) -> bool:
    try:
        return server.ready()
    except OSError:
        return False
