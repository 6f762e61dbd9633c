"""``madang service``: the services that work for the city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from madang.commands.terminal import (
    DEFAULT_URL,
    Columns,
    Json,
    Tenant,
    Url,
    every,
    print_json,
    send,
    show,
    values_of,
)

app = typer.Typer(no_args_is_help=True, help="Switch, set and look after city services.")

Name = Annotated[str, typer.Argument(metavar="SERVICE", help="Name of the service.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="OPTION=VALUE", help="Set an option; may be repeated."),
]

_LIST: Columns = {
    "name": lambda one: one["name"],
    "state": lambda one: one["state"],
    "category": lambda one: one["category"],
    "version": lambda one: one["version"],
    "title": lambda one: one["title"]["en"],
}
_OPTIONS: Columns = {
    "option": lambda one: one["name"],
    "value": lambda one: _text(one["value"]),
    "limits": lambda one: _limits(one),
    "means": lambda one: one.get("description") or one.get("title", ""),
}
_INDICATORS: Columns = {
    "indicator": lambda one: one["name"],
    "unit": lambda one: one["unit"],
    "better": lambda one: one["better"],
    "means": lambda one: one["title"]["en"],
}
_PLAIN = (
    "category", "version", "needs", "gives", "lane", "position", "behind", "calls", "effects",
)  # fmt: skip


@app.command("list")
def list_services(as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """List the services there are and how they go."""
    found = every("/services", url, tenant)
    show(found, as_json, "no services are installed", _LIST)
    if not as_json:
        for one in found:
            if one["alarm"]:
                typer.echo(f"{one['name']}: {one['alarm']['message']}")


@app.command("show")
def show_service(
    name: Name, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Show a service: what it is for, its options, how it goes, and why it failed."""
    found = send("GET", _path(name), url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['title']['en']} ({found['name']}): {found['state']}")
    typer.echo(found["purpose"]["en"])
    for member in _PLAIN:
        value = found[member]
        if value not in ("", None, []):
            typer.echo(f"{member}: {', '.join(value) if isinstance(value, list) else value}")
    if found["options"]:
        typer.echo()
        show(_described(found), False, "", _OPTIONS)
    if found["indicators"]:
        typer.echo()
        show(found["indicators"], False, "", _INDICATORS)
    if found["alarm"]:
        typer.echo(f"\n{found['alarm']['trace'].rstrip()}\n{_alarm(found)}")


@app.command("on")
def switch_on(
    name: Name,
    settings: Settings = None,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Switch a service on; it goes on from where it stopped."""
    body: dict[str, Any] = {"on": True}
    if settings:
        body["options"] = values_of(settings, "OPTION=VALUE")
    _tell(send("PATCH", _path(name), url, body, tenant=tenant), as_json, f"{name} is on")


@app.command("off")
def switch_off(
    name: Name, as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL
) -> None:
    """Switch a service off; what it wrote and what it keeps stays."""
    found = send("PATCH", _path(name), url, {"on": False}, tenant=tenant)
    _tell(found, as_json, f"{name} is off")


@app.command("set")
def set_options(
    name: Name,
    settings: Annotated[
        list[str], typer.Argument(metavar="OPTION=VALUE...", help="Options and their values.")
    ],
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Set options of a service; the others stay as they are."""
    body = {"options": values_of(settings, "OPTION=VALUE")}
    found = send("PATCH", _path(name), url, body, tenant=tenant)
    values = ", ".join(f"{one} = {_text(found['options'][one])}" for one in body["options"])
    _tell(found, as_json, f"{name}: {values}")


@app.command("resume")
def resume(
    name: Name,
    skip: Annotated[
        bool, typer.Option("--skip", help="Leave out the change or the time that fails.")
    ] = False,
    as_json: Json = False,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Let a service go on that has failed."""
    found = send("POST", f"{_path(name)}/resume", url, {"skip": skip}, tenant=tenant)
    _tell(found, as_json, f"{name} goes on")


@app.command("catalogue")
def show_catalogue(as_json: Json = False, tenant: Tenant = "", url: Url = DEFAULT_URL) -> None:
    """Show what services there are, what they need, improve and cost, by category."""
    found = send("GET", "/catalogue/services", url, tenant=tenant)
    if as_json:
        print_json(found)
        return
    for category in found["categories"]:
        if category["services"]:
            typer.echo(f"{category['title']['en']}\n{'=' * len(category['title']['en'])}\n")
        for one in category["services"]:
            _print_entry(one)
    none = [one["title"]["en"] for one in found["categories"] if not one["services"]]
    typer.echo(f"None yet: {', '.join(none)}")


@app.command("new")
def make_new(
    name: Annotated[str, typer.Argument(help="Name of the service, such as container_fire.")],
    directory: Annotated[
        Path | None, typer.Option("--directory", help="For the package; else its name.")
    ] = None,
) -> None:
    """Make the package of a service of your own: module, tests, page, entry point."""
    from madang.services.scaffold import scaffold

    folder = directory or Path(name)
    for file in scaffold(name, folder):
        typer.echo(file)
    typer.echo(
        f"\nTry it: cd {folder} && python -m pytest. After `pip install {folder}` and a restart of"
        " the hub, `madang service list` has it.",
        err=True,
    )


# --- showing ----------------------------------------------------------------------------------


def _described(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the options in the order they are declared, each with its part of the schema."""
    known = found["schema"].get("properties", {})
    return [
        {**known.get(name, {}), "name": name, "value": value}
        for name, value in found["options"].items()
    ]


def _limits(option: dict[str, Any]) -> str:
    if "enum" in option:
        return " | ".join(map(_text, option["enum"]))
    least = option.get("minimum", option.get("exclusiveMinimum"))
    most = option.get("maximum", option.get("exclusiveMaximum"))
    if least is None and most is None:
        return ""
    return f"{'' if least is None else least} to {'any' if most is None else most}".strip()


def _print_entry(one: dict[str, Any]) -> None:
    """Print one service of the catalogue, with a line for each thing that is known of it."""
    state = f" ({one['state']})" if one["state"] else ""
    typer.echo(f"{one['title']['en']} - {one['name']}{state}\n  {one['purpose']['en']}")
    marks = {True: " (here)", False: " (not here yet)", None: ""}
    told = {
        "needs": ", ".join(need["type"] + marks[need["here"]] for need in one["needs"]),
        "gives": ", ".join(one["gives"]),
        "commands": ", ".join(one["commands"]),
        "improves": "; ".join(
            f"{figure['title']['en']} ({figure['better']} is better)" for figure in one["improves"]
        ),
        "run by": (one["operator"] or {}).get("en", ""),
        "costs": (one["cost"] or {}).get("en", ""),
    }
    for name, text in told.items():
        if text:
            typer.echo(f"  {name}: {text}")
    typer.echo()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _alarm(found: dict[str, Any]) -> str:
    alarm = found["alarm"]
    again = (
        "it is tried again by itself"
        if found["state"] == "retrying"
        else f"`madang service resume {found['name']}` goes on, with --skip without what fails"
    )
    return f"{found['state']} at {alarm['at']}: {alarm['message']}; {again}"


def _tell(found: dict[str, Any], as_json: bool, done: str) -> None:
    """Say what was done, and what is wrong with the service if something is."""
    if as_json:
        print_json(found)
        return
    typer.echo(done)
    if found["alarm"]:
        typer.echo(_alarm(found))


def _path(name: str) -> str:
    return f"/services/{quote(name, safe='')}"
