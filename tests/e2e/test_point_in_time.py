"""A city on PostgreSQL is put back to a moment as docs/how-to/restore-to-a-moment.md says."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.cluster import Cluster, programs, started
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, Server
from tests.e2e.test_postgres import hub, room, values
from tests.e2e.test_several_hubs import two

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "restore-to-a-moment.md"
OFTEN = {"MADANG_HISTORY_DRAIN_S": "0.5"}  # or the test would wait for nothing else
HISTORY = "options=temporalValues&timeproperty=modifiedAt&timerel=after&timeAt=2020-01-01T00:00:00Z"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = started()
    yield found
    end(found)


def end(cluster: Cluster) -> None:
    with contextlib.suppress(AssertionError):  # it may have been stopped already
        cluster.stop()
    shutil.rmtree(cluster.folder, ignore_errors=True)


def archive(cluster: Cluster) -> None:
    """Have the server keep its log of writes, by the statements that the page names."""
    folder = cluster.folder / "wal"
    folder.mkdir()
    shutil.chown(folder, cluster.folder.owner())
    for statement in re.findall(r"^ALTER SYSTEM .*;$", PAGE.read_text("utf-8"), re.MULTILINE):
        cluster.execute(statement.replace("/backup/wal", str(folder)))
    cluster.stop("fast")
    cluster.start()


def restored(cluster: Cluster, moment: str) -> Cluster:
    """Return a new server that has what the old one had at a moment."""
    server = programs()
    assert server is not None
    named = re.compile(r"^ *((?:restore_command|recovery_\w+) = .*)$", re.MULTILINE)
    lines = named.findall(PAGE.read_text("utf-8"))
    assert len(lines) == 3
    told = "\n".join(lines).replace("/backup/wal", str(cluster.folder / "wal"))
    told = re.sub(r"(recovery_target_time = )'.*'", rf"\1'{moment}'", told)
    folder = cluster.folder.with_name(cluster.folder.name + "-again")
    folder.mkdir()
    shutil.copytree(cluster.folder / "base", folder / "data")
    with (folder / "data" / "postgresql.auto.conf").open("a") as file:
        file.write(told + "\n")
    (folder / "data" / "recovery.signal").touch()
    for one in [folder, *folder.rglob("*")]:
        shutil.chown(one, cluster.folder.owner(), cluster.folder.group())
    (folder / "data").chmod(0o700)
    return Cluster(folder, server)


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def put(server: Server, numbers: range, value: float) -> None:
    rooms = [room(number, value) for number in numbers]
    done = server.request("POST", f"{API}/entityOperations/upsert", rooms)
    assert done.status in (201, 204), done.body


def history(server: Server, number: int) -> list[float]:
    """Return every temperature that a room had."""
    path = f"{API}/temporal/entities/urn:ngsi-ld:Room:{number}?{HISTORY}"
    found = server.request("GET", path).json()
    assert isinstance(found, dict), found
    assert "temperature" in found, found
    return sorted(value for value, _ in found["temperature"]["values"])


@contextlib.contextmanager
def one_hub(folder: Path, url: str) -> Iterator[list[Server]]:
    server = hub(folder, url)
    server.environ |= OFTEN
    with server:
        yield [server]


@contextlib.contextmanager
def two_hubs(folder: Path, url: str) -> Iterator[list[Server]]:
    """Start two hubs that share the database; NATS keeps nothing, so it may be a new one."""
    nats = NatsServer()
    nats.start()
    try:
        with two(folder, url, nats, OFTEN) as servers:
            yield servers
    finally:
        nats.kill()


Hubs = Callable[[Path, str], contextlib.AbstractContextManager[list[Server]]]


@pytest.mark.parametrize("hubs", [one_hub, pytest.param(two_hubs, marks=needs_nats)])
def test_a_city_is_put_back_to_a_moment_with_exactly_the_writes_before_it(
    tmp_path: Path, cluster: Cluster, hubs: Hubs
) -> None:
    archive(cluster)
    url = cluster.make("madang")
    with hubs(tmp_path, url) as servers:
        first, last = servers[0], servers[-1]
        put(first, range(10), 1.0)
        drained = "SELECT count(*) = 0 FROM madang_default.outbox"
        wait_for(lambda: cluster.execute(drained, "madang") == [(True,)])
        cluster.run("pg_basebackup", "-h", str(cluster.folder), "-U", "madang",
                    "-D", str(cluster.folder / "base"), "-X", "stream", "-c", "fast")  # fmt: skip
        put(last, range(5, 15), 2.0)
        before = values(first)
        ((moment,),) = cluster.execute("SELECT now()::text")
        put(first, range(20), 3.0)
        assert last.request("DELETE", f"{API}/entities/urn:ngsi-ld:Room:0").status == 204
        wait_for(lambda: cluster.execute(drained, "madang") == [(True,)])
    cluster.execute("SELECT pg_switch_wal()")
    cluster.stop("fast")
    again = restored(cluster, moment)
    try:
        wait_for(lambda: again.execute("SELECT pg_is_in_recovery()") == [(False,)])
        with hubs(tmp_path, again.url("madang")) as servers:
            assert [values(server) for server in servers] == [before] * len(servers)
            put(servers[0], range(7, 8), 4.0)
            # The catalog of history goes back with the state.
            for server in servers:
                assert history(server, 7) == [1.0, 2.0, 4.0]
                assert history(server, 12) == [2.0]
    finally:
        end(again)
