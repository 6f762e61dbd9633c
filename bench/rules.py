"""Measures how many changes a second rules without code take, in this process and on one core.

A thousand rules of all kinds are told of values that go up and down as those of sensors do: spread
over the types of a city, all on the same attribute, and each on a sensor of its own. What the hub
needs to write alerts is not in it; making them is.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from madang.hub.feed import Event
from madang.services.ground import Kept
from madang.services.past import Past
from madang.services.rules.service import service
from madang.services.run import Run

BAR = 5_000  # changes a second
START = 1_795_000_000_000_000
STEP_US = 200  # between two changes: 5,000 a second
TYPES, ATTRIBUTES, ENTITIES = 20, 5, 5_000
ALERT: dict[str, Any] = {"alert": {"severity": "high"}}
KINDS: list[dict[str, Any]] = [
    {"above": 90.0, "back": 80.0},
    {"below": 10.0, "for": "5m"},
    {"above": 85.0, "hours": "22:00-06:00", "days": "mon-fri"},
    {"above": 80.0, "near": {"point": [127.0, 37.5], "metres": 2000.0}},
    {"rises": 30.0, "within": "10m"},
    {"silent": "1h"},
    {"above": 85.0, "together": 20},
    {"above": {"attribute": "q0", "plus": 60.0}},
    {"is_not": [50.0, 51.0], "for": "1h", "together": "all"},
    {"below": 5.0, "for": "1m", "hours": "08:00-18:00"},
]


def spread(many: int) -> dict[str, Any]:
    """Return rules over all types and attributes, of all kinds."""
    found: dict[str, Any] = {}
    for n in range(many):
        place = n // len(KINDS)
        kind = KINDS[n % len(KINDS)]
        attribute = f"q{place // TYPES % ATTRIBUTES}"
        if isinstance(kind.get("above"), dict) and attribute == "q0":
            attribute = "q1"
        found[f"r{n}"] = {"type": f"T{place % TYPES}", "attribute": attribute, **kind, **ALERT}
    return found


def on_one_attribute(many: int) -> dict[str, Any]:
    """Return rules with limits of their own on the same attribute of the same type."""
    limits = [80 + 40 * n / many for n in range(many)]
    return {
        f"r{n}": {"type": "T0", "attribute": "q0", "above": limit, "back": limit - 5, **ALERT}
        for n, limit in enumerate(limits)
    }


def on_each_sensor(many: int) -> dict[str, Any]:
    """Return rules of which each names one sensor."""
    found: dict[str, Any] = {}
    for n in range(many):
        id = f"urn:ngsi-ld:T{n % TYPES}:{n}"
        kind = {"type": f"T{n % TYPES}", "attribute": "q0", "ids": [id]}
        found[f"r{n}"] = {**kind, "above": 80.0, "for": "1m", **ALERT}
    return found


def events(many: int, types: int) -> list[Event]:
    """Return changes of one attribute each, in walks around 50 that seldom go beyond 20 to 80."""
    choose = random.Random(1)
    walks: dict[tuple[int, int], float] = {}
    found = []
    for number in range(1, many + 1):
        which, attribute = choose.randrange(ENTITIES), choose.randrange(ATTRIBUTES)
        last = walks.get((which, attribute), choose.gauss(50, 9))
        walks[which, attribute] = value = round(50 + 0.9 * (last - 50) + choose.gauss(0, 4), 2)
        type, name = f"T{which % types}", f"q{attribute}"
        id = f"urn:ngsi-ld:{type}:{which}"
        put = {"id": id, "type": type, name: {"type": "Property", "value": value}}
        at = START + number * STEP_US
        found.append(Event(number, "updated", at, id, (type,), (name,), (), put))
    return found


def city(types: int) -> Past:
    """Return the city below: all sensors with their places."""
    choose, ground = random.Random(2), Past()
    for which in range(ENTITIES):
        type = f"T{which % types}"
        point = [127.0 + choose.uniform(-0.1, 0.1), 37.5 + choose.uniform(-0.1, 0.1)]
        place = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": point}}
        id = f"urn:ngsi-ld:{type}:{which}"
        ground.write({"id": id, "type": type, "location": place}, START)
    return ground


async def rate(rules: dict[str, Any], some: list[Event], ground: Past) -> tuple[float, int]:
    """Return changes a second of the processor, and how many effects they had."""
    run = Run(service, ground, service.given({"rules": rules}), Kept(0, START))
    effects = 0
    began = time.process_time()
    for event in some:
        await run.change(event)
        if len(run.effects) >= 200:
            effects += len(run.effects)
            run.effects.clear()
    return len(some) / (time.process_time() - began), effects + len(run.effects)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000)
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    table = Table(
        f"{given.rules:,} rules", "changes/s: median (least-most)", "effects", "bar", title=""
    )
    cases = [("of all kinds", spread, TYPES), ("on one attribute", on_one_attribute, 1),
             ("each on one sensor", on_each_sensor, TYPES)]  # fmt: skip
    for name, make, types in cases:
        some, ground = events(given.changes, types), city(types)
        found = [asyncio.run(rate(make(given.rules), some, ground)) for _ in range(given.runs)]
        rates = [one for one, _ in found]
        spread_ = f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"
        table.add_row(name, spread_, f"{found[0][1]:,}", f"{BAR:,}")
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
