"""``madang subscription``: who is told of changes, whether that works, and what waits."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

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
    print_json,
    send,
)
from madang.commands.terminal import show as show_list

app = typer.Typer(
    help="Who is told of changes, whether that works, and what waits.", no_args_is_help=True
)

PATH = "/ngsi-ld/v1/subscriptions"
Id = Annotated[str, typer.Argument(help="Id of the subscription.")]


def _of(id: str, part: str = "") -> str:
    return f"{PATH}/{quote(id, safe=':')}{part}"


def _about(one: dict[str, Any]) -> str:
    """Return the types, or ids, of the entities that a subscription is about."""
    wanted = one.get("entities", [])
    return ", ".join(str(each.get("id") or each["type"]) for each in wanted) or "everything"


def _where(one: dict[str, Any]) -> str:
    """Return where notifications go, without the password that may be in it."""
    uri = str(one["notification"]["endpoint"]["uri"])
    account, at, _ = urlsplit(uri).netloc.rpartition("@")
    return uri.replace(account + at, "", 1) if at else uri


def _state(one: dict[str, Any]) -> str:
    """Return how a subscription is: the standard's status, or that its endpoint fails."""
    status = str(one.get("status", "active"))
    if status != "active":
        return status
    return "failing" if one["notification"].get("status") == "failed" else status


_SUBSCRIPTION: Columns = {
    "subscription": lambda one: one["id"],
    "name": lambda one: one.get("subscriptionName", ""),
    "about": _about,
    "to": _where,
    "state": _state,
    "sent": lambda one: one["notification"].get("timesSent", 0),
    "failed": lambda one: one["notification"].get("timesFailed", 0),
    "last success": lambda one: one["notification"].get("lastSuccess", "")[:19],
}

_WAITING: Columns = {
    "key": lambda one: one["key"],
    "changed at": lambda one: one["changedAt"][:23],
    "attempts": lambda one: one["attempts"],
    "error": lambda one: one.get("error", ""),
    "about": lambda one: _told(one["notification"]),
}


def _told(notification: dict[str, Any]) -> str:
    """Return the entities that a notification tells of."""
    data = notification["data"]
    entities = data if isinstance(data, list) else data["features"]
    first = str(entities[0]["id"]) if entities else ""
    return f"{first} and {len(entities) - 1} more" if len(entities) > 1 else first


@app.command("list")
def list_(
    failing: Annotated[bool, typer.Option("--failing", help="Only those that fail.")] = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List subscriptions, the oldest first: your own, or all for administrators."""
    found = every(PATH, url, tenant)
    if failing:
        found = [one for one in found if _state(one) == "failing"]
    none = "No subscription fails." if failing else "There is no subscription."
    show_list(found, as_json, none, _SUBSCRIPTION)


@app.command()
def show(id: Id, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Show one subscription as it is."""
    print_json(send("GET", _of(id), url, tenant=tenant))


@app.command()
def add(
    to: Annotated[str, typer.Option("--to", help="http(s), mqtt(s) or nats:bus address.")],
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Type of entities; may be repeated.")
    ] = None,
    watch: Annotated[
        list[str] | None, typer.Option("--watch", help="Attribute; any if left out.")
    ] = None,
    q: Annotated[str, typer.Option("--q", help="Only while this holds: temperature>30.")] = "",
    form: Annotated[
        str, typer.Option("--format", help="normalized, concise or simplified.")
    ] = "normalized",
    throttling: Annotated[
        int, typer.Option(min=0, help="Seconds between two notifications at least.")
    ] = 0,
    name: Annotated[str, typer.Option("--name", help="What it is called.")] = "",
    id: Annotated[str, typer.Option("--id", help="Its id; one is made if left out.")] = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Have changes told to an address; prints the id. Everything else: see how to subscribe."""
    if not type_ and not watch:
        raise BadOption("say what it is about: --type, --watch or both")
    id = id or f"urn:ngsi-ld:Subscription:{uuid4()}"
    given = {
        "subscriptionName": name,
        "entities": [{"type": one} for one in type_ or ()],
        "watchedAttributes": watch,
        "q": q,
        "throttling": throttling,
    }
    body: dict[str, Any] = {member: value for member, value in given.items() if value}
    body |= {"id": id, "type": "Subscription"}
    body["notification"] = {"format": form, "endpoint": {"uri": to}}
    send("POST", PATH, url, body, tenant=tenant)
    typer.echo(id)


@app.command()
def waiting(
    id: Id,
    after: Annotated[int, typer.Option(min=0, help="Only keys after this one.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Tell how its endpoint fares, and list what it has not taken yet, the oldest first."""
    asked = {"after": str(after), "limit": str(limit)}
    found = send("GET", _of(id, "/undelivered"), url, None, asked, tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(_fares(found["endpoint"]))
    show_list(found["notifications"], False, "Nothing waits.", _WAITING)


def _fares(endpoint: dict[str, Any]) -> str:
    """Return how an endpoint fares in one sentence."""
    words = {"closed": "takes notifications", "half-open": "is tried again", "open": "fails"}
    told = [f"The endpoint {words[endpoint['state']]}", f"{endpoint['waiting']:,} wait"]
    if "refused" in endpoint:
        told.append(f"{endpoint['refused']:,} were refused")
    if "nextAttempt" in endpoint:
        told.append(f"next attempt at {endpoint['nextAttempt'][:19]}")
    if "error" in endpoint:
        told.append(str(endpoint["error"]))
    return "; ".join(told)


@app.command()
def resend(id: Id, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Try everything it has not taken again at once, refused ones included."""
    send("POST", _of(id, "/resend"), url, tenant=tenant)
    typer.echo("being sent again")


@app.command()
def pause(id: Id, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Tell nothing until it is resumed; what waits is kept."""
    send("PATCH", _of(id), url, {"isActive": False}, tenant=tenant)
    typer.echo("paused")


@app.command()
def resume(id: Id, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Go on telling, first what waits."""
    send("PATCH", _of(id), url, {"isActive": True}, tenant=tenant)
    typer.echo("active")


@app.command()
def remove(id: Id, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Delete a subscription and what waits for it."""
    ask(yes, f"Delete {id} and what waits for it?")
    send("DELETE", _of(id), url, tenant=tenant)
    typer.echo("removed")
