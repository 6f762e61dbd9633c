"""``madang load``: files into a hub, with a progress bar and a report of every bad row."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from madang import settings_sources
from madang.commands.client import HubClient, connect
from madang.commands.guided import Guide
from madang.commands.upload import Uploader
from madang.sense.files.entities import EntityReader, Failure
from madang.sense.files.mapping import Mapping, MappingError, read
from madang.sense.files.source import FileError, Source, open_source
from madang.sense.schemas import Schemas

SHOWN_FAILURES = 20
_PROGRESS_EVERY = 200  # rows


@dataclass
class Tally:
    """What became of the rows of all files."""

    rows: int = 0
    skipped: int = 0
    loaded: int = 0
    failures: int = 0
    failed_rows: set[tuple[Path, int]] = field(default_factory=set)
    broken_files: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.failures and not self.broken_files


class Reporter:
    """Tells the first failures on the terminal and writes all of them to a file."""

    def __init__(self, console: Console, tally: Tally, sink: Any | None) -> None:
        self._console = console
        self._tally = tally
        self._sink = sink

    def failed(self, path: Path, failure: Failure) -> None:
        tally = self._tally
        tally.failures += 1
        tally.failed_rows.add((path, failure.row))
        if self._sink is not None:
            self._sink.writerow([path, failure.row, failure.column, failure.reason])
        if tally.failures <= SHOWN_FAILURES:
            column = f", column {failure.column}" if failure.column else ""
            text = f"{path.name}: row {failure.row}{column}: {failure.reason}"
            self._console.print(f"[red]✗[/] {escape(text)}", highlight=False, soft_wrap=True)
        elif tally.failures == SHOWN_FAILURES + 1:
            self._console.print("[red]✗[/] more rows failed; --errors FILE lists them all")

    def broken(self, error: FileError) -> None:
        self._tally.broken_files += 1
        self._console.print(f"[red]✗[/] {escape(str(error))}", highlight=False, soft_wrap=True)


@contextmanager
def error_file(path: Path | None) -> Iterator[Any | None]:
    if path is None:
        yield None
        return
    try:
        stream = path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise FileError(f"the errors cannot be written to {path}: {error.strerror}") from error
    with stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "row", "column", "reason"])
        yield writer


def load(
    files: list[Path],
    *,
    url: str,
    tenant: str,
    mapping: str | None,
    type_name: str | None,
    errors: Path | None,
    console: Console,
    yes: bool = False,
    validate: Path | None = None,
) -> bool:
    """Load files into a hub; return whether every row went well.

    Without a mapping, one is taken that was accepted before for files with the same header, or
    what the files seem to be; on a terminal somebody is asked about that, unless ``yes``. Entities
    that break the schemas of ``validate`` are not loaded.

    Raises:
        MadangError: nothing can be loaded: no hub, no such file, an unusable mapping.
    """
    rules = read(mapping) if mapping else None
    if rules is not None and type_name is not None:
        raise MappingError("--type and --mapping exclude each other: a mapping says the type")
    schemas = Schemas(validate) if validate is not None else None
    tally = Tally()
    started = time.monotonic()
    with ExitStack() as stack:
        sources = [
            stack.enter_context(open_source(path, rules.read if rules else None)) for path in files
        ]  # all are there before the first is loaded
        reporter = Reporter(console, tally, stack.enter_context(error_file(errors)))
        plans = [(source, rules) for source in sources]
        if rules is None:
            guide = Guide(console, settings_sources.data_folder(), type_name, asks=not yes)
            plans = [
                (
                    stack.enter_context(open_source(source.path, found.read if found else None)),
                    found,
                )
                for source in sources
                for found in guide.mappings(source.path)
            ]
        work = _load_all(plans, url, tenant, type_name, schemas, reporter, tally, console)
        asyncio.run(work)
    _summarise(console, tally, time.monotonic() - started, errors)
    return tally.is_clean


async def _load_all(
    plans: list[tuple[Source, Mapping | None]],
    url: str,
    tenant: str,
    type_name: str | None,
    schemas: Schemas | None,
    reporter: Reporter,
    tally: Tally,
    console: Console,
) -> None:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    async with connect(url, tenant) as client:
        await client.get("/health")
        with progress:
            for source, rules in plans:
                await _load_one(
                    client, source, rules, type_name, schemas, reporter, tally, progress
                )


async def _load_one(
    client: HubClient,
    source: Source,
    rules: Mapping | None,
    type_name: str | None,
    schemas: Schemas | None,
    reporter: Reporter,
    tally: Tally,
    progress: Progress,
) -> None:
    """Load one file; of a file that breaks off, the rows before the break are kept."""
    uploader = Uploader(client, lambda failure: reporter.failed(source.path, failure))
    task = progress.add_task(source.path.name, total=source.size, rows=0, rate=0.0)
    try:
        reader = EntityReader(source, rules, None if rules else type_name)
    except FileError as error:
        reporter.broken(error)
        return
    started = time.monotonic()

    def show() -> None:
        rate = reader.rows / max(time.monotonic() - started, 1e-6)
        progress.update(task, completed=source.position, rows=reader.rows, rate=rate)

    try:
        async with uploader:
            try:
                for item in reader if schemas is None else schemas.checked(reader):
                    if isinstance(item, Failure):
                        reporter.failed(source.path, item)
                    else:
                        await uploader.put(item)
                    if reader.rows % _PROGRESS_EVERY == 0:
                        show()
            except FileError as error:
                reporter.broken(error)
    finally:
        show()
        tally.rows += reader.rows
        tally.skipped += reader.skipped
        tally.loaded += uploader.loaded


def _summarise(console: Console, tally: Tally, seconds: float, errors: Path | None) -> None:
    rate = tally.loaded / max(seconds, 1e-6)
    parts = [f"{tally.loaded:,} entities loaded from {tally.rows:,} rows"]
    if tally.skipped:
        parts.append(f"{tally.skipped:,} rows skipped by the mapping")
    if tally.failed_rows:
        parts.append(f"[red]{len(tally.failed_rows):,} rows failed[/]")
    if tally.broken_files:
        parts.append(f"[red]{tally.broken_files} files not read to the end[/]")
    mark = "[green]✓[/]" if tally.is_clean else "[red]✗[/]"
    where = f"; all errors are in {errors}" if errors and tally.failures else ""
    console.print(
        f"{mark} {', '.join(parts)} in {seconds:.1f} s ({rate:,.0f} entities/s){where}",
        highlight=False,
        soft_wrap=True,
    )
