"""``madang try``, ``madang trial`` and ``madang branch``: policies on branches of the city."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    past,
    print_json,
    send,
    show,
)
from madang.commands.watched import ended

if TYPE_CHECKING:
    from madang.commands.client import HubClient

_UNITS = {"SEC": "s", "KGM": "kg", "GRM": "g", "2N": "dB", "P1": "%"}
_VERDICTS = {"better": "better", "worse": "worse", "unclear": "no clear difference"}

branch_app = typer.Typer(no_args_is_help=True, help="Keep the city at an instant, to try on.")
trial_app = typer.Typer(no_args_is_help=True, help="See what was tried; adopt or drop it.")

Id = Annotated[str, typer.Argument(metavar="TRIAL", help="Its id, as `list` shows it.")]
Name = Annotated[str, typer.Argument(metavar="BRANCH", help="Its name.")]


def try_(
    policy: Annotated[
        list[Path] | None,
        typer.Option("--policy", help="TOML file of a policy; repeatable, to compare several."),
    ] = None,
    hours: Annotated[float, typer.Option(help="How long the city is simulated.")] = 1.0,
    seeds: Annotated[
        int, typer.Option(help="How often, each time with other chance; more is surer.")
    ] = 5,
    at: Annotated[
        str, typer.Option("--at", help="Begin as it was: a day, a DateTime or a span ago, as 2h.")
    ] = "",
    time: Annotated[
        str, typer.Option("--time", help="Begin with the usual traffic of a time such as 08:00.")
    ] = "",
    branch: Annotated[str, typer.Option("--branch", help="Begin from a branch.")] = "",
    against: Annotated[
        Path | None,
        typer.Option(help="Policy that it is compared with; the city as it is if left out."),
    ] = None,
    streets: Annotated[
        Path | None,
        typer.Option(help="Write the differences of each street into a .geojson file."),
    ] = None,
    templates: Annotated[
        bool, typer.Option("--templates", help="Print policies to begin with; try nothing.")
    ] = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Try policies on a branch of the city, faster than time; nothing in the city changes."""
    if templates:
        for one in send("GET", "/twin", url, tenant=tenant)["templates"]:
            typer.echo(f"# --- {one['name']}.toml\n{one['text']}")
        return
    if not policy:
        raise BadOption("name a policy with --policy FILE; `madang try --templates` prints some")
    body: dict[str, Any] = {
        "policies": [_text(file) for file in policy],
        "hours": hours,
        "seeds": seeds,
    }
    begins = {"at": past(at) if at else "", "time": time, "branch": branch}
    body |= {name: value for name, value in begins.items() if value}
    if against is not None:
        body["against"] = _text(against)
    found = asyncio.run(_tried(body, streets, quiet=as_json, url=url, tenant=tenant))
    if as_json:
        print_json(found)
    else:
        _print(found)
        typer.echo(f"\nadopt it: madang trial adopt {found['id']}; or drop it: madang trial drop")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadOption(f"the policy {file} cannot be read: {error}") from None


async def _tried(
    body: dict[str, Any], streets: Path | None, *, quiet: bool, url: str, tenant: str
) -> dict[str, Any]:
    """Let the hub make a trial; return it with its result.

    Raises:
        HubError: it could not be made.
    """
    from madang.commands.client import connect

    async with connect(url, tenant, None) as client:
        made = await client.send("POST", "/twin/trials", body)
        one = f"/twin/trials/{made['id']}"
        try:
            found = await ended(client, one, "trial", _told, quiet=quiet)
        except (asyncio.CancelledError, KeyboardInterrupt):  # Ctrl-C: nobody waits for it
            await client.send("DELETE", one)
            raise
        if streets is not None:
            await _save(client, one, len(found["policies"]) - 1, streets)
    return found


def _told(found: dict[str, Any]) -> str:
    return f"{found['runsEnded']} of {found['runs']} simulations"


async def _save(client: HubClient, path: str, policies: int, file: Path) -> None:
    """Write the streets of each policy; those of a second one into a file beside the first."""
    for number in range(1, policies + 1):
        found = await client.get(f"{path}/streets", {"policy": str(number)})
        target = file if number == 1 else file.with_stem(f"{file.stem}-{number}")
        target.write_bytes(orjson.dumps(found))
        typer.echo(f"{target}: {len(found['features'])} streets that change", err=True)


# --- showing ----------------------------------------------------------------------------------


def _print(found: dict[str, Any]) -> None:
    result, start = found["result"], found["start"]
    begins = {"now": "as it is", "past": f"as it was at {start['at']}", "usual": "on a usual day"}
    signals = {"fixed": "signals by fixed plans", "cognitive": "signals that think ahead"}
    typer.echo(
        f"{found['hours']:g} h from {start['time']}, {begins[start['kind']]}, "
        f"{signals[start['control']]}, {found['seeds']} seed{'' if found['seeds'] == 1 else 's'},"
        f" in {found['seconds']:.0f} s ({result['timesRealTime']:g} times real time)"
    )
    for number, policy in enumerate(found["policies"][1:]):
        stranded = sum(result["stranded"][number + 1])
        typer.echo(f"\n{policy['title']}, against {found['policies'][0]['title']}:")
        rows = [_row(one, number) for one in result["indicators"]]
        columns: Columns = {
            head: lambda row, head=head: row[head]  # type: ignore[misc]
            for head in ("", "now", "then", "difference", "95 % interval", "verdict")
        }
        show(rows, False, "", columns)
        if stranded:
            typer.echo(f"{stranded} trips found no way any more")


