"""How a hub hands its city over to a move for the end of it, and goes on afterwards.

All is told by files and locks in the data folder, so nobody can do it who may not read the city
itself, and nothing is left over when a process is killed. Whoever moves holds the lock of the
folder ``move`` for as long as that takes, and asks for the city there. The hub closes it, keeps its
address (who calls meanwhile waits) and the lock of the data folder, and lays down ``granted.json``:
as long as that is there, no hub has the city open. Then it waits for the mover, and opens the city
where that is afterwards.

A mover may be neither dead nor alive: frozen by Ctrl+Z, or waiting for a database behind a broken
line. The hub then takes the city back after ``SILENCE_S`` and goes on with its files, and the
mover, if it ever wakes up, must not make the move final. Who of them is first is decided

* by the file, until right before the end: the hub takes the city back by removing ``granted.json``,
  the mover makes the move final by first renaming it to ``moved.json``. Only one of them can. The
  database is not needed for it, so a hub goes on also where it cannot reach that.
* by the database, from the renaming until the commit, some milliseconds: the hub marks the move
  there as given up, in the lock in which the mover's commit makes sure that it is not
  (:func:`madang.store.postgres.move.decide`). The server ends what a frozen mover has left open.
  If it does not answer the hub, nobody can know whether the commit has come to it, so the hub does
  not open the city: two cities that both go on would be worse than one that waits.

What a mover does that was overtaken so is harmless: it reads the files as it did all the time
beside a hub, and writes a copy that is no city yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import orjson
import structlog

from madang import lock, settings_moved
from madang.hub.lakes import Lakes
from madang.lake.bucket import SCHEME
from madang.lake.engine import Engine
from madang.lake.storage import synced
from madang.lock import FolderInUse, held
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.settings_moved import Moved
from madang.store import engine_of

log = structlog.get_logger("madang")

FOLDER = "move"
ASKED, REFUSED = "asked.json", "refused.json"
TRIED, RESULT = "tried.json", "result.json"
GRANTED = "granted.json"
LOOK_S = 0.5  # from one look of a hub whether somebody asks to the next
POLL_S = 0.02  # from one look at a lock that is about to be let go to the next
SILENCE_S = 30.0
"""Without a sign of life after which a mover that has the city is given up. It shows one at each
step, of which few take a second; who calls the hub meanwhile waits, and few do so for a minute."""


def withdraw(data: Path) -> None:
    """Take back what a mover has asked for; none can have what was not asked for."""
    for name in (ASKED, REFUSED, GRANTED):
        (data / FOLDER / name).unlink(missing_ok=True)


def grant(data: Path, wish: Moved) -> None:
    """Let a mover have the city, which nobody has open now."""
    write(data / FOLDER / GRANTED, wish._asdict())


def write(file: Path, content: dict[str, object]) -> None:
    """Say something to the other side."""
    part = file.with_suffix(".part")
    part.write_bytes(orjson.dumps(content))
    synced(part)
    part.replace(file)


def read(file: Path) -> dict[str, object] | None:
    """Return what the other side has said, if it has."""
    try:
        found: dict[str, object] = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found


# --- the hub ------------------------------------------------------------------------------------


class Handover:
    """Looks whether the city of a hub is asked for.

    Args:
        settings: of the hub.
        end: is called when the city is to be closed; the process goes on.
    """

    def __init__(self, settings: Settings, end: Callable[[], None]) -> None:
        self.is_due = False
        """Whether the city is being let go."""
        self._settings = settings
        self._end = end

    async def watch(self) -> None:
        """Look until it is; a city that is not embedded is not asked for."""
        while not self._settings.store and not self.is_due:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look(self._settings.data / FOLDER)
            except OSError as error:  # a full disk, say; who asks waits
                log.warning("madang.not_handed_over", reason=str(error))

    async def _look(self, folder: Path) -> None:
        for question, answer in ((TRIED, RESULT), (ASKED, REFUSED)):
            found = read(folder / question)
            if found is None or not lock.is_held(folder):  # who asked was killed
                continue
            wish = Moved(**found)  # type: ignore[arg-type]
            reason = await _hindrance(moved_to(self._settings, wish))
            if reason is None and question == ASKED:
                self.is_due = True
                log.info("madang.handed_over", to=wish.store)
                self._end()
                return
            if reason is not None:
                log.warning("madang.not_handed_over", reason=reason)
            _reply(folder, question, answer, reason or "")

    def give(self) -> bool:
        """Let who asks have the city, which is closed now; tell whether it was to be let go."""
        wish = read(self._settings.data / FOLDER / ASKED)
        if self.is_due and wish is not None:  # or who asked has ended meanwhile
            try:
                grant(self._settings.data, Moved(**wish))  # type: ignore[arg-type]
            except OSError as error:  # a full disk, say
                log.warning("madang.not_handed_over", reason=str(error))
        return self.is_due


def _reply(folder: Path, question: str, answer: str, reason: str) -> None:
    (folder / question).unlink(missing_ok=True)
    write(folder / answer, {"reason": reason})


def moved_to(settings: Settings, moved: Moved) -> Settings:
    """Return the settings of a city after it has gone elsewhere; the keys for it stay the same."""
    place = {"store": moved.store, "history_path": moved.history_path}
    if moved.history_region:
        place |= {
            "history_endpoint": moved.history_endpoint,
            "history_region": moved.history_region,
        }
    return settings.model_copy(update=place)


async def _hindrance(settings: Settings) -> str | None:
    """Return why a hub could not go on with other settings."""
    engine = engine_of(settings)
    try:
        await engine.tenants()
        if settings.history_path.startswith(SCHEME):
            with closing(Engine(settings.data / FOLDER / "hub")) as scratch:
                await asyncio.to_thread(Lakes(settings).check, scratch)
        elif settings.history_path:
            (Path(settings.history_path) / ".madang").touch()
            (Path(settings.history_path) / ".madang").unlink()
    except (MadangError, OSError) as error:
        return str(error)
    finally:
        await engine.close()
    return None


def wait(data: Path, alive: Callable[[], None]) -> None:
    """Wait until who moves the city does not have it any more; take it back if that is silent.

    To be called by who holds the data folder, before the city is opened.

    Args:
        data: the data folder.
        alive: is called again and again meanwhile.
    """
    sign, since = _sign(data), time.monotonic()
    while _is_out(data) and lock.is_held(data / FOLDER):
        alive()
        time.sleep(POLL_S)
        before, sign = sign, _sign(data)
        if sign != before:
            since = time.monotonic()
        elif time.monotonic() - since > SILENCE_S:
            _refuse(data)
            break
    _withdraw_grant(data)


def _is_out(data: Path) -> bool:
    """Tell whether a mover has the city, or the database must say who has it."""
    if (data / FOLDER / GRANTED).exists():
        return True
    moved = settings_moved.read(data)
    return moved is not None and not moved.is_ended


def _sign(data: Path) -> int:
    """Return when a mover has shown the last sign of life."""
    with suppress(FileNotFoundError):
        return (data / FOLDER / GRANTED).stat().st_mtime_ns
    return 0


def _refuse(data: Path) -> None:
    """Tell a mover that is silent, and may still be waiting for the city, that it is too late."""
    log.warning("madang.taken_back", silent_s=SILENCE_S, hint="the move was stopped, or hangs")
    (data / FOLDER / ASKED).unlink(missing_ok=True)  # first, or it would be granted once more
    with suppress(OSError):
        write(data / FOLDER / REFUSED, {"reason": f"the move was silent for {SILENCE_S:g} s"})


def _withdraw_grant(data: Path) -> None:
    (data / FOLDER / GRANTED).unlink(missing_ok=True)


@contextmanager
def own(data: Path) -> Iterator[None]:
    """Keep a data folder to this process, which is about to change what is there.

    Raises:
        FolderInUse: another process has it, or somebody is bringing the city elsewhere.
        FolderUnusable: it can be neither made nor opened.
    """
    with held(data):
        if _is_out(data) and lock.is_held(data / FOLDER):
            raise FolderInUse(f"the city in {data} is being moved; wait until that has ended")
        _withdraw_grant(data)
        yield


def settled(settings: Settings) -> Settings:
    """Return the settings by which a hub finds its city, which may have been moved.

    To be called by who holds the data folder, when no mover has the city.

    Raises:
        MadangError: the move was cut off at its very end, and the database does not answer.
    """
    if settings.store:
        return settings
    moved = decided(settings)
    return settings if moved is None else moved_to(settings, moved)


def decided(settings: Settings) -> Moved | None:
    """Return where the city went; if that is open, the database decides it now and for good.

    To be called by who holds the data folder, when no mover has the city.

    Raises:
        MadangError: it does not answer.
    """
    moved = settings_moved.read(settings.data)
    if moved is None or moved.is_ended:
        return moved
    if not asyncio.run(_is_ended(moved_to(settings, moved))):
        settings_moved.forget(settings.data)
        return None
    moved = moved._replace(is_ended=True)
    settings_moved.write(settings.data, moved)
    return moved


async def _is_ended(settings: Settings) -> bool:
    from madang.store.postgres import move  # only who uses it pays for it
    from madang.store.postgres.engine import PostgresEngine

    engine = engine_of(settings)
    assert isinstance(engine, PostgresEngine), "a city is moved to PostgreSQL only"
    try:
        return await move.decide(engine)
    except MadangError as error:
        raise MadangError(
            f"the move to {engine.shown} was cut off at its very end, and only that database knows"
            f" whether the city is there now: {error}. (If it is gone for good, remove"
            f" {settings.data / settings_moved.FILE} to go on with the files.)"
        ) from error
    finally:
        await engine.close()
