"""Replaces small files whole: a crash leaves the one before or the new one, never a part."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Put content in the place of a file; when this returns it is on the disk.

    Blocks for a sync, so that it is done in a thread.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A thread whose task was cancelled goes on writing, perhaps beside the one that comes after it.
    draft = path.with_suffix(f".{threading.get_ident()}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
