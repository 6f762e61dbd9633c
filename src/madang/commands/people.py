"""``madang people``: whom to tell, and how: people, groups, rotas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
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
    hand_out,
    print_json,
    seconds,
    send,
    show,
)

app = typer.Typer(no_args_is_help=True, help="People to tell, groups and on-call rotas.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Lower case, such as kim or night-desk.")]
Title = Annotated[str, typer.Option("--title", help="Name for people to read.")]
TimeZone = Annotated[str, typer.Option("--time-zone", help="Such as Asia/Seoul; UTC if left out.")]
Several = Annotated[
    list[str], typer.Argument(metavar="MEMBER...", help="Names of contacts, in their order.")
]
_TEST_S = 30.0

_LIST: Columns = {
    "name": lambda one: one["name"],
    "kind": lambda one: one["kind"],
    "title": lambda one: one.get("title", ""),
    "how": lambda one: _how(one),
}
_TURNS: Columns = {"from": lambda one: one["from"], "who": lambda one: one["who"]}


@app.command("list")
def list_people(as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """List people, groups and rotas."""
    show(every("/contacts", url, tenant), as_json, "there are no contacts yet", _LIST)


@app.command("show")
def show_one(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Show a contact as JSON, without its secrets."""
    print_json(send("GET", _path(name), url, tenant=tenant))


@app.command("add")
def add(
    name: Name,
    email: Annotated[list[str] | None, typer.Option("--email", help="Mail address.")] = None,
    sms: Annotated[list[str] | None, typer.Option("--sms", help="Number: +821012345678.")] = None,
    webhook: Annotated[list[str] | None, typer.Option("--webhook", help="Address.")] = None,
    mqtt: Annotated[list[str] | None, typer.Option("--mqtt", help="mqtts://host/topic")] = None,
    cap: Annotated[
        list[str] | None, typer.Option("--cap", help="Address of an agency that takes CAP 1.2.")
    ] = None,
    language: Annotated[str, typer.Option(help="ko or en.")] = "ko",
    quiet: Annotated[str, typer.Option(help="Hours without what is not urgent: 22:00-07:00.")] = "",
    time_zone: TimeZone = "UTC",
    title: Title = "",
    account: Annotated[
        str, typer.Option("--account", help="Their account; the contact is erased with them.")
    ] = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Add a person or an agency, or change all of it. New secrets are printed once."""
    channels = [
        {"kind": kind, member: value}
        for kind, member, values in (
            ("email", "address", email), ("sms", "number", sms), ("webhook", "url", webhook),
            ("mqtt", "url", mqtt), ("cap", "url", cap),
        )
        for value in values or []
    ]  # fmt: skip
    if not channels:
        raise BadOption("say how they are told: --email, --sms, --webhook, --mqtt or --cap")
    body: dict[str, Any] = {"kind": "person", "title": title, "language": language}
    if account:
        body["account"] = account
    if quiet:
        start, dash, end = quiet.partition("-")
        if not dash:
            raise BadOption(f"{quiet!r} are no hours such as 22:00-07:00")
        body["quiet"] = {"start": start, "end": end, "time_zone": time_zone}
    _put(name, body | {"channels": channels}, tenant, url)


@app.command("group")
def group(
    name: Name, members: Several, title: Title = "", tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Make a group of contacts who are told together."""
    _put(name, {"kind": "group", "title": title, "members": members}, tenant, url)


@app.command("rota")
def rota(
    name: Name,
    people: Several,
    start: Annotated[str, typer.Option("--start", help="First turn: 2026-11-23T09:00.")],
    turn: Annotated[str, typer.Option("--turn", help="How long a turn is: 12h, 7d.")] = "7d",
    time_zone: TimeZone = "UTC",
    title: Title = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Make a rota: contacts who are on call by turns."""
    body = {
        "kind": "rota", "title": title, "people": people, "start": start,
        "turn_hours": seconds(turn) / 3600, "time_zone": time_zone,
    }  # fmt: skip
    _put(name, body, tenant, url)


@app.command("stand-in")
def stand_in(
    name: Name,
    who: Annotated[str, typer.Argument(metavar="WHO", help="Who is on call instead.")],
    start: Annotated[str, typer.Argument(metavar="FROM", help="2026-12-24T09:00")],
    end: Annotated[str, typer.Argument(metavar="TO", help="2026-12-26T09:00")],
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Let somebody stand in on a rota, by its clock."""
    found = send("GET", _path(name), url, tenant=tenant)
    if found["kind"] != "rota":
        raise BadOption(f"{name} is a {found['kind']}; only on a rota somebody stands in")
    found["overrides"] = [*found.get("overrides", []), {"who": who, "start": start, "end": end}]
    found.pop("name")
    _put(name, found, tenant, url)


@app.command("save")
def save(
    name: Name,
    file: Annotated[Path, typer.Argument(help="JSON: what `madang people show` prints.")],
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Keep a contact from a file, with all that it can have: browsers, stand-ins, quiet hours."""
    try:
        body = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise BadOption(f"{file} cannot be read as JSON: {error}") from None
    if isinstance(body, dict):
        body.pop("name", None)
    _put(name, body, tenant, url)


@app.command("on-call")
def on_call(
    name: Name,
    at: Annotated[str, typer.Option("--at", help="2026-12-24T12:00:00Z; now if left out.")] = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show who would be told, and the next turns of a rota."""
    asked = {"at": at} if at else None
    found = send("GET", f"{_path(name)}/on-call", url, None, asked, tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(", ".join(one["title"] or one["name"] for one in found["people"]) or "nobody")
    if found["turns"]:
        typer.echo()
        show(found["turns"], False, "", _TURNS)


@app.command("test")
def send_test(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Send a test notice to a contact, and tell what became of it."""
    notice = send("POST", f"{_path(name)}/test", url, None, None, tenant)["id"]
    path = f"/ngsi-ld/v1/entities/{quote(notice, safe=':')}"
    until = time.monotonic() + _TEST_S
    while True:
        found = send("GET", path, url, None, {"options": "keyValues"}, tenant)
        if found["status"] != "waiting" or time.monotonic() > until:
            break
        time.sleep(0.2)
    for one in found.get("deliveries", {}).get("json", []):
        fate = "sent" if one["ok"] else one.get("error") or "not yet"
        typer.echo(f"{one['person']}  {one['channel']}  {fate}")
    if found["status"] == "failed":
        raise typer.Exit(1)


@app.command("remove")
def remove(name: Name, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Remove a contact."""
    ask(yes, f"Remove {name}?")
    send("DELETE", _path(name), url, None, None, tenant)
    typer.echo(f"{name} is removed")


# --- asking and showing ---------------------------------------------------------------------------


def _path(name: str) -> str:
    return f"/contacts/{quote(name, safe='')}"


def _put(name: str, body: Any, tenant: str, url: str) -> None:
    found = send("PUT", _path(name), url, body, None, tenant)
    for channel, secret in found.get("secrets", {}).items():
        hand_out(secret, f"secret that signs the channel {channel}, shown this once:")
    typer.echo(f"{name} is kept", err=True)


def _how(one: dict[str, Any]) -> str:
    if one["kind"] == "person":
        return ", ".join(channel["kind"] for channel in one["channels"])
    return ", ".join(one["members"] if one["kind"] == "group" else one["people"])
