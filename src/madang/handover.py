"""How a hub hands its data folder over to a move for the end of it, and goes on afterwards.

Both are told by files and locks in the data folder, so nobody can do it who may not read the city
itself, and nothing is left over when a process is killed: whoever moves holds the lock of the
folder ``move`` for as long as that takes, and asks for the city there. The hub closes it, keeps its
address (who calls meanwhile waits), lets go of the data folder, and waits until the mover has
ended, in whichever way. Then it opens the city where that is now.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import structlog

from madang import lock, settings_moved
from madang.hub.lakes import Lakes
from madang.lake.bucket import SCHEME
from madang.lake.engine import Engine
from madang.lock import FolderInUse, held
from madang.model.errors import MadangError
from madang.settings import Settings
from madang.settings_moved import Moved
from madang.store import engine_of

log = structlog.get_logger("madang")

FOLDER = "move"
_ASKED, _REFUSED = "asked.json", "refused.json"
LOOK_S = 0.5  # from one look of a hub whether somebody asks to the next
POLL_S = 0.02  # from one look at a lock that is about to be let go to the next
PATIENCE_S = 90.0  # that a hub has to end what is under way


class NotHandedOver(MadangError):
    """The hub cannot or does not let the city go."""


# --- who moves ----------------------------------------------------------------------------------


@contextmanager
def moving(data: Path) -> Iterator[Path]:
    """Be the only one who moves a city, while the block runs; give a folder for what that needs.

    Raises:
        FolderInUse: somebody else is moving it.
    """
    folder = data / FOLDER
    if not lock.is_held(folder):
        _withdraw(data)  # what one who was killed has asked for
    with held(folder):
        yield folder


@contextmanager
def taken(data: Path, wish: Moved) -> Iterator[bool]:
    """Hold the data folder while nobody writes; a hub that runs there lets it go.

    Gives whether there was one.

    Raises:
        NotHandedOver: there is one that does not let it go.
    """
    with ExitStack() as stack:
        asked = time.monotonic()
        has_hub = not _is_taken(stack, data)
        if has_hub:
            _ask(data, wish)
            stack.callback(_withdraw, data)
        while has_hub and not _is_taken(stack, data):
            reason = _read(data / FOLDER / _REFUSED)
            if reason is not None:
                raise NotHandedOver(f"the hub does not let the city go: {reason['reason']}")
            if time.monotonic() - asked > PATIENCE_S:
                raise NotHandedOver(
                    f"what works on {data} has not let it go within {PATIENCE_S:g} s; stop it and"
                    " run the same command again, which goes on from here"
                )
            time.sleep(POLL_S)
        yield has_hub


def _is_taken(stack: ExitStack, data: Path) -> bool:
    try:
        stack.enter_context(held(data))
    except FolderInUse:
        return False
    return True


def _ask(data: Path, wish: Moved) -> None:
    folder = data / FOLDER
    (folder / _REFUSED).unlink(missing_ok=True)
    _write(folder / _ASKED, wish._asdict())


def _withdraw(data: Path) -> None:
    for name in (_ASKED, _REFUSED):
        (data / FOLDER / name).unlink(missing_ok=True)


def _write(file: Path, content: dict[str, object]) -> None:
    part = file.with_suffix(".part")
    part.write_bytes(orjson.dumps(content))
    part.replace(file)


def _read(file: Path) -> dict[str, object] | None:
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
        wish = _read(folder / _ASKED)
        if wish is None or not lock.is_held(folder):  # or who asked was killed
            return
        reason = await _hindrance(moved_to(self._settings, Moved(**wish)))  # type: ignore[arg-type]
        if reason is None:
            self.is_due = True
            log.info("madang.handed_over", to=wish["store"])
            self._end()
            return
        log.warning("madang.not_handed_over", reason=reason)
        (folder / _ASKED).unlink(missing_ok=True)
        _write(folder / _REFUSED, {"reason": reason})


def moved_to(settings: Settings, moved: Moved) -> Settings:
    """Return the settings of a city after it has gone elsewhere."""
    return settings.model_copy(update={"store": moved.store, "history_path": moved.history_path})


async def _hindrance(settings: Settings) -> str | None:
    """Return why a hub could not go on with other settings."""
    engine = engine_of(settings)
    try:
        await engine.tenants()
        if settings.history_path.startswith(SCHEME):
            scratch = Engine(settings.data / FOLDER / "hub")
            await asyncio.to_thread(Lakes(settings).check, scratch)
            scratch.close()
        elif settings.history_path:
            (Path(settings.history_path) / ".madang").touch()
            (Path(settings.history_path) / ".madang").unlink()
    except (MadangError, OSError) as error:
        return str(error)
    finally:
        await engine.close()
    return None


def wait(data: Path, alive: Callable[[], None]) -> None:
    """Wait until whoever moves has ended.

    Args:
        data: the data folder.
        alive: is called again and again meanwhile.
    """
    while lock.is_held(data / FOLDER):
        alive()
        time.sleep(POLL_S)


def settled(settings: Settings) -> Settings:
    """Return the settings by which a hub finds its city, which may have been moved.

    To be called by who holds the data folder.

    Raises:
        MadangError: the move was cut off at its very end, and the database does not answer.
    """
    moved = settings_moved.read(settings.data)
    if moved is None or settings.store:
        return settings
    if not moved.is_ended:
        if not asyncio.run(_is_ended(moved_to(settings, moved))):
            settings_moved.forget(settings.data)
            return settings
        settings_moved.write(settings.data, moved._replace(is_ended=True))
    return moved_to(settings, moved)


async def _is_ended(settings: Settings) -> bool:
    from madang.store.postgres import move  # only who uses it pays for it
    from madang.store.postgres.engine import PostgresEngine

    engine = engine_of(settings)
    assert isinstance(engine, PostgresEngine), "a city is moved to PostgreSQL only"
    try:
        return await move.is_ended(engine)
    except MadangError as error:
        raise MadangError(
            f"the move to {engine.shown} was cut off at its very end, and only that database knows"
            f" whether the city is there now: {error}. (If it is gone for good, remove"
            f" {settings.data / settings_moved.FILE} to go on with the files.)"
        ) from error
    finally:
        await engine.close()
