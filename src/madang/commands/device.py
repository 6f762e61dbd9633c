"""``madang device``: what measures in the city: register, give keys, label, look after."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from madang.commands import decoder, device_check, device_profile
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
from madang.sense.devices.form import KNOWN

app = typer.Typer(
    no_args_is_help=True, help="Register devices, say what they send, give keys, print labels."
)
app.add_typer(device_profile.app, name="profile")
app.add_typer(decoder.app, name="decoder")
app.command("test")(device_check.check_device)

Which = Annotated[str, typer.Argument(metavar="DEVICE", help="Name or alias of the device.")]
OfProfile = Annotated[str, typer.Option("--profile", help="Profile: what its fields mean.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help=f"MEMBER=VALUE, again and again; members: {', '.join(KNOWN)}."),
]

_LIST: Columns = {
    "device": lambda one: one["device"],
    "profile": lambda one: one["profile"] or "-",
    "alias": lambda one: one["alias"],
    "owner": lambda one: one["owner"] or "-",
    "state": lambda one: "silent" if one["silent"] else one["deviceState"],
    "last heard": lambda one: one["lastHeard"] or "never",
}
_LISTS = frozenset(["alias", "category", "controlledProperty", "owner"])
_ENDINGS = {".svg": "svg", ".png": "png"}


@app.command("list")
def list_devices(
    search: Annotated[str, typer.Option("--search", help="Part of a name or alias.")] = "",
    profile: OfProfile = "",
    owner: Annotated[str, typer.Option(help="Who it belongs to.")] = "",
    state: Annotated[str, typer.Option(help="planned, active, maintenance or retired.")] = "",
    silent: Annotated[bool, typer.Option("--silent", help="Only those that are silent.")] = False,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """List devices and when they were last heard."""
    asked = {"q": search, "profile": profile, "owner": owner, "state": state}
    asked["silent"] = "true" if silent else ""
    none = "there are no such devices; `madang device add` registers one"
    show(every("/devices", url, tenant, **asked), as_json, none, _LIST)


@app.command("show")
def show_device(
    which: Which, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Show a device: what is known of it, and how it is."""
    _print(send("GET", _path(which), url, tenant=tenant), as_json)


@app.command("add")
def add_device(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help="Its name: letters, digits, . _ -")],
    profile: OfProfile = "",
    place: Annotated[str, typer.Option(help="LONGITUDE,LATITUDE in degrees, WGS 84.")] = "",
    members: Set = None,
    no_key: Annotated[bool, typer.Option("--no-key", help="Make no key for it.")] = False,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Register a device and print its key, which is shown this once."""
    body = {"device": name, "key": not no_key} | _body(profile, place, members)
    made = send("POST", "/devices", url, body, tenant=tenant)
    if as_json:
        print_json(made)
        return
    typer.echo(f"{made['device']} is registered; it writes {_entities(made)}", err=True)
    if "key" in made:
        hand_out(made["key"], "Its key, shown this once; over MQTT it is the password:")


@app.command("change")
def change_device(
    which: Which,
    profile: OfProfile = "",
    place: Annotated[str, typer.Option(help="LONGITUDE,LATITUDE in degrees, WGS 84.")] = "",
    members: Set = None,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Change what is known of a device; --set MEMBER= removes a member."""
    body = _body(profile, place, members)
    if not body:
        raise BadOption("say what to change, with --profile, --place or --set MEMBER=VALUE")
    _print(send("PATCH", _path(which), url, body, tenant=tenant), as_json)


