"""What commands share that speak with a hub in JSON: asking, sending, showing lists.

What is to be copied (a key, a link, a token) goes to the standard output alone, so that a script
can take it; what explains it goes to the standard error.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from madang.model.errors import MadangError

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_URL = "http://127.0.0.1:8080"
PAGE = 1000
PIPE_WIDTH = 160  # of tables that go to a file or another program
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}

Url = Annotated[str, typer.Option("--url", envvar="MADANG_URL", help="Address of the running hub.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Tenant; the default one if left out.")]
Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", help="Tenant it holds in; * is all. The default one if left out."),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="Scope it is limited to, with all below: /Seoul/Water."),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file instead of ./madang.toml.")
]
Data = Annotated[Path | None, typer.Option("--data", help="Data folder.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class BadOption(MadangError):
    """An option is not what it should be."""


# --- reading what people type -----------------------------------------------------------------


def seconds(text: str) -> int:
    """Return a span such as ``90d`` in seconds.

    >>> seconds("2h")
    7200
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadOption(f"{text!r} is no span of time such as 30m, 2h or 90d")
    return int(found[1]) * _UNITS[found[2]]


def instant(text: str) -> str:
    """Return a day, a DateTime or a span from now as a DateTime.

    >>> instant("2027-01-31")
    '2027-01-31T00:00:00Z'
    """
    try:
        if _SPAN.fullmatch(text):
            moment = datetime.now(UTC) + timedelta(seconds=seconds(text))
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadOption(
            f"{text!r} is no time such as 90d, 2027-01-31 or 2027-01-31T12:00:00Z"
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def past(text: str) -> str:
    """Return a day or a DateTime as a DateTime, and a span as that long ago, to the microsecond.

    Whole seconds would leave out what has happened in the present one.
    """
    if not _SPAN.fullmatch(text):
        return instant(text)
    moment = datetime.now(UTC) - timedelta(seconds=seconds(text))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def values_of(given: list[str], form: str) -> dict[str, Any]:
    """Return values by name; each is JSON, and else the text that it is.

    >>> values_of(["hold=90", "zone=Asia/Seoul"], "OPTION=VALUE")
    {'hold': 90, 'zone': 'Asia/Seoul'}

    Raises:
        BadOption: one has not the form, which is told.
    """
    found: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise BadOption(f"{one!r} sets nothing; write {form}, such as level=0.3")
        try:
            found[name] = orjson.loads(value)
        except orjson.JSONDecodeError:
            found[name] = value
    return found


def limits(tenant: list[str] | None, scope: list[str] | None) -> dict[str, Any]:
    """Return where an account or key holds, as the hub wants it, without what was not said."""
    given = {"tenants": tenant, "scopes": scope}
    return {member: value for member, value in given.items() if value}


def console() -> Console:
    """Return what prints tables and texts."""
    from rich.console import Console

    made = Console(emoji=False)  # urn:a:1 is no emoji
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def ask_password(question: str) -> str:
    """Return what is typed without showing it, or the first line of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt(question, hide_input=True)
    return password


def ask(yes: bool, question: str) -> None:
    """Go on only if the answer is yes."""
    if not yes:
        typer.confirm(question, abort=True)


# --- the hub ----------------------------------------------------------------------------------


def send(
    method: str,
    path: str,
    url: str,
    body: Any = None,
    parameters: dict[str, str] | None = None,
    tenant: str = "",
) -> Any:
    """Send a request; return the JSON of the answer."""
    from madang.commands.client import connect

    async def ask_hub() -> Any:
        async with connect(url, tenant) as client:
            return await client.send(method, path, body, parameters)

    return asyncio.run(ask_hub())


def every(path: str, url: str, tenant: str = "", **asked: str) -> list[dict[str, Any]]:
    """Return all pages of a list."""
    wanted = {name: value for name, value in asked.items() if value}
    found: list[dict[str, Any]] = []
    while True:
        here = wanted | {"limit": str(PAGE), "offset": str(len(found))}
        page = send("GET", path, url, None, here, tenant)
        found += page
        if len(page) < PAGE:
            return found


# --- showing ----------------------------------------------------------------------------------

Columns = dict[str, Callable[[dict[str, Any]], Any]]
"""What a table shows of each item, by heading."""


def tenant_names(names: Sequence[str]) -> list[str]:
    """Return tenants in words."""
    return [{"": "default", "*": "all"}.get(name, name) for name in names]


def cell(value: Any) -> str:
    """Return a value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def show(found: list[dict[str, Any]], as_json: bool, none: str, columns: Columns) -> None:
    """Print a list as a table or JSON; ``none`` is said of an empty one."""
    if as_json:
        print_json(found)
        return
    from rich.cells import cell_len

    if not found:
        typer.echo(none)
        return
    rows = [list(columns), *([cell(part(one)) for part in columns.values()] for one in found)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        parts = [
            text + " " * (width - cell_len(text)) for text, width in zip(row, widths, strict=True)
        ]
        typer.echo("  ".join(parts).rstrip())


def hand_out(secret: str, what: str) -> None:
    """Print what is to be copied, after saying what it is."""
    typer.echo(what, err=True)
    typer.echo(secret)


def print_json(found: Any) -> None:
    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
