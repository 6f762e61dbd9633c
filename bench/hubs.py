"""Measures one, two and three hubs on one PostgreSQL: rates, and the processor each part took.

A round starts PostgreSQL, a NATS server, so many hubs that answer (role ``api``), and a worker,
anew, and loads each hub with a generator (wrk) of its own, with 16 connections. All of it shares
this machine, so more hubs than cores cannot answer more; what an operation takes of each part does
travel to other machines. A part's processor time is taken while the load goes on, but the worker's
until it has moved into history what was written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import generator, machine, workload
from bench.store import cpu_of
from tests.contract import cluster
from tests.e2e.nats_server import PROGRAM, NatsServer
from tests.e2e.server import Server

CASES = {"value": 0, "radius": 0, "get": 0, "page": 0, "patch": 1, "upsert": 100, "create": 1}
"""Scripts in bench/wrk, and how many entities a request of each changes.

Queries come first: they end in a rollback, which PostgreSQL counts up to a second later, and those
of the commits are counted too.
"""
SIZE = 10_000
CONNECTIONS = 16
RESULT = Path(__file__).parent / "results" / "hubs.json"


class Cpu(NamedTuple):
    """Processor time of each part. [s]"""

    hubs: float
    worker: float
    postgres: float
    nats: float
    generator: float


class Log(NamedTuple):
    """How far the database has come."""

    tried: int
    """Commits that hubs have begun."""
    undone: int
    """Transactions that were rolled back: what they went by had changed."""
    bytes: int
    """Of its write-ahead log."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one case showed in one round."""

    hubs: int
    case: str
    seconds: float
    requests: int
    errors: int
    p50_ms: float
    """Of all generators, the middle one's."""
    p99_ms: float
    """Of all generators, the slowest one's."""
    cpu: Cpu
    log: Log

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    @property
    def changes(self) -> int:
        return self.requests * CASES[self.case]


class City:
    """The engines and hubs of one round, until it is closed.

    Args:
        folder: for data and logs.
        count: of hubs that answer.
        workers: how many do what is done once for all.
        settled_s: wait so long at most until nothing is left to do from before.
    """

    def __init__(
        self, folder: Path, count: int, workers: int = 1, settled_s: float = machine.LIMIT_S
    ) -> None:
        self._settled_s = settled_s
        with ExitStack() as parts:
            self.postgres = cluster.started()
            parts.callback(shutil.rmtree, self.postgres.folder, ignore_errors=True)
            parts.callback(self.postgres.stop)
            self.nats = NatsServer()
            self.nats.start()
            parts.callback(self.nats.kill)
            environ = {
                "MADANG_STORE": self.postgres.make("city"),
                "MADANG_BUS": self.nats.url,
                "MADANG_BUS_PASSWORD": self.nats.password,
                "MADANG_SECRET_KEY": "0123456789abcdef0123456789abcdef",
                "MADANG_HISTORY_PATH": str(folder / "history"),
                "MADANG_HISTORY_DRAIN_S": "1",  # or what one case wrote falls on the next
            }
            names = [f"worker{number}" for number in range(workers)]
            self.workers = [Server(folder / name, environ=environ, role="worker") for name in names]
            names = [f"hub{number}" for number in range(count)]
            self.hubs = [Server(folder / name, environ=environ, role="api") for name in names]
            for server in (*self.workers, *self.hubs):
                server.start()
                parts.callback(server.kill)
            self._parts = parts.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def settle(self) -> None:
        """Wait until the workers have moved everything into history."""
        machine.settle([worker.pid for worker in self.workers], self._settled_s)

    def cpu(self) -> Cpu:
        children = os.times()
        return Cpu(
            hubs=cpu_of([hub.pid for hub in self.hubs]),
            worker=cpu_of([worker.pid for worker in self.workers]),
            postgres=cpu_of(self.postgres.pids()),
            nats=cpu_of([self.nats.pid]),
            generator=children.children_user + children.children_system,
        )

    def log(self) -> Log:
        [(tried, undone, written)] = self.postgres.execute(
            "SELECT (SELECT sum(number) FROM madang_default.turn)::bigint,"
            " (SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()),"
            " (pg_current_wal_lsn() - '0/0')::bigint",
            "city",
        )
        return Log(tried, undone, written)

    def run(self, case: str, seconds: float) -> Run:
        """Load every hub at the same time; nothing may be left to do from before."""
        cpu, log, began = self.cpu(), self.log(), time.perf_counter()
        with ThreadPoolExecutor(len(self.hubs)) as threads:
            loads = [
                threads.submit(_load, case, hub, seconds, number)
                for number, hub in enumerate(self.hubs)
            ]
            found = [load.result() for load in loads]
        took, after = time.perf_counter() - began, self.cpu()
        self.settle()
        after = after._replace(worker=self.cpu().worker)
        return Run(
            hubs=len(self.hubs),
            case=case,
            seconds=took,
            requests=round(sum(run.rate for run in found) * took),
            errors=sum(run.errors for run in found),
            p50_ms=median(run.p50_ms for run in found),
            p99_ms=max(run.p99_ms for run in found),
            cpu=Cpu(*(b - a for a, b in zip(cpu, after, strict=True))),
            log=Log(*(b - a for a, b in zip(log, self.log(), strict=True))),
        )

    def idle(self, seconds: float) -> Cpu:
        """Return what each part takes in a second in which nobody asks for anything."""
        self.settle()
        before = self.cpu()
        time.sleep(seconds)
        return Cpu(*((b - a) / seconds for a, b in zip(before, self.cpu(), strict=True)))


