"""``madang device profile``: what the fields of devices' messages mean."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

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
    show,
)

app = typer.Typer(no_args_is_help=True, help="Say what the fields of devices' messages mean.")

Name = Annotated[str, typer.Argument(metavar="PROFILE", help="Name of the profile.")]

_LIST: Columns = {
    "name": lambda one: one["name"],
    "title": lambda one: one["title"],
    "entities": lambda one: one["types"],
    "codec": lambda one: one["codec"],
    "every": lambda one: "-" if one["interval_s"] is None else f"{one['interval_s']:g} s",
    "from": lambda one: one["origin"],
    "devices": lambda one: one["devices"],
}
_TRIED: Columns = {
    "entity": lambda one: one["entity"],
    "attribute": lambda one: one["attribute"],
    "value": lambda one: one["value"],
    "unit": lambda one: one["unit"],
    "observed at": lambda one: one["observedAt"],
    "quality": lambda one: one["quality"],
}


@app.command("list")
def list_profiles(tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """List profiles: those that come with Madang and the city's own."""
    show(every("/profiles", url, tenant), as_json, "there are no profiles", _LIST)


@app.command("show")
def show_profile(
    name: Name, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL
) -> None:
    """Print a profile."""
    found = send("GET", _path(name), url, tenant=tenant)
    if as_json:
        print_json(found)
    else:
        typer.echo(found["text"].rstrip())


@app.command("put")
def put_profile(
    file: Annotated[Path, typer.Argument(help="The profile, a .toml file.")],
    name: Annotated[str, typer.Option("--name", help="Name; that of the file if left out.")] = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Keep a profile in the hub, in place of one of the same name."""
    wanted = name or file.stem
    send("PUT", _path(wanted), url, {"text": _text(file)}, tenant=tenant)
    typer.echo(f"the profile {wanted} is kept")


@app.command("remove")
def remove_profile(
    name: Name, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Remove a profile of the city."""
    ask(yes, f"Remove the profile {name}?")
    send("DELETE", _path(name), url, tenant=tenant)
    typer.echo(f"the profile {name} is removed")


@app.command("try")
def try_profile(
    profile: Annotated[str, typer.Argument(help="A .toml file, or one that comes with Madang.")],
    payload: Annotated[Path, typer.Argument(help="A message as the device sends it.")],
    device: Annotated[str, typer.Option("--device", help="Name of the device.")] = "device-1",
    as_json: Json = False,
) -> None:
    """Show what a profile makes of a message, without a hub and without writing anything."""
    rows, problems = asyncio.run(_tried(profile, payload, device))
    show(rows, as_json, "nothing would be written", _TRIED)
    for problem in problems:
        typer.echo(problem, err=True)
    raise typer.Exit(1 if problems else 0)


async def _tried(
    profile: str, payload: Path, device: str
) -> tuple[list[dict[str, Any]], list[str]]:
    from madang.sense.codecs import lorawan, table
    from madang.sense.devices.device import Device, id_of
    from madang.sense.message import Message, Rejected, Uplink
    from madang.sense.quality.live import Inspector
    from madang.trust.principal import LOCAL

    meaning = load(profile)
    inspector = Inspector()
    now = time.time_ns() // 1000
    message = Message("test", "", _bytes(payload), LOCAL, now, device=device)
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        for one in table.codec(meaning.codec or "json").decode(message):
            if not isinstance(one, Uplink):
                continue
            one = await lorawan.decoded(one, meaning)
            # The device may call itself by an alias; what matters is what its fields become.
            known = Device(device, id_of(device), is_introduced=True)
            applied = meaning.readings(known, one, now)
            problems += [f"{name}: {detail}" for name, detail in applied.problems]
            for reading in applied.readings:
                rows += _rows(inspector.judge(reading, now).entity)
    except Rejected as error:
        problems.append(str(error))
    return rows, problems


def _rows(entity: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "entity": entity["id"],
            "attribute": name,
            "value": found.get("value", found.get("object", found.get("vocab", found.get("json")))),
            "unit": found.get("unitCode", ""),
            "observedAt": found.get("observedAt", ""),
            "quality": found.get("quality", {}).get("value", ""),
        }
        for name, found in entity.items()
        if isinstance(found, dict)
    ]


def load(name_or_path: str) -> Any:
    """Return a profile by the path of its file, or the name of one that comes with Madang."""
    from madang.sense.devices import profile as profiles

    path = Path(name_or_path)
    if path.suffix == ".toml" or path.is_file():
        return profiles.parse(_text(path), str(path))
    known = profiles.shipped()
    if name_or_path not in known:
        raise BadOption(
            f"there is no profile {name_or_path!r} among those that come with Madang:"
            f" {', '.join(known)}; or name a .toml file"
        )
    return profiles.parse(known[name_or_path], name_or_path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}") from error


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadOption(f"{path} is no text in UTF-8") from None


def _path(name: str) -> str:
    return f"/profiles/{quote(name, safe='')}"
