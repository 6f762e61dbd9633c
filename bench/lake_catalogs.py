"""Measures history with its catalog in SQLite and in PostgreSQL, and with files in a bucket.

Drains, loads, answer times. ``python -m bench.lake_catalogs [ROWS]``; the servers are those of the
tests, on this machine.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.lake import PART, QUANTITIES, SENSORS, answers, backfill, blocks, one_day
from madang.lake.bucket import Bucket
from madang.lake.catalog import Catalog, SqliteCatalog
from madang.lake.catalog_postgres import PostgresCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.storage import Folder, Storage
from tests.contract import objects
from tests.contract.cluster import started

SHOWN = ("one sensor's day, instances", "one sensor's day, hourly")
SMALL = 30  # drains of 500 changes each


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, engine: Engine, make: Callable[[str], Catalog], rows: int) -> None:
    """Print what one kind of catalog takes."""
    lake = DuckLake(engine, make("drained"))
    waiting = list(blocks(200 + SMALL))
    took = 0.0
    for start in range(0, 200, 20):
        lake.take(waiting[start : start + 20])
        took += seconds(lake.drain)
    drained = lake.figures().rows
    small = []
    for block in waiting[200:]:
        lake.take([block])
        small.append(seconds(lake.drain))
    lake.close()
    print(f"{name}: drain {drained / took:,.0f} rows/s in drains of 100,000 rows")
    print(f"{name}: a drain of 5,000 rows {median(small) * 1000:.1f} ms")
    lake = DuckLake(engine, make("loaded"))
    with TemporaryDirectory() as folder:
        print(f"{name}: backfill {backfill(engine, lake, Path(folder), rows):,.0f} rows/s")
    for question, took in answers(lake).items():
        if question in SHOWN:
            print(f"{name}: {question} {took:.1f} ms")
    lake.close()
    with TemporaryDirectory() as folder:
        other = Engine(Path(folder))  # has nothing of the files in memory
        lake = DuckLake(other, make("loaded"))
        took = seconds(lambda: lake.pasts(one_day("quantity3"))) * 1000
        print(f"{name}: one sensor's day, instances, the first question of a process {took:.1f} ms")
        lake.close()
        other.close()


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else SENSORS * QUANTITIES * PART
    print("load of the machine before:", " ".join(f"{one:.2f}" for one in os.getloadavg()))
    cluster, server = started(), objects.started()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        engine = Engine(place / "scratch")
        try:
            measure("sqlite", engine, lambda name: SqliteCatalog(place / name), rows)
            url = cluster.make("bench")

            def shared(schema: str, storage: Storage) -> Catalog:
                return PostgresCatalog(url, "", schema, storage)

            measure(
                "postgres",
                engine,
                lambda name: shared(f"lake_{name}", Folder(place / f"shared_{name}", "shared")),
                rows,
            )
            bucket = f"s3://{server.bucket()}"
            measure(
                "bucket",
                engine,
                lambda name: shared(f"bucket_{name}", Bucket(f"{bucket}/{name}", server.server())),
                rows,
            )
        finally:
            engine.close()
            cluster.stop()
            server.end()


if __name__ == "__main__":
    main()
