"""Measures the people twin: a weekday of a million residents at one-minute steps.

``python bench/people.py`` makes a city up, draws its residents, their day, the state of each at
each of 1,440 minutes, and how many are where at what by minute and district; by turns with one
process and with two. It prints time, processor time, peak memory and their spread over runs, and
what ten million would take, and writes ``bench/results/people.json``. With ``--ray ADDRESS`` it
measures on Ray as well (``local`` begins it here, which is part of the time; its processes are not
ours, so their memory is not told); without Ray installed the table says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.twin.people import figures, places, run, town
from madang.twin.people.day import day
from madang.twin.people.population import Population
from madang.twin.people.presence import STATES, minutes, presence

RESULT = Path(__file__).parent / "results" / "people.json"
SEED, DISTRICTS = 1, 100
BAR_S, BAR_GB = 60.0, 4.0
LARGE = 10_000_000


def lived(population: Population) -> NDArray[np.int32]:
    """Let a block live its day, minute by minute; return its presence."""
    of = population.town.places
    activities = day(population, True, SEED)
    states = minutes(activities)
    counts = presence(activities, of.district, len(of.districts))
    for minute in range(0, 1440, 97):  # the minutes of each are the minutes that are counted
        there = np.bincount(states[:, minute], minlength=len(STATES))
        assert (there == counts[minute].sum(axis=0)).all()
    return counts


def once(residents: int, workers: int, ray: str) -> dict[str, float]:
    """Measure a day in a process of its own, so that memory is that day's alone."""
    command = [sys.executable, __file__, "--once", "--residents", str(residents),
               "--workers", str(workers), "--ray", ray]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(residents: int, workers: int, ray: str) -> dict[str, float]:
    began = time.perf_counter()
    where = town.town(places.made(residents, DISTRICTS, SEED), figures.korea())
    total = sum(run.each(where, residents, SEED, lived, workers=workers, ray=ray))
    took = time.perf_counter() - began
    assert (np.asarray(total).sum(axis=(1, 2)) == residents).all()
    own = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = own.ru_maxrss + (workers * theirs.ru_maxrss if workers > 1 else 0)
    processor = own.ru_utime + own.ru_stime + theirs.ru_utime + theirs.ru_stime
    return {"seconds": took, "processor_s": processor, "peak_gb": peak * 1024 / 1e9}


def report(residents: int, repeat: int, ray: str) -> dict[str, Any]:
    """Measure each way so many times, by turns, and print a table."""
    ways = [("processes", 1, ""), ("processes", 2, "")]
    if ray:
        ways += [("ray", 1, ray), ("ray", 2, ray)]
    runs: dict[tuple[str, int, str], list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(repeat):
        for way in ways:
            runs[way].append(once(residents, way[1], way[2]))
    rows = []
    for (kind, workers, _), several in runs.items():
        seconds = [one["seconds"] for one in several]
        rows.append({
            "by": kind, "workers": workers, "residents": residents, "runs": repeat,
            "seconds": {"median": round(statistics.median(seconds), 1),
                        "least": round(min(seconds), 1), "most": round(max(seconds), 1)},
            "processor_s": None if kind == "ray" else round(
                statistics.median(one["processor_s"] for one in several), 1),
            "peak_gb": None if kind == "ray" else round(max(one["peak_gb"] for one in several), 2),
            "projected_10_million_s": round(statistics.median(seconds) * LARGE / residents),
        })  # fmt: skip
    return {
        "what": "a weekday at one-minute steps: residents drawn, their days, each minute, presence",
        "bar": {"seconds": BAR_S, "gb": BAR_GB},
        "ray_installed": importlib.util.find_spec("ray") is not None,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--residents", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ray", default="")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        machine.prefer(-10)
        print(json.dumps(measured(given.residents, given.workers, given.ray)))
        return
    found = report(given.residents, given.repeat, given.ray)
    machine.keep(RESULT, found)
    for row in found["rows"]:
        s = row["seconds"]
        print(
            f"{row['residents']:,} residents, {row['workers']} {row['by']}: {s['median']} s"
            f" ({s['least']} to {s['most']})"
            + (
                ""
                if row["peak_gb"] is None
                else f", processor {row['processor_s']} s, peak {row['peak_gb']} GB"
            )
            + f"; ten million: about {row['projected_10_million_s']} s"
        )
    if not found["ray_installed"]:
        print("Ray is not installed: measured with processes only")


if __name__ == "__main__":
    main()
