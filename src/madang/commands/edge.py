"""``madang edge``: a node near the devices that keeps working when the centre is cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.serving import serve
from madang.commands.terminal import (
    DEFAULT_URL,
    BadOption,
    Columns,
    Json,
    Tenant,
    Url,
    Yes,
    ask,
    every,
    print_json,
    send,
    show,
)

app = typer.Typer(
    help="Run an edge node: it takes devices here and tells the centre, which may configure it."
)

Name = Annotated[str, typer.Argument(help="What the centre calls the node.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file instead of ./madang.toml.")
]


@app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    upstream: Annotated[
        str | None, typer.Option(help="Address of the centre, such as https://city.example.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of this node.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data folder.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP.")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="Port of the MQTT broker.")] = None,
    open_: Annotated[
        bool | None,
        typer.Option("--open", help="No sign-in at all; only where nobody else can reach it."),
    ] = None,
    config: Config = None,
) -> None:
    """Start an edge node and serve until Ctrl-C. Its key is read from MADANG_EDGE_KEY."""
    if context.invoked_subcommand is not None:
        return
    from madang import settings_sources

    given = {
        "edge_upstream": upstream,
        "edge_name": name,
        "data": data,
        "host": host,
        "port": port,
        "mqtt_port": mqtt_port,
        "open": open_ or None,
    }
    chosen = settings_sources.load(given, config=config)
    if not chosen.edge_upstream:
        raise BadOption(
            "an edge node needs a centre: --upstream https://city.example, or edge_upstream in the"
            " settings; a hub of its own is `madang up`"
        )
    serve(chosen)


@app.command("status")
def status(as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show how far a running node has told its centre. The exit code is 1 if it is cut off."""
    found: dict[str, Any] = send("GET", "/sense/edge", url)
    if as_json:
        print_json(found)
    elif found["upstream"] is None:
        typer.echo("this hub is no edge node: it has no edge_upstream")
    elif found["alarm"]:
        typer.echo(f"✗ cut off from {found['upstream']}: {found['alarm']}")
        typer.echo(f"  {found['behind']:,} changes wait here; they are sent when it is back")
    else:
        typer.echo(f"✓ {found['upstream']}: {found['behind']:,} changes behind")
    if found.get("configuration") and not as_json:
        _tell_configuration(found["configuration"])
    if found.get("alarm"):
        raise typer.Exit(1)


def _tell_configuration(found: dict[str, Any]) -> None:
    if found["version"] is None:
        typer.echo("  configured by its own file")
    else:
        taken = datetime.fromtimestamp(found["taken"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        typer.echo(f"  configured by its centre: {found['version']}, taken {taken}")
    if found["problem"]:
        typer.echo(f"  ✗ {found['problem']}")


# --- at the centre ----------------------------------------------------------------------------


@app.command("configure")
def configure(
    name: Name,
    file: Annotated[Path, typer.Argument(help="The configuration, a .toml file.")],
    key: Annotated[
        str, typer.Option("--key", help="Key that the node shows to this centre: its id or name.")
    ],
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Configure an edge node, at its centre; the node takes it within about a minute."""
    body = {"key": key, "text": _text(file)}
    found = send("PUT", _path(name), url, body, tenant=tenant)
    typer.echo(
        f"{name} is configured ({found['version']}) for the node with the key {found['key']}"
    )


@app.command("nodes")
def nodes(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Print that of this one.")] = "",
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List the edge nodes that a centre configures, or print the configuration of one."""
    if not name:
        found = every("/sense/edges", url, tenant)
        show(found, as_json, "no edge node is configured here", _LIST)
        return
    one = send("GET", _path(name), url, tenant=tenant)
    if as_json:
        print_json(one)
    else:
        typer.echo(one["text"].rstrip())


@app.command("remove")
def remove(name: Name, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Remove the configuration of an edge node; then the rules of its own file hold again."""
    ask(yes, f"Remove the configuration of {name}?")
    send("DELETE", _path(name), url, tenant=tenant)
    typer.echo(f"the configuration of {name} is removed; profiles and devices stay at the node")


def _taken(one: dict[str, Any]) -> str:
    if one["missing"]:
        return f"no profile {', '.join(one['missing'])} any more"
    if one["askedAt"] is None:
        return "not asked since the start"
    return "taken" if one["taken"] else "not taken yet"


_LIST: Columns = {
    "name": lambda one: one["name"],
    "key": lambda one: one["key"],
    "version": lambda one: one["version"],
    "state": _taken,
    "asked": lambda one: one["askedAt"] or "-",
    "set": lambda one: one["setAt"],
}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{path} cannot be read as a configuration: {error}") from error


def _path(name: str) -> str:
    return f"/sense/edges/{quote(name, safe='')}"
