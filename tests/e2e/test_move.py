"""A city is moved to PostgreSQL while it is used: from outside, with kills at every part of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import apsw
import orjson
import polars as pl
import psycopg
import pytest

from tests.contract.cluster import Cluster, shared
from tests.e2e.moved_city import (
    Move,
    User,
    faults,
    furnish,
    history,
    in_use,
    load,
    recorded,
    until,
    wait_for_more,
)
from tests.e2e.server import API, Server

SILENCE_S = 2.0
ENTITIES, INSTANCES, MONTHS = 6_000, 24_000, 4
numbers = count(1)


@pytest.fixture
def database() -> str:
    name = f"moving_{next(numbers)}"
    shared().make(name)
    return name


def city(folder: Path) -> Server:
    # Drains often, so that history is moved in several steps.
    return Server(folder / "data", environ={"MADANG_HISTORY_DRAIN_S": "0.5"})


def copied(cluster: Cluster, database: str) -> int:
    """Return which entity was copied last; 0 before the first, a very high one when all are."""
    try:
        rows = cluster.execute("SELECT number FROM madang_default.turn", database)
    except psycopg.errors.UndefinedTable:
        return 0
    return int(rows[0][0]) if rows else 0


def log_of(server: Server) -> str:
    return server.log.read_text(errors="replace")


def is_on(server: Server, cluster: Cluster, database: str) -> bool:
    """Tell whether the hub works on the database: its sessions are there."""
    rows = cluster.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'madang'",
        database,
    )
    return server.ready() and int(rows[0][0]) > 0


def sensors(server: Server) -> int:
    found = server.request("GET", f"{API}/entities?type=Sensor&count=true&limit=0")
    return int(found.headers["ngsild-results-count"])


def check(server: Server, users: list[User]) -> None:
    assert [fault for user in users for fault in faults(server, user)] == []


def test_a_city_in_use_is_moved_and_loses_nothing(tmp_path: Path, database: str) -> None:
    cluster = shared()
    url = cluster.url(database)
    place = {"MADANG_HISTORY_PATH": str(tmp_path / "srv" / "history")}
    with city(tmp_path) as server:
        furnish(server, ENTITIES, INSTANCES, MONTHS)
        with in_use(server) as users:
            wait_for_more(users)

            # Killed in the copying: the hub has noticed nothing, and the next one goes on there.
            move = Move(server, url, place)
            until(lambda: copied(cluster, database) > 0, pause_s=0.001)
            move.kill()
            print(f"killed after entity {min(copied(cluster, database), ENTITIES):,}")
            wait_for_more(users)

            # History that was copied is corrected, other history comes, and the hub is killed.
            gone = f"{API}/temporal/entities/urn:ngsi-ld:Sensor:7"
            move = Move(server, url, place)
            until(lambda: any((server.data / "move" / "default").glob("[0-9]*")))
            load(server, history(50, 500, 2).with_columns(attribute=pl.lit("late")))
            assert server.request("DELETE", gone).status == 204
            server.kill()
            move.kill()
            server.start()
            wait_for_more(users)

            move = Move(server, url, place)
            text = move.end()
            wait_for_more(users)
        print(text)
        stood = max(user.longest_s for user in users)
        print(f"no write was acknowledged for {stood:.1f} s at most, kill of the hub included")
        assert "goes on with it there" in text
        assert [user.refused for user in users] == [[] for _ in users]
        assert is_on(server, cluster, database)
        check(server, users)
        assert sensors(server) == ENTITIES
        rows = recorded(server, "")
        assert rows.filter(pl.col("entity") == "urn:ngsi-ld:Sensor:7").height == 0
        assert rows.filter(pl.col("attribute") == "late").height == 500 - 10
        loaded = rows.filter(pl.col("time") < pl.datetime(2026, 1, 1))
        assert loaded.filter(pl.col("attribute") == "reading").height == INSTANCES - 4
        assert rows.is_duplicated().sum() == 0
        assert list((tmp_path / "srv" / "history" / "default").rglob("*.parquet"))
    # It is found there again, whether anybody has put that into the settings or not, and even if
    # the mover was killed right after the database had made it final.
    said = server.data / "moved.json"
    said.write_text(said.read_text().replace("true", "false"))
    with server:
        assert "true" in said.read_text()
        assert is_on(server, cluster, database)
        check(server, users)
        assert "sound" in server.said("doctor")
    again = server.madang("move", "--to", url)
    assert again.returncode != 0
    assert "was moved to" in again.stderr


def test_a_mover_that_is_killed_at_the_end_leaves_the_hub_writing(
    tmp_path: Path, database: str
) -> None:
    cluster = shared()
    url = cluster.url(database)
    with city(tmp_path) as server:
        furnish(server, 500, 5_000, 2)
        with in_use(server) as users:
            wait_for_more(users)
            move = Move(server, url)
            until(lambda: "madang.handed_over" in log_of(server), pause_s=0.001)
            os.kill(move.process.pid, signal.SIGSTOP)  # so that the kill comes before its end
            until(lambda: "madang.stopped" in log_of(server))
            assert not (server.data / "moved.json").exists()
            move.kill()
            wait_for_more(users)  # on the files again
            assert not is_on(server, cluster, database)

            move = Move(server, url)
            until(lambda: (server.data / "moved.json").exists(), pause_s=0)
            move.kill()  # right before that is made final, or right after
            wait_for_more(users)
            print("the move was final" if is_on(server, cluster, database) else "it was not")
            if not is_on(server, cluster, database):
                assert not (server.data / "moved.json").exists()
                Move(server, url).end()
                wait_for_more(users)
            assert is_on(server, cluster, database)
            assert orjson.loads((server.data / "moved.json").read_bytes())["is_ended"]
        assert [user.refused for user in users] == [[] for _ in users]
        check(server, users)


class Impatient(Server):
    """A hub that gives a mover up after two seconds of silence instead of thirty."""

    def _run(self, *words: str) -> None:
        program = (
            "import sys; from madang import cli, handover;"
            f" handover.SILENCE_S = {SILENCE_S}; sys.argv[0] = 'madang'; cli.main()"
        )
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, *words], env=self.environ,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip


def test_a_mover_that_is_frozen_at_the_end_is_given_up_and_cannot_end_the_move(
    tmp_path: Path, database: str
) -> None:
    cluster = shared()
    url = cluster.url(database)
    with Impatient(tmp_path / "data") as server:
        furnish(server, 500, 5_000, 2)
        with in_use(server) as users:
            move = Move(server, url)
            until(lambda: "madang.handed_over" in log_of(server), pause_s=0)
            with psycopg.connect(url) as connection:  # it hangs in the middle of the last part
                connection.execute("LOCK TABLE madang_default.counter")
                until(lambda: is_blocked(cluster, database))
                assert (server.data / "move" / "granted.json").exists()
                os.kill(move.process.pid, signal.SIGSTOP)
                until(lambda: "madang.taken_back" in log_of(server))
                wait_for_more(users)  # on the files again
            stood = max(user.longest_s for user in users)
            print(f"no write was acknowledged for {stood:.1f} s")
            assert stood < SILENCE_S + 10
            os.kill(move.process.pid, signal.SIGCONT)
            assert "the hub has gone on with the city where it was" in move.fail()
            wait_for_more(users)
            assert not (server.data / "moved.json").exists()
            assert not is_on(server, cluster, database)

            Move(server, url).end()
            wait_for_more(users)
            assert is_on(server, cluster, database)
        assert [user.refused for user in users] == [[] for _ in users]
        check(server, users)


def is_blocked(cluster: Cluster, database: str) -> bool:
    """Tell whether somebody waits for a lock in the database."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(cluster.execute(waiting, database)[0][0])


