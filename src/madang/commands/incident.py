"""``madang incident``: what is going on, and what is done about it."""

from __future__ import annotations

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
    every,
    print_json,
    send,
    show,
)

app = typer.Typer(no_args_is_help=True, help="Deal with incidents.")

Name = Annotated[str, typer.Argument(metavar="INCIDENT", help="Number of the incident, or its id.")]
Said = Annotated[str, typer.Argument(metavar="TEXT", help="In one language, or as JSON with both.")]
Why = Annotated[str, typer.Option("--text", help="What is to be remembered of it.")]

_LIST: Columns = {
    "number": lambda one: one["number"],
    "status": lambda one: one["status"],
    "severity": lambda one: one["severity"],
    "began": lambda one: one["startedAt"],
    "owner": lambda one: one["owner"],
    "reports": lambda one: one["reports"],
    "title": lambda one: one["title"]["en"],
}
_STEPS: Columns = {
    "step": lambda one: one["name"],
    "due": lambda one: one["due"] or "",
    "done": lambda one: one["done"] or ("overdue" if one["overdue"] else ""),
    "by": lambda one: one["by"],
    "value": lambda one: "" if one["value"] is None else one["value"],
    "what": lambda one: one["title"]["en"],
}
_NEAR: Columns = {
    "near by": lambda one: one["id"],
    "type": lambda one: one["type"],
    "name": lambda one: one["name"] or "",
}
MOST_SHOWN = 20  # alerts of an incident
_PLAIN = (
    "owner", "category", "kind", "reports", "area", "playbook", "public", "startedAt", "mergedInto",
)  # fmt: skip


