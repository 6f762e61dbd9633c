"""Measures the emergency corridor: response times with and without it, and how traffic recovers.

``python bench/corridor.py`` builds the demo city in a folder of its own unless one is given, and
drives missions through its evening peak: each a pair of simulations with the same seed, the same
people and the same way, one with the corridor and one without, one simulation at a time. Prints the
pairs and the means with 95 % confidence intervals, and writes ``bench/results/corridor.json``.

``plan``: signals follow their fixed plans, which are coordinated along the avenues. ``cognitive``:
all follow the controller, in both drives of a pair. Responders drive up to 1.4 times the limit and
stop at red.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from madang.demo.crashes import made
from madang.demo.measured import each_alone, spread
from madang.demo.missions import Mission, respond

RESULT = Path(__file__).parent / "results" / "corridor.json"
NORMAL = 0.05  # queues are as without the corridor if their mean is at most so much longer


def pairs(found: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return drives without and with the corridor, by seed and time."""
    by_key: dict[tuple[int, float], dict[bool, dict[str, Any]]] = {}
    for one in found:
        by_key.setdefault((one["seed"], one["depart"]), {})[one["helped"]] = one
    return [(one[False], one[True]) for _, one in sorted(by_key.items()) if len(one) == 2]


def recovery(both: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return how much longer queues on the way were after the arrival with the corridor."""
    rows = []
    for minute in range(-6, 19):
        longer, usual = [], []
        for without, with_ in both:
            at = int(with_["arrived"] // 60) + minute
            if at in without["queues"] and at in with_["queues"]:
                longer.append(with_["queues"][at] - without["queues"][at])
                usual.append(without["queues"][at])
        if len(longer) == len(both):
            rows.append((minute, fmean(usual), spread(longer)))
    normal = next(
        (
            minute for place, (minute, _, _) in enumerate(rows)
            if minute >= 0 and all(more.mean <= NORMAL * usual or more.mean - more.half <= 0
                                   for _, usual, more in rows[place : place + 3])
        ),
        None,
    )  # fmt: skip
    return {
        "minutes_until_normal": normal,
        "minutes": [
            {"minute": minute, "standing_without": round(usual, 1), "more": more.mean,
             "half": more.half}
            for minute, usual, more in rows
        ],
    }  # fmt: skip


def report(control: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    both = pairs(found)
    saved = [100 * (with_["seconds"] / without["seconds"] - 1) for without, with_ in both]
    print(f"\n{control}: {len(both)} pairs")
    print("seed  metres  signals  without s (stops)   with s (stops)   change")
    for (without, with_), change in zip(both, saved, strict=True):
        print(
            f"{without['seed']:4} {without['metres']:7} {without['signals']:8}"
            f" {without['seconds']:10.0f} ({without['stops']}) {with_['seconds']:14.0f}"
            f" ({with_['stops']}) {change:+10.1f} %"
        )
    total = 100 * (sum(w["seconds"] for _, w in both) / sum(o["seconds"] for o, _ in both) - 1)
    others = [100 * (with_["delay_s"] / without["delay_s"] - 1) for without, with_ in both]
    back = recovery(both)
    print(f"response time: {spread(saved)} %, all together {total:+.1f} %")
    print(f"delay of motor vehicles that set out meanwhile: {spread(others)} %")
    print(f"queues on the way as without it {back['minutes_until_normal']} min after arrival")
    for row in back["minutes"]:
        print(f"  {row['minute']:+3} min: {row['standing_without']:6.1f} {row['more']:+6.1f}"
              f" ± {row['half']:.1f}")  # fmt: skip
    return {
        "pairs": [
            {name: [without[name], with_[name]] for name in
             ("seed", "metres", "signals", "seconds", "stops", "standing_s", "delay_s", "pending")}
            for without, with_ in both
        ],
        "change_percent": spread(saved)._asdict(), "change_of_sum_percent": round(total, 1),
        "delay_of_all_change_percent": spread(others)._asdict(), "recovery": back,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="of the city; made there if it is not")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=1, help="seed")
    parser.add_argument("--hours", type=float, nargs="+", default=[18.0])
    parser.add_argument("--control", nargs="+", default=["plan", "cognitive"])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULT)
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        folder = made(folder)
        found: dict[str, list[dict[str, Any]]] = {}
        jobs = [
            Mission(str(folder), seed, 3600 * hour, control, helped)
            for control in given.control
            for seed in range(given.first, given.first + given.seeds)
            for hour in given.hours
            for helped in (False, True)
        ]
        began = time.monotonic()
        for number, one in enumerate(each_alone(respond, jobs, given.processes), 1):
            found.setdefault(one["control"], []).append(one)
            print(f"{number}/{len(jobs)} {time.monotonic() - began:.0f} s: {one['control']}"
                  f" seed {one['seed']} {'with' if one['helped'] else 'without'}:"
                  f" {one['seconds']:.0f} s, {one['stops']} stops, {one['running']} vehicles,"
                  f" {one['pending']} pending", flush=True)  # fmt: skip
    result = {"machine": machine.described(), **{c: report(c, some) for c, some in found.items()}}
    machine.keep(given.json, result)


if __name__ == "__main__":
    main()
