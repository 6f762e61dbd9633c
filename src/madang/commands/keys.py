"""``madang key``: keys of devices, apps, services and partner cities."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    BadOption,
    Columns,
    Json,
    Scopes,
    Tenants,
    Url,
    Yes,
    ask,
    every,
    hand_out,
    instant,
    limits,
    print_json,
    seconds,
    send,
    show,
    tenant_names,
)

key_app = typer.Typer(no_args_is_help=True, help="Make, rotate and revoke keys of devices, apps.")

WhichKey = Annotated[str, typer.Argument(metavar="KEY", help="Id or name of the key.")]

_KEY: Columns = {
    "id": lambda one: one["id"],
    "kind": lambda one: one["kind"],
    "name": lambda one: one["name"],
    "reads": lambda one: one["reads"],
    "writes": lambda one: one["writes"],
    "tenants": lambda one: tenant_names(one["tenants"]),
    "last used": lambda one: one["lastUsedAt"] or "never",
    "expires": lambda one: one["expiresAt"] or "never",
    "state": lambda one: one["state"],
}

_LACKS = {
    "app": "It can do nothing yet: revoke it and name types with --read and --write; '*' is all.",
    "device": "It can do nothing yet: revoke it and name what is its own with --entity.",
}


@key_app.command("list")
def list_keys(
    kind: Annotated[str, typer.Option(help="device, app, service or city.")] = "",
    revoked: Annotated[bool, typer.Option("--revoked", help="Also those revoked.")] = False,
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List keys and when they were last used."""
    asked = {"kind": kind, "revoked": "true" if revoked else ""}
    show(every("/trust/keys", url, **asked), as_json, "there are no keys yet", _KEY)


@key_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What people call the device or app.")],
    device: Annotated[bool, typer.Option("--device", help="For a device.")] = False,
    app: Annotated[bool, typer.Option("--app", help="For an app.")] = False,
    service: Annotated[bool, typer.Option("--service", help="For a service.")] = False,
    city: Annotated[bool, typer.Option("--city", help="For a partner city.")] = False,
    read: Annotated[
        list[str] | None, typer.Option("--read", help="Entity type it may read; * is all.")
    ] = None,
    write: Annotated[
        list[str] | None, typer.Option("--write", help="Entity type it may write; * is all.")
    ] = None,
    entity: Annotated[
        list[str] | None, typer.Option("--entity", help="Id of an entity that is its own.")
    ] = None,
    tenant: Tenants = None,
    scope: Scopes = None,
    expires: Annotated[
        str, typer.Option(help="When it ends: 90d, 2027-01-31 or 2027-01-31T12:00:00Z.")
    ] = "",
    owner: Annotated[str, typer.Option(help="Account that may rotate and revoke it.")] = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a key and print it; it is shown this once."""
    kinds = {"device": device, "app": app, "service": service, "city": city}
    chosen = [kind for kind, is_chosen in kinds.items() if is_chosen]
    if len(chosen) != 1:
        raise BadOption("say one of --device, --app, --service, --city")
    body: dict[str, Any] = {"kind": chosen[0], "name": name} | limits(tenant, scope)
    given = {"reads": read, "writes": write, "entities": entity, "owner": owner}
    body |= {member: value for member, value in given.items() if value}
    if expires:
        body["expiresAt"] = instant(expires)
    made = send("POST", "/trust/keys", url, body)
    _hand_out_key(made, as_json, f"Key {made['id']} of {chosen[0]} {name}, shown this once:")
    lacks = {"app": not (read or write), "device": not entity}
    if lacks.get(chosen[0]):
        typer.echo(_LACKS[chosen[0]], err=True)


@key_app.command("rotate")
def rotate_key(
    which: WhichKey,
    overlap: Annotated[
        str, typer.Option(help="How long the secret before still works: 0s, 2h, 7d.")
    ] = "1d",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Give a key a new secret and print it; it is shown this once."""
    body = {"overlap_s": seconds(overlap)}
    made = send("POST", f"{_key(which)}/rotate", url, body)
    _hand_out_key(
        made,
        as_json,
        f"Key {made['id']}, shown this once; the one before works for {overlap} more:",
    )


@key_app.command("disable")
def disable_key(which: WhichKey, url: Url = DEFAULT_URL) -> None:
    """Switch a key off for a while."""
    key = send("PATCH", _key(which), url, {"disabled": True})
    typer.echo(f"key {key['id']} ({key['name']}) is switched off")


@key_app.command("enable")
def enable_key(which: WhichKey, url: Url = DEFAULT_URL) -> None:
    """Switch a key on again."""
    key = send("PATCH", _key(which), url, {"disabled": False})
    typer.echo(f"key {key['id']} ({key['name']}) is switched on")


@key_app.command("revoke")
def revoke_key(which: WhichKey, yes: Yes = False, url: Url = DEFAULT_URL) -> None:
    """End a key for good, at once."""
    ask(yes, f"End key {which} for good?")
    send("DELETE", _key(which), url)
    typer.echo(f"key {which} is revoked")


def _key(which: str) -> str:
    return f"/trust/keys/{quote(which, safe='')}"


def _hand_out_key(made: dict[str, Any], as_json: bool, what: str) -> None:
    if as_json:
        print_json(made)
        return
    hand_out(made["key"], what)
    typer.echo("It is sent as `Authorization: Bearer mdg_...`.", err=True)
