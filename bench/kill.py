"""Kills a server under load so many times and says whether anything was lost or doubled.

``python bench/kill.py [200] [--seed N]``; see tests/e2e/crash.py for what is compared.
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

from tests.e2e.crash import CrashFault, crash


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kill.py", description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    given = parser.parse_args()
    print(f"seed {given.seed}")
    with TemporaryDirectory() as folder, Progress(transient=True) as progress:
        task = progress.add_task("killing", total=given.kills)
        rounds = crash(Path(folder), given.kills, given.seed, lambda: progress.advance(task))
        try:
            summary = asyncio.run(rounds)
        except CrashFault as fault:
            progress.console.print(str(fault), markup=False)
            return 1
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
