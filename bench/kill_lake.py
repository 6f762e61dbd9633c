"""Kills a process that drains, merges, loads and deletes history, and compares what is left.

``python bench/kill_lake.py [100] [--seed N]``; see tests/e2e/lake_crash.py for what is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import Progress

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.lake_crash import LakeFault, crash


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kill_lake.py", description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    given = parser.parse_args()
    print(f"seed {given.seed}")
    with TemporaryDirectory() as folder, Progress(transient=True) as progress:
        task = progress.add_task("killing", total=given.kills)
        data = Path(folder) / "data"
        try:
            book = asyncio.run(crash(data, given.kills, given.seed, lambda: progress.advance(task)))
        except LakeFault as fault:
            progress.console.print(str(fault), markup=False)
            return 1
    done = ", ".join(f"{count:,} {kind}" for kind, count in sorted(book.kinds.items()))
    print(f"{given.kills} kills, none lost, none doubled (acknowledged: {done})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
