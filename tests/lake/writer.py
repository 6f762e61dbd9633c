"""A process that writes into a lake beside others; it begins when it is told to.

``python -m tests.lake.writer URL SCHEMA FOLDER BLOCKS GIVEN OWN``: of the blocks in a file it takes
some after the other and drains them, as a hub does with the outbox it shares with others; and it
loads the instances of two Parquet files.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from madang.lake.backfill import backfill
from madang.lake.catalog_postgres import PostgresCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.storage import Folder


def write(lake: DuckLake, blocks: list[tuple[int, int, bytes]], given: Path, own: Path) -> int:
    """Drain all blocks; in the middle of it, load a file that others load too, and one's own."""
    random, loaded = Random(own.name), 0
    for step in range(10_000):
        waiting = [block for block in blocks if block[0] > lake.taken]
        lake.take(waiting[: random.randint(1, 5)])
        lake.drain()
        if step == 2:
            loaded = backfill(lake, given, 1) + backfill(lake, own, 1)
        if lake.drained == blocks[-1][0] and step > 2:
            return loaded
    raise AssertionError("the outbox was not drained")


def main() -> None:
    url, schema, folder, outbox, given, own = sys.argv[1:]
    blocks = [
        (last, size, b64decode(body)) for last, size, body in json.loads(Path(outbox).read_text())
    ]
    with TemporaryDirectory() as scratch:
        engine = Engine(Path(scratch), 256)
        lake = DuckLake(engine, PostgresCatalog(url, "", schema, Folder(Path(folder), "shared")))
        print("ready", flush=True)
        sys.stdin.readline()
        print(write(lake, blocks, Path(given), Path(own)), flush=True)
        lake.close()
        engine.close()


if __name__ == "__main__":
    main()
