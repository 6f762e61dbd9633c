"""``madang backup``, ``madang restore`` and ``madang doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from madang.commands.terminal import Config, Data, console


def backup(
    target: Annotated[Path, typer.Argument(help="New folder, or new .tar file.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy all data, also while the hub runs, and check the copy."""
    from madang import settings_sources
    from madang.commands import keep

    keep.backup(settings_sources.load({"data": data}, config=config), target, console())


def restore(
    source: Annotated[Path, typer.Argument(help="Folder or .tar file that `backup` made.")],
    data: Data = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the data there is.")] = False,
    config: Config = None,
) -> None:
    """Check a backup and put it in the place of the data. The hub must not be running."""
    from madang import settings_sources
    from madang.commands import keep

    chosen = settings_sources.load({"data": data}, config=config)
    if chosen.store:
        raise keep.BackupError(
            f"the state is in {chosen.store}: restore into a new data folder without the setting"
            " store, then `madang move` it to an empty database; or use the tools of PostgreSQL"
            " (pg_restore, point-in-time recovery)"
        )
    keep.restore(chosen.data, source, force=force, console=console())


def doctor(
    data: Data = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Remove what crashes left; the hub must be stopped.")
    ] = False,
    config: Config = None,
) -> None:
    """Check settings, disk, ports, versions and stores, and say how to mend each."""
    from madang.commands import checkup

    if not checkup.show({"data": data}, config, console(), mends=mend):
        raise typer.Exit(1)
