"""``madang export``: a type's history as one file that other programs open."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from madang.commands.client import HubError, connect
from madang.commands.download import answered, rows_of, save
from madang.commands.terminal import instant

FORMATS = {
    ".parquet": "parquet",
    ".geoparquet": "geoparquet",
    ".csv": "csv",
    ".arrow": "arrow-file",
    ".feather": "arrow-file",
    ".json": "json",
}


async def export(
    file: Path,
    *,
    type_name: str,
    since: str | None,
    until: str | None,
    attrs: str | None,
    url: str,
    tenant: str,
    console: Console,
) -> None:
    """Write what entities of a type were, by entity and time.

    Raises:
        HubError: the hub refuses, or the file cannot be written.
    """
    form = FORMATS.get(file.suffix.lower())
    if form is None:
        raise HubError(f"{file.name} must end in one of {', '.join(FORMATS)}, which says its form")
    if not file.parent.is_dir():
        raise HubError(f"there is no folder {file.parent}")
    wanted = {
        "type": type_name,
        "format": form,
        "since": since and instant(since),
        "until": until and instant(until),
        "attrs": attrs,
    }
    parameters = {name: value for name, value in wanted.items() if value}
    async with connect(url, tenant) as client:
        with ExitStack() as waiting:
            waiting.enter_context(console.status("the hub is writing the file …"))
            async with answered(client, "GET", "/history/export", parameters=parameters) as answer:
                waiting.close()
                size = await save(answer, file, console)
        rows, _ = rows_of(answer.headers)
    name = escape(str(file))
    console.print(f"[green]✓[/] {rows:,} rows in {name} ({size / 1e6:,.1f} MB)", highlight=False)