def _row(one: dict[str, Any], number: int) -> dict[str, str]:
    then = one["policies"][number]
    unit = _UNITS.get(one["unit"], "")
    percent = "" if then["percent"] is None else f" ({then['percent']:+.1f} %)"
    bounds = then["interval"]
    return {
        "": one["title"]["en"],
        "now": f"{one['now']['mean']:,.6g} {unit}".strip(),
        "then": f"{then['mean']:,.6g} {unit}".strip(),
        "difference": f"{then['difference']:+,.4g}{percent}",
        "95 % interval": "one seed" if bounds is None else _interval(bounds),
        "verdict": _VERDICTS[then["verdict"]],
    }


def _interval(bounds: Sequence[float]) -> str:
    return f"{bounds[0]:+,.4g} to {bounds[1]:+,.4g}"


# --- trials -----------------------------------------------------------------------------------


@trial_app.command("list")
def list_trials(tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show what was tried, the latest first."""
    columns: Columns = {
        "trial": lambda one: one["id"],
        "at": lambda one: one["at"],
        "policies": lambda one: [policy["title"] for policy in one["policies"][1:]],
        "state": lambda one: one["error"] or one["state"],
        "decision": lambda one: _decided(one["decision"]),
    }
    show(every("/twin/trials", url, tenant), as_json, "nothing has been tried", columns)


def _decided(decision: dict[str, Any] | None) -> str:
    if decision is None:
        return ""
    return f"{'adopted' if decision['adopted'] else 'dropped'} by {decision['by']}"


@trial_app.command("show")
def show_trial(id: Id, tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show how far a trial is, and what came of it."""
    found = send("GET", f"/twin/trials/{id}", url, tenant=tenant)
    if as_json:
        print_json(found)
    elif found["result"] is None:
        typer.echo(f"{found['state']}: {found['error'] or format(found['progress'], '.0%')}")
    else:
        _print(found)
        if found["decision"]:
            typer.echo(f"\n{_decided(found['decision'])}: {found['decision']['done']['en']}")


@trial_app.command("adopt")
def adopt(
    id: Id,
    policy: Annotated[int, typer.Option(min=1, help="Its number, if there are several.")] = 1,
    reason: Annotated[str, typer.Option(help="Why; goes on record.")] = "",
    yes: Yes = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Adopt a policy: the decision goes on record, and what the city can do by itself is done."""
    ask(yes, f"Adopt policy {policy} of trial {id}?")
    _decide(id, {"adopt": True, "policy": policy, "reason": reason}, url, tenant)


@trial_app.command("drop")
def drop(
    id: Id,
    reason: Annotated[str, typer.Option(help="Why; goes on record.")] = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Drop what was tried; the decision goes on record."""
    _decide(id, {"adopt": False, "reason": reason}, url, tenant)


def _decide(id: str, body: dict[str, Any], url: str, tenant: str) -> None:
    found = send("POST", f"/twin/trials/{id}/decision", url, body, tenant=tenant)
    typer.echo(f"{found['done']['en']}\nrecorded as {found['record']}")


@trial_app.command("cancel")
def cancel(id: Id, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """End a trial that runs."""
    send("POST", f"/twin/trials/{id}/cancel", url, {}, tenant=tenant)
    typer.echo("cancelled")


@trial_app.command("remove")
def remove(id: Id, yes: Yes = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """End a trial and forget it; a decision stays on record."""
    ask(yes, f"Remove trial {id}?")
    send("DELETE", f"/twin/trials/{id}", url, tenant=tenant)
    typer.echo("removed")


# --- branches ---------------------------------------------------------------------------------


@branch_app.command("create")
def create(
    name: Name,
    at: Annotated[
        str, typer.Option("--at", help="As it was: a day, a DateTime or a span ago, as 2h.")
    ] = "",
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Keep the city as it is now, or as it was."""
    body = {"name": name} | ({"at": past(at)} if at else {})
    found = send("POST", "/twin/branches", url, body, tenant=tenant)
    start = found["start"]
    typer.echo(
        f"{name}: {start['time']} by the city's clock, {start['vehicles']} vehicles and"
        f" {start['counts']} counts known"
    )


@branch_app.command("list")
def list_branches(tenant: Tenant = "", as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show branches."""
    columns: Columns = {
        "branch": lambda one: one["name"],
        "city at": lambda one: one["start"]["at"],
        "vehicles": lambda one: one["start"]["vehicles"],
        "counts": lambda one: one["start"]["counts"],
        "by": lambda one: one["by"],
    }
    show(every("/twin/branches", url, tenant), as_json, "there is no branch", columns)


@branch_app.command("remove")
def remove_branch(name: Name, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Forget a branch; trials that began from it stay."""
    send("DELETE", f"/twin/branches/{name}", url, tenant=tenant)
    typer.echo("removed")
