"""Writes, drains, merges, loads and deletes history until it is killed; says what was done.

Each line on its output is an acknowledgement: ``w ENTITY VALUE``, ``l VALUE`` (a file with that
number of rows was loaded), ``d ENTITY`` (its history was deleted). ``? …`` announces one.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import polars

from madang.hub.hub import Hub
from madang.hub.operations import Upsert
from madang.hub.tenants import Tenants
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.settings import Settings
from madang.store.engine import SqliteEngine

ENTITIES = 5
NAME = "urn:ngsi-ld:Probe:{}"
LOADED = "urn:ngsi-ld:Loaded:1"


def loaded(first: int, rows: int) -> polars.DataFrame:
    """Return a frame to load, with a number for each row."""
    return polars.DataFrame(
        {
            "entity": [LOADED] * rows,
            "type": ["Loaded"] * rows,
            "attribute": ["n"] * rows,
            "time": [(first + n) * 1_000_000 for n in range(rows)],
            "number": [float(first + n) for n in range(rows)],
        }
    ).with_columns(polars.col("time").cast(polars.Datetime("us")))


async def work(folder: Path, first: int) -> None:
    """Do one thing after another, for ever; values begin at ``first`` and rise."""
    tenants = Tenants(Settings(data=folder, history_drain_s=3600))
    hub = Hub(SqliteEngine(folder / "state"), tenants.make)
    await hub.start()
    tenant = await hub.tenant("", create=True)
    history = tenant.history
    value = first
    while True:
        match random.choices("wdmlx", (60, 20, 10, 5, 5))[0]:
            case "w":
                for _ in range(random.randint(1, 20)):
                    id = NAME.format(random.randrange(ENTITIES))
                    print("? w", id, value, flush=True)
                    content = normalized({"id": id, "type": "Probe", "n": value}, CORE)
                    await tenant.write([Upsert(id, content, update=True)])
                    print("w", id, value, flush=True)
                    value += 1
            case "d":
                await history.drain()
            case "m":
                await history.change(lambda lake: lake.maintain(whole=random.random() < 0.5))
            case "l":
                frame = loaded(value, 50)
                print("? l", value, flush=True)
                await history.change(lambda lake: lake.load(frame, created=1))  # noqa: B023
                print("l", value, flush=True)
                value += 50
            case _:
                id = NAME.format(random.randrange(ENTITIES))
                print("? d", id, flush=True)
                await history.change(lambda lake: lake.remove(id, "n"))  # noqa: B023
                print("d", id, flush=True)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
