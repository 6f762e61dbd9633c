"""Where a city went that began in this data folder: ``moved.json``, written by ``madang move``.

Its files stay after a move. Whoever opened them again, for want of the setting ``store``, would go
on with a city of yesterday, so the folder itself says where the city is now. What is set
explicitly comes before it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from madang.model.errors import MadangError

FILE = "moved.json"


class Moved(NamedTuple):
    """Where a city went."""

    store: str
    """As the setting of that name."""
    history_path: str
    """As the setting of that name; empty is below the data folder."""
    is_ended: bool
    """False: it was about to be made final; the database knows whether it was."""
    history_endpoint: str = ""
    """As the setting of that name."""
    history_region: str = ""
    """As the setting of that name; empty where history is in a folder."""


def read(data: Path) -> Moved | None:
    """Return where the city of a data folder went, if it did.

    Raises:
        MadangError: what the folder says cannot be read.
    """
    file = data / FILE
    try:
        return Moved(**json.loads(file.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        raise MadangError(
            f"{file}, which says where this city was moved to, cannot be read ({error}); set store"
            " to that database and remove it"
        ) from error


def write(data: Path, moved: Moved) -> None:
    """Say where the city went; that is durable then."""
    file = data / FILE
    part = file.with_suffix(".part")
    with part.open("w", encoding="utf-8") as stream:
        json.dump(moved._asdict(), stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
    folder = os.open(data, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def forget(data: Path) -> None:
    """Say no more that it went anywhere."""
    (data / FILE).unlink(missing_ok=True)
