"""``madang decision``: what services have decided and why, and taking a decision back."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    Columns,
    Json,
    Tenant,
    Url,
    Yes,
    ask,
    print_json,
    send,
    show,
)

app = typer.Typer(no_args_is_help=True, help="Read what services have decided, and undo it.")

Id = Annotated[str, typer.Argument(metavar="DECISION", help="Its id, as `list` shows it.")]

_PREFIX = "urn:ngsi-ld:Decision:"
_LIST: Columns = {
    "at": lambda one: one["at"],
    "decision": lambda one: one["id"].removeprefix(_PREFIX),
    "what": lambda one: _words(one["what"]),
    "": lambda one: "undone" if one["undoneBy"] else "",
}


@app.command("list")
def list_decisions(
    service: Annotated[str, typer.Option("--service", help="Only of this service.")] = "",
    entity: Annotated[str, typer.Option("--entity", help="Only about the entity of this id.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 20,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List decisions, the latest first."""
    wanted = {"service": service, "entity": entity, "limit": str(limit)}
    asked = {name: value for name, value in wanted.items() if value}
    found = send("GET", "/decisions", url, None, asked, tenant)
    show(found, as_json, "nothing has been decided", _LIST)


@app.command("show")
def show_decision(
    id: Id, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Show one decision: from what it was made, what was expected and what came of it."""
    found = send("GET", _path(id), url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(_words(found["what"]))
    typer.echo(f"{found['at']}  {found['service']} {found['version']}")
    for one in found["basedOn"]:
        when = f"  ({one['observedAt']})" if one["observedAt"] else ""
        typer.echo(f"  because {one['attribute']} of {one['entity']} was {one['value']}{when}")
    for title, values in (("expects", found["expects"]), ("came of it", found["outcome"])):
        for name, value in (values or {}).items():
            typer.echo(f"  {title}: {name} {value}")
    if found["undoneBy"]:
        typer.echo(f"  undone by {found['undoneBy']} at {found['undoneAt']}")
    elif found["undo"]:
        typer.echo("  can be undone: madang decision undo " + found["id"].removeprefix(_PREFIX))


@app.command("undo")
def undo(id: Id, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Take a decision back: what it set is put back, what it commanded is reverted."""
    found = send("GET", _path(id), url, tenant=tenant)
    ask(yes, f"Undo: {_words(found['what'])}?")
    send("POST", f"{_path(id)}/undo", url, {}, tenant=tenant)
    typer.echo("undone")


def _words(what: Any) -> str:
    return str(what.get("en") or next(iter(what.values()), "")) if isinstance(what, dict) else what


def _path(id: str) -> str:
    return f"/decisions/{quote(id, safe='')}"
