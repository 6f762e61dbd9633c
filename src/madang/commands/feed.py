"""``madang feed``: what the hub fetches from publishers, again and again."""

from __future__ import annotations

import asyncio
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    PAGE,
    BadOption,
    Columns,
    Json,
    Url,
    Yes,
    ask,
    print_json,
    show,
)
from madang.model.errors import MadangError

app = typer.Typer(no_args_is_help=True, help="Fetch what publishers offer: add, try, run feeds.")

Tenant = Annotated[str, typer.Option("--tenant", help="Tenant; the file's own, or the default.")]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="A .toml file, or the name of an example.")
]
Name = Annotated[str, typer.Argument(metavar="FEED", help="Name of the feed.")]
Named = Annotated[str, typer.Option("--name", help="Name; that of the file if left out.")]

_LIST: Columns = {
    "name": lambda one: one["name"],
    "kind": lambda one: one.get("kind", "?"),
    "state": lambda one: _state(one),
    "every": lambda one: f"{one.get('everySeconds', 0):g} s",
    "last good": lambda one: one["goodAt"] or "never",
    "last change": lambda one: one["changedAt"] or "never",
    "entities": lambda one: one["entities"],
    "bad": lambda one: one["bad"],
    "next": lambda one: one["nextAt"] or "-",
}


class FeedFailed(MadangError):
    """The hub could not read the feed."""


