"""Measures the green wave: groups of five bicycles over five junctions, and what cars pay for it.

``python bench/green_wave.py`` builds the demo city in a folder of its own unless one is given.
Every 200 s a group of five sets out on the avenue with a bicycle lane, each way. It counts
as unbroken if none of its riders falls below 1 m/s before the fifth junction is passed. Drives are
pairs of the same seed with and without the wave. Writes ``bench/results/green_wave.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.demo.crashes import made
from madang.demo.measured import each_alone, spread
from madang.demo.rides import Ride, ride

RESULT = Path(__file__).parent / "results" / "green_wave.json"


def report(control: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    by_seed: dict[int, dict[bool, dict[str, Any]]] = {}
    for one in found:
        by_seed.setdefault(one["seed"], {})[one["helped"]] = one
    both = [(one[False], one[True]) for one in by_seed.values() if len(one) == 2]
    shares = [
        100 * sum(pair[helped]["unbroken"] for pair in both)
        / max(1, sum(pair[helped]["groups"] for pair in both))
        for helped in (0, 1)
    ]  # fmt: skip
    delays = [100 * (with_["delay_s"] / without["delay_s"] - 1) for without, with_ in both]
    groups = [sum(pair[helped]["groups"] for pair in both) for helped in (0, 1)]
    print(f"\n{control}: {len(both)} pairs, {groups[0]} and {groups[1]} groups")
    print(f"without a stop: {shares[0]:.1f} % without the wave, {shares[1]:.1f} % with it")
    print(f"delay of motor vehicles: {spread(delays)} %")
    return {
        "pairs": both, "groups": groups, "unbroken_percent": shares,
        "delay_change_percent": spread(delays)._asdict(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of the city; made there if it is not")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=1, help="seed")
    parser.add_argument("--hour", type=float, default=14.0)
    parser.add_argument("--control", nargs="+", default=["plan", "cognitive"])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULT)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        folder = made(folder)
        jobs = [
            Ride(str(folder), seed, 3600 * given.hour, control, helped)
            for control in given.control
            for seed in range(given.first, given.first + given.seeds)
            for helped in (False, True)
        ]
        found: dict[str, list[dict[str, Any]]] = {}
        began = time.monotonic()
        for number, one in enumerate(each_alone(ride, jobs, given.processes), 1):
            found.setdefault(one["control"], []).append(one)
            print(f"{number}/{len(jobs)} {time.monotonic() - began:.0f} s: {one}", flush=True)
    result = {"machine": machine.described(), **{c: report(c, some) for c, some in found.items()}}
    machine.keep(given.json, result)


if __name__ == "__main__":
    main()
