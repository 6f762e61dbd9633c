"""``madang load --history``: years of CSV or Parquet into history, and nowhere else."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from madang.commands.client import HubClient, HubError, connect, detail_of
from madang.commands.load import Reporter, Tally, error_file
from madang.sense.files.columns import ColumnMapper
from madang.sense.files.entities import Failure
from madang.sense.files.mapping import ROW, Mapping, MappingError, check_columns, read
from madang.sense.files.source import FileError, Source, open_source
from madang.sense.files.tables import tables

if TYPE_CHECKING:
    import polars as pl

INSTANCES = 1_000_000  # sent at once: some 10 MB
_TIMEOUT = aiohttp.ClientTimeout(total=600)


def load(
    files: list[Path],
    *,
    url: str,
    tenant: str,
    mapping: str | None,
    errors: Path | None,
    console: Console,
) -> bool:
    """Load files into history; return whether every row went well.

    Raises:
        MadangError: nothing can be loaded: no hub, no such file, an unusable mapping.
    """
    if mapping is None:
        raise MappingError("--history needs a --mapping, which says when rows were measured")
    rules = read(mapping)
    tally = Tally()
    started = time.monotonic()
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path, rules.read)) for path in files]
        for source in sources:
            if not source.is_table:
                raise FileError(f"{source.path}: --history reads CSV, workbooks and Parquet")
        reporter = Reporter(console, tally, stack.enter_context(error_file(errors)))
        made, new = asyncio.run(_load_all(sources, url, tenant, rules, reporter, tally, console))
    seconds = time.monotonic() - started
    parts = [f"{new:,} new instances of {made:,} from {tally.rows:,} rows"]
    if tally.skipped:
        parts.append(f"{tally.skipped:,} rows skipped by the mapping")
    if tally.failed_rows:
        parts.append(f"[red]{len(tally.failed_rows):,} rows failed[/]")
    mark = "[green]✓[/]" if tally.is_clean else "[red]✗[/]"
    rate = made / max(seconds, 1e-6)
    text = f"{mark} {', '.join(parts)} in {seconds:.1f} s ({rate:,.0f} instances/s)"
    console.print(text, highlight=False, soft_wrap=True)
    return tally.is_clean


async def _load_all(
    sources: list[Source],
    url: str,
    tenant: str,
    rules: Mapping,
    reporter: Reporter,
    tally: Tally,
    console: Console,
) -> tuple[int, int]:
    columns: Any = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    progress = Progress(
        *columns, TextColumn("{task.fields[made]:,} instances"), console=console,
        disable=not console.is_terminal,
    )  # fmt: skip
    made = new = 0
    async with connect(url, tenant) as client:
        await client.get("/health")
        with progress:
            for source in sources:
                task = progress.add_task(source.path.name, total=source.size, made=0)
                try:
                    async for some, added in _load_one(client, source, rules, reporter, tally):
                        made, new = made + some, new + added
                        progress.update(task, completed=source.position, made=made)
                except FileError as error:
                    reporter.broken(error)
    return made, new


async def _load_one(
    client: HubClient, source: Source, rules: Mapping, reporter: Reporter, tally: Tally
) -> AsyncIterator[tuple[int, int]]:
    """Yield how many instances were sent, and how many of them were new, a batch at a time."""
    import polars as pl

    def failed(failure: Failure) -> None:
        reporter.failed(source.path, failure)

    mapper = ColumnMapper(rules, failed)
    waiting: list[pl.DataFrame] = []
    for table in tables(source, failed):
        check_columns(rules, [name for name in table.columns if name != ROW])
        tally.rows += table.height
        waiting.append(mapper.instances(table))
        count = sum(frame.height for frame in waiting)
        if count >= INSTANCES:
            yield count, await _send(client, pl.concat(waiting, how="diagonal"))
            waiting = []
    tally.skipped += mapper.skipped
    rest = [frame for frame in waiting if frame.height]
    if rest:
        whole = pl.concat(rest, how="diagonal")
        yield whole.height, await _send(client, whole)


async def _send(client: HubClient, frame: pl.DataFrame) -> int:
    """Send instances; return how many were new.

    Raises:
        HubError: the hub does not take them.
    """
    stream = io.BytesIO()
    frame.write_parquet(stream, compression="lz4", statistics=False)
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    address = client.address("/history/instances")
    try:
        async with client.session.post(
            address, data=stream.getvalue(), headers=headers, timeout=_TIMEOUT
        ) as answer:
            text = await answer.read()
            if answer.status != 200:
                raise HubError(f"the hub refuses ({answer.status}): {detail_of(text)}")
            return int(orjson.loads(text)["loaded"])
    except aiohttp.ClientConnectorError as error:
        raise HubError(client.unreachable()) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise HubError(f"the hub broke off ({error}); it is safe to load the file again") from error
