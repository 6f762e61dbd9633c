"""Where the files of a lake lie: in a folder, or in a bucket (:mod:`madang.lake.bucket`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import duckdb

    from madang.lake.engine import Engine

MARKER: Final = "lake.id"
"""Beside the files: the id of the lake that they are of."""


class Away(OSError):
    """What keeps history does not answer, or has refused something; nothing was done."""


class FilesAway(Away):
    """The server that has the files of a lake does not answer, or has refused something."""


class Storage(Protocol):
    """The files of one lake. DuckDB reads, writes and removes them; this is what else is asked."""

    shown: str
    """The place, for people to read."""
    path: str
    """The place as DuckLake names it, with a slash at its end."""

    def open(self, engine: Engine, cursor: duckdb.DuckDBPyConnection) -> None:
        """Make ready for being attached."""

    def id(self, cursor: duckdb.DuckDBPyConnection) -> str:
        """Return the id that is shown beside the files; empty if there is none."""

    def claim(self, cursor: duckdb.DuckDBPyConnection, id: str) -> None:
        """Show an id beside the files from now on."""

    def disown(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Give up the files of the lake whose id is shown, and show none."""

    def has_files(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        """Tell whether there is any file of rows."""

    def sync(self) -> None:
        """Make sure that new files stay, before the catalog names them."""

    def sizes(self, cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, int]:
        """Return how large those files are that are there, by the names that DuckLake gives. [B]"""

    def links(self, names: Sequence[str], seconds: int) -> list[str]:
        """Return names under which a process without any of our keys can read files for a time."""

    def is_away(self, error: duckdb.Error) -> bool:
        """Tell whether the engine failed because the files could not be reached."""


class Folder:
    """A folder of this machine, or one that several machines share.

    Args:
        home: shows the id, and has the folder of the files.
        name: of that folder.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.shown = str(home)
        self.path = f"{home / name}/"
        self._home = home
        self._files = home / name
        self._synced: set[str] = set()

    def open(self, engine: Engine, cursor: duckdb.DuckDBPyConnection) -> None:
        self._synced = {file.name for file in self._files.rglob("*.parquet")}

    def id(self, cursor: duckdb.DuckDBPyConnection) -> str:
        marker = self._home / MARKER
        return marker.read_text("ascii") if marker.exists() else ""

    def claim(self, cursor: duckdb.DuckDBPyConnection, id: str) -> None:
        self._files.mkdir(parents=True, exist_ok=True)
        with (self._home / MARKER).open("w", encoding="ascii") as stream:
            stream.write(id)
            stream.flush()
            os.fsync(stream.fileno())

    def disown(self, cursor: duckdb.DuckDBPyConnection) -> None:
        shutil.rmtree(self._files, ignore_errors=True)
        (self._home / MARKER).unlink(missing_ok=True)

    def has_files(self, cursor: duckdb.DuckDBPyConnection) -> bool:
        return any(self._home.rglob("*.parquet"))

    def sync(self) -> None:
        for file in self._files.rglob("*.parquet"):
            if file.name not in self._synced:
                with suppress(FileNotFoundError):  # of another process, which gave it up
                    for path in (file, file.parent):
                        synced(path)
                self._synced.add(file.name)

    def sizes(self, cursor: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, int]:
        return {name: Path(name).stat().st_size for name in names if Path(name).exists()}

    def links(self, names: Sequence[str], seconds: int) -> list[str]:
        return list(names)

    def is_away(self, error: duckdb.Error) -> bool:
        return False


def synced(path: Path) -> None:
    """Make a file or the entries of a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
