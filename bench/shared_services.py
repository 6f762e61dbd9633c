"""Measures what the services of one tenant cost at one worker, and at two that share them.

A round starts PostgreSQL, a NATS server, one hub that answers and one or two workers, anew. Four
services, one a lane, follow all changes of 300 stations of five values each: rules and air look at
each of them, parking and incidents have nothing to do with them. The stations are written again and
again, one batch after the other, at a rate that the machine can do, and the round has ended when
each service has come to the last change: who falls behind reads history, which would be measured
too. A round without services tells what else the workers do. Everything shares this machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine, workload
from bench.hubs import City
from bench.store import cpu_of
from bench.workers import shared_out
from madang.model.time import render
from tests.contract import cluster
from tests.e2e.nats_server import PROGRAM
from tests.e2e.server import Server

SERVICES = ("rules", "air", "parking", "incidents")
NEVER = {"type": "AirQualityObserved", "attribute": "pm25", "above": 1e6,
         "alert": {"severity": "high"}}  # fmt: skip
STATIONS = 300
BEGIN_S = 1_790_000_000
RESULT = Path(__file__).parent / "results" / "shared_services.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What one round showed."""

    workers: int
    services: bool
    changes: int
    seconds: float
    """Until each service had looked at the last change."""
    each: list[float]
    """Processor time of each worker. [s]"""


def batch(number: int) -> bytes:
    """Return new values of all stations."""
    at = render((BEGIN_S + number) * 1_000_000)

    def value(amount: float) -> dict[str, Any]:
        return {"type": "Property", "value": amount, "observedAt": at}

    return orjson.dumps([
        {"id": f"urn:ngsi-ld:AirQualityObserved:{one}", "type": "AirQualityObserved",
         "pm25": value((number + one) % 50), "pm10": value((number + one) % 80),
         "no2": value((number + one) % 40), "o3": value((number + one) % 90),
         "temperature": value((number + one) % 30)}
        for one in range(STATIONS)
    ])  # fmt: skip


def asked(server: Server, method: str, path: str, body: object = None) -> Any:
    """Return what a hub answers, which must be good."""
    answer = server.request(method, path, body)
    if answer.status >= 300:
        raise workload.Refused(f"{method} {path} was answered {answer.status}: {answer.body!r}")
    return answer.json()


def positions(city: City) -> Iterator[tuple[int, int]]:
    """Yield of each service at which worker it works, and which change it has come to."""
    for name in SERVICES:
        for number, worker in enumerate(city.workers):
            found = asked(worker, "GET", f"/services/{name}")["position"]
            if found is not None:
                yield number, found


def run(city: City, batches: int, rate: float, services: bool) -> Run:
    """Write all batches, and wait until everybody has looked at them."""
    hub = city.hubs[0]
    workload.post(hub.port, workload.UPSERT, batch(0), (201, 204))
    if services:
        asked(hub, "PUT", "/rules", {"never": NEVER})
        for name in SERVICES:
            asked(hub, "PATCH", f"/services/{name}", {"on": True})
    shared_out(city)
    if services and len({worker for worker, _ in positions(city)}) < len(city.workers):
        raise workload.Refused("a worker has no service")
    city.settle()
    pids = [worker.pid for worker in city.workers]
    each, began = [cpu_of([pid]) for pid in pids], time.perf_counter()
    for number in range(1, batches + 1):
        workload.post(hub.port, workload.UPSERT, batch(number), (201, 204))
        time.sleep(max(0.0, began + number * STATIONS / rate - time.perf_counter()))
    last = asked(hub, "GET", "/ui/pulse")["position"]
    while services and min(position for _, position in positions(city)) < last:
        time.sleep(0.1)
    took = time.perf_counter() - began
    city.settle()
    spent = [cpu_of([pid]) - was for pid, was in zip(pids, each, strict=True)]
    return Run(len(pids), services, batches * STATIONS, took, spent)


def shown(runs: list[Run]) -> Table:
    """Return the table: middle of the rounds, and the least and the most of the rates."""
    table = Table("workers", "services", "changes/s", "least–most", "all workers, us a change",
                  "each worker, us a change", title="Everything on this machine")  # fmt: skip
    for kind in sorted({(one.workers, one.services) for one in runs}):
        some = [one for one in runs if (one.workers, one.services) == kind]
        rates = [one.changes / one.seconds for one in some]
        costs = [sorted((1e6 * each / one.changes for each in one.each), reverse=True)
                 for one in some]  # fmt: skip
        table.add_row(
            str(kind[0]), "four" if kind[1] else "none", f"{median(rates):,.0f}",
            f"{min(rates):,.0f}–{max(rates):,.0f}", f"{median(map(sum, costs)):.0f}",
            ", ".join(f"{median(each):.0f}" for each in zip(*costs, strict=True)),
        )  # fmt: skip
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5_000, help="changes a second")
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the figures")
    given = parser.parse_args()
    kinds = [(1, True), (2, True), (1, False), (2, False)]
    if given.smoke:
        kinds, given.rounds, given.batches = [(2, True)], 1, 10
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    if PROGRAM is None or cluster.programs() is None:
        console.print("bench/shared_services.py needs nats-server, and PostgreSQL with PostGIS;")
        console.print("sh tools/programs.sh installs them on Debian")
        return 2
    runs: list[Run] = []
    for number in range(given.rounds):
        for workers, services in kinds:
            console.print(f"round {number + 1}, {workers} workers, {services=}", style="dim")
            with (
                TemporaryDirectory(prefix="services-") as folder,
                City(Path(folder), 1, workers) as city,
            ):
                runs.append(run(city, given.batches, given.rate, services))
    console.print(shown(runs))
    machine.keep(
        given.json, {"machine": machine.described(), "runs": [asdict(one) for one in runs]}
    )
    console.print(f"written to {given.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