@app.command("remove")
def remove_device(
    which: Which, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Remove a device and end its key; what it measured stays."""
    ask(yes, f"Remove the device {which} and end its key?")
    send("DELETE", _path(which), url, tenant=tenant)
    typer.echo(f"{which} is removed; what it measured stays")


@app.command("key")
def give_key(
    which: Which,
    overlap: Annotated[
        str, typer.Option(help="How long the secret before still works: 0s, 2h, 7d.")
    ] = "1d",
    revoke: Annotated[bool, typer.Option("--revoke", help="End its key instead.")] = False,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Give a device a key, or its key a new secret, and print it; it is shown this once."""
    if revoke:
        send("DELETE", f"{_path(which)}/key", url, tenant=tenant)
        typer.echo(f"the key of {which} is revoked")
        return
    body = {"overlap_s": seconds(overlap)}
    made = send("POST", f"{_path(which)}/key", url, body, tenant=tenant)
    if as_json:
        print_json(made)
        return
    hand_out(made["key"], f"The key of {made['device']}, shown this once:")


@app.command("provision")
def provision(
    profile: Annotated[str, typer.Option("--profile", help="Profile of the devices.")],
    count: Annotated[int, typer.Option(help="How many devices it may let in.")],
    name: Annotated[str, typer.Option("--name", help="What people call the key.")] = "",
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Make a key with which devices register themselves, and print it; it is shown this once."""
    body: dict[str, Any] = {"profile": profile, "count": count} | ({"name": name} if name else {})
    made = send("POST", "/devices/provisioning", url, body, tenant=tenant)
    if as_json:
        print_json(made)
        return
    hand_out(made["key"], f"Key {made['id']} lets {count:,} devices in, shown this once:")
    typer.echo("A device sends it with its serial number to POST /devices/register.", err=True)


@app.command("import")
def import_devices(
    file: Annotated[Path, typer.Argument(help="CSV with a row a device.")],
    profile: OfProfile = "",
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="MEMBER=HEADING, where the table calls a member otherwise."),
    ] = None,
    members: Set = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Make keys and write them to this CSV file.")
    ] = None,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Register the devices of a table; rows that cannot be are named with the reason."""
    parameters = {name: str(value) for name, value in _body(profile, "", members).items()}
    if column:
        parameters["columns"] = ",".join(column)
    if keys is not None:
        parameters["keys"] = "true"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BadOption(f"{file} cannot be read: {error.strerror}") from error
    rows = asyncio.run(_import(url, tenant, content, parameters))
    good = [row for row in rows if "device" in row]
    if keys is not None:
        _write_keys(keys, good)
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            if "error" in row:
                typer.echo(f"row {row['row']}: {row['error']}", err=True)
        typer.echo(f"{len(good):,} devices registered, {len(rows) - len(good):,} rows refused")
    raise typer.Exit(0 if len(good) == len(rows) else 1)


@app.command("label")
def label(
    which: Annotated[str, typer.Argument(metavar="[DEVICE]", help="Name; none: a sheet.")] = "",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File: .svg or .png, .html for a sheet.")
    ] = Path("labels.html"),
    search: Annotated[str, typer.Option("--search", help="Part of the names on a sheet.")] = "",
    profile: OfProfile = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Write the QR label of a device, or a sheet of labels to print."""
    parameters = {"q": search, "profile": profile}
    path = "/devices/labels"
    if which:
        kind = _ENDINGS.get(output.suffix)
        if kind is None:
            raise BadOption(f"a label is an .svg or .png file; {output} is neither")
        path, parameters = f"{_path(which)}/label", {"format": kind}
    content = asyncio.run(_fetch(url, tenant, path, {k: v for k, v in parameters.items() if v}))
    output.write_bytes(content)
    typer.echo(f"{output} is written")


# --- what people type -------------------------------------------------------------------------


def _body(profile: str, place: str, members: list[str] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"profile": profile} if profile else {}
    if place:
        longitude, comma, latitude = place.partition(",")
        if not comma:
            raise BadOption(f"--place is LONGITUDE,LATITUDE such as 126.98,37.57, not {place!r}")
        body |= {"longitude": longitude, "latitude": latitude}
    for pair in members or []:
        member, equals, value = pair.partition("=")
        if not equals:
            raise BadOption(f"--set is MEMBER=VALUE such as owner=Seoul, not {pair!r}")
        listed = value.split(";") if member in _LISTS and ";" in value else value
        body[member] = listed or None
    return body


def _path(which: str) -> str:
    return f"/devices/{quote(which, safe='')}"


# --- showing ----------------------------------------------------------------------------------


def _entities(shown: dict[str, Any]) -> str:
    return ", ".join(shown["entities"]) or "nothing yet: it has no profile"


def _print(shown: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(shown)
        return
    for member, value in shown.items():
        if isinstance(value, dict):
            value = [f"{number} {name}" for name, number in value.items()]
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        typer.echo(f"{member}: {'-' if text in (None, '') else text}")


def _write_keys(path: Path, rows: list[dict[str, Any]]) -> None:
    lines = ["device,key", *(f"{row['device']},{row['key']}" for row in rows if "key" in row)]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")
    typer.echo(f"{path} has the keys; they cannot be had again", err=True)


# --- the hub ----------------------------------------------------------------------------------


async def _import(
    url: str, tenant: str, content: bytes, parameters: dict[str, str]
) -> list[dict[str, Any]]:
    from madang.commands.client import HubError, connect, detail_of

    async with connect(url, tenant, timeout_s=None) as client:
        address = client.address("/devices/import", parameters)
        async with client.session.post(address, data=content) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise HubError(f"the hub refuses ({answer.status}): {detail_of(body)}")
            return [orjson.loads(line) for line in body.splitlines()]


async def _fetch(url: str, tenant: str, path: str, parameters: dict[str, str]) -> bytes:
    from madang.commands.client import HubError, connect, detail_of

    async with (
        connect(url, tenant) as client,
        client.session.get(client.address(path, parameters)) as answer,
    ):
        body = await answer.read()
        if answer.status != 200:
            raise HubError(f"the hub refuses ({answer.status}): {detail_of(body)}")
        return body
