"""Kills a process in the midst of drains, merges, loads and deletions, and compares what is left.

Used by tests/e2e/test_kill_lake.py and bench/kill_lake.py.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

from madang import doctor
from madang.hub.hub import Hub
from madang.hub.tenants import Tenants
from madang.lake.protocol import Lake
from madang.lake.questions import Wanted
from madang.query.tree import Query
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from tests.e2e.lake_child import LOADED

ROOT = Path(__file__).parents[2]
SAID = ("?", "w", "l", "d")  # the rest of the output is its log
Found = dict[str, list[float]]


class LakeFault(AssertionError):
    """Something acknowledged is not in history once, or the lake is not sound."""


class Book:
    """What must be in history: of each entity its values, and what was under way."""

    def __init__(self) -> None:
        self.values: dict[str, set[float]] = {}
        self.acknowledged = 0
        self.kinds: dict[str, int] = {}

    def read(self, lines: list[str]) -> list[str]:
        """Note acknowledgements; return the announcement that was not kept, if any."""
        open: list[str] = []
        for line in lines:
            words = line.split()
            if words[0] == "?":
                open = words[1:]
            else:
                self._done(words)
                open = []
        return open

    def _done(self, words: list[str]) -> None:
        self.acknowledged += 1
        self.kinds[words[0]] = self.kinds.get(words[0], 0) + 1
        match words:
            case ["w", id, value]:
                self.values.setdefault(id, set()).add(float(value))
            case ["l", first]:
                more = {float(int(first) + n) for n in range(50)}
                self.values.setdefault(LOADED, set()).update(more)
            case ["d", id]:
                self.values.pop(id, None)

    def settle(self, found: Found, open: list[str]) -> list[str]:
        """Compare with what was found; take over what was under way and has happened."""
        faults = [f"{id} has a value twice" for id, v in found.items() if len(v) != len(set(v))]
        if open:
            before = {id: set(values) for id, values in self.values.items()}
            self._done(open)
            if not self._equals(found):
                self.values = before
        if not self._equals(found):
            for id in sorted(self.values.keys() | found.keys()):
                known, there = self.values.get(id, set()), set(found.get(id, ()))
                if known != there:
                    lost, more = sorted(known - there)[:5], sorted(there - known)[:5]
                    faults.append(f"{id}: {lost} are lost, {more} are too many; open: {open}")
        return faults

    def _equals(self, found: Found) -> bool:
        return self.values == {id: set(values) for id, values in found.items() if values}


async def crash(folder: Path, kills: int, seed: int, tick: Callable[[], None]) -> Book:
    """Start, kill and compare so many times; return what was acknowledged.

    Raises:
        LakeFault: something is not as it must be.
    """
    random, book, first = Random(seed), Book(), 0
    for _ in range(kills):
        log = folder.with_name("child.log")
        seconds = 1.5 + random.random() * 4
        lines = await asyncio.to_thread(_run, folder, first, log, seconds)
        open = book.read(lines)
        numbers = [int(line.split()[-1]) for line in lines if line.split()[0] in "wl"]
        found, faults = await _look(folder)
        faults += book.settle(found, open)
        if faults:
            raise LakeFault("\n".join([*faults[:20], log.read_text()[-2000:]]))
        first = max([first, *numbers]) + 1000
        tick()
    if faults := await _mended(folder):
        raise LakeFault("\n".join(faults))
    return book


async def _mended(folder: Path) -> list[str]:
    """Mend as ``madang doctor --mend`` does; return the files that no catalog knows then."""
    faults = [str(one) for one in await doctor.mend(Settings(data=folder)) if one.verdict != "good"]
    for catalog in (folder / "lake").glob("*/catalog.sqlite"):
        with closing(sqlite3.connect(catalog)) as connection:
            known = {
                Path(path).name
                for table in ("data_file", "delete_file", "files_scheduled_for_deletion")
                for (path,) in connection.execute(f"SELECT path FROM ducklake_{table}")
            }
        files = list(catalog.parent.rglob("*.parquet"))
        faults += [f"{file} belongs to nothing" for file in files if file.name not in known]
        faults += [] if files else [f"{catalog} has no files"]
    return faults


def _run(folder: Path, first: int, log: Path, seconds: float) -> list[str]:
    """Let a child work for some time, kill it, and return what it said."""
    command = [sys.executable, "-m", "tests.e2e.lake_child", str(folder), str(first)]
    with log.open("wb") as errors:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT)
        time.sleep(seconds)
        child.kill()
        output = child.communicate()[0].decode()
    return [line for line in output.split("\n")[:-1] if line.split(" ")[0] in SAID]


async def _look(folder: Path) -> tuple[Found, list[str]]:
    """Return what history holds, and what is wrong with the lake."""
    tenants = Tenants(Settings(data=folder, history_drain_s=3600))
    hub = Hub(SqliteEngine(folder / "state"), tenants.make)
    await hub.start()
    tenant = await hub.tenant("", create=True)

    def ask(lake: Lake) -> tuple[Found, list[str]]:
        pasts = lake.pasts(Wanted(Query(limit=100), attributes=("n",))).entities
        return {past.id: [one.value for one in past.instances] for past in pasts}, lake.check()

    began = time.monotonic()
    found, faults = await tenant.history.read(ask)
    if time.monotonic() - began > 60:
        faults.append("history took more than a minute to be there again")
    await hub.close()
    await tenants.close()
    return found, faults