@app.command("list")
def list_incidents(
    status: Annotated[
        str, typer.Option(help="Only these, with commas; all that are not closed if left out.")
    ] = "open,acknowledged,resolved",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """List incidents, the latest first."""
    found = every("/incidents", url, tenant, status=status)
    show(found, as_json, "there are no such incidents", _LIST)


@app.command("show")
def show_incident(
    incident: Name, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Show an incident: its steps, its timeline, what is near it."""
    found = send("GET", _path(incident), url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{found['title']['en']} ({found['number']}): {found['status']}, {found['severity']}"
    )
    for member in _PLAIN:
        if found[member] not in ("", None, False):
            typer.echo(f"{member}: {found[member]}")
    for alert in found["alerts"][:MOST_SHOWN]:
        typer.echo(f"alert: {alert}")
    for name, agency in found["agencies"].items():
        typer.echo(f"{name}: {agency['state']} {agency.get('reference', '')}".rstrip())
    for part, columns in (("steps", _STEPS), ("nearby", _NEAR)):
        if found[part]:
            typer.echo()
            show(found[part], False, "", columns)
    typer.echo()
    for entry in found["timeline"]:
        typer.echo(_line(entry))


@app.command("open")
def open_incident(
    title: Said,
    category: Annotated[str, typer.Option(help="Such as fire; playbooks go by it.")] = "other",
    severity: Annotated[str, typer.Option(help="informational to critical.")] = "medium",
    near: Annotated[str, typer.Option(help="longitude,latitude")] = "",
    area: Annotated[str, typer.Option(help="Where, in words.")] = "",
    text: Why = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Open an incident that no alert tells of."""
    body: dict[str, Any] = {"title": _words(title), "category": category, "severity": severity}
    if near:
        body["location"] = {"type": "Point", "coordinates": _position(near)}
    if area:
        body["area"] = _words(area)
    if text:
        body["text"] = _words(text)
    found = send("POST", "/incidents", url, body, tenant=tenant)
    _tell(found, as_json, f"{found['number']} is open")


@app.command("ack")
def acknowledge(
    incident: Name, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Acknowledge an incident: nobody else is called any more."""
    _change(incident, {"status": "acknowledged"}, "is yours", as_json, tenant, url)


@app.command("own")
def own(
    incident: Name,
    owner: Annotated[str, typer.Argument(metavar="[WHO]", help="You, if left out.")] = "me",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Say who looks after an incident."""
    _change(incident, {"owner": owner}, "has an owner", as_json, tenant, url)


@app.command("severity")
def grade(
    incident: Name,
    severity: Annotated[str, typer.Argument(help="informational, low, medium, high or critical.")],
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Say how severe an incident is; alerts do not raise it any more."""
    _change(incident, {"severity": severity}, f"is {severity}", as_json, tenant, url)


@app.command("step")
def step(
    incident: Name,
    name: Annotated[str, typer.Argument(metavar="STEP", help="Name of the step.")],
    value: Annotated[
        str | None, typer.Argument(metavar="[VALUE]", help="What was found out, as JSON or text.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back that it was done.")] = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Do a step of the playbook."""
    body: dict[str, Any] = {"done": not undo}
    if value is not None:
        body["value"] = _json(value)
    found = send("POST", f"{_path(incident)}/steps/{quote(name, safe='')}", url, body, None, tenant)
    _tell(found, as_json, f"{name} is {'open again' if undo else 'done'}")


@app.command("note")
def note(
    incident: Name,
    text: Said,
    public: Annotated[bool, typer.Option("--public", help="For the public page as well.")] = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Write a note into the timeline."""
    body = {"text": _words(text), "public": public}
    _tell(send("POST", f"{_path(incident)}/notes", url, body, None, tenant), as_json, "noted")


@app.command("call")
def call(
    incident: Name,
    to: Annotated[str, typer.Argument(metavar="CONTACT", help="Person, group, rota or agency.")],
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell a person, a group or an agency of an incident, and ask for help."""
    found = send("POST", f"{_path(incident)}/calls", url, {"to": to}, None, tenant)
    _tell(found, as_json, f"{to} is called")


@app.command("hand-over")
def hand_over(
    incident: Name,
    to: Annotated[str, typer.Argument(metavar="WHO", help="A contact is told of it.")],
    text: Said,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Give an incident to somebody else, with what they must know."""
    body = {"handOver": to, "text": _words(text)}
    _change(incident, body, f"is {to}'s", as_json, tenant, url)


@app.command("merge")
def merge(
    incident: Name,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Number of the one that ends.")],
    text: Why = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Make another incident a part of this one, for both are the same."""
    body = _with({"incident": other}, text)
    found = send("POST", f"{_path(incident)}/merges", url, body, None, tenant)
    _tell(found, as_json, f"{other} is a part of {found['number']}")


@app.command("split")
def split(
    incident: Name,
    alerts: Annotated[list[str], typer.Argument(metavar="ALERT…", help="Ids of its alerts.")],
    title: Annotated[str, typer.Option(help="Of the new one, in one language or as JSON.")] = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Take alerts out of an incident, to be one of their own."""
    body: dict[str, Any] = {"alerts": alerts}
    if title:
        body["title"] = _words(title)
    found = send("POST", f"{_path(incident)}/splits", url, body, None, tenant)
    _tell(found, as_json, f"{found['number']} is open")


@app.command("publish")
def publish(
    incident: Name,
    title: Annotated[str, typer.Option(help="Another title, in one language or as JSON.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back.")] = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show an incident on the public page."""
    body: dict[str, Any] = {"public": not withdraw}
    if title:
        body["title"] = _words(title)
    done = "is no longer public" if withdraw else "is public"
    _change(incident, body, done, as_json, tenant, url)


@app.command("resolve")
def resolve(
    incident: Name,
    text: Why = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Say that an incident is over."""
    _change(incident, _with({"status": "resolved"}, text), "is over", as_json, tenant, url)


@app.command("close")
def close(
    incident: Name,
    text: Why = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """End an incident for good."""
    _change(incident, _with({"status": "closed"}, text), "is closed", as_json, tenant, url)


@app.command("report")
def report(
    incident: Name,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write it to a file instead.")
    ] = None,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Print the after-action report as JSON; a browser shows /incidents/INCIDENT/report."""
    found = send("GET", f"{_path(incident)}/report", url, tenant=tenant)
    if output is None:
        print_json(found)
    else:
        output.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


# --- reading what people type ---------------------------------------------------------------------


def _words(text: str) -> Any:
    """Return a text, or one in both languages if it is JSON.

    >>> _words('{"en": "Fire", "ko": "불"}')["en"], _words("Fire")
    ('Fire', 'Fire')
    """
    return _json(text) if text.startswith("{") else text


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _position(text: str) -> list[float]:
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError:
        raise BadOption(f"{text!r} is no longitude,latitude such as 126.98,37.57") from None
    return [lon, lat]


def _with(body: dict[str, Any], text: str) -> dict[str, Any]:
    return {**body, "text": _words(text)} if text else body


# --- asking and showing ---------------------------------------------------------------------------


def _path(incident: str) -> str:
    return f"/incidents/{quote(incident, safe=':')}"


def _change(
    incident: str, body: dict[str, Any], done: str, as_json: bool, tenant: str, url: str
) -> None:
    found = send("PATCH", _path(incident), url, body, None, tenant)
    _tell(found, as_json, f"{found['number']} {done}")


def _tell(found: Any, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json(found)
    else:
        typer.echo(sentence)


def _line(entry: dict[str, Any]) -> str:
    text = entry.get("text")
    said = text.get("en", "") if isinstance(text, dict) else text or ""
    names = ("by", "to", "agency", "state", "other", "value", "reason")
    parts = [entry["at"], entry["what"], *(entry.get(name, "") for name in names), said]
    return "  ".join(str(part) for part in parts if part not in ("", None))
