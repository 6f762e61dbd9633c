"""Hubs on PostgreSQL whose history is in a bucket: used, killed, and the server of files too."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import orjson
import polars as pl
import pytest

from tests.contract import objects
from tests.contract.cluster import shared
from tests.e2e import forked, moved_city
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server, ServerFailed

fresh = count(1)
ROOMS = 4
KILLS = int(os.environ.get("MADANG_TEST_KILLS", "4"))
TENANT = "Gangnam/1"  # some of which is %XX in the name of its folder
SECRET_KEY = "0123456789abcdef0123456789abcdef"
DRAIN_S = "0.1"
WRONG = (
    ({"secret": "wrong"}, "history_key or history_secret is wrong"),
    ({"path": "s3://nowhere/city"}, "there is no such bucket"),
    ({"endpoint": "http://127.0.0.1:1"}, "history_endpoint does not answer"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[objects.Objects]:
    """A server of its own, to be killed."""
    made = objects.started()
    yield made
    made.end()


@pytest.fixture
def url() -> str:
    return shared().make(f"bucket_{next(fresh)}")


def place(server: objects.Objects, **other: str) -> dict[str, str]:
    """Return the settings of a history in a new bucket."""
    names = {
        "path": f"s3://{server.bucket()}/city",
        "endpoint": server.endpoint,
        "key": objects.KEY,
        "secret": objects.SECRET,
        "drain_s": DRAIN_S,
    }
    return place_of({**names, **other})


def place_of(names: dict[str, str]) -> dict[str, str]:
    return {f"MADANG_HISTORY_{name.upper()}": value for name, value in names.items()}


def bucket_of(settings: dict[str, str]) -> str:
    return settings["MADANG_HISTORY_PATH"].split("/")[2]


def good(server: Server, method: str, path: str, body: object = None, tenant: str = "") -> object:
    headers = {"NGSILD-Tenant": tenant} if tenant else {}
    answer = server.request(method, path, body, headers)
    assert answer.status in (200, 201, 204), (answer.status, answer.body)
    return orjson.loads(answer.body) if answer.body else None


def room(number: int, value: float) -> dict[str, object]:
    return {
        "id": f"urn:ngsi-ld:Room:{number}",
        "type": "Room",
        "temperature": {"type": "Property", "value": value},
    }


def write(server: Server, number: int, value: float, tenant: str = "") -> None:
    path = f"{API}/entities/urn:ngsi-ld:Room:{number}/attrs"
    body = {"temperature": {"type": "Property", "value": value}}
    good(server, "PATCH", path, body, tenant)


def past(server: Server, number: int, tenant: str = "") -> list[object]:
    """Return the temperatures that a room has had."""
    path = f"{API}/temporal/entities/urn:ngsi-ld:Room:{number}?options=temporalValues"
    found = good(server, "GET", path, tenant=tenant)
    assert isinstance(found, dict)
    return [value for value, _ in found["temperature"]["values"]]


def outbox(server: Server) -> int:
    """Return how many changes are not in files yet."""
    found = orjson.loads(server.request("GET", "/status", headers=server.local_key()).body)
    return sum(int(tenant["outbox"]) for tenant in found["tenants"].values())


def until(condition: Callable[[], bool], wait_s: float = 30.0) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end, f"not so after {wait_s:g} s"
        time.sleep(0.02)


@pytest.mark.slow
def test_all_of_history_works_in_a_bucket_and_comes_back_from_a_backup(
    server: objects.Objects, url: str, tmp_path: Path
) -> None:
    key = {"MADANG_SECRET_KEY": SECRET_KEY}
    settings = {"MADANG_STORE": url, **key, **place(server)}
    hub = Server(tmp_path / "data", environ=settings)
    with hub:
        for tenant in ("", TENANT):
            for number in range(ROOMS):
                good(hub, "POST", f"{API}/entities", room(number, 0), tenant)
            for value in range(1, 20):
                write(hub, value % ROOMS, value, tenant)
        until(lambda: outbox(hub) == 0)
        assert not list(tmp_path.rglob("*.parquet")), "all files are in the bucket"
        names = server.names(bucket_of(settings))
        assert sum(name.endswith(".parquet") for name in names) >= 2
        for tenant in ("", TENANT):
            assert past(hub, 1, tenant) == [0, 1, 5, 9, 13, 17]
        sql = {"sql": "SELECT count(*) AS n, max(temperature) AS m FROM Room"}
        assert good(hub, "POST", "/history/sql", sql) == [{"n": ROOMS + 19, "m": 19.0}]
        exported = hub.request("GET", "/history/export?type=Room&format=csv")
        assert len(exported.body.splitlines()) == 1 + ROOMS + 19
        good(hub, "DELETE", f"{API}/temporal/entities/urn:ngsi-ld:Room:1")
        assert hub.request("GET", f"{API}/temporal/entities/urn:ngsi-ld:Room:1").status == 404
        write(hub, 2, 50)
        backup = tmp_path / "copy.tar"
        told = run(hub, settings, "backup", str(backup), "--data", str(hub.data))
        assert backup.exists(), told
        assert "sound" in run(hub, settings, "doctor", "--data", str(hub.data))
    told = run(hub, settings, "doctor", "--mend", "--data", str(hub.data))
    assert "History in default: sound" in told
    other = Server(tmp_path / "other", environ=key)
    run(other, key, "restore", str(backup), "--data", str(other.data))
    with other:
        assert past(other, 2) == [0, 2, 6, 10, 14, 18, 50]
        assert past(other, 1, TENANT) == [0, 1, 5, 9, 13, 17]
    to, moved = shared().make(f"bucket_{next(fresh)}"), {**key, **place(server)}
    told = run(other, moved, "move", "--to", to, "--data", str(other.data))
    assert "compared row by row" in told
    again = Server(other.data, environ={"MADANG_STORE": to, **moved})
    with again:
        assert past(again, 2) == [0, 2, 6, 10, 14, 18, 50]
        assert past(again, 1, TENANT) == [0, 1, 5, 9, 13, 17]


def run(server: Server, settings: dict[str, str], *words: str) -> str:
    """Run a command with these settings; it must end well."""
    environ = {name: one for name, one in os.environ.items() if not name.startswith("MADANG_")}
    environ |= {"MADANG_PORT": str(server.port), "MADANG_MQTT_PORT": str(server.mqtt_port)}
    done = forked.run(words, {**environ, **settings}, timeout_s=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.slow
def test_a_city_in_use_moves_its_history_from_a_folder_into_a_bucket(
    server: objects.Objects, tmp_path: Path
) -> None:
    name = f"bucket_{next(fresh)}"
    url, to = shared().make(name), place(server)
    keys = {each: to[each] for each in ("MADANG_HISTORY_KEY", "MADANG_HISTORY_SECRET")}

    def is_untouched() -> bool:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'madang%'"
        return not int(shared().execute(tables, name)[0][0])

    def parquet() -> list[str]:
        return [one for one in server.names(bucket_of(to)) if one.endswith(".parquet")]

    with Server(tmp_path / "data", environ={**keys, "MADANG_HISTORY_DRAIN_S": "0.5"}) as hub:
        moved_city.furnish(hub, 100, 6_000, 6)
        for wrong, reason in WRONG[:2]:
            told = moved_city.Move(hub, url, {**to, **place_of(wrong)}).fail()
            assert reason in told
            assert is_untouched()
        with moved_city.in_use(hub, [""]) as users:
            moved_city.wait_for_more(users)
            move = moved_city.Move(hub, url, to)
            until(lambda: bool(parquet()))
            move.kill()  # in the copying of history
            print(f"killed after {len(parquet())} files")
            moved_city.wait_for_more(users)
            print(moved_city.Move(hub, url, to).end())
            moved_city.wait_for_more(users)
        stood = max(user.longest_s for user in users)
        print(f"no write was acknowledged for {stood:.1f} s")
        assert [user.refused for user in users] == [[] for _ in users]
        assert [one for user in users for one in moved_city.faults(hub, user)] == []
        rows = moved_city.recorded(hub, "")
        loaded = rows.filter(pl.col("time") < pl.datetime(2026, 1, 1))
        assert loaded.filter(pl.col("attribute") == "reading").height == 6_000
        assert rows.is_duplicated().sum() == 0
        assert len(parquet()) >= 6
    with hub:  # nobody has put anything into the settings
        assert moved_city.recorded(hub, "").height >= rows.height


@pytest.mark.slow
def test_writes_are_kept_while_the_server_of_files_is_away(
    server: objects.Objects, url: str, tmp_path: Path
) -> None:
    settings = {"MADANG_STORE": url, **place(server)}
    paces = {"madang.hub.history.RETRY": 2.0}  # and not of half a minute
    with Server(tmp_path / "data", environ=settings, paces=paces) as hub:
        good(hub, "POST", f"{API}/entities", room(1, 0))
        until(lambda: outbox(hub) == 0)
        server.kill()
        try:
            for value in range(1, 30):
                write(hub, 1, value)
            path = f"{API}/temporal/entities/urn:ngsi-ld:Room:1"
            for method, target, body in (
                ("POST", "/history/sql", {"sql": "SELECT count(*) FROM Room"}),
                ("DELETE", path, None),
            ):
                answer = hub.request(method, target, body)
                assert answer.status == 503, answer.body
                assert b"try again" in answer.body
                assert b"Signature" not in answer.body
                assert objects.SECRET.encode() not in answer.body
            if (answer := hub.request("GET", path)).status != 503:  # what was needed is in memory
                assert past(hub, 1) == list(range(30))
            until(lambda: b"} 1.0" in alarm(hub))
            assert outbox(hub) == 29
        finally:
            server.start()
        assert past(hub, 1) == list(range(30))
        until(lambda: outbox(hub) == 0, 60)
        assert past(hub, 1) == list(range(30))
        until(lambda: b"} 0.0" in alarm(hub))
    assert "sound" in run(hub, settings, "doctor", "--data", str(hub.data))


def alarm(hub: Server) -> bytes:
    """Return what the metrics say of histories that cannot be written."""
    lines = hub.request("GET", "/metrics", headers=hub.local_key()).body.splitlines()
    return b"\n".join(line for line in lines if line.startswith(b"madang_history_alarm"))


@pytest.mark.parametrize(("wrong", "reason"), WRONG)
def test_a_hub_that_cannot_keep_history_says_why_and_ends(
    server: objects.Objects, url: str, tmp_path: Path, wrong: dict[str, str], reason: str
) -> None:
    hub = Server(tmp_path / "data", environ={"MADANG_STORE": url, **place(server, **wrong)})
    hub.launch()
    with pytest.raises(ServerFailed, match=reason):
        hub.wait_for(hub.ready)
    assert objects.SECRET not in hub.log_end()


@needs_nats
@pytest.mark.slow
def test_two_hubs_write_at_once_and_one_is_killed_again_and_again_while_it_drains(
    server: objects.Objects, url: str, tmp_path: Path
) -> None:
    nats = NatsServer()
    nats.start()
    settings = {
        "MADANG_STORE": url,
        "MADANG_BUS": nats.url,
        "MADANG_BUS_PASSWORD": nats.password,
        "MADANG_SECRET_KEY": SECRET_KEY,
        "MADANG_MAX_INSTANCES": "100000",  # of an attribute in one answer
        **place(server),
    }
    hubs = [Server(tmp_path / name, environ=settings) for name in ("first", "second")]
    try:
        for hub in hubs:
            hub.start()
        for number in range(2 * ROOMS):
            good(hubs[0], "POST", f"{API}/entities", room(number, 0))
        ended = threading.Event()
        writers = [Writer(hubs, number, ended) for number in range(2 * ROOMS)]
        for writer in writers:
            writer.start()
        for turn in range(KILLS):
            time.sleep(0.5 + random.random())  # some moment of a drain or a merge
            hubs[turn % 2].kill()
            hubs[turn % 2].start()
        ended.set()
        for writer in writers:
            writer.join()
        until(lambda: outbox(hubs[0]) == 0, 60)
        for writer in writers:
            for hub in hubs:
                found = past(hub, writer.number)
                assert len(found) == len(set(found)), "a value came twice"
                assert writer.acknowledged <= set(found), "an acknowledged value was lost"
                assert set(found) <= writer.sent
    finally:
        for hub in hubs:
            hub.stop()
        nats.kill()
    assert "sound" in run(hubs[0], settings, "doctor", "--data", str(hubs[0].data))


class Writer(threading.Thread):
    """Writes rising values to one room, by either hub, and knows what was acknowledged."""

    def __init__(self, hubs: list[Server], number: int, ended: threading.Event) -> None:
        super().__init__()
        self.number = number
        self.acknowledged: set[object] = {0}
        self.sent: set[object] = {0}
        self._hubs = hubs
        self._ended = ended

    def run(self) -> None:
        value = 0
        while not self._ended.is_set():
            value += 1
            self.sent.add(value)
            try:
                write(self._hubs[value % 2], self.number, value)
            except (OSError, AssertionError):  # killed, or on its way; the value is not sent again
                time.sleep(0.02)
            else:
                self.acknowledged.add(value)
