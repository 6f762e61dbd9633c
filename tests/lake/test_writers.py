"""Processes write into one lake whose catalog is in PostgreSQL; nothing is lost or double."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import polars
import pytest

from madang.lake.catalog import CatalogAway
from madang.lake.catalog_postgres import PostgresCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.questions import Wanted
from madang.lake.storage import MARKER, Folder
from madang.query.tree import Query, Selector
from tests.contract import cluster
from tests.contract.lakes import database
from tests.lake.outbox import SECOND, T0, Outbox, entity

ROOT = Path(__file__).parents[2]
CHANGES, LOADED = 200, 50
ROOM = "urn:ngsi-ld:Room:1"
fresh = count(1)


@pytest.fixture
def schema() -> str:
    return f"madang_lake_writers_{next(fresh)}"


def opened(engine: Engine, schema: str, folder: Path, url: str = "") -> DuckLake:
    return DuckLake(
        engine, PostgresCatalog(url or database(), "", schema, Folder(folder, "shared"))
    )


def values(lake: DuckLake, id: str = ROOM) -> list[object]:
    wanted = Wanted(Query(selectors=(Selector(ids=(id,)),)), ("a",))
    return [one.value for past in lake.pasts(wanted).entities for one in past.instances]


def frame(file: Path, id: str) -> Path:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    rows = {
        "entity": [id] * LOADED,
        "type": ["Sensor"] * LOADED,
        "attribute": ["a"] * LOADED,
        "time": [start + timedelta(days=n) for n in range(LOADED)],
        "number": [float(n) for n in range(LOADED)],
    }
    polars.DataFrame(rows).write_parquet(file)
    return file


def started(schema: str, folder: Path, *files: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.lake.writer", database(), schema, str(folder)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*command, *map(str, files)], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_two_processes_drain_and_load_at_once_and_a_third_one_reads(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    folder, outbox = tmp_path / "lake", Outbox()
    for n in range(CHANGES):
        outbox.put(entity(ROOM, at=T0 + n * SECOND, a=n))
    blocks = tmp_path / "blocks.json"
    blocks.write_text(json.dumps([(*b[:2], b64encode(b[2]).decode()) for b in outbox.blocks]))
    both = frame(tmp_path / "both.parquet", "urn:both")
    reader = opened(duckdb_engine, schema, folder)
    writers = []
    for n in range(2):
        (tmp_path / f"{n}").mkdir()
        own = frame(tmp_path / f"{n}" / f"own{n}.parquet", f"urn:own:{n}")
        given = tmp_path / f"{n}" / "both.parquet"
        given.write_bytes(both.read_bytes())
        writers.append(started(schema, folder, blocks, given, own))
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seen = [0]
    while any(process.poll() is None for process in writers):
        found = values(reader)
        assert found == list(range(len(found)))
        assert len(found) >= seen[-1]
        seen.append(len(found))
    told = [process.communicate()[0].split()[-1] for process in writers]
    assert [process.returncode for process in writers] == [0, 0]
    assert sum(map(int, told)) == 3 * LOADED, "what both have loaded came once"
    assert values(reader) == list(range(CHANGES))
    assert [one.seq for one in reader.log(0, 10 * CHANGES)] == list(range(1, CHANGES + 1))
    for id in ("urn:both", "urn:own:0", "urn:own:1"):
        assert values(reader, id) == list(range(LOADED))
    with reader.reading() as cursor:
        [(rows, numbers)] = cursor.execute(
            "SELECT count(*), count(DISTINCT (seq, attribute)) FROM history"
        ).fetchall()
        assert rows == numbers == CHANGES + 1 + 3 * (LOADED + 1)
    assert len(set(seen)) > 2, "the reader saw it grow"
    assert reader.check() == []
    reader.close()


def test_what_one_drained_the_other_neither_repeats_nor_misses(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    outbox = Outbox()
    one = opened(duckdb_engine, schema, tmp_path / "lake")
    other = opened(duckdb_engine, schema, tmp_path / "lake")
    for n in range(4):
        outbox.put(entity(ROOM, at=T0 + n, a=n))
    one.take(outbox.blocks[:3])
    other.take(outbox.blocks[:2])
    assert other.drain() == 2
    assert values(one) == [0, 1, 2]
    assert one.drain() == 3
    assert values(other) == [0, 1, 2]
    assert (other.taken, other.drained, other.waiting) == (3, 3, 0)
    other.take(outbox.blocks)
    assert other.drain() == 4
    assert values(one) == [0, 1, 2, 3]
    assert {kind.attribute for kind in one.kinds()} == {"a"}
    one.remove(ROOM)
    assert values(other) == []
    other.maintain(whole=True)
    assert values(one) == []
    one.close()
    other.close()


def test_numbers_that_nobody_gave_before(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    one = opened(duckdb_engine, schema, tmp_path / "lake")
    other = opened(duckdb_engine, schema, tmp_path / "lake")
    for n, lake in enumerate((one, other, one)):
        lake.load(frame(tmp_path / f"{n}.parquet", f"urn:s:{n}"), created=T0)
    with one.reading() as cursor:
        told = "SELECT count(*), count(DISTINCT seq), max(seq) FROM history"
        assert cursor.execute(told).fetchall() == [(3 * (LOADED + 1), 3 * (LOADED + 1), -1)]
    one.close()
    other.close()


def test_a_folder_of_another_city_or_without_its_disk_is_refused(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    lake = opened(duckdb_engine, schema, tmp_path / "lake")
    lake.take([Outbox().put(entity(ROOM, a=1))])
    lake.drain()
    lake.close()
    with pytest.raises(OSError, match="mount the right folder there"):
        opened(duckdb_engine, schema, tmp_path / "elsewhere")
    with pytest.raises(OSError, match="history of another city"):
        opened(duckdb_engine, f"{schema}_other", tmp_path / "lake")
    assert (tmp_path / "lake" / MARKER).exists()


def test_nobody_mends_while_another_one_writes(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    one = opened(duckdb_engine, schema, tmp_path / "lake")
    other = opened(duckdb_engine, schema, tmp_path / "lake")
    with pytest.raises(OSError, match="another process has the history"):
        one.mend()
    other.close()
    assert one.mend() == 0
    one.close()


@pytest.mark.slow
def test_a_database_that_restarts_loses_and_doubles_nothing(
    duckdb_engine: Engine, schema: str, tmp_path: Path
) -> None:
    server = cluster.started()
    try:
        lake = opened(duckdb_engine, schema, tmp_path / "lake", server.url())
        outbox = Outbox()
        for n in range(3):
            lake.take([outbox.put(entity(ROOM, at=T0 + n, a=n))])
            lake.drain()
            server.stop()
            with pytest.raises(CatalogAway):
                values(lake)
            lake.take([outbox.put(entity(ROOM, at=T0 + n, b=n))])
            with pytest.raises(OSError, match="history"):
                lake.drain()
            server.start()
            assert values(lake) == list(range(n + 1))
        lake.close()
    finally:
        cluster._end(server)
