"""The command line: declares the commands. What they do is imported when one is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from madang.commands import (
    audit,
    city,
    command,
    decision,
    demand,
    demo,
    device,
    edge,
    feed,
    identity,
    incident,
    keys,
    letters,
    move,
    people,
    personal,
    playbook,
    policy,
    quality,
    replay,
    residents,
    rule,
    service,
    subscription,
    twin,
    upkeep,
)
from madang.commands.serving import serve
from madang.commands.terminal import DEFAULT_URL, Config, Data, Json, Tenant, Url, console
from madang.model.errors import MadangError

if TYPE_CHECKING:
    from collections.abc import Coroutine


app = typer.Typer(
    name="madang",
    help="Madang, an open city operating system: sensors, data and people in one place.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(audit.app, name="audit")
app.add_typer(personal.app, name="person")
app.add_typer(edge.app, name="edge")
app.add_typer(demo.app, name="demo")
app.add_typer(device.app, name="device")
app.add_typer(feed.app, name="feed")
app.add_typer(city.app, name="city")
app.add_typer(service.app, name="service")
app.add_typer(rule.app, name="rule")
app.add_typer(incident.app, name="incident")
app.add_typer(playbook.app, name="playbook")
app.add_typer(people.app, name="people")
app.add_typer(residents.app, name="residents")
app.add_typer(demand.app, name="demand")
app.add_typer(command.app, name="command")
app.add_typer(decision.app, name="decision")
app.add_typer(policy.app, name="policy")
app.add_typer(identity.user_app, name="user")
app.add_typer(keys.key_app, name="key")
app.add_typer(identity.token_app, name="token")
app.add_typer(letters.app, name="letters")
app.add_typer(subscription.app, name="subscription")
app.add_typer(quality.app, name="quality")
app.command()(replay.replay)
app.command()(upkeep.backup)
app.command()(upkeep.restore)
app.command()(move.move)
app.command()(upkeep.doctor)
app.add_typer(twin.branch_app, name="branch")
app.add_typer(twin.trial_app, name="trial")
app.command("try")(twin.try_)


@app.command()
def up(
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP.")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="Port of the MQTT broker.")] = None,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Run a small city of made-up sensors.")
    ] = None,
    open_: Annotated[
        bool | None,
        typer.Option("--open", help="No sign-in at all; only where nobody else can reach it."),
    ] = None,
    config: Config = None,
) -> None:
    """Start the hub and serve until Ctrl-C."""
    from madang import settings_sources

    given = {
        "data": data,
        "host": host,
        "port": port,
        "mqtt_port": mqtt_port,
        "demo": demo,
        "open": open_ or None,
    }
    chosen = settings_sources.load(given, config=config)
    serve(chosen)


@app.command()
def node(
    role: Annotated[
        Literal["all", "api", "worker", "sense"],
        typer.Option(help="What it does beside answering: all, nothing, city work, devices."),
    ],
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of HTTP.")] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="Port of the MQTT broker.")] = None,
    config: Config = None,
) -> None:
    """Start one of several hubs that share a database, and serve until Ctrl-C."""
    from madang import settings_sources

    given = {"role": role, "data": data, "host": host, "port": port, "mqtt_port": mqtt_port}
    chosen = settings_sources.load(given, config=config)
    if not chosen.bus:
        raise MadangError("a node is one of several hubs: set store and bus, or use `madang up`")
    serve(chosen)


@app.command()
def load(
    files: Annotated[
        list[Path], typer.Argument(help="NGSI-LD JSON, GeoJSON, CSV, Excel, OpenDocument, Parquet.")
    ],
    mapping: Annotated[
        str | None,
        typer.Option(help="How columns become entities: a .toml file or the name of a known one."),
    ] = None,
    type_name: Annotated[
        str | None, typer.Option("--type", help="Entity type, if neither file nor mapping says it.")
    ] = None,
    tenant: Tenant = "",
    errors: Annotated[
        Path | None, typer.Option(help="CSV file for every row that failed, and why.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Into history only: years at once, nothing is told.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take tables for what they seem to be without asking.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Only show what tables are taken for; load nothing.")
    ] = False,
    validate: Annotated[
        Path | None,
        typer.Option(help="Folder of JSON Schemas, or one; entities that break them stay out."),
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Load files into the hub. Good rows are kept; the exit code is 1 if any row failed."""
    if show:
        from madang.commands.guided import print_guess

        print_guess(files, type_name, console())
        return
    if history:
        if validate is not None:
            raise typer.BadParameter("--validate is for entities; history is loaded unchecked")
        from madang.commands.backfill import load as load_history

        is_good = load_history(
            files, url=url, tenant=tenant, mapping=mapping, errors=errors, console=console()
        )
        raise typer.Exit(0 if is_good else 1)
    from madang.commands.load import load as load_files

    is_clean = load_files(
        files,
        url=url,
        tenant=tenant,
        mapping=mapping,
        type_name=type_name,
        errors=errors,
        console=console(),
        yes=yes,
        validate=validate,
    )
    raise typer.Exit(0 if is_clean else 1)


