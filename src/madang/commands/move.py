"""``madang move``: take an embedded city over to PostgreSQL, with its history."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from madang.commands.terminal import Config, Data, console

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress

    from madang.settings import Settings


class Moved(NamedTuple):
    """What was taken over."""

    tenants: int
    entities: int
    instances: int


def move(
    to: Annotated[str, typer.Option("--to", help="postgres://user@host/database, an empty one.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy state and history of a stopped hub to PostgreSQL and compare; go on after a break."""
    from rich.progress import Progress

    from madang import settings_sources
    from madang.lock import held
    from madang.logs import configure

    target = settings_sources.load({"data": data, "store": to}, config=config)
    configure(target)  # what a hub would log at level debug is nothing for people
    now = _store_now(data, config)
    if now not in ("", to):
        raise settings_sources.SettingsError(f"the state is in {now} already; unset store to move")
    with held(target.data), Progress(console=console()) as progress:
        moved = asyncio.run(_history_moved(target, progress) if now else _moved(target, progress))
    shown = console()
    tenants = "1 tenant" if moved.tenants == 1 else f"{moved.tenants} tenants"
    state = "" if now else f" with {moved.entities:,} entities"
    shown.print(
        f"[green]✓[/] {tenants}{state} and {moved.instances:,} instances of history are in {to},"
        " compared row by row",
        highlight=False,
        soft_wrap=True,
    )
    if not now:
        shown.print(
            f'  → put `store = "{to}"` into madang.toml (or set MADANG_STORE) and start the hub;'
            f" audit log and keys stay in {target.data}",
            highlight=False,
            soft_wrap=True,
        )


def _store_now(data: Path | None, config: Path | None) -> str:
    """Return where the state is now, if the settings can be used together with a store."""
    from madang import settings_sources

    try:
        return settings_sources.load({"data": data}, config=config).store
    except settings_sources.SettingsError:  # history_path is there already, for what comes
        return ""


async def _moved(target: Settings, progress: Progress) -> Moved:
    """Take over everything."""
    from madang.model.errors import MadangError
    from madang.store import engine_of
    from madang.store.postgres import move as moving
    from madang.store.postgres.engine import SYSTEM_NAME, PostgresEngine

    folder = target.data.absolute() / "state"
    found = await moving.sources(folder)
    if not found:
        raise MadangError(f"there is no city in {folder.parent}; name its folder with --data")
    tenants = [source.name for source in found if source.name != SYSTEM_NAME]
    entities = sum(source.entities for source in found)
    bars = {name: progress.add_task(name, total=entities) for name in ("copying", "comparing")}
    instances = 0

    async def history() -> None:
        nonlocal instances
        instances = await asyncio.to_thread(lambda: _histories(target, tenants, progress))

    engine = engine_of(target)
    assert isinstance(engine, PostgresEngine)
    try:
        await moving.move(
            engine, folder, found, lambda what, more: progress.advance(bars[what], more), history
        )
    finally:
        await engine.close()
    return Moved(len(tenants), entities, instances)


async def _history_moved(target: Settings, progress: Progress) -> Moved:
    """Take over the history of a city whose state is in the database already."""
    from madang.store import engine_of

    engine = engine_of(target)
    try:
        await engine.claim()
        tenants = await engine.tenants()
        instances = await asyncio.to_thread(lambda: _histories(target, tenants, progress))
    finally:
        await engine.close()
    return Moved(len(tenants), 0, instances)


def _histories(target: Settings, tenants: list[str], progress: Progress) -> int:
    """Take over the lakes of tenants; return how many instances they have."""
    from madang.hub.lakes import Lakes
    from madang.lake.ducklake import DuckLake
    from madang.lake.engine import Engine

    lakes = Lakes(target)
    engine = Engine(lakes.folder / "scratch")
    bar = progress.add_task("history", total=None)
    instances = 0
    try:
        for tenant in tenants:
            own = lakes.embedded(tenant)
            if own.file.exists():
                with (
                    closing(DuckLake(engine, own)) as old,
                    closing(DuckLake(engine, lakes.in_database(tenant))) as new,
                ):
                    instances += new.take_over(old, lambda more: progress.advance(bar, more))
    finally:
        engine.close()
    progress.update(bar, total=max(instances, 1), completed=max(instances, 1))
    return instances
