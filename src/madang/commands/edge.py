"""``madang edge``: a node near the devices that keeps working when the centre is cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from madang.commands.terminal import DEFAULT_URL, BadOption, Json, Url, print_json, send

app = typer.Typer(help="Run an edge node: it takes devices here and tells the centre.")

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
    from madang import settings

    given = {
        "edge_upstream": upstream,
        "edge_name": name,
        "data": data,
        "host": host,
        "port": port,
        "mqtt_port": mqtt_port,
        "open": open_ or None,
    }
    chosen = settings.load(given, config=config)
    if not chosen.edge_upstream:
        raise BadOption(
            "an edge node needs a centre: --upstream https://city.example, or edge_upstream in the"
            " settings; a hub of its own is `madang up`"
        )
    from madang.app import serve

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
    if found.get("alarm"):
        raise typer.Exit(1)
