"""``madang device test``: says whether a device conforms to the open device specification."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from madang.commands.device_profile import load
from madang.commands.terminal import BadOption, Json, print_json

if TYPE_CHECKING:
    from madang.sense.devices.conformance import Finding, Sent
    from madang.sense.devices.profile import Profile

_MOST = 10_000  # messages
_LARGEST = 64 * 1024 * 1024  # [bytes] of one file


def check_device(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Messages of the device: a file each, or .ndjson with one a line."),
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", help="A .toml file, or one that comes with Madang.")
    ] = "open-air-station",
    listen: Annotated[
        int | None,
        typer.Option("--listen", help="Port to let the device connect to by MQTT; no hub needed."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",
    messages: Annotated[int, typer.Option(help="How many messages to wait for.")] = 10,
    wait: Annotated[float, typer.Option(help="How long to wait for them. [s]")] = 900.0,
    as_json: Json = False,
) -> None:
    """Test a device, by its messages in files or by letting it connect, and tell what is wrong."""
    if bool(files) == (listen is not None):
        raise BadOption("give files with messages, or --listen PORT to let the device connect")
    meaning = load(profile)
    if listen is None:
        findings = _of_files(files or [], meaning)
    else:
        findings = asyncio.run(_listened(host, listen, messages, wait, meaning))
    _print(findings, as_json)


def _of_files(files: list[Path], profile: Profile) -> list[Finding]:
    from madang.sense.devices.conformance import check

    sent = [message for file in files for message in _messages(file)]
    if len(sent) > _MOST:
        raise BadOption(f"{_MOST:,} messages are tested at most, not {len(sent):,}")
    return check(sent, profile)


def _messages(file: Path) -> list[Sent]:
    from madang.sense.devices.conformance import Sent

    now = time.time_ns() // 1000
    try:
        if file.stat().st_size > _LARGEST:
            raise BadOption(f"{file} is larger than {_LARGEST // 1024 // 1024} MB")
        body = file.read_bytes()
    except OSError as error:
        raise BadOption(f"{file} cannot be read: {error.strerror}") from error
    if file.suffix not in (".ndjson", ".jsonl"):
        return [Sent(body, file.name, now)]
    return [
        Sent(line, f"{file.name}, line {number}", now)
        for number, line in enumerate(body.splitlines(), 1)
        if line.strip()
    ]


async def _listened(
    host: str, port: int, wanted: int, wait_s: float, profile: Profile
) -> list[Finding]:
    from madang.sense.devices.conformance import check
    from madang.sense.devices.listening import Listener

    listener = Listener(wanted)
    try:
        bound = await listener.start(host, port)
    except OSError as error:
        raise BadOption(f"port {port} cannot be used: {error.strerror}") from error
    typer.echo(
        f"Let the device connect to mqtt://{host}:{bound}; {listener.wanted} messages are awaited,"
        " one will not be acknowledged at once, and the connection will break once.",
        err=True,
    )
    try:
        async with asyncio.timeout(wait_s):
            await listener.done.wait()
    except TimeoutError:
        typer.echo(f"after {wait_s:g} s there were {len(listener.messages)} messages", err=True)
    finally:
        await listener.close()
    return check(listener.messages, profile, live=True, more=listener.verdicts())


def _print(findings: list[Finding], as_json: bool) -> None:
    from madang.sense.devices.conformance import passes

    conforms = passes(findings) and any(one.outcome == "pass" for one in findings)
    if as_json:
        told = [
            {"requirement": one.number, "level": one.level, "text": one.text}
            | {"outcome": one.outcome, "detail": one.detail}
            for one in findings
        ]
        print_json({"conforms": conforms, "findings": told})
        raise typer.Exit(0 if conforms else 1)
    for one in findings:
        typer.echo(f"{one.outcome:4}  {one.number}  {one.text}")
        if one.detail and one.outcome != "skip":
            typer.echo(f"          {one.detail}")
    skipped = sum(one.outcome == "skip" for one in findings)
    if conforms:
        typer.echo(f"The device conforms, as far as was seen ({skipped} requirements were not).")
    else:
        typer.echo("The device does not conform.")
    raise typer.Exit(0 if conforms else 1)
