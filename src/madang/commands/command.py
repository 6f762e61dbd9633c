"""``madang command``: telling devices to do something, and seeing what came of it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final
from urllib.parse import quote

import orjson
import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    Columns,
    Json,
    Tenant,
    Url,
    print_json,
    seconds,
    send,
    show,
    values_of,
)

app = typer.Typer(no_args_is_help=True, help="Tell devices to do something, and see what came.")

PREFIX: Final = "urn:ngsi-ld:Command:"
PENDING: Final = frozenset(["requested", "waiting", "sent", "acknowledged"])
GOOD: Final = frozenset(["done", "reverted", "waiting"])
_LOOK_S: Final = 0.2

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the command, or what follows"
                                   f" {PREFIX} in it.")]  # fmt: skip
Reason = Annotated[str, typer.Option("--reason", help="Why, for those who asked.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is over.")]

_LIST: Columns = {
    "asked": lambda one: one["requestedAt"],
    "status": lambda one: one["status"] + (" (dry run)" if one.get("dryRun") else ""),
    "command": lambda one: _told(one),
    "target": lambda one: one["target"],
    "by": lambda one: _who(one, one["requestedBy"]),
    "id": lambda one: one["id"].removeprefix(PREFIX),
}


@app.command("send")
def send_command(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="Id of the entity or device.")],
    name: Annotated[str, typer.Argument(metavar="COMMAND", help="As the profile names it.")],
    parameters: Annotated[
        list[str] | None, typer.Argument(metavar="PARAMETER=VALUE...", help="JSON or text.")
    ] = None,
    revert_after: Annotated[
        str, typer.Option("--revert-after", metavar="TIME", help="Take it back then: 30m, 2h.")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all and show what would be sent; send nothing.")
    ] = False,
    key: Annotated[
        str, typer.Option("--key", help="Of your own: the same key is the same command.")
    ] = "",
    wait: Wait = True,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Tell a device to do something; follow it until it is over."""
    body: dict[str, Any] = {
        "target": target,
        "name": name,
        "parameters": values_of(parameters or [], "PARAMETER=VALUE"),
    }
    if revert_after:
        body["revertAfter"] = seconds(revert_after)
    if dry_run:
        body["dryRun"] = True
    if key:
        body["key"] = key
    found = send("POST", "/commands", url, body, tenant=tenant)
    _followed(found, wait, as_json, tenant, url)


@app.command("list")
def list_commands(
    status: Annotated[str, typer.Option("--status", help="Only those: waiting, sent ...")] = "",
    target: Annotated[str, typer.Option("--target", help="Only those to this entity.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """List commands, the latest first."""
    asked = {"status": status, "target": target, "limit": str(limit)}
    wanted = {name: value for name, value in asked.items() if value}
    found = send("GET", "/commands", url, None, wanted, tenant)
    show(found, as_json, "there are no commands", _LIST)


@app.command("show")
def show_command(
    id: Id, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Show a command: who asked, who agreed, what became of it."""
    found = send("GET", _path(id), url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{_told(found)} to {found['target']}: {_state(found)}")
    typer.echo(f"id: {found['id']}")
    for member, label in _LINES.items():
        if found.get(member):
            typer.echo(f"{label}: {_shown(found, member)}")


@app.command("approve")
def approve(
    id: Id, wait: Wait = True, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Agree to a command that somebody else has asked for."""
    found = send("POST", f"{_path(id)}/approve", url, {}, tenant=tenant)
    _followed(found, wait, as_json, tenant, url)


@app.command("refuse")
def refuse(
    id: Id, reason: Reason = "", as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Say no to a command that waits for those who have to agree."""
    _end(id, "refuse", reason, as_json, tenant, url)


@app.command("cancel")
def cancel(
    id: Id, reason: Reason = "", as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Call off a command that has not been sent yet."""
    _end(id, "cancel", reason, as_json, tenant, url)


@app.command("revert")
def revert(
    id: Id, wait: Wait = True, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Take a command back now, as the profile of the device says."""
    found = send("POST", f"{_path(id)}/revert", url, {}, tenant=tenant)
    _followed(found, wait, as_json, tenant, url)


def _end(id: str, how: str, reason: str, as_json: bool, tenant: str, url: str) -> None:
    body = {"reason": reason} if reason else {}
    found = send("POST", f"{_path(id)}/{how}", url, body, tenant=tenant)
    if as_json:
        print_json(found)
    else:
        typer.echo(_state(found))


# --- following ---------------------------------------------------------------------------------


def _followed(found: dict[str, Any], wait: bool, as_json: bool, tenant: str, url: str) -> None:
    """Tell each state of a command as it comes; end with 1 if it has not been done."""
    if wait:
        found = asyncio.run(_until_over(found, not as_json, tenant, url))
    elif not as_json:
        typer.echo(f"{_state(found)}\n{found['id']}")
    if as_json:
        print_json(found)
    if wait and found["status"] not in GOOD:  # one that waits for people is on its way
        raise typer.Exit(1)


async def _until_over(
    found: dict[str, Any], is_told: bool, tenant: str, url: str
) -> dict[str, Any]:
    from madang.commands.client import connect

    said = ""
    async with connect(url, tenant) as client:
        while True:
            state = _state(found)
            if is_told and state != said:
                typer.echo(state if said else f"{found['id']}\n{state}")
                said = state
            if not _is_pending(found):
                if is_told and "wire" in found:
                    typer.echo(orjson.dumps(found["wire"], option=orjson.OPT_INDENT_2).decode())
                return found
            await asyncio.sleep(_LOOK_S)
            found = await client.get(_path(found["id"]))


def _is_pending(found: dict[str, Any]) -> bool:
    """Tell whether something will still come, but for a revert that is due later or people."""
    if found.get("revertDue") and found.get("revertedBy"):
        return True
    return found["status"] in PENDING and found["status"] != "waiting"


# --- showing ----------------------------------------------------------------------------------

_LINES: Final = {
    "requestedBy": "asked by",
    "requestedAt": "asked at",
    "approvedBy": "approved by",
    "sentAt": "sent at",
    "acknowledgedAt": "acknowledged at",
    "endedAt": "ended at",
    "endedBy": "ended by",
    "decision": "because of",
    "reverts": "takes back",
    "revertAt": "taken back at",
    "revertedBy": "taken back by",
    "wire": "would have been sent",
}


def _shown(found: dict[str, Any], member: str) -> str:
    value = found[member]
    if member in ("requestedBy", "endedBy", "revertedBy"):
        return _who(found, value)
    if member == "approvedBy":
        return ", ".join(_who(found, one) for one in value)
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _who(found: dict[str, Any], id: str) -> str:
    name: str = found.get("people", {}).get(id, id)
    return name


def _told(found: dict[str, Any]) -> str:
    """Return a command as people say it.

    >>> _told({"name": "dim", "parameters": {"level": 0.3}})
    'dim level=0.3'
    """
    given = [
        f"{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in found["parameters"].items()
    ]
    return " ".join([found["name"], *given])


def _state(found: dict[str, Any]) -> str:
    status: str = found["status"]
    reason = found.get("reason", "")
    text = reason["en"] if isinstance(reason, dict) else reason
    if status == "waiting":
        text = text or "another person must agree: `madang command approve`"
    return f"{status}: {text}" if text else status


def _path(id: str) -> str:
    return f"/commands/{quote(id.removeprefix(PREFIX), safe='')}"
