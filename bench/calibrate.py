"""Measures calibration in the demo city: a true demand that nobody knows, and what is found of it.

``python bench/calibrate.py`` makes the demo city and its demand, then perturbs that: trips from
each part of the city to each other are multiplied by a factor of their own, all of them by 1.2, and
drivers stray from the quickest way. SUMO drives it, and the counting stations count. From the
counts of three quarters of the stations the demand is fitted again, beginning with another day of
the unperturbed city; the report says how the other quarter is met. The last line is what chance
alone leaves: another day of the true demand. Writes ``bench/results/calibrate.json``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.demo import roads as demo
from madang.twin.demand import trips
from madang.twin.demand.assign import Day, assign, read
from madang.twin.demand.calibrate import calibrate
from madang.twin.demand.counts import Counts, fit
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario

RESULT = Path(__file__).parent / "results" / "calibrate.json"
BEGIN, HOURS = 7.5, 0.5
RESIDENTS, SPREAD = 50_000, 1.5


def perturbed(scenario: Scenario, day: Day, seed: int) -> Day:
    """Return a demand that differs by where trips begin and end, with a fifth more of them."""
    rng = np.random.default_rng([seed, 23])
    edges = Roads.read(scenario.net).edges
    names = np.unique(np.concatenate([day.start, day.end]))
    at = np.array([edges[str(name)].line[0] for name in names])
    cell = np.floor((at - at.min(axis=0)) / np.ptp(at, axis=0) * 2.999).astype(int)
    zone = cell[:, 0] * 3 + cell[:, 1]
    start, end = (zone[np.searchsorted(names, one)] for one in (day.start, day.end))
    times = 1.2 * np.exp(rng.normal(0, 0.35, 9)[start] + rng.normal(0, 0.35, 9)[end])
    copies = np.floor(times + rng.random(len(day))).astype(int)
    return day.some(np.repeat(np.arange(len(day)), copies))


def asked(scenario: Scenario) -> Counts:
    """Return what the counting stations will count: a quarter of an hour at a time."""
    edges = [one.id for one in Roads.read(scenario.net).edges.values()
             if one.kind == "primary" and one.length > 100]  # fmt: skip
    edges = sorted(edges)[::3]
    times = np.arange(BEGIN * 3600, (BEGIN + HOURS) * 3600, 900.0)
    start = np.tile(times, len(edges))
    return Counts(np.repeat(edges, len(times)), start, start + 900, np.zeros(len(start)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        scenario = demo.build(Path(name) / "demo", given.seed)
        counts = asked(scenario)
        days = []
        for seed in (given.seed, given.seed + 1, given.seed + 2):
            trips.write(scenario, seed, given.scale, residents=RESIDENTS)
            days.append(read(scenario.demand))
        truth = perturbed(scenario, days[0], given.seed)
        seen = assign(scenario, truth, counts, seed=5, spread=SPREAD).vehicles(len(counts))
        counts = counts.with_vehicles(seen)
        chance = assign(
            scenario, perturbed(scenario, days[2], given.seed), counts, seed=6, spread=SPREAD
        )
        began = time.perf_counter()
        found = calibrate(
            scenario, days[1], counts, rounds=given.rounds, seed=given.seed,
            tell=lambda what: print(what, flush=True),
        )  # fmt: skip
    told = found.report.told() | {
        "seconds": round(time.perf_counter() - began), "scale": given.scale,
        "true_trips": len(truth), "true_spread": SPREAD,
        "chance_alone": fit(chance.vehicles(len(counts)), counts).told(),
    }  # fmt: skip
    machine.keep(RESULT, told)
    for part in ("fitted", "held_out"):
        for when in ("before", "after"):
            print(f"{part:>9} {when:>6}: {told[part][when]}")
    print(f"   chance alone: {told['chance_alone']}")
    print(f"trips {told['trips']}, true {len(truth)}; spread {found.spread}, true {SPREAD}")


if __name__ == "__main__":
    main()
