"""Measures what the kit of services adds to each change, in this process and on one core.

A service is told of changes that were made before: of a type that it does not follow, of one that
it follows but whose condition does not hold, with a function that does nothing, and with one that
updates an entity. What the hub needs to write the update is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
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
from madang.services.city import Change, City
from madang.services.ground import Kept
from madang.services.run import Run
from madang.services.service import Service, Text
from tests.services.test_run import Nothing

BAR_US = 50
START = 1_795_000_000_000_000
NAME = Text("Bench", "측정")


def service(does: str) -> Service:
    made = Service("bench", title=NAME, purpose=NAME, category="other")
    types = {"another type": "Tree", "condition not met": "Bench", "nothing": "Bench"}
    where = "load>1000000" if does == "condition not met" else ""

    @made.on(types.get(does, "Bench"), attributes=["load"], where=where)
    async def told(city: City, change: Change) -> None:
        if does == "an update":
            city.update(change.id, "Bench", seen=change.put["load"])

    return made


def events(many: int) -> list[Event]:
    return [
        Event(number, "updated", START + number, f"urn:ngsi-ld:Bench:{number % 1000}", ("Bench",),
              ("load",), (), {"id": f"urn:ngsi-ld:Bench:{number % 1000}", "type": "Bench",
                              "load": {"type": "Property", "value": number}})
        for number in range(1, many + 1)
    ]  # fmt: skip


async def cost(does: str, some: list[Event]) -> float:
    """Return what one change takes of the processor. [us]"""
    ground: Any = Nothing()
    made = service(does)
    run = Run(made, ground, made.given({}), Kept(0, START))
    began = time.process_time()
    for event in some:
        await run.change(event)
        if len(run.effects) >= 200:
            run.effects.clear()
    return (time.process_time() - began) / len(some) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    some = events(given.changes)
    table = Table("a change of, or with a function that does", "us: median (least-most)", "bar")
    for does in ("another type", "condition not met", "nothing", "an update"):
        found = [asyncio.run(cost(does, some)) for _ in range(given.runs)]
        spread = f"{median(found):.1f} ({min(found):.1f}-{max(found):.1f})"
        table.add_row(does, spread, str(BAR_US))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
