"""``madang rule``: rules without code, checked, tried on the past, put, looked at, removed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    BadOption,
    Columns,
    Json,
    Tenant,
    Url,
    every,
    instant,
    past,
    print_json,
    send,
    show,
)
from madang.model.errors import MadangError

if TYPE_CHECKING:
    from rich.progress import Progress

    from madang.services.rules.read import Reading

app = typer.Typer(no_args_is_help=True, help="Write, try and look after rules without code.")

WIDTH = 50  # characters of the longest bar of a chart
SHOWN = 20  # firings that are shown one by one
File = Annotated[Path, typer.Argument(metavar="FILE", help="TOML file of rules; - is the input.")]
Name = Annotated[str, typer.Argument(metavar="RULE", help="Name of the rule.")]

_LIST: Columns = {
    "rule": lambda one: one["name"],
    "state": lambda one: one["state"],
    "holds": lambda one: one["holds"],
    "fired": lambda one: one["fired"],
    "last": lambda one: one["lastFired"] or "-",
    "does": lambda one: one["does"],
    "about": lambda one: one["about"]["en"],
}
_FIRINGS: Columns = {
    "when": lambda one: one["at"],
    "entity": lambda one: one["entity"] or "(together)",
    "value": lambda one: one.get("shown", one["value"]),
    "until": lambda one: one["ended"] or "still on",
}


@app.command("check")
def check(file: File, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Say what is wrong with the rules of a file, and what they name that nobody has seen."""
    reading = _read(file)
    found: dict[str, Any] = {"errors": [one.told() for one in reading.problems], "warnings": []}
    unasked = ""
    if reading.specs:
        try:
            asked = send("POST", "/rules/check", url, reading.specs, tenant=tenant)
            found["warnings"] = asked["warnings"]
        except MadangError as error:
            unasked = f"types and attributes were not looked up: {error}"
    if as_json:
        print_json(found)
    else:
        for problem in reading.problems:
            typer.echo(f"error: {problem}")
        for one in found["warnings"]:
            typer.echo(f"warning: {one['rule']}.{one['field']}: {one['message']}")
        if not reading.problems:
            typer.echo(f"{_counted(reading.rules)} can be put: {', '.join(sorted(reading.rules))}")
    if unasked:
        typer.echo(unasked, err=True)
    if reading.problems:
        raise typer.Exit(1)