@app.command("list")
def list_feeds(tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List feeds and how they go."""
    found: list[dict[str, Any]] = []
    while True:
        here = {"limit": str(PAGE), "offset": str(len(found))}
        some = _send("GET", "/sense/feeds", url, tenant, parameters=here)
        found += some
        if len(some) < PAGE:
            break
    none = "there are no feeds yet; `madang feed examples` shows files to begin with"
    show(found, as_json, none, _LIST)
    if not as_json:
        for one in found:
            if one["error"]:
                typer.echo(f"{one['name']}: {one['error']}")


@app.command("show")
def show_feed(
    name: Name, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Show a feed: how it goes, and its file."""
    found = _send("GET", _path(name), url, tenant)
    if as_json:
        print_json(found)
        return
    text = found.pop("text")
    for member, value in found.items():
        if value not in ("", None, 0):
            typer.echo(f"{member}: {', '.join(value) if isinstance(value, list) else value}")
    typer.echo(f"\n{text.rstrip()}")


@app.command("try")
def try_feed(
    file: File,
    name: Named = "",
    kept: Annotated[
        bool,
        typer.Option("--kept", help="Ask nobody: read the last good answers of that feed again."),
    ] = False,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show what a feed would write, without writing it."""
    given, content = _read(file)
    body = {"name": name or given, "text": content, "kept": kept}
    found = _follow("/sense/feeds/trials", url, tenant or _tenant_of(content), body)
    if as_json:
        print_json(found)
    else:
        _print_trial(found)
    raise typer.Exit(1 if found["bad"] else 0)


@app.command("add")
def add_feed(
    file: File,
    name: Named = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of a feed of the same name.")
    ] = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Add a feed; it is read at once, and then whenever it is due."""
    given, content = _read(file)
    body = {"name": name or given, "text": content, "replace": replace}
    found = _send("POST", "/sense/feeds", url, tenant or _tenant_of(content), body)
    typer.echo(
        f"{found['name']} is read every {found['everySeconds']:g} s;"
        f" `madang feed show {found['name']}` tells how it goes"
    )


@app.command("run")
def run_feed(
    name: Name, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Read a feed now and write all of it again."""
    found = _follow(f"{_path(name)}/readings", url, tenant, None)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{name}: {_counts(found)}, {found['written']:,} written")
    _print_problems(found)


@app.command("on")
def switch_on(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Switch a feed on; it is read at once."""
    _send("PATCH", _path(name), url, tenant, {"on": True})
    typer.echo(f"{name} is on")


@app.command("off")
def switch_off(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Switch a feed off; what it wrote stays."""
    _send("PATCH", _path(name), url, tenant, {"on": False})
    typer.echo(f"{name} is off")


@app.command("remove")
def remove_feed(name: Name, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Remove a feed; what it wrote stays."""
    ask(yes, f"Remove the feed {name}?")
    _send("DELETE", _path(name), url, tenant)
    typer.echo(f"{name} is removed; the entities that it wrote stay")


@app.command("examples")
def examples(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Print this one.")] = "",
) -> None:
    """List the examples of feeds that come with Madang, or print one."""
    if name:
        typer.echo(_example(name).rstrip())
        return
    for one in _examples():
        typer.echo(f"{one:24} {tomllib.loads(_example(one)).get('title', '')}")


# --- files ------------------------------------------------------------------------------------


def _examples() -> list[str]:
    folder = resources.files("madang.sense.feeds") / "examples"
    names = (item.name for item in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _example(name: str) -> str:
    if name not in _examples():
        raise BadOption(f"there is no example {name!r}; there are {', '.join(_examples())}")
    item = resources.files("madang.sense.feeds") / "examples" / f"{name}.toml"
    return item.read_text("utf-8")


def _read(file: str) -> tuple[str, str]:
    """Return the name and text of a file, or of an example."""
    path = Path(file)
    if path.suffix != ".toml" and not path.exists():
        return file, _example(file)
    try:
        return path.stem, path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{file} cannot be read as the file of a feed: {error}") from error


def _tenant_of(content: str) -> str:
    """Return the tenant that a file names; what else is wrong with it the hub says better."""
    try:
        return str(tomllib.loads(content).get("tenant", ""))
    except tomllib.TOMLDecodeError:
        return ""


# --- showing ----------------------------------------------------------------------------------


def _state(one: dict[str, Any]) -> str:
    if not one["on"]:
        return "off"
    return f"{one['trouble']} ({one['failures']})" if one["trouble"] else "on"


def _counts(found: dict[str, Any]) -> str:
    return (
        f"{found['requests']:,} requests, {found['bytes']:,} bytes, {found['entities']:,} entities,"
        f" {found['bad']:,} bad records"
    )


def _print_trial(found: dict[str, Any]) -> None:
    typer.echo(f"{_counts(found)}; nothing was written")
    for name, told in found["types"].items():
        typer.echo(f"\n{name}: {told['entities']:,} entities")
        rows = [{"attribute": key} | one for key, one in told["attributes"].items()]
        columns: Columns = {
            "attribute": lambda one: one["attribute"],
            "count": lambda one: f"{one['count']:,}",
            "unit": lambda one: one["unitCode"] or "",
            "for example": lambda one: _short(one["example"]),
        }
        show(rows, False, "no attributes", columns)
    if found["examples"]:
        typer.echo(f"\nfor example {found['examples'][0]['id']}")
    _print_problems(found)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= 60 else f"{text[:59]}…"


def _print_problems(found: dict[str, Any]) -> None:
    for problem in found["problems"]:
        typer.echo(f"bad: {problem}", err=True)
    more = found["bad"] - len(found["problems"])
    if more > 0:
        typer.echo(f"bad: and {more:,} more", err=True)


# --- the hub ----------------------------------------------------------------------------------


def _path(name: str) -> str:
    return f"/sense/feeds/{quote(name, safe='')}"


def _send(
    method: str,
    path: str,
    url: str,
    tenant: str,
    body: Any = None,
    parameters: dict[str, str] | None = None,
) -> Any:
    from madang.commands.client import connect

    async def ask_hub() -> Any:
        async with connect(url, tenant) as client:
            return await client.send(method, path, body, parameters)

    return asyncio.run(ask_hub())


def _follow(path: str, url: str, tenant: str, body: Any) -> dict[str, Any]:
    """Send what takes long, show how far it has got, return what came of it."""
    return asyncio.run(_followed(path, url, tenant, body))


async def _followed(path: str, url: str, tenant: str, body: Any) -> dict[str, Any]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from madang.commands.client import connect

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    async with connect(url, tenant, timeout_s=None) as client:
        with bar:
            task = bar.add_task("asking")
            async for line in client.lines("POST", path, body):
                if "progress" in line:
                    bar.update(task, description=_counts(line["progress"]))
                elif "failed" in line:
                    raise FeedFailed(line["failed"])
                elif "done" in line:
                    found: dict[str, Any] = line["done"]
                    return found
    raise FeedFailed("the hub ended before the feed was read; see its log")