def test_a_database_that_goes_away_stops_the_move_and_not_the_hub(
    tmp_path: Path, database: str
) -> None:
    cluster = shared()
    with city(tmp_path) as server:
        furnish(server, ENTITIES, 100, 1)
        move = Move(server, cluster.url(database))
        until((server.data / "move" / "default" / "copy").exists, pause_s=0.001)
        cluster.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        assert move.process.wait(30) != 0
        told = move.log.read_text()
        assert "the move was broken off" in told
        assert "run the same command again" in told
        assert "Traceback" not in told
        nowhere = server.madang("move", "--to", "postgres://madang@127.0.0.1:1/none")
        assert "cannot be used" in nowhere.stderr
        shared().make(f"{database}_other")
        other = server.madang("move", "--to", cluster.url(f"{database}_other"))
        assert other.returncode == 0, other.stderr  # another one is begun from the beginning
        assert "6,000 entities" in other.stdout
        assert sensors(server) == ENTITIES
        assert is_on(server, cluster, f"{database}_other")


def test_a_hub_that_cannot_use_the_database_keeps_the_city(tmp_path: Path, database: str) -> None:
    """Who moves may know a password that the hub does not."""
    cluster = shared()
    service = tmp_path / "service.conf"
    service.write_text(f"[moved]\nhost={cluster.folder}\nuser=madang\n")
    with city(tmp_path) as server, pytest.MonkeyPatch.context() as patch:
        furnish(server, 10, 10, 1)
        patch.setenv("PGSERVICEFILE", str(service))  # of the mover only
        done = server.madang("move", "--to", f"postgres:///{database}?service=moved")
        assert done.returncode != 0
        assert "the hub does not let the city go" in done.stderr
        assert server.ready()
        assert (
            server.request("POST", f"{API}/entities", {"id": "urn:a:1", "type": "A"}).status == 201
        )


def test_a_move_that_is_given_up_leaves_nothing_behind(tmp_path: Path, database: str) -> None:
    cluster = shared()
    with city(tmp_path) as server:
        furnish(server, ENTITIES, 100, 1)
        move = Move(server, cluster.url(database))
        until((server.data / "move" / "default" / "copy").exists, pause_s=0.001)
        os.kill(move.process.pid, signal.SIGSTOP)
        busy = server.madang("move", "--to", cluster.url(database))
        assert "in use by another Madang" in busy.stderr
        move.kill()
        assert (server.data / "move").exists()
    file = apsw.Connection(str(server.data / "state" / "default.sqlite"))
    names = "SELECT name FROM sqlite_schema WHERE name LIKE 'move%'"
    assert file.execute(names).fetchall()
    assert "is given up" in server.said("doctor", "--mend")
    assert not file.execute(names).fetchall()
    file.close()
    assert not (server.data / "move").exists()
    assert not (server.data / "lake" / "default" / "lake.id").exists()
    # A hub that is not running is no hindrance, nor is a database that was moved to in part.
    cluster.execute(f"DROP DATABASE {database}")
    cluster.make(database)
    text = server.said("move", "--to", cluster.url(database))
    assert "start the hub" in text
    with server:
        assert is_on(server, cluster, database)
        assert sensors(server) == ENTITIES
