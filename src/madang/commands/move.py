"""``madang move``: take an embedded city over to PostgreSQL, with its history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madang.commands.terminal import Config, Data, console


def move(
    to: Annotated[str, typer.Option("--to", help="postgres://user@host/database, an empty one.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy state and history to PostgreSQL, compare, and let the hub go on there.

    The hub may be running: it is used as always while all is copied, and lets go of the city for
    the seconds that the rest takes. After a break the same command goes on where it was.
    """
    from rich.progress import Progress

    from madang import settings_moved, settings_sources
    from madang.commands import moving
    from madang.lake.bucket import SCHEME
    from madang.logs import configure
    from madang.settings import Settings

    target = settings_sources.load({"data": data, "store": to}, config=config)
    path = target.history_path  # the hub may run elsewhere
    if path and not path.startswith(SCHEME):
        path = str(Path(path).absolute())
    target = target.model_copy(update={"data": target.data.absolute(), "history_path": path})
    configure(target)  # what a hub would log at level debug is nothing for people
    gone = moving.gone(target)
    if gone is not None:
        raise settings_sources.SettingsError(
            f"this city was moved to {gone.store} already (says"
            f" {target.data / settings_moved.FILE}); move it on with the tools of PostgreSQL"
            " (pg_dump). The files of history stay where they are then"
        )
    now = _store_now(data, config)
    if now not in ("", to):
        raise settings_sources.SettingsError(
            f"the state is in {now} already; move it on with the tools of PostgreSQL (pg_dump). The"
            " files of history stay where they are then"
        )
    with Progress(console=console()) as progress:
        done = (moving.history_moved if now else moving.moved)(target, progress)
    shown = console()

    def say(text: str) -> None:
        shown.print(text, highlight=False, soft_wrap=True)

    tenants = "1 tenant" if done.tenants == 1 else f"{done.tenants} tenants"
    state = "" if now else f" with {done.entities:,} entities"
    say(
        f"[green]✓[/] {tenants}{state} and {done.instances:,} instances of history are in {to},"
        " compared row by row"
    )
    if now:
        return
    place = [f'store = "{to}"'] + [
        f'{name} = "{getattr(target, name)}"'
        for name in ("history_path", "history_endpoint", "history_region")
        if getattr(target, name) != Settings.model_fields[name].default
    ]
    stood = f"the hub had let go of the city for {done.stood_s:.1f} s, and goes on with it there"
    say(f"  → {stood if done.had_hub else 'start the hub: it finds the city there'}")
    say(
        f"  → put `{'`, `'.join(place)}` into madang.toml, for people to see; until then"
        f" {target.data / settings_moved.FILE} says it. Audit log and keys stay in {target.data}"
    )


def _store_now(data: Path | None, config: Path | None) -> str:
    """Return where the state is now, if the settings can be used together with a store."""
    from madang import settings_sources

    try:
        return settings_sources.load({"data": data}, config=config).store
    except settings_sources.SettingsError:  # history_path is there already, for what comes
        return ""