@app.command("put")
def put(file: File, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Put the rules of a file to work; those with the same names are replaced, others stay."""
    reading = _good(file)
    found = send("PUT", "/rules", url, reading.specs, tenant=tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{_counted(found['rules'])} put: {', '.join(found['rules'])}")
    if found["state"] != "running":
        typer.echo(
            f"the service of rules is {found['state']}; `madang service show rules` says why"
        )
    for one in send("POST", "/rules/check", url, reading.specs, tenant=tenant)["warnings"]:
        typer.echo(f"warning: {one['rule']}.{one['field']}: {one['message']}")


@app.command("list")
def list_rules(as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """List the rules there are, and how often each has fired."""
    found = every("/rules", url, tenant)
    show(found, as_json, "there are no rules; `madang rule put FILE` adds some", _LIST)
    for one in found:
        if one["isFull"] and not as_json:
            typer.echo(f"{one['name']}: follows 50,000 entities; there are more, so name ids")


@app.command("show")
def show_rule(
    name: Name, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Show a rule, for what it holds now, and when it fired last."""
    found = send("GET", _path(name), url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    title, about = found["title"]["en"], found["about"]["en"]
    typer.echo(f"{name if title == about else f'{title} ({name})'}: {found['state']}")
    typer.echo(about)
    typer.echo(f"does: {', '.join(found['does'])}")
    typer.echo(f"fired: {found['fired']:,} times; holds for {found['holds']:,} now\n")
    show(found["firings"], False, "It has not fired yet.", _FIRINGS)


@app.command("remove")
def remove(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Remove a rule; an alert that it has raised ends."""
    send("DELETE", _path(name), url, tenant=tenant)
    typer.echo(f"{name} is removed")


@app.command("try")
def try_(
    rule: Annotated[
        str, typer.Argument(metavar="FILE|RULE", help="TOML file, or name of a rule that is kept.")
    ],
    name: Annotated[str, typer.Option("--rule", help="Which, if the file has several.")] = "",
    since: Annotated[
        str, typer.Option(help="From this day, DateTime or span ago on; 31 days at most.")
    ] = "30d",
    until: Annotated[str, typer.Option(help="Up to this day or DateTime; else now.")] = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show when a rule would have fired on what has been, and with which values."""
    body: dict[str, Any] = {"since": past(since), **({"until": instant(until)} if until else {})}
    if Path(rule).suffix or Path(rule).is_file() or rule == "-":
        specs = _good(Path(rule)).specs
        chosen = name or next(iter(specs))
        if chosen not in specs or (len(specs) > 1 and not name):
            raise BadOption(f"say which with --rule: the file has {', '.join(specs)}")
        body |= {"name": chosen, "rule": specs[chosen]}
    else:
        body |= {"name": rule}
    found = asyncio.run(_tried(url, tenant, body))
    if as_json:
        print_json(found)
    else:
        _tell(body["name"], found)


async def _tried(url: str, tenant: str, body: dict[str, Any]) -> dict[str, Any]:
    from madang.commands.client import HubError, connect

    with _bar() or nullcontext() as bar:
        task = bar.add_task("reading the past", total=1.0) if bar else None
        async with connect(url, tenant, timeout_s=None) as client:
            async for told in client.lines("POST", "/rules/try", body):
                if "failed" in told:
                    raise HubError(told["failed"])
                if "result" in told:
                    result: dict[str, Any] = told["result"]
                    return result
                if bar and task is not None:
                    bar.update(task, completed=told["progress"])
    raise HubError("the answer broke off; try again")


def _bar() -> Progress | None:
    """Return a bar where somebody looks."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)


# --- files --------------------------------------------------------------------------------------


def _read(file: Path) -> Reading:
    from madang.services.rules.read import MOST_BYTES, read_toml

    try:
        if str(file) == "-":
            return read_toml(sys.stdin.read(MOST_BYTES + 1))
        with file.open(encoding="utf-8") as stream:
            return read_toml(stream.read(MOST_BYTES + 1))
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{file} cannot be read: {error}") from None


def _good(file: Path) -> Reading:
    reading = _read(file)
    if reading.problems:
        for problem in reading.problems[:-1]:
            typer.echo(f"error: {problem}", err=True)
        raise BadOption(f"{file}: {reading.problems[-1]}")
    if not reading.specs:
        raise BadOption(f"{file} has no rules; a rule begins with [its-name]")
    return reading


# --- showing ------------------------------------------------------------------------------------


def _tell(name: str, found: dict[str, Any]) -> None:
    """Print what a trial has found: the figures, a chart by day, the firings."""
    typer.echo(f"{name}: {found['about']['en']}")
    typer.echo(
        f"{found['from']} to {found['to']} ({found['timeZone']}): {found['values']:,} values of"
        f" {found['entities']:,} entities, in {found['seconds']:.1f} s"
    )
    if not found["fired"]:
        typer.echo("It would not have fired.")
        return
    mean, days = _lasting(found["meanSeconds"]), len(found["perDay"])
    often = f" ({found['aDay']:g} a day)" if days > 2 else ""
    typer.echo(
        f"It would have fired {found['fired']:,} times{often}, for {mean} on average,"
        f" and each time: {', '.join(found['does'])}.\n"
    )
    for line in chart((one["day"], one["fired"]) for one in found["perDay"]):
        typer.echo(line)
    typer.echo()
    last = found["firings"][-SHOWN:]
    show(last, False, "", _FIRINGS)
    if found["fired"] > len(last):
        typer.echo(f"… and {found['fired'] - len(last):,} before (--json has more)")


def chart(bars: Iterable[tuple[str, int]]) -> list[str]:
    """Return a bar for each day, the longest of 50 characters.

    >>> chart([("2026-03-01", 1), ("2026-03-02", 0)])[0][:13]
    '2026-03-01  █'
    """
    rows = list(bars)
    most = max((count for _, count in rows), default=0) or 1
    wide = len(f"{most:,}")
    return [
        f"{day}  {'█' * max(round(count / most * WIDTH), bool(count)):<{WIDTH}}  {count:>{wide},}"
        for day, count in rows
    ]


def _lasting(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _counted(rules: Any) -> str:
    return f"{len(rules):,} rule{'' if len(rules) == 1 else 's'}"


def _path(name: str) -> str:
    return f"/rules/{quote(name, safe='')}"