@app.command()
def find(
    type_name: Annotated[str | None, typer.Option("--type", help="Entity type.")] = None,
    q: Annotated[str | None, typer.Option("--q", help="Condition, such as 'pm25>35'.")] = None,
    near: Annotated[str | None, typer.Option(help="longitude,latitude,metres")] = None,
    attrs: Annotated[str | None, typer.Option(help="Attributes to show, with commas.")] = None,
    at: Annotated[
        str | None, typer.Option(help="As it was then: 2026-01-31, or 2026-01-31T12:00:00Z.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show entities that match."""
    from madang.commands import read

    _run(
        read.find(
            url=url,
            tenant=tenant,
            type_name=type_name,
            q=q,
            near=near,
            attrs=attrs,
            at=at,
            limit=limit,
            as_json=as_json,
            console=console(),
        )
    )


@app.command()
def diff(
    since: Annotated[str, typer.Argument(metavar="FROM", help="A day or a DateTime.")],
    until: Annotated[str, typer.Argument(metavar="TO", help="A day or a DateTime.")],
    type_name: Annotated[str | None, typer.Option("--type", help="Entity type.")] = None,
    q: Annotated[str | None, typer.Option("--q", help="Condition, such as 'pm25>35'.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many entities to show.")] = 20,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show what was created, deleted and changed between two times."""
    from madang.commands import history

    _run(
        history.diff(
            since,
            until,
            url=url,
            tenant=tenant,
            type_name=type_name,
            q=q,
            limit=limit,
            as_json=as_json,
            console=console(),
        )
    )


@app.command()
def sql(
    question: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="A SELECT; - reads it from a pipe.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Read the SQL from a file.")] = None,
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json, parquet or arrow.")
    ] = "table",
    output: Annotated[Path | None, typer.Option(help="Write the answer to a file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Rows at most.")] = None,
    list_tables: Annotated[
        bool, typer.Option("--tables", help="Show what can be asked: tables, columns, units.")
    ] = False,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Ask history in SQL."""
    from madang.commands import sql as asking

    if list_tables:
        _run(asking.tables(url=url, tenant=tenant, as_json=as_json, console=console()))
        return
    _run(
        asking.ask(
            asking.text_of(question, file),
            url=url,
            tenant=tenant,
            form="json" if as_json else form,
            output=output,
            limit=limit,
            console=console(),
        )
    )


@app.command()
def export(
    file: Annotated[
        Path, typer.Argument(help="New .parquet, .geoparquet, .csv, .arrow or .json file.")
    ],
    type_name: Annotated[str, typer.Option("--type", help="Entity type, or history for all.")],
    since: Annotated[str | None, typer.Option(help="From this day or DateTime on.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to before this day or DateTime.")] = None,
    attrs: Annotated[
        str | None, typer.Option(help="Columns, with commas; all if left out.")
    ] = None,
    tenant: Tenant = "",
    url: Url = DEFAULT_URL,
) -> None:
    """Write a type's history to one file that other programs open."""
    from madang.commands.export import export as write

    _run(
        write(
            file,
            type_name=type_name,
            since=since,
            until=until,
            attrs=attrs,
            url=url,
            tenant=tenant,
            console=console(),
        )
    )


@app.command()
def watch(
    type_name: Annotated[str | None, typer.Option("--type", help="Entity types.")] = None,
    tenant: Tenant = "",
    as_json: Json = False,
    url: Url = DEFAULT_URL,
) -> None:
    """Show changes as they happen, until Ctrl-C."""
    from madang.commands import read

    _run(
        read.watch(url=url, tenant=tenant, type_name=type_name, as_json=as_json, console=console())
    )


@app.command()
def status(as_json: Json = False, url: Url = DEFAULT_URL) -> None:
    """Show how the hub is and what is in it."""
    from madang.commands import read

    _run(read.status(url=url, as_json=as_json, console=console()))


@app.command()
def version() -> None:
    """Print the version."""
    from madang import __version__

    typer.echo(f"madang {__version__}")


def _run(work: Coroutine[Any, Any, None]) -> None:
    import asyncio

    asyncio.run(work)


def main() -> None:
    """Run the command line; what goes wrong is told in one sentence, without a traceback."""
    try:
        app()
    except MadangError as error:
        print(f"madang: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `madang find | head`
        sys.stderr.close()
        sys.exit(0)
