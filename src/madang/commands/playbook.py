"""``madang playbook``: what is done when something happens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    send,
    show,
)

app = typer.Typer(no_args_is_help=True, help="Playbooks: steps, people and clocks of incidents.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower case, such as flood.")]
File = Annotated[Path, typer.Argument(help="TOML file.")]

_LIST: Columns = {
    "name": lambda one: one["name"],
    "applies to": lambda one: one.get("appliesTo") or one.get("fault") or "all others",
    "from": lambda one: one.get("fromSeverity", ""),
    "tells": lambda one: one.get("notify", []),
    "steps": lambda one: one.get("steps", ""),
    "title": lambda one: (one["title"] or {}).get("en", ""),
}


@app.command("list")
def list_playbooks(as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """List playbooks."""
    show(every("/playbooks", url, tenant), as_json, "there are no playbooks yet", _LIST)


@app.command("show")
def show_playbook(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Print a playbook as it was saved."""
    typer.echo(send("GET", f"/playbooks/{name}", url, tenant=tenant)["text"].rstrip())


@app.command("save")
def save(
    name: Name,
    file: File,
    check: Annotated[bool, typer.Option("--check", help="Only check it; keep nothing.")] = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Check a playbook and keep it; incidents that have begun keep the one that they had."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"{file} cannot be read: {error}") from None
    send("PUT", f"/playbooks/{name}", url, {"text": text, "check": check}, None, tenant)
    typer.echo(f"{name} is {'good' if check else 'kept'}")


@app.command("remove")
def remove(name: Name, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Remove a playbook."""
    ask(yes, f"Remove the playbook {name}?")
    send("DELETE", f"/playbooks/{name}", url, None, None, tenant)
    typer.echo(f"{name} is removed")
