"""Our signal controller on the RESCO benchmark: an adapter for a harness that drives SUMO.

    python resco_bench.py --controller bench.resco:make --scenarios cologne3 --seeds 10
    python bench/resco.py --harness resco_bench.py --nets nets/RESCO --seeds 10

RESCO: J. Ault and G. Sharon, Reinforcement Learning Benchmarks for Traffic Signal Control, NeurIPS
Datasets and Benchmarks 2021. The harness is not part of this repository; what it hands over (fixed
facts and detector states of each signal) is turned here into what the controller knows, and no
more. Nothing is trained: a controller begins each run knowing nothing of the demand. The second
form runs max pressure, SUMO's actuated logic and ours by turns, and writes every run to
``bench/results/resco.json`` as it ends; with ``--resume`` it goes on with what is there.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.services.signals.controller import Controller, Options
from madang.services.signals.signal import Phase, Seen, Signal, Vehicle

RESULTS = Path(__file__).parent / "results" / "resco.json"
CITIES = ["cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"]
OURS = "bench.resco:make"
CONTROLLERS = ["max_pressure", "actuated", OURS]


def signal_of(spec: Any) -> Signal:
    """Return a signal from what the harness says of it."""
    phases = tuple(Phase(state) for state in spec.phases)
    plan = tuple(
        (spec.phases.index(state), max(float(seconds), 5.0))
        for seconds, state in spec.programme
        if state in spec.phases
    )
    return Signal(
        spec.id, phases, spec.links, spec.in_lanes, spec.out_lanes, spec.lane_length,
        spec.lane_speed, plan, spec.feeds, float(spec.yellow), 0.0,
    )  # fmt: skip


def seen_of(state: Any) -> Seen:
    """Return what detectors see."""

    def vehicles(lane: Any) -> tuple[Vehicle, ...]:
        return tuple(Vehicle(v.distance, v.speed, v.wait, v.vclass) for v in lane.vehicles)

    return Seen(
        state.phase, state.elapsed,
        {lane: vehicles(one) for lane, one in state.lanes.items()},
        {lane: vehicles(one) for lane, one in state.out.items()},
    )  # fmt: skip


def make(
    specs: Mapping[str, Any], seed: int
) -> Callable[[float, Mapping[str, Any]], dict[str, int]]:
    """Return what the harness calls every ten seconds."""
    options = Options(**json.loads(os.environ.get("RESCO_OPTIONS", "{}")))
    controller = Controller({id: signal_of(spec) for id, spec in specs.items()}, seed, options)

    def decide(t: float, states: Mapping[str, Any]) -> dict[str, int]:
        choices = controller.decide(t, {id: seen_of(state) for id, state in states.items()})
        return {id: choice.phase for id, choice in choices.items()}

    return decide


def runs(
    harness: Path,
    nets: Path,
    cities: list[str],
    controllers: list[str],
    seeds: list[int],
    procs: int,
    done: list[dict[str, Any]],
) -> None:
    """Run controllers, but not what is done already, and write what is there after each run."""
    sys.path.insert(0, str(harness.parent))
    known = {(one["scenario"], one["controller"], one["seed"]) for one in done}
    jobs: list[dict[str, Any]] = [
        {
            "scenario": city, "controller": controller, "seed": seed, "nets": str(nets),
            "step": None, "yellow": None, "scale": 1, "range": 200, "edge_only": False,
            "depart": "resco", "sumo_args": [],
        }
        for seed in seeds
        for city in cities
        for controller in controllers
        if (city, controller, seed) not in known
    ]  # fmt: skip
    facts = machine.described()
    run = importlib.import_module(harness.stem).run_one
    with get_context("spawn").Pool(procs, maxtasksperchild=1) as pool:
        for one in pool.imap_unordered(run, jobs, chunksize=1):
            done.append(one)
            done.sort(key=lambda each: (each["scenario"], each["controller"], each["seed"]))
            machine.keep(RESULTS, {"machine": facts, "runs": done})
            print(
                one["scenario"], one["controller"], one["seed"], round(one["delay"], 2), flush=True
            )
    show(done)


def show(done: list[dict[str, Any]]) -> None:
    """Print median and worst delay, vehicles that never got in, and ours to the better one."""
    for city in CITIES:
        median: dict[str, float] = {}
        for controller in CONTROLLERS:
            own = [
                one for one in done if one["scenario"] == city and one["controller"] == controller
            ]
            if own:
                delays = [one["delay"] for one in own]
                median[controller] = statistics.median(delays)
                never = max(one["never_departed"] for one in own)
                print(
                    f"{city:13} {controller:16} {len(own):2} seeds"
                    f"  median {median[controller]:7.2f}  least {min(delays):7.2f}"
                    f"  worst {max(delays):7.2f}  never in {never}"
                )
        if len(median) == len(CONTROLLERS):
            better = min(median[one] for one in CONTROLLERS if one != OURS)
            print(f"{city:13} ours to the better of the others {median[OURS] / better:.2f}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--harness", type=Path, required=True, help="resco_bench.py")
    parser.add_argument("--nets", type=Path, required=True, help="folder of the networks")
    parser.add_argument("--cities", nargs="+", default=CITIES, choices=CITIES)
    parser.add_argument("--controllers", nargs="+", default=CONTROLLERS, choices=CONTROLLERS)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--procs", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="keep the runs of the results")
    given = parser.parse_args()
    done = json.loads(RESULTS.read_text())["runs"] if given.resume and RESULTS.exists() else []
    seeds = list(range(1, given.seeds + 1))
    runs(
        given.harness, given.nets, given.cities, given.controllers, seeds, given.procs, done
    )  # fmt: skip


if __name__ == "__main__":
    main()
