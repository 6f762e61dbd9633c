"""``madang quality``: how good the data of each provider is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    BadOption,
    Json,
    Tenant,
    Url,
    instant,
    past,
    print_json,
    show,
)

app = typer.Typer(no_args_is_help=True, help="See how good the data of each provider is.")

PATH = "/sense/quality"
Day = Annotated[str, typer.Option("--day", help="In UTC, such as 2027-01-31; else yesterday.")]
Provider = Annotated[str | None, typer.Option("--provider", help="Only of this provider.")]
Publish = Annotated[
    bool, typer.Option("--publish", help="Also write it anew as entities, for late values.")
]


@app.command("report")
def report(
    day: Day = "",
    provider: Provider = None,
    publish: Publish = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show completeness, flags, reasons and delays of a day, by provider."""
    asked = {"day": day} if day else {}
    if provider is not None:
        asked["provider"] = provider
    found = _ask(url, tenant, "POST" if publish else "GET", PATH, parameters=asked)
    if found and not as_json:
        typer.echo(f"{found[0]['day']} (UTC)")
    show(
        found,
        as_json,
        "No values were judged on that day, and none were expected.",
        {
            "provider": lambda one: one["provider"] or "(nobody said)",
            "values": lambda one: f"{one['values']:,}",
            "good": lambda one: _share(one, "good"),
            "suspect": lambda one: _share(one, "suspect"),
            "fail": lambda one: _share(one, "fail"),
            "not evaluated": lambda one: _share(one, "notEvaluated"),
            "complete": lambda one: _percent(one["completeness"]),
            "delay p50": lambda one: _seconds(one["delayMedian"]),
            "p95": lambda one: _seconds(one["delayP95"]),
            "sources": lambda one: one["sources"],
            "silent": lambda one: one["silent"],
            "reasons": lambda one: [f"{name} {n:,}" for name, n in one["reasons"].items()],
        },
    )


def _share(one: dict[str, Any], flag: str) -> str:
    return _percent(one["flags"].get(flag, 0) / one["values"] if one["values"] else None)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _seconds(delay: float | None) -> str:
    return "-" if delay is None else f"{delay:g} s"


Limit = Annotated[
    list[str],
    typer.Option("--limit", help="Such as fail_above=50; several may be given."),
]
Since = Annotated[str, typer.Option(help="From this day, DateTime or span ago, such as 7d, on.")]
Until = Annotated[str, typer.Option(help="Up to before this day or DateTime; else now.")]


@app.command("try")
def try_(
    entity: Annotated[str, typer.Argument(help="Id of the entity.")],
    attribute: Annotated[str, typer.Argument(help="Name of the attribute.")],
    limit: Limit,
    since: Since = "30d",
    until: Until = "",
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Show what limits would have flagged of what a sensor has measured."""
    body = {"entity": entity, "attribute": attribute, "limits": dict(map(_limit, limit))}
    body |= {"since": past(since), **({"until": instant(until)} if until else {})}
    found = _ask(url, tenant, "POST", f"{PATH}/trial", body)
    if as_json:
        print_json(found)
        return
    for what in ("flags", "reasons"):
        counts = ", ".join(f"{name} {count:,}" for name, count in found[what].items())
        typer.echo(f"{what}: {counts or 'none'}")
    if found["examples"]:
        typer.echo()
        show(
            found["examples"],
            False,
            "",
            {
                "time": lambda one: one["time"],
                "value": lambda one: one["value"],
                "flag": lambda one: one["quality"],
                "reasons": lambda one: one["qualityReason"],
            },
        )


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise BadOption(f"--limit {text} is no limit such as fail_above=50") from None


def _ask(
    url: str,
    tenant: str,
    method: str,
    path: str,
    body: Any = None,
    parameters: dict[str, str] | None = None,
) -> Any:
    from madang.commands.client import connect

    async def ask() -> Any:
        async with connect(url, tenant) as client:
            return await client.send(method, path, body, parameters)

    return asyncio.run(ask())
