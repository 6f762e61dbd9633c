"""Measures how much faster than real time a service is replayed on recorded history.

Smart parking is played on eleven weeks of thirty car parks in Birmingham (recorded data; without
it, on as many made-up ones), out of a lake on the disk: reading the state at the start, telling it
of every change, writing its effects in memory, with one setting and with two side by side.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.frozen import freeze
from madang.query.reach import WHOLE
from madang.services.parking.service import service
from madang.services.replay.replay import Job, replay
from tests.recorded import DATA
from tests.services.test_replay import birmingham

BAR = 1_000
RESULT = Path(__file__).parent / "results" / "replay.json"
DAYS = 80
DAY = 86_400_000_000
FILE = DATA / "mobility" / "parking" / "birmingham_2016.csv.gz"
SETTINGS = [{"period_days": 7, "time_zone": "Europe/London", "step_up": up} for up in (0.25, 0.5)]


def made_up() -> pl.DataFrame:
    """Return half-hourly counts of thirty car parks."""
    start = 1_475_539_200_000_000
    rows = [
        (f"urn:ngsi-ld:OffStreetParking:{park}", "OffStreetParking", start + slot * 1_800_000_000,
         name, value)
        for park in range(30)
        for slot in range(DAYS * 16)
        for name, value in (("totalSpotNumber", 400.0),
                            ("occupiedSpotNumber", float((slot * 37 + park * 11) % 400)))
    ]  # fmt: skip
    frame = pl.DataFrame(rows, ["entity", "type", "time", "attribute", "number"], orient="row")
    return frame.with_columns(pl.col("time").cast(pl.Datetime("us")))


async def once(lake: DuckLake, start: int, runs: int, folder: Path) -> tuple[float, Any]:
    """Return how long a replay takes [s], and what came of it."""
    began = time.perf_counter()
    frozen = freeze(lake, WHOLE, folder)
    options = [service.given(one).model_dump(mode="json") for one in SETTINGS[:runs]]
    job = Job("parking", options, start, start + DAYS * DAY, frozen, str(folder))
    found = await replay(service, job, lambda _part, _changes: None)
    return time.perf_counter() - began, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="one short run, writes no results")
    given = parser.parse_args()
    rows = birmingham(FILE) if FILE.exists() else made_up()
    start = int(rows.select(pl.col("time").min().cast(pl.Int64)).item()) - DAY
    table = Table(
        "smart parking, 80 days", "changes", "s: median (least-most)", "x real time", "bar"
    )
    results: dict[str, Any] = {
        "machine": machine.described(),
        "recorded": FILE.exists(),
        "bar": BAR,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = Engine(folder / "scratch")
        lake = DuckLake(engine, SqliteCatalog(folder / "lake"))
        lake.load(rows, created=start + 90 * DAY)
        for runs in (1, 2):
            took, changes = [], 0
            for turn in range(1 if given.smoke else given.runs):
                place = folder / f"{runs}-{turn}"
                place.mkdir()
                seconds, found = asyncio.run(once(lake, start, runs, place))
                took.append(seconds)
                changes = found["changes"]
                assert all(run["failure"] is None for run in found["runs"])
            times = DAYS * 86_400 / median(took)
            spread = f"{median(took):.2f} ({min(took):.2f}-{max(took):.2f})"
            label = "one setting" if runs == 1 else "two side by side"
            table.add_row(label, f"{changes:,}", spread, f"{times:,.0f}", f"{BAR:,}")
            results[label] = {"changes": changes, "seconds": took, "times_real_time": round(times)}
        lake.close()
        engine.close()
    Console().print(table)
    if not given.smoke:
        machine.keep(RESULT, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
