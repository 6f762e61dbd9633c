"""One process at a time works on a data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from madang.model.errors import MadangError


class FolderUnusable(MadangError):
    """The data folder can be neither made nor opened."""


class FolderInUse(MadangError):
    """Another process works on the data folder."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a data folder to this process; the lock goes with the process, however it ends.

    Windows has no such lock for folders; there its open files cannot be replaced anyway.

    Raises:
        FolderInUse: another process has it.
        FolderUnusable: it can be neither made nor opened.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderUnusable(
            f"the data folder {folder} cannot be made ({error.strerror}); name another with --data,"
            " or have yourself given the right to write there"
        ) from error
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(
                f"{folder} is in use by another Madang; stop it first, or name another with --data"
            ) from None
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Tell whether a process works on a folder; False where the system has no such lock."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
