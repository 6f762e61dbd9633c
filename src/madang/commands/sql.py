"""``madang sql``: questions about history in SQL, answered as a table or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from madang.commands.client import HubClient, HubError, connect
from madang.commands.download import answered, rows_of, save

MEDIA = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
BINARY = ("parquet", "arrow")
TABLE_ROWS = 100  # unless --limit says so; nobody reads more in a terminal
FILE_ROWS = 1_000_000
_NUMERIC = (int, float)


def text_of(question: str | None, file: Path | None) -> str:
    """Return the SQL: what was typed, else what a file or a pipe holds.

    Raises:
        HubError: there is none, or the file cannot be read.
    """
    if question is not None and file is not None:
        raise HubError("the SQL is given twice; leave --file or the text out")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise HubError(f"{file} cannot be read: {error}") from error
    if question is not None and question != "-":
        return question
    if sys.stdin.isatty():
        raise HubError('there is no SQL; say: madang sql "SELECT …", or --tables for what there is')
    return sys.stdin.read()


async def ask(
    question: str,
    *,
    url: str,
    tenant: str,
    form: str,
    output: Path | None,
    limit: int | None,
    console: Console,
) -> None:
    """Print the answer to a question, or write it to a file.

    Raises:
        HubError: the hub refuses, or the answer cannot be printed.
    """
    if form not in ("table", *MEDIA):
        raise HubError(f"--format is {form!r}; expected table, {', '.join(MEDIA)}")
    if output is None and form in BINARY and sys.stdout.isatty():
        raise HubError(f"{form} is not for a terminal; name a file with --output")
    if form == "table" and output is not None:
        form = next((f for f in MEDIA if output.suffix == f".{f}"), "csv")
    shown = form == "table"
    most = limit or (TABLE_ROWS if shown else FILE_ROWS)
    body = orjson.dumps({"sql": question, "limit": most})
    accept = MEDIA["json" if shown else form]
    async with connect(url, tenant) as client:
        opened = answered(client, "POST", "/history/sql", body=body, accept=accept)
        async with opened as answer:
            rows, more = rows_of(answer.headers)
            if output is not None:
                await save(answer, output, console)
                console.print(f"[green]✓[/] {rows:,} rows in {escape(str(output))}")
            elif shown:
                _print(orjson.loads(await answer.read()), console)
            else:
                sys.stdout.buffer.write(await answer.read())
                sys.stdout.buffer.flush()
            _tell(answer.headers.get("History-Left-Out"), rows, more, shown)


def _tell(left_out: str | None, rows: int, more: bool, shown: bool) -> None:
    """Say beside the answer what is not in it."""
    notes = Console(stderr=True, emoji=False)
    if shown:
        notes.print(f"{rows:,} {'row' if rows == 1 else 'rows'}", highlight=False, style="dim")
    if more:
        notes.print(f"[yellow]![/] only the first {rows:,} rows; --limit N gets more")
    for sentence in orjson.loads(left_out) if left_out else []:
        notes.print(f"[yellow]![/] {escape(sentence)}", highlight=False, soft_wrap=True)


def _print(rows: list[dict[str, Any]], console: Console) -> None:
    if not rows:
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in rows[0]:
        numeric = all(isinstance(row[name], _NUMERIC) or row[name] is None for row in rows)
        table.add_column(
            escape(name), justify="right" if numeric else "left", overflow="fold", no_wrap=False
        )
    for row in rows:
        table.add_row(*(escape(cell(value)) for value in row.values()))
    console.print(table)


def cell(value: Any) -> str:
    """Return a value as it stands in a table.

    >>> cell(12.3456789012), cell("2026-01-31T12:00:00.000000"), cell(None)
    ('12.3457', '2026-01-31T12:00:00', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.1f}"
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value).removesuffix(".000000")


async def tables(*, url: str, tenant: str, as_json: bool, console: Console) -> None:
    """Print what can be asked: tables, columns, units."""
    async with connect(url, tenant) as client:
        found = await _tables(client)
    if as_json:
        console.file.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for one in found["tables"]:
        table = Table(box=None, pad_edge=False, show_header=False)
        for column in one["columns"]:
            about = escape(f"{column['unit']:5} {column['about']}")
            table.add_row("  ", escape(column["name"]), column["type"], about)
        console.print(f"[bold]{escape(one['name'])}[/]: {escape(one['about'])}", highlight=False)
        console.print(table)
    _tell(orjson.dumps(found["leftOut"]).decode(), 0, False, False)


async def _tables(client: HubClient) -> Any:
    return await client.get("/history/sql/tables")
