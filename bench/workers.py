"""Measures how fast one, two and three workers on one PostgreSQL move history, and what it takes.

A round starts PostgreSQL, a NATS server, one hub that answers and so many workers, anew. Eight
tenants are loaded in batches, all at the same time, until each has so many vehicles of five values;
it has ended when the last value is in history's files. With ``--rules`` each tenant has a rule that
looks at every vehicle, and a round has ended when that has been told of all. Everything shares this
machine, so more workers than cores cannot move more; what a value takes of each part does travel to
other machines.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import orjson
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine, workload
from bench.hubs import City, Cpu
from bench.store import cpu_of
from madang.store.postgres.schema import schema_of
from tests.contract import cluster
from tests.e2e.nats_server import PROGRAM

TENANTS = [f"district{number}" for number in range(8)]
VALUES = 5  # of an entity
AT_ONCE = 2  # tenants that are loaded at the same time, over two connections each
SHARED_S = 4.0  # so long nobody must have handed anything over
RULE = {
    "title": {"en": "Too fast", "ko": "과속"}, "type": workload.TYPE, "attribute": "speed",
    "above": 1_000, "alert": {"severity": "high", "kind": "speed"},
}  # fmt: skip
RESULT = Path(__file__).parent / "results" / "workers.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What one round showed."""

    workers: int
    values: int
    seconds: float
    """Until all of them were in history."""
    cpu: Cpu
    each: list[float]
    """Processor time of each worker. [s]"""

    @property
    def rate(self) -> float:
        return self.values / self.seconds


def shared_out(city: City) -> None:
    """Wait until the workers have shared their duties out."""
    before: object = None
    since = time.monotonic()
    while time.monotonic() - since < SHARED_S:
        now = sorted(city.postgres.execute("SELECT work, holder FROM madang.lease", "city"))
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.2)


def waiting(city: City) -> int:
    """Return how many commits are not in history yet."""
    counts = " + ".join(f"(SELECT count(*) FROM {schema_of(name)}.outbox)" for name in TENANTS)
    [(count,)] = city.postgres.execute(f"SELECT {counts}", "city")
    return int(count)


def looked_at(city: City) -> int:
    """Return how many changes the rules of all tenants have looked at."""
    calls = 0
    for worker in city.workers:
        for name in TENANTS:
            found = worker.request("GET", "/services/rules", headers={"NGSILD-Tenant": name})
            calls += orjson.loads(found.body)["calls"]
    return calls


def run(city: City, entities: int, rules: bool) -> Run:
    """Load all tenants and wait until everything is in history, and looked at by rules."""
    for name in TENANTS:  # makes them, so that their lanes have something to do
        workload.preload(city.hubs[0].port, 1, lambda _: None, tenant=name)
        if rules:
            body, headers = {"fast": RULE}, {"NGSILD-Tenant": name}
            answer = city.hubs[0].request("PUT", "/rules", body, headers)
            assert answer.status in (200, 201, 204), answer.body
    shared_out(city)
    city.settle()
    pids = [worker.pid for worker in city.workers]
    cpu, each, began = city.cpu(), [cpu_of([pid]) for pid in pids], time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        loads = [
            threads.submit(
                workload.preload, city.hubs[0].port, entities, lambda _: None, tenant=name
            )
            for name in TENANTS
        ]
        for load in loads:
            load.result()
    while waiting(city) or (rules and looked_at(city) < len(TENANTS) * (entities - 1)):
        time.sleep(0.1)
    took = time.perf_counter() - began
    return Run(
        workers=len(pids),
        values=len(TENANTS) * entities * VALUES,
        seconds=took,
        cpu=Cpu(*(b - a for a, b in zip(cpu, city.cpu(), strict=True))),
        each=[cpu_of([pid]) - was for pid, was in zip(pids, each, strict=True)],
    )


def shown(runs: list[Run]) -> Table:
    """Return the table: middle of the rounds, and the least and the most of the rates."""
    parts = ("hubs", "worker", "postgres", "nats")
    table = Table("workers", "values/s", "least–most", *(f"{part}, us a value" for part in parts),
                  "each worker, cores", title="Everything on this machine")  # fmt: skip
    for count in sorted({one.workers for one in runs}):
        some = [one for one in runs if one.workers == count]
        rates = [one.rate for one in some]
        costs = [median(getattr(one.cpu, part) / one.values for one in some) for part in parts]
        cores = zip(*(sorted(one.each, reverse=True) for one in some), strict=True)
        took = median(one.seconds for one in some)
        table.add_row(
            str(count), f"{median(rates):,.0f}", f"{min(rates):,.0f}–{max(rates):,.0f}",
            *(f"{1e6 * cost:.1f}" for cost in costs),
            ", ".join(f"{median(core) / took:.2f}" for core in cores),
        )  # fmt: skip
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="1,2,3", help="how many, in turns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entities", type=int, default=20_000, help="of each tenant")
    parser.add_argument("--rules", action="store_true", help="a rule in each tenant")
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the figures")
    given = parser.parse_args()
    counts = [int(count) for count in given.workers.split(",")]
    settled_s = machine.LIMIT_S
    if given.smoke:
        counts, given.rounds, given.entities, settled_s = [2], 1, 1_000, 0.0
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    if PROGRAM is None or cluster.programs() is None:
        console.print("bench/workers.py needs nats-server, and PostgreSQL with PostGIS;")
        console.print("sh tools/programs.sh installs them on Debian")
        return 2
    runs: list[Run] = []
    for number in range(given.rounds):
        for count in counts:
            console.print(f"round {number + 1}, {count} workers", style="dim")
            with (
                TemporaryDirectory(prefix="workers-") as folder,
                City(Path(folder), 1, count, settled_s) as city,
            ):
                runs.append(run(city, given.entities, given.rules))
    console.print(shown(runs))
    machine.keep(
        given.json,
        {
            "machine": machine.described(),
            "runs": [{**asdict(one), "cpu": one.cpu._asdict()} for one in runs],
        },
    )
    console.print(f"written to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
