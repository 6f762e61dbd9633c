"""A hub on PostgreSQL from outside: used, killed, its database restarted below it, and moved to."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.contract.cluster import Cluster, shared, started
from tests.e2e.receiver import Receiver
from tests.e2e.server import API, Server

numbers = count()


@pytest.fixture
def url() -> str:
    return shared().make(f"city_{next(numbers)}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of its own, to be crashed."""
    found = started()
    yield found
    with contextlib.suppress(AssertionError):  # a test that failed may have left it stopped
        found.stop()
    shutil.rmtree(found.folder, ignore_errors=True)


def hub(folder: Path, url: str) -> Server:
    return Server(folder / "data", environ={"MADANG_STORE": url} if url else {})


def config(folder: Path, url: str) -> str:
    """Return a settings file that names the database."""
    file = folder / "madang.toml"
    file.write_text(f'store = "{url}"\n')
    return str(file)


def room(number: int, value: float) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:Room:{number}",
        "type": "Room",
        "temperature": {"type": "Property", "value": value},
        "location": {
            "type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [127.0, 37.0 + number / 1000]},
        },
    }


def values(server: Server) -> dict[str, float]:
    """Return the temperature of every room."""
    found = server.request("GET", f"{API}/entities?type=Room&limit=1000&options=keyValues").json()
    assert isinstance(found, list), found
    return {one["id"]: one["temperature"] for one in found}


