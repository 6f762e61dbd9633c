"""``madang replay``: what a city service would have done, on recorded history."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    Columns,
    Json,
    Tenant,
    Url,
    past,
    print_json,
    show,
    values_of,
)
from madang.commands.watched import ended

if TYPE_CHECKING:
    from madang.commands.client import HubClient

MOST_SHOWN = 200


def replay(
    service: Annotated[str, typer.Option("--service", help="Name of the service.")],
    start: Annotated[
        str, typer.Option("--from", help="Day, DateTime or span ago, such as 30d.")
    ] = "30d",
    end: Annotated[
        str, typer.Option("--to", help="Day, DateTime or span ago; now if left out.")
    ] = "0s",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="OPTION=VALUE", help="Other than it is set; repeatable."),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="OPTION=VALUE",
            help="What a second setting, side by side, has otherwise; '-' is as it is set.",
        ),
    ] = None,
    decisions: Annotated[
        int, typer.Option(min=0, max=MOST_SHOWN, help="How many decisions of each to print.")
    ] = 5,
    output: Annotated[
        Path | None,
        typer.Option(help="Write what it would have written as NGSI-LD, an entity a line."),
    ] = None,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Try a service on recorded history; nothing is written to the city, and nothing is sent."""
    runs = [values_of(settings or [], "OPTION=VALUE")]
    if against:
        runs.append({} if against == ["-"] else runs[0] | values_of(against, "OPTION=VALUE"))
    body = {"from": past(start), "to": past(end), "runs": runs}
    found = asyncio.run(_replayed(service, body, output, quiet=as_json, url=url, tenant=tenant))
    if as_json:
        print_json(found)
    else:
        _print(found, decisions)
    failed = [run["failure"] for run in found["result"]["runs"] if run["failure"]]
    if failed:
        from madang.commands.client import HubError

        raise HubError(f"the service failed at {failed[0]['at']}: {failed[0]['message']}")


async def _replayed(
    service: str, body: dict[str, Any], output: Path | None, *, quiet: bool, url: str, tenant: str
) -> dict[str, Any]:
    """Let the hub make a replay; return it with its result.

    Raises:
        HubError: it could not be made.
    """
    path = f"/services/{quote(service, safe='')}/replays"
    from madang.commands.client import connect

    async with connect(url, tenant, None) as client:
        made = await client.send("POST", path, body)
        one = f"{path}/{made['id']}"
        try:
            found = await ended(client, one, "replay", _told, quiet=quiet)
            if output is not None:
                await _save(client, one, len(found["options"]), output)
        finally:  # also if somebody presses Ctrl-C
            await client.send("DELETE", one)
    return found


def _told(found: dict[str, Any]) -> str:
    times = found["timesRealTime"]
    return f"{found['changes']:,} changes" + (f"  {times:,}x" if times else "")


async def _save(client: HubClient, path: str, runs: int, output: Path) -> None:
    """Write the effects into a file; those of a second setting into one beside it."""
    from rich.console import Console

    from madang.commands.download import answered, save

    console = Console(stderr=True)
    for run in range(runs):
        file = output if run == 0 else output.with_stem(f"{output.stem}-{run + 1}")
        asked = {"run": str(run)}
        async with answered(client, "GET", f"{path}/effects", parameters=asked) as answer:
            await save(answer, file, console)


# --- showing ----------------------------------------------------------------------------------


def _print(found: dict[str, Any], decisions: int) -> None:
    result = found["result"]
    runs = result["runs"]
    typer.echo(
        f"{found['service']} from {found['from']} to {found['to']}: {result['changes']:,} changes,"
        f" {result['entities']:,} entities, in {found['seconds']:.1f} s"
        f" ({found['timesRealTime'] or 0:,} times real time)\n"
    )
    names = _names(runs)
    rows = [_indicator(one, names) for one in result["indicators"]]
    rows.append(
        {"": "decisions", "in reality": f"{result['recorded']['decisions']:,}"}
        | {name: f"{run['decisions']:,}" for name, run in zip(names, runs, strict=True)}
    )
    kinds = sorted({kind for run in runs for kind in run["written"]})
    rows += [
        {"": f"written: {kind}", "in reality": ""}
        | {name: f"{run['written'].get(kind, 0):,}" for name, run in zip(names, runs, strict=True)}
        for kind in kinds
    ]
    columns: Columns = {head: itemgetter(head) for head in ("", "in reality", *names)}
    show(rows, False, "", columns)
    for name, run in zip(names, runs, strict=True):
        _print_decisions(name, run, decisions)


def _names(runs: Sequence[dict[str, Any]]) -> list[str]:
    """Return a heading for each run: what sets it apart."""
    if len(runs) == 1:
        return ["replayed"]
    differs = [
        name
        for name in runs[0]["options"]
        if any(run["options"][name] != runs[0]["options"][name] for run in runs)
    ]
    names = [
        ", ".join(f"{name}={run['options'][name]}" for name in differs) or f"run {n}"
        for n, run in enumerate(runs, 1)
    ]
    return names if len(set(names)) == len(names) else [f"run {n}" for n in range(1, len(runs) + 1)]


def _indicator(one: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
    unit = {"C62": "", "P1": " %"}.get(one["unit"], f" {one['unit']}")
    told = {"": f"{one['title']['en']} ({one['better']} is better)"}
    told["in reality"] = _figures(one["recorded"], unit)
    return told | {n: _figures(f, unit) for n, f in zip(names, one["replayed"], strict=True)}


def _figures(found: dict[str, Any] | None, unit: str) -> str:
    """Return the last value, and the mean if there were several."""
    if found is None:
        return "-"
    last = f"{found['last']:,.6g}{unit}"
    return last if found["count"] == 1 else f"{last} (mean {found['mean']:,.6g})"


def _print_decisions(name: str, run: dict[str, Any], most: int) -> None:
    shown = run["decided"][:most]
    if not shown:
        return
    typer.echo(f"\nfirst decisions, {name}:")
    for one in shown:
        typer.echo(f"  {one['description'].get('observedAt', '')}  {_words(one['description'])}")


def _words(description: dict[str, Any]) -> str:
    words = description.get("languageMap", {}).get("en", description.get("value", ""))
    return str(words)
