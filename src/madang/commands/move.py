"""``madang move``: take an embedded city over to PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from madang.commands.terminal import Config, Data, console

if TYPE_CHECKING:
    from pathlib import Path

    from madang.settings import Settings


def move(
    to: Annotated[str, typer.Option("--to", help="postgres://user@host/database, an empty one.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy the state of a stopped hub to PostgreSQL and compare it; go on after a break."""
    from madang import settings_sources
    from madang.lock import held

    source = settings_sources.load({"data": data}, config=config)
    if source.store:
        raise settings_sources.SettingsError(
            f"the state is in {source.store} already; unset store to move"
        )
    target = settings_sources.load({"data": data, "store": to}, config=config)
    with held(source.data):
        entities, tenants = asyncio.run(_moved(target, source.data.absolute() / "state"))
    shown = console()
    shown.print(
        f"[green]✓[/] {tenants} with {entities:,} entities are in {to}, compared row by row",
        highlight=False,
        soft_wrap=True,
    )
    shown.print(
        f'  → put `store = "{to}"` into madang.toml (or set MADANG_STORE) and start the hub;'
        f" history, audit log and keys stay in {source.data}",
        highlight=False,
        soft_wrap=True,
    )


async def _moved(target: Settings, folder: Path) -> tuple[int, str]:
    from rich.progress import Progress

    from madang.model.errors import MadangError
    from madang.store import engine_of
    from madang.store.postgres import move as moving
    from madang.store.postgres.engine import PostgresEngine

    found = await moving.sources(folder)
    if not found:
        raise MadangError(f"there is no city in {folder.parent}; name its folder with --data")
    engine = engine_of(target)
    assert isinstance(engine, PostgresEngine)
    entities = sum(source.entities for source in found)
    with Progress(console=console()) as progress:
        bars = {name: progress.add_task(name, total=entities) for name in ("copying", "comparing")}
        try:
            await moving.move(
                engine,
                folder,
                found,
                lambda what, more: progress.advance(bars[what], more),
            )
        finally:
            await engine.close()
    tenants = sum(source.schema != "madang_system" for source in found)
    return entities, "1 tenant" if tenants == 1 else f"{tenants} tenants"
