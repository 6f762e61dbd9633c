"""One process at a time works on a data folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from madang.model.errors import MadangError


class FolderInUse(MadangError):
    """Another process works on the data folder."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep a data folder to this process; the lock goes with the process, however it ends.

    Windows has no such lock for folders; there its open files cannot be replaced anyway.

    Raises:
        FolderInUse: another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
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
