"""``madang move``: all of a city copied while it is used, and the rest when it stands still."""

from __future__ import annotations

import asyncio
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress, TaskID

from madang import handover, settings_moved
from madang.commands.move_lakes import MovedLakes, discard, left
from madang.commands.taking import TakenBack, moving, taken, tried
from madang.hub.lakes import Lakes
from madang.lake.bucket import SCHEME
from madang.lake.engine import Engine
from madang.lake.transfer import TransferError
from madang.lock import FolderInUse, held
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.settings_moved import Moved
from madang.store import engine_of, move_log
from madang.store.postgres import move
from madang.store.postgres.engine import PostgresEngine
from madang.store.postgres.move import Mover
from madang.store.postgres.move_rows import MoveError

SHORT_S = 1.0  # that a round takes, after which the rest is worth standing still for
LESS = 0.8  # of the time of the round before that one takes after which another is worth it


class Done(NamedTuple):
    """What was moved."""

    tenants: int
    entities: int
    instances: int
    had_hub: bool = False
    """Whether a hub was working on the city."""
    stood_s: float = 0.0
    """How long it had let go of it until all was there."""


class _Shown:
    """The bars of progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}

    def begin(self, name: str, total: int) -> None:
        self._bars[name] = self._progress.add_task(name, total=total)
        self._totals[name] = total

    def advance(self, name: str, more: int) -> None:
        self._progress.advance(self._bars[name], more)

    def end(self, *names: str) -> None:
        for name in names:
            most = max(self._totals[name], 1)
            self._progress.update(self._bars[name], total=most, completed=most)

    def say(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, soft_wrap=True)


def moved(target: Settings, progress: Progress) -> Done:
    """Take over everything.

    Args:
        target: the settings with which a hub finds the city when it is moved.
        progress: shows how far it is.

    Raises:
        MadangError: it cannot be done, or not now; a person must do something about it.
    """
    state = target.data / "state"
    if not state.is_dir() or not asyncio.run(move.sources(state)):
        raise MadangError(f"there is no city in {target.data}; name its folder with --data")
    with moving(target.data) as folder, _told_in_a_sentence():
        _check_files(target, folder)
        return asyncio.run(_moved(target, _Shown(progress)))


def gone(target: Settings) -> Moved | None:
    """Return where the city went, if it is there already.

    Raises:
        MadangError: a move was cut off at its very end, and the database does not answer.
    """
    found = settings_moved.read(target.data)
    if found is not None and not found.is_ended:
        with suppress(FolderInUse), held(target.data):  # a hub that has it has found out
            found = handover.decided(target)
    return found if found is not None and found.is_ended else None


def _check_files(target: Settings, folder: Path) -> None:
    """Make sure that files can be where they shall go.

    Raises:
        UnusableFiles: they cannot; the text says why.
        OSError: nor can the folder for them be made.
    """
    if target.history_path and not target.history_path.startswith(SCHEME):
        Path(target.history_path).mkdir(parents=True, exist_ok=True)  # the hub tries it next
    with closing(Engine(folder / "scratch")) as engine:
        Lakes(target).check(engine)


async def _moved(target: Settings, shown: _Shown) -> Done:
    state, folder = target.data / "state", target.data / handover.FOLDER
    engine = engine_of(target)
    assert isinstance(engine, PostgresEngine), "--to names a database"
    try:
        async with await engine.connect() as connection:
            mover = Mover(connection, state, shown.advance)
            await mover.begin()
            lakes = MovedLakes(Lakes(target), folder, lambda more: shown.advance("history", more))
            with closing(lakes):
                lakes.check(await move.tenants(state))
                tried(target.data, _wish(target))
                shown.begin("copying", total := move.count(await move.sources(state)))
                shown.begin("comparing", total)
                return await _brought(target, mover, lakes, shown)
    finally:
        await engine.close()


def _wish(target: Settings) -> Moved:
    """Return where the city is to go; who goes on with it there has keys of its own."""
    is_bucket = target.history_path.startswith(SCHEME)
    region = target.history_region if is_bucket else ""
    return Moved(target.store, target.history_path, False, target.history_endpoint, region)


async def _brought(target: Settings, mover: Mover, lakes: MovedLakes, shown: _Shown) -> Done:
    await mover.follow()
    shown.end("copying", "comparing")
    shown.begin("history", lakes.count(mover.tenants))
    lakes.follow(mover.tenants)
    shown.end("history")
    await mover.prepare()
    took, before = 0.0, math.inf
    while SHORT_S < took < before * LESS or not took:  # as long as there is less to do each time
        before, began = took or math.inf, time.monotonic()
        await mover.follow()
        lakes.follow(mover.tenants)
        took = time.monotonic() - began
    wish = _wish(target)
    with taken(target.data, wish) as grant:
        began = time.monotonic()
        shown.say("nobody writes now; what came last is being moved")

        def note() -> None:
            for tenant in mover.tenants:
                grant.beat()
                lakes.follow([tenant])  # after the state: what has left an outbox is in a lake
            grant.use()

        if not await mover.finish(grant.beat, note):
            raise TakenBack
        stood = time.monotonic() - began
        settings_moved.write(target.data, wish._replace(is_ended=True))
        mover.tidy()
    lakes.close()
    shutil.rmtree(target.data / handover.FOLDER, ignore_errors=True)
    return Done(len(mover.tenants), mover.entities, lakes.instances, grant.had_hub, stood)


def history_moved(target: Settings, progress: Progress) -> Done:
    """Take over the history of a city whose state is in the database already.

    Raises:
        MadangError: it cannot be done.
    """
    with held(target.data), _told_in_a_sentence():
        _check_files(target, target.data / handover.FOLDER)
        return asyncio.run(_history_moved(target, _Shown(progress)))


async def _history_moved(target: Settings, shown: _Shown) -> Done:
    engine = engine_of(target)
    try:
        await engine.claim()
        tenants = await engine.tenants()
        folder = target.data / handover.FOLDER
        lakes = MovedLakes(Lakes(target), folder, lambda more: shown.advance("history", more))
        with closing(lakes):
            lakes.check(tenants)
            shown.begin("history", lakes.count(tenants))
            lakes.follow(tenants)
            shown.end("history")
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        await engine.close()
    return Done(len(tenants), 0, lakes.instances)


def given_up(data: Path) -> list[str] | None:
    """Remove what a move that is not to go on has left beside the city.

    To be called by who holds the data folder.

    Returns:
        The places in a bucket where it has left files; None if there was no move.

    Raises:
        FolderInUse: it goes on.
    """
    folder = data / handover.FOLDER
    if not folder.exists():
        return None
    with moving(data):
        for source in asyncio.run(move.sources(data / "state")):
            with closing(move_log.connect(source.file)) as file:
                move_log.end(file)
        places = sorted(filter(None, map(left, folder.iterdir())))
        for home in folder.iterdir():
            discard(home)
    shutil.rmtree(folder)
    return places


@contextmanager
def _told_in_a_sentence() -> Iterator[None]:
    """Say what went wrong with a disk or the database, and that nothing is lost by it."""
    import apsw
    import duckdb
    import psycopg

    try:
        yield
    except (OSError, TransferError, apsw.Error, duckdb.Error, psycopg.Error) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise MoveError(
            f"the move was broken off: {lines[0]}. The city goes on where it was; mend that, and"
            " run the same command again, which goes on from here"
        ) from error
