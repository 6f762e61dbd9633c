"""`madang move` takes history along: compared, resumable, and looked after where it is then."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from madang.commands.keep_lake import copy_one
from madang.commands.move_lakes import linked
from madang.hub.lakes import Lakes
from madang.lake import transfer
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.transfer import Parts, TransferError
from madang.settings import Settings
from tests.commands.test_keep_lake import TENANTS, City, _check, _furnish
from tests.contract.cluster import shared
from tests.lake.outbox import HOUR, T0, Outbox, entity

MADANG = Path(sys.executable).with_name("madang")
MONTHS = 4
fresh = count(1)


@pytest.fixture
def url() -> str:
    return shared().make(f"moved_{next(fresh)}")


def madang(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MADANG_PORT": "0", "MADANG_MQTT_PORT": "0", **settings}
    return subprocess.run(
        [str(MADANG), *words], capture_output=True, text=True, timeout=90, env=environ, check=False
    )


@pytest.mark.slow
def test_a_city_is_moved_with_its_history_and_kept_in_order_there(tmp_path: Path, url: str) -> None:
    data, files = tmp_path / "data", tmp_path / "shared"
    asyncio.run(_furnish(data))
    files.mkdir()
    done = madang("move", "--to", url, "--data", str(data), MADANG_HISTORY_PATH=str(files))
    assert done.returncode == 0, done.stdout + done.stderr
    instances = len(TENANTS) * (3 + 1)  # and that the room was made; one more waits in the outbox
    assert f"2 tenants with 2 entities and {instances} instances of history" in done.stdout
    place = {"MADANG_STORE": url, "MADANG_HISTORY_PATH": str(files)}
    told = madang("doctor", "--mend", "--data", str(data), **place).stdout
    assert f"History in default: sound, {instances // 2} rows" in told
    assert told.count("0 files that a crash had left were removed") == 2

    async def go_on() -> None:
        settings = Settings(data=data, store=url, history_path=str(files))
        async with City(data, url, files) as city:
            for number, name in enumerate(TENANTS):
                assert await city.values(name) == [number, 10, 11, 12]
                await city.write(name, 13)
                await (await city.tenant(name)).history.drain()
                assert await city.values(name) == [number, 10, 11, 12, 13]
        assert list(files.rglob("*.parquet"))
        assert {name for name, _ in Lakes(settings).existing(TENANTS)} == {
            file.parent.name for file in (data / "lake").glob("*/catalog.sqlite")
        }

    asyncio.run(go_on())
    again = madang("move", "--to", url, "--data", str(data), MADANG_HISTORY_PATH=str(files))
    assert "was moved to" in again.stdout + again.stderr
    asyncio.run(_check(data))  # the files stayed as they were


@pytest.mark.slow
def test_history_that_was_left_behind_is_not_passed_over(tmp_path: Path, url: str) -> None:
    data = tmp_path / "data"
    asyncio.run(_furnish(data, url))
    lost = SqliteCatalog(data / "lake" / "default")
    shared().execute(
        "DROP SCHEMA madang_lake_default CASCADE", url.partition("@/")[2].partition("?")[0]
    )
    (data / "lake" / "default" / "lake.id").unlink()
    engine = Engine(data / "lake" / "scratch")
    lake = DuckLake(engine, lost)
    lake.take([Outbox().put(entity("urn:ngsi-ld:Room:2", n=5))])
    lake.drain()
    lake.close()
    engine.close()
    lakes = Lakes(Settings(data=data, store=url))
    with pytest.raises(OSError, match="run `madang move`"):
        lakes.catalog("")
    done = madang("move", "--to", url, "--data", str(data), MADANG_STORE=url)
    assert "2 instances of history" in done.stdout, done.stdout + done.stderr
    assert [name for name, _ in lakes.existing([""])] == ["default"]
    lakes.catalog("").close()


def furnished(engine: Engine, folder: Path) -> DuckLake:
    lake, outbox = DuckLake(engine, SqliteCatalog(folder)), Outbox()
    for month in range(MONTHS):
        at = T0 + month * 31 * 24 * HOUR
        lake.take([outbox.put(*(entity(f"urn:r:{n}", at=at, a=n, b="x\0y") for n in range(5)))])
        lake.drain()
    lake.remove("urn:r:3")
    return lake


def test_a_move_that_was_cut_off_goes_on_and_what_differs_is_refused(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(tmp_path / "scratch")
    source = furnished(engine, tmp_path / "source")
    lakes = Lakes(Settings(data=tmp_path / "city", store=url))
    target = DuckLake(engine, lakes.in_database(""))
    copied: list[int] = []

    class CutOff(Exception):
        pass

    def cut(more: int) -> None:
        copied.append(more)
        if len(copied) == 2:
            raise CutOff

    with pytest.raises(CutOff):
        target.take_over(source, cut)
    rows = source.figures().rows
    assert 0 < target.figures().rows < rows
    assert target.drained == 0
    right = transfer._copy
    again: list[int] = []

    def counted(*arguments: object) -> None:
        again.append(1)
        right(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(transfer, "_copy", counted)
    assert target.take_over(source, lambda more: None) == rows
    assert len(again) == MONTHS - 2
    assert (target.drained, target.figures().rows) == (source.drained, rows)
    assert target.log(0, 100) == source.log(0, 100)
    assert target.kinds() == source.kinds()
    assert target.check() == []
    target.remove("urn:r:1")
    with pytest.raises(TransferError, match="2026-09"):
        target.take_over(source, lambda more: None)
    source.close()
    target.close()
    engine.close()


def test_a_copy_is_brought_from_one_state_to_the_next_whatever_was_done(
    tmp_path: Path, url: str
) -> None:
    engine = Engine(tmp_path / "scratch")
    source = furnished(engine, tmp_path / "source")
    lakes = Lakes(Settings(data=tmp_path / "city", store=url))
    target = DuckLake(engine, lakes.in_database(""))
    states = count(1)
    had: Parts = {}
    outbox = Outbox()
    outbox.last = source.drained

    def drained() -> None:
        at = T0 + 150 * 24 * HOUR
        source.take([outbox.put(*(entity(f"urn:new:{n}", at=at, a=n) for n in range(5)))])
        source.drain()

    def nothing() -> None:
        """Only the files are others than before."""
        source.maintain(whole=True)

    def loaded() -> None:
        source.load(past("urn:r:9", 40), created=T0)

    def removed(id: str) -> Callable[[], object]:
        return lambda: source.remove(id)

    steps = [drained, nothing, loaded, removed("urn:r:1"), nothing, drained, removed("urn:r:9")]
    for step in steps:
        step()
        home = tmp_path / str(next(states))
        copy_one(tmp_path / "source", home, linked)
        now = DuckLake(engine, SqliteCatalog(home))
        before = target.figures().rows
        if had:
            assert target.follow(had, now) == source.figures().rows - before
            assert target.followed > 0
        else:
            target.take_over(now, lambda more: None)
            assert target.followed == 0
        had = now.parts
        assert target.hold_to(now) == source.figures().rows == target.figures().rows
        assert (target.drained, target.kinds()) == (source.drained, source.kinds())
        now.close()
    assert target.log(0, 1_000) == source.log(0, 1_000)
    new = past("urn:r:8", 3)
    assert target.load(new, created=T0) == 3  # under numbers that are nobody else's
    assert target.check() == []
    target.remove("urn:r:2")
    with (
        closing(DuckLake(engine, SqliteCatalog(home))) as now,
        pytest.raises(TransferError, match="begin again"),
    ):
        target.hold_to(now)
    source.close()
    target.close()
    engine.close()


def past(id: str, values: int) -> pl.DataFrame:
    """Return values of an entity, an hour each, from years before all others."""
    start = T0 - 2 * 365 * 24 * HOUR
    return pl.DataFrame(
        {
            "entity": id,
            "type": "Room",
            "attribute": "a",
            "time": pl.Series([start + n * HOUR for n in range(values)]).cast(pl.Datetime("us")),
            "number": pl.int_range(values, eager=True).cast(pl.Float64),
        }
    )