def _load(case: str, hub: Server, seconds: float, number: int) -> generator.Run:
    return generator.run(
        case,
        hub.url,
        hub.pid,
        seconds=seconds,
        connections=CONNECTIONS,
        entities=SIZE,
        number=number,
    )


def measure(given: argparse.Namespace, console: Console) -> tuple[list[Run], dict[int, list[Cpu]]]:
    """Run all rounds; return what each case showed, and what idle parts take by count of hubs."""
    runs: list[Run] = []
    idle: dict[int, list[Cpu]] = {count: [] for count in given.hubs}
    for number in range(given.rounds):
        for count in given.hubs:
            console.print(f"round {number + 1}, {count} hubs", style="dim")
            with (
                TemporaryDirectory(prefix="hubs-") as folder,
                City(Path(folder), count, settled_s=given.settled_s) as city,
            ):
                workload.preload(city.hubs[0].port, SIZE, lambda _: None)
                idle[count].append(city.idle(given.seconds))
                runs += [city.run(case, given.seconds) for case in CASES]
    return runs, idle


def shown(runs: list[Run], idle: dict[int, list[Cpu]]) -> list[Table]:
    """Return the tables: middle of the rounds, and the least and the most of the rates."""
    rates = Table("request", "hubs", "requests/s", "least–most", "p50 ms", "p99 ms", "errors",
                  *(f"{part}, cores" for part in Cpu._fields),
                  title="Everything on this machine")  # fmt: skip
    costs = Table("request", "hubs", *(f"{part}, s" for part in Cpu._fields), "changes a commit",
                  "commits done again", "log, bytes a change",
                  title="Processor time of 1,000 requests")  # fmt: skip
    for case in CASES:
        for count in idle:
            some = [run for run in runs if (run.case, run.hubs) == (case, count)]
            rates.add_row(case, str(count), *_rate(some))
            costs.add_row(case, str(count), *_cost(some))
        rates.add_section()
        costs.add_section()
    for count, found in idle.items():
        parts = [f"{median(part):.3f}" for part in zip(*found, strict=True)]
        rates.add_row("nothing", str(count), *([""] * 5), *parts)
    return [rates, costs]


def _rate(runs: list[Run]) -> list[str]:
    rates = [run.rate for run in runs]
    return [
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}–{max(rates):,.0f}",
        f"{median(run.p50_ms for run in runs):.1f}",
        f"{median(run.p99_ms for run in runs):.1f}",
        str(sum(run.errors for run in runs)),
        *(f"{_middle(runs, lambda run, n=n: run.cpu[n] / run.seconds):.2f}"  # type: ignore[misc]
          for n in range(len(Cpu._fields))),
    ]  # fmt: skip


def _cost(runs: list[Run]) -> list[str]:
    parts = [
        f"{_middle(runs, lambda run, n=n: run.cpu[n] / run.requests * 1000):.3f}"  # type: ignore[misc]
        for n in range(len(Cpu._fields))
    ]
    if not runs[0].changes:
        return [*parts, "", "", ""]
    return [
        *parts,
        f"{_middle(runs, lambda run: run.changes / (run.log.tried - run.log.undone)):.1f}",
        f"{_middle(runs, lambda run: run.log.undone / run.log.tried):.1%}",
        f"{_middle(runs, lambda run: run.log.bytes / run.changes):,.0f}",
    ]


def _middle(runs: list[Run], figure: Callable[[Run], float]) -> float:
    return median(figure(run) for run in runs)


def saved(runs: list[Run], idle: dict[int, list[Cpu]]) -> dict[str, Any]:
    """Return everything, for a file."""
    return {
        "machine": machine.described(),
        "runs": [
            {**asdict(run), "cpu": run.cpu._asdict(), "log": run.log._asdict()} for run in runs
        ],
        "idle": {str(count): [one._asdict() for one in found] for count, found in idle.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hubs", default="1,2,3", help="how many answer, in turns")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each case")
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the figures")
    given = parser.parse_args()
    given.hubs = [int(count) for count in given.hubs.split(",")]
    given.settled_s = machine.LIMIT_S
    if given.smoke:
        given.hubs, given.rounds, given.seconds, given.settled_s = [2], 1, 1.0, 0.0
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    if shutil.which("wrk") is None or PROGRAM is None or cluster.programs() is None:
        console.print("bench/hubs.py needs wrk, nats-server, and PostgreSQL with PostGIS;")
        console.print("sh tools/programs.sh installs them on Debian")
        return 2
    runs, idle = measure(given, console)
    for table in shown(runs, idle):
        console.print(table)
    machine.keep(given.json, saved(runs, idle))
    errors = sum(run.errors for run in runs)
    console.print(f"written to {given.json}; answers that were wrong: {errors}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
