"""History is part of a backup: every change once, wherever it lay when the copy was made."""

from __future__ import annotations

import asyncio
import io
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from madang.commands.keep import BackupError, backup, restore
from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.lake.questions import Wanted
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store import engine_of
from tests.contract.cluster import shared

pytestmark = pytest.mark.slow

fresh = count(1)
TENANTS = ("", "강남구/1")
ROOM = "urn:ngsi-ld:Room:1"


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


class City:
    """A hub over one data folder."""

    def __init__(self, data: Path, store: str = "", files: Path | None = None) -> None:
        settings = Settings(
            data=data, store=store, history_path=str(files or ""), history_drain_s=3600
        )
        self._tenants = Tenants(settings)
        self.hub = Hub(engine_of(settings), self._tenants.make)

    async def __aenter__(self) -> City:
        await self.hub.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.close()
        await self._tenants.close()

    async def tenant(self, name: str) -> Tenant:
        return await self.hub.tenant(name, create=True)

    async def write(self, name: str, *values: int) -> None:
        for value in values:
            content = normalized({"id": ROOM, "type": "Room", "n": value}, CORE)
            await (await self.tenant(name)).write([Upsert(ROOM, content, update=True)])

    async def values(self, name: str) -> list[int]:
        history = (await self.tenant(name)).history
        pasts = await history.read(lambda lake: lake.pasts(Wanted()).entities)
        return [one.value for past in pasts for one in past.instances]


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Return where the state is, and with it the catalog of history."""
    return "" if request.param == "embedded" else shared().make(f"keep_{next(fresh)}")


async def _furnish(data: Path, store: str = "") -> None:
    async with City(data, store) as city:
        for number, name in enumerate(TENANTS):
            await city.write(name, number, 10, 11)
            await (await city.tenant(name)).history.drain()
            await city.write(name, 12)


async def _check(data: Path, store: str = "") -> None:
    async with City(data, store) as city:
        for number, name in enumerate(TENANTS):
            assert await city.values(name) == [number, 10, 11, 12]
            await city.write(name, 13)
            await (await city.tenant(name)).history.drain()
            assert await city.values(name) == [number, 10, 11, 12, 13]


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_history_comes_back_with_the_state(tmp_path: Path, name: str, store: str) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    asyncio.run(_furnish(data, store))
    backup(Settings(data=data, store=store), tmp_path / name, console())
    restore(other, tmp_path / name, force=False, console=console())
    asyncio.run(_check(other))


def test_a_backup_of_a_running_hub_has_every_change_once(tmp_path: Path, store: str) -> None:
    data = tmp_path / "data"
    settings = Settings(data=data, store=store)

    async def run() -> int:
        async with City(data, store) as city:
            await city.write("", *range(20))
            await (await city.tenant("")).history.drain()
            copying = asyncio.create_task(
                asyncio.to_thread(backup, settings, tmp_path / "copy", console())
            )
            written = 20
            while not copying.done():
                await city.write("", written)
                written += 1
                await (await city.tenant("")).history.drain()
            await copying
            return written

    written = asyncio.run(run())
    restore(tmp_path / "other", tmp_path / "copy", force=False, console=console())

    async def check() -> None:
        async with City(tmp_path / "other") as city:
            values = await city.values("")
            assert sorted(values) == list(range(len(values)))
            assert 20 <= len(values) <= written

    asyncio.run(check())


def test_a_damaged_lake_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncio.run(_furnish(data))
    backup(Settings(data=data), tmp_path / "copy", console())
    file = next((tmp_path / "copy" / "lake").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BackupError, match="checksum"):
        restore(tmp_path / "other", tmp_path / "copy", force=False, console=console())
    file.unlink()
    with pytest.raises(BackupError, match="not those its manifest names"):
        restore(tmp_path / "other", tmp_path / "copy", force=False, console=console())


def test_an_older_state_beside_a_newer_lake_loses_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncio.run(_furnish(data))
    backup(Settings(data=data), tmp_path / "copy", console())

    async def go_on() -> None:
        async with City(data) as city:
            await city.write("", 13, 14)
            await (await city.tenant("")).history.drain()

    asyncio.run(go_on())
    (tmp_path / "copy" / "state" / "default.sqlite").replace(data / "state" / "default.sqlite")

    async def check() -> None:
        async with City(data) as city:
            await city.write("", 99)
            assert sorted(await city.values("")) == [0, 10, 11, 12, 13, 14, 99]

    asyncio.run(check())
