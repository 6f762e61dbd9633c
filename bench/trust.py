"""Measures what judging each request costs: a hub with sign-in beside one that is open.

Both servers run on core 0, never at the same time under load; runs alternate, so that what else the
machine does falls on both, and each begins when both servers have nothing left to do. The key may
read and write two types, so its reach is pushed into every query. Held to the bar is the processor
time a request takes of the server's loop, where all judging is done: others on the machine hardly
change it, and when history is moved into files, which threads do, does not either. The bar: at most
a tenth more. Of the audit log, what a record takes is measured in process.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import orjson
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import generator, machine, workload
from madang.trust.audit import Audit
from madang.trust.checkpoint import Signer
from madang.trust.events import Event
from tests.e2e.server import Server

CASES = ("get", "page", "value", "patch", "upsert")
SIZE = 10_000
CONNECTIONS = 16
BAR = 0.10
RECORDS = 5_000
RECORD_BAR_US = 50.0  # so that one core keeps 20,000 a second
RESULT = Path(__file__).parent / "results" / "trust.json"


class Cost(NamedTuple):
    """What a run showed."""

    rate: float  # [requests/s]
    cpu_us: float  # of the server's loop, for one request

    @classmethod
    def of(cls, case: str, server: Server, key: str, seconds: float) -> Self:
        """Measure one run.

        Raises:
            SystemExit: some requests failed.
        """
        before = machine.main_thread_seconds(server.pid)
        run = generator.run(
            case,
            server.url,
            server.pid,
            seconds=seconds,
            connections=CONNECTIONS,
            entities=SIZE,
            key=key,
        )
        if run.errors:
            raise SystemExit(f"{case}: {run.errors} requests failed")
        took = machine.main_thread_seconds(server.pid) - before
        return cls(run.rate, took / (run.rate * seconds) * 1e6)


def app_key(server: Server) -> str:
    """Return a key of an app that may read and write vehicles and one more type."""
    wanted = {
        "kind": "app",
        "name": "bench",
        "reads": [workload.TYPE, "AirQualityObserved"],
        "writes": [workload.TYPE, "AirQualityObserved"],
    }
    answer = server.request("POST", "/trust/keys", wanted, server.local_key())
    body = orjson.loads(answer.body)
    return str(body["key"])


async def record_us(folder: Path) -> float:
    """Return the processor time of a record of the audit log, until it is on the disk. [us]"""
    log = Audit(folder / "audit.sqlite", Signer.of(bytes(32)))
    await log.start()
    person = "urn:ngsi-ld:Person:1"
    read = Event(
        "personalRead", "person:clerk", "readEntity", targets=(person,), subjects=(person,)
    )
    began = time.process_time()
    await asyncio.gather(*(log.record(read) for _ in range(RECORDS)))
    took = time.process_time() - began
    await log.close()
    return took / RECORDS * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="pairs of runs of each case")
    parser.add_argument("--seconds", type=float, default=2, help="of each run")
    parser.add_argument("--smoke", action="store_true", help="only see that it works")
    parser.add_argument("--json", type=Path, default=RESULT, help="file for the figures")
    given = parser.parse_args()
    given.settled_s = machine.LIMIT_S
    if given.smoke:
        given.rounds, given.seconds, given.settled_s = 1, 1.0, 0.0
    console = Console(highlight=False)
    table = Table(
        "case",
        "open, 1/s",
        "with a key, 1/s",
        "open, us",
        "with a key, us",
        "more",
        "of pairs",
        "bar",
    )
    figures: dict[str, list[tuple[Cost, Cost]]] = {}
    with TemporaryDirectory() as folder:
        core = machine.server_core()
        free = Server(Path(folder) / "open", core=core)
        closed = Server(Path(folder) / "closed", core=core, open=False)
        free.start()
        closed.start()
        try:
            key = app_key(closed)
            for server, credential in ((free, ""), (closed, key)):
                workload.preload(server.port, SIZE, lambda _: None, credential)
            for case in CASES:
                found = []
                for _ in range(given.rounds):
                    pair = []
                    for server, credential in ((free, ""), (closed, key)):
                        machine.settle((free.pid, closed.pid), given.settled_s)
                        pair.append(Cost.of(case, server, credential, given.seconds))
                    found.append((pair[0], pair[1]))
                figures[case] = found
                table.add_row(case, *shown(found))
        finally:
            free.kill()
            closed.kill()
        record = asyncio.run(record_us(Path(folder)))
    console.print(table)
    verdict = "met" if record <= RECORD_BAR_US else "missed"
    console.print(
        f"a record of the audit log: {record:.1f} us, bar {RECORD_BAR_US:g} us: {verdict}"
    )
    pairs = {
        case: [[free._asdict(), held._asdict()] for free, held in found]
        for case, found in figures.items()
    }
    result = {"machine": machine.described(), "pairs": pairs, "record_us": record}
    machine.keep(given.json, result)
    return 0


def shown(pairs: list[tuple[Cost, Cost]]) -> tuple[str, ...]:
    """Return the cells of a case: medians, and the overhead as the median of the pairs'."""
    overheads = sorted(held.cpu_us / free.cpu_us - 1 for free, held in pairs)
    middle = median(overheads)
    return (
        f"{median(free.rate for free, _ in pairs):,.0f}",
        f"{median(held.rate for _, held in pairs):,.0f}",
        f"{median(free.cpu_us for free, _ in pairs):,.1f}",
        f"{median(held.cpu_us for _, held in pairs):,.1f}",
        f"{middle:+.1%}",
        f"{overheads[0]:+.1%} … {overheads[-1]:+.1%}",
        "met" if middle <= BAR else "missed",
    )


if __name__ == "__main__":
    sys.exit(main())
