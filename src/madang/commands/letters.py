"""``madang letters``: messages of devices that could not be used, and what to do about them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from madang.commands.terminal import DEFAULT_URL, Columns, Json, Tenant, Url, print_json, send
from madang.commands.terminal import show as show_list

app = typer.Typer(
    help="Dead letters: messages that could not be used, with the reason.", no_args_is_help=True
)

Device = Annotated[str, typer.Option("--device", help="Only those of a device, feed or file.")]
Reason = Annotated[str, typer.Option("--reason", help="Only those with a reason.")]
PATH = "/sense/letters"
SHOWN = 20  # letters that are bad still

_LETTER: Columns = {
    "letter": lambda one: one["id"],
    "at": lambda one: one["at"][:19],
    "device": lambda one: one["device"],
    "over": lambda one: one["transport"],
    "reason": lambda one: one["reason"],
    "what is wrong": lambda one: one["detail"],
}


def _ask(url: str, tenant: str, method: str, path: str, **parameters: str) -> Any:
    given = {name: value for name, value in parameters.items() if value}
    return send(method, path, url, None, given, tenant)


@app.command("list")
def list_(
    device: Device = "",
    reason: Reason = "",
    limit: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 20,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """List dead letters, the newest first."""
    found = _ask(url, tenant, "GET", PATH, device=device, reason=reason, limit=str(limit))
    show_list(found["letters"], as_json, "There is no such dead letter.", _LETTER)
    if as_json:
        return
    reasons = ", ".join(f"{count:,} {name}" for name, count in found["byReason"].items())
    typer.echo(f"\n{found['count']:,} in all{f': {reasons}' if reasons else ''}")
    if found["replaced"]:
        typer.echo(f"{found['replaced']:,} older ones had to make room")


@app.command()
def show(
    letter: Annotated[int, typer.Argument(help="Number of the letter.")],
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show one dead letter with its body."""
    found = _ask(url, tenant, "GET", f"{PATH}/{letter}")
    print_json(found)


@app.command()
def replay(
    letter: Annotated[int | None, typer.Argument(help="Number of one letter.")] = None,
    device: Device = "",
    reason: Reason = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Take letters again after a fix, the oldest first; the exit code is 1 if any is bad still."""
    given = {"id": "" if letter is None else str(letter), "device": device, "reason": reason}
    found = _ask(url, tenant, "POST", f"{PATH}/replay", **given)
    for one in found["failed"][:SHOWN]:
        typer.echo(f"letter {one['id']}: {one['detail']}", err=True)
    failed = len(found["failed"])
    typer.echo(f"{found['replayed']:,} replayed, {failed:,} still bad")
    raise typer.Exit(1 if failed else 0)


@app.command()
def remove(
    letter: Annotated[int | None, typer.Argument(help="Number of one letter.")] = None,
    device: Device = "",
    reason: Reason = "",
    all_: Annotated[bool, typer.Option("--all", help="All there are.")] = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Remove letters for good."""
    if letter is None and not (device or reason or all_):
        raise typer.BadParameter("name a letter, --device, --reason or --all")
    if letter is not None:
        _ask(url, tenant, "DELETE", f"{PATH}/{letter}")
        removed = 1
    else:
        removed = _ask(url, tenant, "DELETE", PATH, device=device, reason=reason)["removed"]
    typer.echo(f"{removed:,} removed")
