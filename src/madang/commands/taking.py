"""How a move takes the city over from a hub; how they tell one another: :mod:`madang.handover`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from madang import handover, lock, settings_moved
from madang.lake.storage import synced
from madang.lock import FolderInUse, held
from madang.model.errors import MadangError
from madang.settings_moved import Moved

PATIENCE_S = 90.0  # that a hub has to end what is under way
TRY_S = 15.0  # that it has to try where the city shall go


class NotHandedOver(MadangError):
    """The hub cannot or does not let the city go."""


class TakenBack(MadangError):
    """The hub has gone on with the city, as nothing was heard of this move."""

    def __init__(self) -> None:
        super().__init__(
            f"nothing was heard of this move for {handover.SILENCE_S:g} s (was it stopped, with"
            " Ctrl+Z, or the database away?), so the hub has gone on with the city where it was."
            " Nothing is lost; run the same command again, which goes on from here"
        )


@contextmanager
def moving(data: Path) -> Iterator[Path]:
    """Be the only one who moves a city, while the block runs; give a folder for what that needs.

    Raises:
        FolderInUse: somebody else is moving it.
    """
    folder = data / handover.FOLDER
    if not lock.is_held(folder):
        handover.withdraw(data)  # what one who was killed has asked for
    with held(folder):
        yield folder


def tried(data: Path, wish: Moved) -> None:
    """Make sure that a hub that runs there could go on where the city shall go, if it says so soon.

    Raises:
        NotHandedOver: it could not.
    """
    folder = data / handover.FOLDER
    (folder / handover.RESULT).unlink(missing_ok=True)
    handover.write(folder / handover.TRIED, wish._asdict())
    end = time.monotonic() + TRY_S
    try:
        while lock.is_held(data) and time.monotonic() < end:
            result = handover.read(folder / handover.RESULT)
            if result is not None:
                _check(result)
                return
            time.sleep(handover.POLL_S)
    finally:
        for name in (handover.TRIED, handover.RESULT):
            (folder / name).unlink(missing_ok=True)


def _check(answer: dict[str, object]) -> None:
    if answer["reason"]:
        raise NotHandedOver(f"the hub does not let the city go: {answer['reason']}")


class Grant:
    """The city in the hands of who moves it, until a hub takes it back.

    Args:
        data: the data folder.
        had_hub: whether a hub was working on the city.
    """

    def __init__(self, data: Path, had_hub: bool) -> None:
        self.had_hub = had_hub
        self._data = data
        self._file = data / handover.FOLDER / handover.GRANTED

    def beat(self) -> None:
        """Show a sign of life.

        Raises:
            TakenBack: too late.
        """
        try:
            os.utime(self._file)
        except FileNotFoundError:
            raise TakenBack from None

    def use(self) -> None:
        """Note for good that the move is about to be made final: now the database decides.

        Raises:
            TakenBack: too late.
        """
        try:
            self._file.rename(self._data / settings_moved.FILE)
        except FileNotFoundError:
            raise TakenBack from None
        synced(self._data)


@contextmanager
def taken(data: Path, wish: Moved) -> Iterator[Grant]:
    """Have the city while nobody writes; a hub that runs there lets it go.

    Raises:
        NotHandedOver: there is one that does not let it go.
    """
    with ExitStack() as stack:
        asked = time.monotonic()
        stack.callback(handover.withdraw, data)
        has_hub = not _is_taken(stack, data)
        if has_hub:
            _ask(data, wish)
        else:
            handover.grant(data, wish)
        while not (data / handover.FOLDER / handover.GRANTED).exists():
            if _is_taken(stack, data):  # the hub has ended instead
                handover.grant(data, wish)
                break
            _check(handover.read(data / handover.FOLDER / handover.REFUSED) or {"reason": ""})
            if time.monotonic() - asked > PATIENCE_S:
                raise NotHandedOver(
                    f"what works on {data} has not let it go within {PATIENCE_S:g} s; stop it and"
                    " run the same command again, which goes on from here"
                )
            time.sleep(handover.POLL_S)
        yield Grant(data, has_hub)


def _is_taken(stack: ExitStack, data: Path) -> bool:
    try:
        stack.enter_context(held(data))
    except FolderInUse:
        return False
    return True


def _ask(data: Path, wish: Moved) -> None:
    folder = data / handover.FOLDER
    (folder / handover.REFUSED).unlink(missing_ok=True)
    handover.write(folder / handover.ASKED, wish._asdict())