class Writer(threading.Thread):
    """Writes rising values to one room, one after the other, and knows what was acknowledged."""

    def __init__(self, server: Server, number: int) -> None:
        super().__init__()
        self._server = server
        self._path = f"{API}/entities/urn:ngsi-ld:Room:{number}/attrs"
        self.id = f"urn:ngsi-ld:Room:{number}"
        self.acknowledged = 0
        self.sent = 0
        self.refused: list[tuple[int, bytes]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.sent += 1
            body = {"temperature": {"type": "Property", "value": self.sent}}
            try:
                answer = self._server.request("PATCH", self._path, body, timeout_s=20)
            except OSError:
                time.sleep(0.05)
                continue
            if answer.status == 204:
                self.acknowledged = self.sent
            else:
                self.refused.append((answer.status, answer.body))


@contextlib.contextmanager
def writing(server: Server) -> Iterator[list[Writer]]:
    """Write to four rooms meanwhile."""
    for number in range(4):
        assert server.request("POST", f"{API}/entities", room(number, 0)).status in (201, 409)
    writers = [Writer(server, number) for number in range(4)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.join()


def wait_for_more(writers: list[Writer], more: int = 5) -> None:
    """Wait until each has had so many more writes acknowledged."""
    wanted = [writer.acknowledged + more for writer in writers]
    end = time.monotonic() + 40
    while any(one.acknowledged < least for one, least in zip(writers, wanted, strict=True)):
        assert time.monotonic() < end, [writer.refused[-1:] for writer in writers]
        time.sleep(0.02)


async def test_a_hub_on_postgresql_is_used_like_any_other(tmp_path: Path, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP EXTENSION postgis")  # elsewhere no new database has it
    async with Receiver() as receiver:
        await asyncio.to_thread(use, tmp_path, url, receiver.uri)
        told = [one["data"][0]["temperature"]["value"] for one in receiver.taken]
    assert sorted(told) == list(range(21, 30))
    assert not (tmp_path / "data" / "state" / "default.sqlite").exists()


def use(folder: Path, url: str, uri: str) -> None:
    """Subscribe, write, ask, look after it, start it again, as somebody does who has a city."""
    with hub(folder, url) as server:
        subscription = {
            "type": "Subscription",
            "entities": [{"type": "Room"}],
            "q": "temperature>20",
            "notification": {"endpoint": {"uri": uri}},
        }
        assert server.request("POST", f"{API}/subscriptions", subscription).status == 201
        for number in range(30):
            assert server.request("POST", f"{API}/entities", room(number, number)).status == 201
        found = server.request("GET", f"{API}/entities?type=Room&q=temperature%3E=25&count=true")
        assert found.headers["ngsild-results-count"] == "5"
        near = "georel=near%3BmaxDistance==150&geometry=Point&coordinates=%5B127,37.01%5D"
        found = server.request("GET", f"{API}/entities?type=Room&{near}&options=keyValues")
        assert sorted(one["temperature"] for one in found.json()) == [9, 10, 11]  # type: ignore[attr-defined]
        file = config(folder, url)
        assert "sound, 30 entities" in server.madang("doctor", "--config", file).stdout
        assert "30 entities" in server.said("backup", str(folder / "kept"), "--config", file)
        refused = server.madang("restore", str(folder / "kept"), "--config", file)
        assert "madang move" in refused.stderr
        before = values(server)
    with hub(folder, url) as server:
        assert values(server) == before
        assert len(server.request("GET", f"{API}/subscriptions").json()) == 1  # type: ignore[arg-type]
    kept = Server(folder / "restored")
    assert "30 entities" in kept.said("restore", str(folder / "kept"))
    shutil.copy(folder / "data" / "secret.key", kept.data)
    with kept:
        assert values(kept) == before


def test_a_second_hub_on_the_same_database_is_refused(tmp_path: Path, url: str) -> None:
    with hub(tmp_path, url):
        second = Server(tmp_path / "second", environ={"MADANG_STORE": url})
        second.launch()
        with pytest.raises(Exception, match="another hub works on postgres://"):
            second.wait_for(second.ready)


def test_nothing_acknowledged_is_lost_by_a_kill(tmp_path: Path, url: str) -> None:
    server = hub(tmp_path, url)
    server.start()
    with writing(server) as writers:
        for _ in range(2):
            wait_for_more(writers)
            server.kill()
            server.start()
        wait_for_more(writers)
    found = values(server)
    server.stop()
    assert all(one.acknowledged <= found[one.id] <= one.sent for one in writers)


def test_a_restarted_database_is_waited_for_and_loses_nothing(
    tmp_path: Path, cluster: Cluster
) -> None:
    with hub(tmp_path, cluster.make("restarted")) as server:
        with writing(server) as writers:
            for mode in ("immediate", "fast"):
                wait_for_more(writers)
                cluster.stop(mode)
                cluster.start()
            wait_for_more(writers)
        found = values(server)
        assert all(one.acknowledged <= found[one.id] <= one.sent for one in writers)
        assert {status for one in writers for status, _ in one.refused} <= {503}
        cluster.stop()
        for refused in (
            server.request("POST", f"{API}/entities", room(9, 9)),
            server.request("GET", f"{API}/entities?type=Room"),
        ):
            assert refused.status == 503
            assert b"does not answer" in refused.body
        cluster.start()
        assert server.request("POST", f"{API}/entities", room(9, 9)).status == 201
        assert values(server) == {**found, "urn:ngsi-ld:Room:9": 9}


def test_an_embedded_city_moves_to_postgresql_with_all_it_has(tmp_path: Path, url: str) -> None:
    with hub(tmp_path, "") as server:
        for number in range(20):
            server.request("POST", f"{API}/entities", room(number, number))
        server.request("POST", f"{API}/entities", room(7, 7), {"NGSILD-Tenant": "north-1"})
        before = values(server)
    assert "2 tenants with 21 entities" in server.said("move", "--to", url)
    with hub(tmp_path, url) as server:
        assert values(server) == before
        path = f"{API}/entities/urn:ngsi-ld:Room:7"
        assert server.request("GET", path, headers={"NGSILD-Tenant": "north-1"}).status == 200
        assert server.request("POST", f"{API}/entities", room(20, 20)).status == 201
    with Server(tmp_path / "other") as server:
        server.request("POST", f"{API}/entities", room(1, 1))
        again = server.madang("move", "--to", url)
        assert again.returncode != 0
        assert "name an empty database" in again.stderr
        assert values(server) == {"urn:ngsi-ld:Room:1": 1}
