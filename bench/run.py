"""Measures Madang: requests a second, answer times, memory, start, notifications.

The server runs on core 0, the generator (wrk) and everything else on core 1. Prints tables with the
bar beside each figure and writes JSON to bench/results. See docs/reference/benchmarks.md.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import cases, generator, machine, notify, workload
from bench.cases import Case
from bench.generator import Run
from bench.report import Figure, Report, Value, notify_values
from tests.e2e.server import Server, free_port

RESULTS = Path(__file__).parent / "results"
CONNECTIONS = 16
EXTRAS = ("idle", "start", "notify")
SETTLE_S = 1.0  # after a start and before anything is measured
DRAINED_S = 180.0  # so long what was loaded, or written by the case before, may take into history


class Bench:
    """One measurement from beginning to end."""

    def __init__(self, given: argparse.Namespace, folder: Path, progress: Progress) -> None:
        self.seconds: float = given.seconds
        self.runs: int = given.runs
        self.notify_seconds: float = given.notify_seconds
        self.drained_s: float = given.drained_s
        self.cases: list[Case] = given.cases
        self.extras: set[str] = given.extras
        self.folder = folder
        self.progress = progress
        self.report = Report(machine.described())

    def floor(self) -> None:
        """Measure a server that does nothing, and the disk."""
        self._say("bare server")
        port = free_port()
        command = [sys.executable, str(Path(__file__).with_name("floor.py")), str(port)]
        core = machine.server_core()
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        process = subprocess.Popen(command)
        try:
            time.sleep(1)
            self.report.floor = self._run("floor", f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.kill()
            process.wait()
        syncs = machine.syncs_per_second(self.folder)
        self.report.values.append(Value("disk: synced appends a second", syncs, "1/s"))

    def idle(self) -> None:
        """Measure an empty server that nobody asks anything."""
        self._say("idle server")
        with Server(self.folder / "idle", core=machine.server_core()) as server:
            time.sleep(SETTLE_S)
            rss, own = machine.memory_mb(server.pid)
        self.report.values += [
            Value("memory, empty and idle", rss, "MB", cases.IDLE_BAR_MB),
            Value("memory, empty and idle, own (no mapped files)", own, "MB"),
        ]

    def size(self, size: int) -> None:
        """Measure all cases with one number of entities."""
        server = Server(self.folder / f"size-{size}", core=machine.server_core())
        server.start()
        try:
            self._preload(server, size)
            for case in self.cases:
                if size >= case.least:
                    self.report.figures.append(self._figure(server, case, size))
            if size >= cases.LARGE:
                self._large(server, size)
        finally:
            server.kill()
            shutil.rmtree(server.data, ignore_errors=True)

    def _preload(self, server: Server, size: int) -> None:
        task = self.progress.add_task(f"loading {size:,} entities", total=size)
        began = time.perf_counter()
        workload.preload(server.port, size, lambda count: self.progress.advance(task, count))
        took = time.perf_counter() - began
        self.progress.remove_task(task)
        if size >= cases.GROWTH_FROM:
            name = f"loading {size:,} entities, batches of {workload.BATCH:,}"
            self.report.values.append(Value(name, size / took, "entities/s"))

    def _figure(self, server: Server, case: Case, size: int) -> Figure:
        task = self.progress.add_task(f"{case.title}, {size:,} entities", total=self.runs)
        machine.settle([server.pid], self.drained_s)
        runs = []
        for _ in range(self.runs):
            runs.append(self._run(case.name, server.url, server.pid, entities=size))
            self.progress.advance(task)
        alone = None
        if case.alone_ms is not None:
            alone = self._run(case.name, server.url, server.pid, connections=1, entities=size)
        self.progress.remove_task(task)
        figure = Figure(case, size, runs, alone)
        self._say(f"{size:>9,}  {case.title:26} {figure.rate:>10,.0f}/s  errors {figure.errors}")
        return figure

    def _run(
        self, script: str, url: str, pid: int, connections: int = CONNECTIONS, entities: int = 0
    ) -> Run:
        return generator.run(
            script, url, pid, seconds=self.seconds, connections=connections, entities=entities
        )

    def _large(self, server: Server, size: int) -> None:
        """Measure memory after all cases, and how long a start takes."""
        values = self.report.values
        rss, own = machine.memory_mb(server.pid)
        name = f"memory with {size:,} entities"
        values.append(Value(f"{name}, after all cases", rss, "MB", cases.MEMORY_BAR_MB))
        values.append(Value(f"{name}, own (no mapped files)", own, "MB"))
        if "start" not in self.extras:
            return
        name = f"start with {size:,} entities"
        self._say(name)
        server.stop()
        values.append(Value(f"{name}, after a stop", server.start(60), "s", cases.START_BAR_S))
        server.kill()
        values.append(Value(f"{name}, after kill -9", server.start(60), "s", cases.START_BAR_S))

    def notifications(self) -> None:
        """Measure how long changes take to a subscriber."""
        self._say(f"notifications at {cases.NOTIFY_RATE:,} changes/s")
        seen = notify.measure(self.folder, cases.NOTIFY_RATE, self.notify_seconds)
        self.report.notify = seen
        self.report.values += notify_values(seen)

    def _say(self, text: str) -> None:
        self.progress.console.print(text, style="dim")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    names = ", ".join([*(case.name for case in cases.CASES), *EXTRAS])
    parser.add_argument("--smoke", action="store_true", help="only see that it works: a minute")
    parser.add_argument("--cases", default="", help=f"some of: {names}")
    parser.add_argument("--sizes", default=",".join(map(str, cases.SIZES)), help="of entities")
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of each case")
    parser.add_argument("--floor", action="store_true", help="also measure a bare server")
    parser.add_argument("--nice", type=int, default=0, help="-20: go before others (as root)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    given.notify_seconds, given.drained_s = 20.0, DRAINED_S
    if given.smoke:
        given.sizes, given.seconds, given.runs = "1000", 1, 1
        given.notify_seconds, given.drained_s = 3.0, 0.0
    wanted = {name for name in given.cases.split(",") if name}
    given.extras = wanted & set(EXTRAS) if wanted else set(EXTRAS)
    try:
        rest = ",".join(wanted - set(EXTRAS))
        given.cases = cases.chosen(rest) if rest or not wanted else []
        given.sizes = [int(size) for size in given.sizes.split(",") if size]
    except ValueError as error:
        parser.error(str(error))
    return given


def measure(given: argparse.Namespace, console: Console) -> Report:
    """Run everything that was asked for."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    RESULTS.mkdir(exist_ok=True)
    with (
        TemporaryDirectory(prefix="data-", dir=RESULTS) as folder,
        Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress,
    ):
        bench = Bench(given, Path(folder), progress)
        if given.floor:
            bench.floor()
        if "idle" in given.extras:
            bench.idle()
        for size in given.sizes if given.cases or "start" in given.extras else ():
            bench.size(size)
        if "notify" in given.extras:
            bench.notifications()
        return bench.report


def main() -> int:
    given = arguments()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    if shutil.which("wrk") is None:
        console.print("bench needs wrk, the load generator: apt-get install wrk")
        return 2
    machine.pin_client()
    if given.nice:
        machine.prefer(given.nice)
    if not machine.PINNED:
        console.print("server and generator share the cores: the figures are too low")
    report = measure(given, console)
    report.show(console)
    file = given.json or RESULTS / f"{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    report.save(file)
    console.print(f"written to {file}; answers that were wrong: {report.errors}")
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main())
