"""A lake whose files are in a bucket: what its server does, and who gets to it with which key."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from madang.lake.bucket import Bucket, Server
from madang.lake.catalog_postgres import PostgresCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.frozen import FrozenLake, freeze
from madang.lake.sql_job import Outcome
from madang.lake.sql_run import Moment, job, moment, run
from madang.lake.storage import Away, FilesAway
from madang.model.errors import BadRequestData, Unavailable
from madang.query.reach import WHOLE
from tests.contract import objects
from tests.contract.lakes import database
from tests.lake.outbox import SECOND, T0, Outbox, entity
from tests.lake.test_writers import ROOM, values

fresh = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[objects.Objects]:
    """A server of its own, to be killed."""
    made = objects.started()
    yield made
    made.end()


@pytest.fixture(scope="module")
def bucket(server: objects.Objects) -> str:
    return server.bucket()


@pytest.fixture
def schema() -> str:
    return f"madang_lake_bucket_{next(fresh)}"


def opened(engine: Engine, schema: str, home: str, server: Server) -> DuckLake:
    return DuckLake(engine, PostgresCatalog(database(), "", schema, Bucket(home, server)))


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_loses_and_doubles_nothing(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str, tmp_path: Path
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    other_engine = Engine(tmp_path)  # which has nothing in memory of what the first one has read
    other = opened(other_engine, schema, f"s3://{bucket}/{schema}", server.server())
    outbox = Outbox()
    for n in range(2):
        lake.take([outbox.put(entity(ROOM, at=T0 + n * SECOND, a=n))])
        lake.drain()
        server.kill()
        with pytest.raises(Away):
            values(other)
        lake.take([outbox.put(entity(ROOM, at=T0 + n * SECOND, b=n))])
        with pytest.raises(FilesAway, match="could not be written"):
            lake.drain()
        assert lake.drained == 2 * n + 1
        server.start()
        assert values(lake) == list(range(n + 1))
        assert lake.drain() == 2 * n + 2
        assert values(lake) == values(other) == list(range(n + 1))
    assert [one.seq for one in lake.log(0, 10)] == [1, 2, 3, 4]
    assert lake.check() == []
    lake.close()
    other.close()
    other_engine.close()


def test_files_of_another_city_or_none_of_its_own_are_refused(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str
) -> None:
    home = f"s3://{bucket}/{schema}"
    lake = opened(duckdb_engine, schema, home, server.server())
    lake.take([Outbox().put(entity(ROOM, a=1))])
    lake.drain()
    lake.close()
    assert f"{schema}/lake.id" in server.names(bucket)
    with pytest.raises(OSError, match="mend the setting history_path"):
        opened(duckdb_engine, schema, f"{home}-elsewhere", server.server())
    with pytest.raises(OSError, match="history of another city"):
        opened(duckdb_engine, f"{schema}_other", home, server.server())


def test_what_a_crash_left_is_found_and_removed_and_nothing_else(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    lake.take([Outbox().put(entity(ROOM, a=1))])
    lake.drain()
    before = server.names(bucket)
    lost = f"{schema}/shared/main/instance/ducklake-lost.parquet"
    with lake.reading() as cursor:
        cursor.execute(f"COPY (SELECT 1 AS a) TO 's3://{bucket}/{lost}' (FORMAT parquet)")
    assert lost in server.names(bucket)
    assert lake.mend() == 1
    assert server.names(bucket) == before
    assert values(lake) == [1]
    lake.close()


def test_a_file_that_is_gone_or_cut_off_is_told(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    lake.take([Outbox().put(entity(ROOM, a=1))])
    lake.drain()
    with lake.reading() as cursor:
        [(name,)] = cursor.execute("SELECT name FROM file").fetchall()
        cursor.execute(f"COPY (SELECT 1) TO '{name}' (FORMAT csv)")
    [fault] = lake.check()
    assert fault.startswith(f"the file {name} has ")
    lake.close()


@pytest.mark.parametrize(
    ("server_of", "reason"),
    [
        (lambda one: one.server(secret="wrong"), "history_secret is wrong"),
        (lambda one: one.server(key="nobody"), "history_key or history_secret is wrong"),
        (lambda one: one.server(key=objects.READER), "the key may not do this"),
        (lambda one: Server("http://127.0.0.1:1", "us-east-1", "a", "b"), "does not answer"),
    ],
)
def test_a_server_that_cannot_be_used_is_told_with_its_reason(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, server_of: object, reason: str
) -> None:
    assert callable(server_of)
    with pytest.raises(FilesAway, match=reason) as raised:
        Bucket(f"s3://{bucket}/{next(fresh)}", server_of(server)).check(duckdb_engine)
    assert objects.SECRET not in str(raised.value)


def test_a_bucket_that_is_not_there_is_told(duckdb_engine: Engine, server: objects.Objects) -> None:
    with pytest.raises(FilesAway, match="there is no such bucket"):
        Bucket("s3://nowhere/city", server.server()).check(duckdb_engine)


def asked(now: Moment, folder: Path, sql: str) -> Outcome:
    return run(job(now, sql, "json", folder / "answer", limit=10, seconds=20))


def test_analysts_are_answered_by_links_that_read_these_files_and_no_others(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str, tmp_path: Path
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    lake.take([Outbox().put(*(entity(f"urn:r:{n}", at=T0 + n, a=n) for n in range(3)))])
    lake.drain()
    lake.remove("urn:r:0")
    now = moment(lake, WHOLE, tmp_path)
    assert now.deletes, "there is a file of positions too"
    assert asked(now, tmp_path, "SELECT entity, number FROM history").rows == 4
    assert b"urn:r:1" in (tmp_path / "answer").read_bytes()
    link = next(file for file in now.files if file.startswith("http"))
    assert objects.SECRET not in link
    with urllib.request.urlopen(link) as answer:
        assert answer.read(4) == b"PAR1"
    for changed, method in (
        (link.replace(schema, "other"), "GET"),
        (link, "PUT"),
        (link, "DELETE"),
    ):
        request = urllib.request.Request(changed, b"x" if method == "PUT" else None, method=method)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
    with pytest.raises(BadRequestData):
        asked(now, tmp_path, f"SELECT * FROM read_parquet('{link}')")
    [expired] = lake._files.catalog.storage.links([f"s3://{bucket}/{schema}/lake.id"], 0)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(expired)
    lake.close()


@pytest.mark.slow
def test_an_analyst_whose_files_are_away_is_told_to_try_again_and_gets_no_link(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str, tmp_path: Path
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    lake.take([Outbox().put(entity(ROOM, a=1))])
    lake.drain()
    now = moment(lake, WHOLE, tmp_path)
    server.kill()
    try:
        with pytest.raises(Unavailable) as raised:
            asked(now, tmp_path, "SELECT count(*) FROM history")
        assert "http" not in str(raised.value)
        with pytest.raises(FilesAway) as other:
            freeze(lake, WHOLE, tmp_path)
        assert "Signature" not in str(other.value)
    finally:
        server.start()
    lake.close()


def test_a_frozen_lake_is_read_when_its_files_are_gone(
    duckdb_engine: Engine, server: objects.Objects, bucket: str, schema: str, tmp_path: Path
) -> None:
    lake = opened(duckdb_engine, schema, f"s3://{bucket}/{schema}", server.server())
    lake.take([Outbox().put(*(entity(f"urn:r:{n}", at=T0 + n, a=n) for n in range(3)))])
    lake.drain()
    lake.remove("urn:r:0")
    frozen = freeze(lake, WHOLE, tmp_path)
    lake.remove("urn:r:1")
    lake.maintain(whole=True)
    lake.close()
    read = FrozenLake(frozen, tmp_path)
    assert sorted(one.id for one in read.state(T0 + SECOND)) == ["urn:r:1", "urn:r:2"]
    read.close()
