"""The figures of a measurement: as a table for people, as JSON for everything else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import cases, machine
from bench.cases import Case
from bench.generator import Run
from bench.notify import Latency


@dataclass(frozen=True, slots=True)
class Figure:
    """All runs of one case with one number of entities."""

    case: Case
    size: int
    runs: list[Run]
    alone: Run | None = None
    """A run with a single connection, for the bars on the time of an answer."""

    @property
    def rate(self) -> float:
        return median(run.rate for run in self.runs)

    @property
    def thrift(self) -> float:
        """Requests for each second of the server's own processor time."""
        return _thrift(self.runs)

    @property
    def errors(self) -> int:
        return sum(run.errors for run in self.runs) + (self.alone.errors if self.alone else 0)


@dataclass(frozen=True, slots=True)
class Value:
    """One figure besides the rates, with the bar it must not pass."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    errors: int = 0


@dataclass(slots=True)
class Report:
    """Everything that was measured."""

    about: dict[str, Any]
    floor: Run | None = None
    figures: list[Figure] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    notify: Latency | None = None

    @property
    def errors(self) -> int:
        """Return how many answers were wrong or missing."""
        return sum(f.errors for f in self.figures) + sum(v.errors for v in self.values)

    def growth(self) -> dict[str, tuple[float, float]]:
        """Return how many times more an operation costs with more entities: in time, in CPU."""
        small = {f.case.name: f for f in self.figures if f.size == cases.GROWTH_FROM}
        large = {f.case.name: f for f in self.figures if f.size == cases.GROWTH_TO}
        return {
            name: (small[name].rate / large[name].rate, small[name].thrift / large[name].thrift)
            for name in small.keys() & large.keys()
            if large[name].rate and large[name].thrift
        }

    def save(self, file: Path) -> None:
        """Write everything as JSON, each run included."""
        content = {**self.about, "growth": self.growth(), "floor": self.floor}
        content["figures"] = [
            {**asdict(figure), "rate": figure.rate, "errors": figure.errors}
            for figure in self.figures
        ]
        content["values"] = [asdict(value) for value in self.values]
        content["notify"] = self.notify
        machine.keep(file, content)

    def show(self, console: Console) -> None:
        """Print the tables, each figure beside its bar."""
        console.print(_rates(self))
        if self.values:
            console.print(_values(self.values))
        if growth := self.growth():
            console.print(_growth(growth))


def _thrift(runs: list[Run]) -> float:
    return median(run.rate / max(run.server_cpu, 0.01) for run in runs)


def notify_values(seen: Latency) -> list[Value]:
    """Return what is shown of the latency of notifications."""
    bar = cases.NOTIFY_BAR_MS
    return [
        Value("changes a second, as reached", seen.rate, "1/s", errors=seen.refused),
        Value("change → notification, whole way, p50", seen.whole_p50_ms, "ms"),
        Value("change → notification, whole way, p99", seen.whole_p99_ms, "ms", bar),
        Value("change → notification, whole way, longest", seen.whole_max_ms, "ms"),
        Value("change → notification, after the answer, p50", seen.after_p50_ms, "ms"),
        Value("change → notification, after the answer, p99", seen.after_p99_ms, "ms", bar),
        Value("change → notification, after the answer, longest", seen.after_max_ms, "ms"),
        Value("notifications lost", seen.lost, "", 0, errors=seen.lost),
        Value("notifications doubled", seen.doubled, "", 0),
    ]


def _rates(report: Report) -> Table:
    table = Table(title="Requests, 16 connections (median of the runs, least–most)")
    table.add_column("entities", justify="right")
    table.add_column("request")
    headings = ("requests/s", "least–most", "bar", "p50 ms", "p99 ms", "alone p99", "errors")
    for heading in (*headings, "memory MB", "own MB", "CPU", "per CPU s"):
        table.add_column(heading, justify="right")
    if report.floor is not None:
        table.add_row("", "bare server, no work", *_cells([report.floor], None, None))
        table.add_section()
    size = None
    for one in report.figures:
        if size not in (None, one.size):
            table.add_section()
        size = one.size
        cells = _cells(one.runs, one.case, one.alone)
        table.add_row(f"{one.size:,}", one.case.title, *cells)
    return table


def _cells(runs: list[Run], case: Case | None, alone: Run | None) -> list[str]:
    rates = [run.rate for run in runs]
    bar = case.bar if case is not None else None
    alone_ms = case.alone_ms if case is not None else None
    errors = sum(run.errors for run in runs)
    return [
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}–{max(rates):,.0f}",
        "" if bar is None else _mark(median(rates) >= bar, f"≥ {bar:,.0f}"),
        f"{median(run.p50_ms for run in runs):.2f}",
        f"{median(run.p99_ms for run in runs):.2f}",
        _alone(alone, alone_ms),
        f"[red]{errors}[/]" if errors else "0",
        f"{max(run.rss_mb for run in runs):,.0f}",
        f"{max(run.anonymous_mb for run in runs):,.0f}",
        f"{median(run.server_cpu for run in runs):.2f}",
        f"{_thrift(runs):,.0f}",
    ]


def _alone(run: Run | None, at_most: float | None) -> str:
    if run is None or at_most is None:
        return ""
    return _mark(run.p99_ms <= at_most, f"{run.p99_ms:.2f} ≤ {at_most:g}")


def _mark(good: bool, text: str) -> str:
    return f"[green]{text} ✓[/]" if good else f"[red]{text} ✗[/]"


def _values(values: list[Value]) -> Table:
    table = Table(title="Besides")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_column("bar", justify="right")
    for one in values:
        bar = one.at_most
        cell = "" if bar is None else _mark(one.value <= bar, f"≤ {bar:,g} {one.unit}".strip())
        table.add_row(one.name, f"{one.value:,.2f} {one.unit}".strip(), cell)
    return table


def _growth(growth: dict[str, tuple[float, float]]) -> Table:
    table = Table(title=f"Cost with {cases.GROWTH_TO:,} entities over {cases.GROWTH_FROM:,}")
    table.add_column("request")
    for heading in ("times", "bar", "CPU, times"):
        table.add_column(heading, justify="right")
    for case in cases.CASES:
        if case.name in growth:
            times, cpu = growth[case.name]
            bar = _mark(times <= cases.GROWTH_BAR, f"≤ {cases.GROWTH_BAR}")
            table.add_row(case.title, f"{times:.2f}", bar, f"{cpu:.2f}")
    return table
