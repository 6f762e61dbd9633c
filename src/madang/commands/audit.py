"""``madang audit``: look into the audit log, verify it, hand out records with their proofs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from madang.commands.client import HubClient
    from madang.trust.audit_file import AuditReader, Entry, Wanted
    from madang.trust.audit_verify import Progress, Walk
    from madang.trust.checkpoint import Verifier

app = typer.Typer(no_args_is_help=True, help="Look into the audit log and verify it.")

Data = Annotated[Path | None, typer.Option("--data", help="Data folder, or a copy of the log.")]
Url = Annotated[str | None, typer.Option("--url", help="Ask the hub there instead of the folder.")]
Actor = Annotated[str, typer.Option(help="Who did it, such as person:9f2c.")]
Kind = Annotated[
    str, typer.Option(help="signIn, denial, write, personalRead …; several with commas.")
]
Target = Annotated[str, typer.Option(help="Id of what it was done to.")]
Subject = Annotated[str, typer.Option(help="Id of the person whose data it was.")]
Since = Annotated[str, typer.Option(help="Earliest time, such as 2026-11-21T09:00:00Z.")]
Until = Annotated[str, typer.Option(help="Time before which.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many to show.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines instead.")]
Key = Annotated[str | None, typer.Option("--key", help="Public key that must have signed it.")]
PAGE = 1_000


@app.command("list")
def show_list(
    actor: Actor = "",
    kind: Kind = "",
    target: Target = "",
    subject: Subject = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 20,
    as_json: Json = False,
    data: Data = None,
    url: Url = None,
) -> None:
    """Show records, the newest first."""
    from madang.trust.audit_file import Wanted

    wanted = Wanted(actor, kind, target, subject, _time(since), _time(until))
    if url is None:
        with _reading(data) as reader:
            records = [entry.content() for entry in reader.find(wanted, limit)]
    else:
        records = asyncio.run(_ask(url, "/trust/audit", _parameters(wanted, limit)))["records"]
    _print(records, as_json)


@app.command()
def show(
    sequence: Annotated[int, typer.Argument(min=0, help="Number of the record.")],
    data: Data = None,
    url: Url = None,
) -> None:
    """Show one record as it was hashed, with its hash."""
    from madang.trust.audit import prove

    if url is None:
        with _reading(data) as reader:
            entry = prove(reader, sequence).entry
            text, hash = entry.text.decode(), entry.hash.hex()
    else:
        found = asyncio.run(_ask(url, f"/trust/audit/{sequence}/proof", {}))
        text, hash = found["record"], found["hash"]
    typer.echo(text)
    typer.echo(f"hash {hash}", err=True)


@app.command()
def verify(
    head: Annotated[
        list[Path] | None, typer.Option(help="File with a signed head kept from earlier.")
    ] = None,
    key: Key = None,
    data: Data = None,
    url: Url = None,
) -> None:
    """Check every record, the order, the tree and the signatures; say where something is wrong."""
    from madang.trust.audit_file import count
    from madang.trust.audit_verify import verify as verify_file
    from madang.trust.checkpoint import Verifier

    console = _console()
    public = Verifier.parse(key) if key else None
    earlier = [_text_of(file) for file in head or []]
    if url is not None:
        with _bar(console, None) as progress:
            walk = asyncio.run(_verify_at(url, public, earlier, progress))
    else:
        with _reading(data) as reader, _bar(console, count(reader)) as progress:
            walk = verify_file(reader, key=public, earlier=earlier, progress=progress)
    _conclude(walk, console)


@app.command()
def export(
    proof: Annotated[Path, typer.Option("--proof", help="File to write: JSON Lines.")],
    actor: Actor = "",
    kind: Kind = "",
    target: Target = "",
    subject: Subject = "",
    since: Since = "",
    until: Until = "",
    data: Data = None,
) -> None:
    """Write records with proofs that anybody can check without this hub."""
    from madang.model.errors import MadangError
    from madang.trust.audit_export import export as lines_of
    from madang.trust.audit_file import Wanted

    wanted = Wanted(actor, kind, target, subject, _time(since), _time(until))
    count = -1
    try:
        with _reading(data) as reader, proof.open("xb") as out:
            for line in lines_of(reader, wanted):
                out.write(line)
                count += 1
    except FileExistsError:
        raise MadangError(f"{proof} exists already; name a new file") from None
    except OSError as error:
        raise MadangError(f"{proof} cannot be written: {error}") from error
    typer.echo(f"{count:,} records are in {proof}; `madang audit check {proof}` checks them")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="What `madang audit export` wrote.")],
    key: Key = None,
) -> None:
    """Check records with their proofs, without a hub."""
    from madang.model.errors import MadangError
    from madang.trust.audit_export import check as check_lines
    from madang.trust.checkpoint import Verifier

    try:
        with file.open("rb") as lines:
            checked = check_lines(lines, Verifier.parse(key) if key else None)
    except OSError as error:
        raise MadangError(f"{file} cannot be read: {error}") from error
    for fault in checked.faults:
        typer.echo(f"✗ {fault}")
    if checked.faults:
        raise typer.Exit(1)
    typer.echo(
        f"✓ {checked.records:,} records are in the log of {checked.head.size:,} that was signed on"
        f" {checked.head.time}\n  by {checked.key}"
    )


# --- where the log is --------------------------------------------------------------------------


@contextmanager
def _reading(data: Path | None) -> Iterator[AuditReader]:
    from madang import settings_sources
    from madang.model.errors import MadangError
    from madang.trust.audit_file import AuditReader, place

    given = data if data is not None else settings_sources.load({}).data
    file = given if given.is_file() else place(given)
    if not file.is_file():
        raise MadangError(f"there is no audit log in {given}; name its folder with --data")
    with closing(AuditReader(file)) as reader:
        yield reader


def _time(text: str) -> str:
    from madang.model import time
    from madang.trust.audit_file import written

    return written(time.checked(text, "the time")) if text else ""


def _text_of(file: Path) -> str:
    from madang.model.errors import MadangError

    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MadangError(f"{file} cannot be read: {error}") from error


def _parameters(wanted: Wanted, limit: int) -> dict[str, str]:
    from dataclasses import asdict

    given = {name: str(value) for name, value in asdict(wanted).items() if value not in ("", None)}
    return given | {"limit": str(limit)}


async def _ask(url: str, path: str, parameters: dict[str, str]) -> Any:
    from madang.commands.client import connect

    async with connect(url) as client:
        return await client.get(path, parameters)


async def _verify_at(
    url: str, key: Verifier | None, earlier: list[str], progress: Progress
) -> Walk:
    """Read all records of a hub and check them against the head it shows."""
    from madang.commands.client import connect
    from madang.trust.audit_verify import Walk
    from madang.trust.checkpoint import Verifier, opened

    async with connect(url) as client:
        note, shown = await _checkpoint(client)
        keys = [key or Verifier.parse(shown)]
        walk = Walk([note, *earlier], keys)
        async for entry in _entries(client, opened(note, keys)[0].size):
            walk.feed(entry)
            if entry.sequence % PAGE == 0:
                progress(entry.sequence)
    walk.end()
    return walk


async def _checkpoint(client: HubClient) -> tuple[str, str]:
    """Return the newest signed head of a hub and the public key that it names."""
    from aiohttp import ClientError

    from madang.commands.client import HubError

    try:
        async with client.session.get(client.address("/trust/audit/checkpoint")) as answer:
            note = await answer.text()
            if answer.status != 200:
                raise HubError(f"the hub refuses ({answer.status}): {note[:200]}")
            return note, answer.headers["Audit-Key"]
    except (ClientError, KeyError) as error:
        raise HubError(client.unreachable()) from error


async def _entries(client: HubClient, size: int) -> AsyncIterator[Entry]:
    from madang.trust.audit_file import Entry

    first = 0
    while first < size:
        parameters = {"first": str(first), "limit": str(PAGE), "form": "text"}
        records = (await client.get("/trust/audit", parameters))["records"]
        for record in records:
            if record["sequence"] < size:  # later ones are not under the head
                text = record["text"].encode()
                yield Entry(record["sequence"], text, bytes.fromhex(record["hash"]))
        if not records:
            return
        first = records[-1]["sequence"] + 1


# --- what is shown -----------------------------------------------------------------------------


def _print(records: list[dict[str, Any]], as_json: bool) -> None:
    import orjson

    if as_json:
        for record in records:
            typer.echo(orjson.dumps(record).decode())
        return
    if not records:
        typer.echo("there is no such record")
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("#", "time", "kind", "action", "outcome", "actor", "what", "purpose"):
        table.add_column(title, overflow="fold")
    for record in records:
        targets = record.get("targets") or record.get("subjects", [])
        more = f" and {len(targets) - 2} more" if len(targets) > 2 else ""
        what = ", ".join(targets[:2]) + more
        named = [record[name] for name in ("kind", "action", "outcome", "actor")]
        shown = [record["time"][:19] + "Z", *named, what, record.get("purpose", "")]
        table.add_row(str(record["sequence"]), *map(escape, shown))
    _console().print(table)


@contextmanager
def _bar(console: Console, total: int | None) -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done: bar.update(task, completed=done)


def _conclude(walk: Walk, console: Console) -> None:
    found = walk.found
    for fault in found.faults:
        console.print(f"[red]✗[/] {fault}", highlight=False, soft_wrap=True)
    if found.more:
        console.print(f"  and {found.more:,} more", highlight=False)
    if found:
        raise typer.Exit(1)
    console.print(
        f"[green]✓[/] {walk.frontier.size:,} records are as they were recorded, under"
        f" {walk.heads:,} signed head{'' if walk.heads == 1 else 's'}",
        highlight=False,
        soft_wrap=True,
    )
    for key in sorted(walk.keys):
        console.print(f"  signed by {key}", highlight=False, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    console = Console(emoji=False)
    if not console.is_terminal:
        console.width = 200
    return console
