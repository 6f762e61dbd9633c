"""Both engines side by side: writes and reads a second, and the processor each part took.

``python -m bench.store [entities]``. A group of 100 updates is a commit, as under load; a read
finds an entity that is not in memory, or a page of 20 by type and value. PostgreSQL is the one that
the tests start, on this machine, with fsync. Nothing of HTTP is in it: see bench/run.py for that.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from madang.store.engine import SqliteEngine
from madang.store.postgres.engine import PostgresEngine
from madang.store.protocol import Engine, Store
from tests.contract.city import T0, faster_than, of_type, put, vehicle
from tests.contract.cluster import Cluster, started

GROUP = 100
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pids: list[int]) -> float:
    """Return the processor time of processes and of their children that have ended. [s]"""
    found = 0
    for pid in pids:
        # One that ended meanwhile is in the time of its parent from the next look on.
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found += sum(map(int, fields[11:15]))
    return found / _TICKS


async def measure(
    name: str, count: int, work: Callable[[], Awaitable[Any]], cluster: Cluster | None
) -> None:
    """Print the rate of some work, and the processor time an operation took here and there."""
    before = cpu_of(cluster.pids()) if cluster else 0.0
    began, own = time.perf_counter(), time.process_time()
    await work()
    took, own = time.perf_counter() - began, time.process_time() - own
    there = cpu_of(cluster.pids()) - before if cluster else 0.0
    each = 1e6 / count
    cpu = f"{own * each:>10.0f} us here{there * each:>10.0f} us there"
    print(f"  {name:<28}{count / took:>10,.0f}/s{cpu}")


async def bench(engine: Engine, entities: int, cluster: Cluster | None) -> None:
    store = await engine.open("", create=True)
    assert store is not None

    async def write(speed: float) -> None:
        for first in range(0, entities, GROUP):
            some = range(first, min(first + GROUP, entities))
            await put(store, *(vehicle(n, speed=speed + n) for n in some))

    await measure("creations, 100 a commit", entities, lambda: write(0), cluster)
    await measure("updates, 100 a commit", entities, lambda: write(1), cluster)
    few = min(200, entities)
    await measure("updates, 1 a commit", few, lambda: _singly(store, few), cluster)
    await engine.close()


async def _singly(store: Store, count: int) -> None:
    for n in range(count):
        await put(store, vehicle(n, speed=-n), at=T0 + 1)


async def read(engine: Engine, entities: int, cluster: Cluster | None) -> None:
    """Read with nothing in memory yet."""
    store = await engine.open("", create=False)
    assert store is not None

    async def one_by_one() -> None:
        for n in range(0, entities, 5):
            assert await store.get(vehicle(n).id) is not None

    async def pages() -> None:
        for n in range(200):
            query = of_type(
                "Vehicle", q=faster_than(entities // 2), offset=20 * (n % 10), count=n % 10 == 0
            )
            await store.query(query, T0)

    await measure("entities by id", entities // 5, one_by_one, cluster)
    await measure("pages of 20, by type and q", 200, pages, cluster)
    await engine.close()


def main() -> None:
    entities = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with tempfile.TemporaryDirectory() as folder:
        print(f"SQLite, {entities:,} entities")
        asyncio.run(bench(SqliteEngine(Path(folder)), entities, None))
        asyncio.run(read(SqliteEngine(Path(folder)), entities, None))
    cluster = started()
    try:
        url = cluster.make("bench")
        print(f"PostgreSQL, {entities:,} entities")
        asyncio.run(bench(PostgresEngine(url), entities, cluster))
        asyncio.run(read(PostgresEngine(url), entities, cluster))
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
