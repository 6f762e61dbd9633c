"""Where the catalog of a lake lies: which files belong to it, and who else may be writing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from madang.lake.engine import Engine
from madang.lake.schema import quoted
from madang.lake.storage import Away, Folder, Storage
from madang.lake.window import text

if TYPE_CHECKING:
    import duckdb

Version = tuple[int, int]
"""Rises with everything that is written to a lake."""


class CatalogAway(Away):
    """The database that has the catalog does not answer, or has refused something."""


class Catalog(Protocol):
    """The catalog of one lake. Errors of its engine are those of DuckDB, or OSError."""

    storage: Storage
    """Holds the Parquet files."""
    is_shared: bool
    """Whether other processes may write the lake as well."""

    @property
    def shown(self) -> str:
        """The lake's place, for people to read."""

    def attach(self, engine: Engine, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Attach the lake to DuckDB under a name, made if it is not there, without tables yet."""

    def version(self) -> Version | None:
        """Return the version of what is committed; None if nobody else writes."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes from all but appending what they drained, while the block runs."""

    def sole(self) -> None:
        """Make sure that no other process has the lake open; it must not come before the close.

        Raises:
            OSError: another one has.
        """

    def confirm(self) -> None:
        """Raise OSError if this process is inside of :meth:`alone` and has lost its place."""

    def begin(self, lowest: int) -> None:
        """Tell that numbers of rows that came from no change go down to this one so far."""

    def number(self, count: int) -> int:
        """Return the first of so many new numbers for such rows; they fall from it."""

    def tables(self, name: str) -> str:
        """Return the schema of DuckLake's own tables, when attached under a name, as SQL."""

    def tidy(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Prepare the attached catalog for the forgetting of snapshots."""

    def bytes(self) -> int:
        """Return what the catalog itself takes."""

    def close(self) -> None:
        """Let go of it."""


class SqliteCatalog:
    """A file beside the folder of Parquet files; one process at a time writes it."""

    FILE = "catalog.sqlite"
    is_shared = False

    def __init__(self, home: Path) -> None:
        self.home = home
        self.storage: Storage = Folder(home, "files")
        self._own = 0

    @property
    def shown(self) -> str:
        return str(self.home)

    @property
    def file(self) -> Path:
        """The catalog itself."""
        return self.home / self.FILE

    def attach(self, engine: Engine, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.storage.open(engine, cursor)
        cursor.execute(
            f"ATTACH 'ducklake:sqlite:{quoted(self.file)}' AS {name}"
            f" (DATA_PATH {text(self.storage.path)},"
            " OVERRIDE_DATA_PATH true, META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 30000)"
        )

    def version(self) -> Version | None:
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def sole(self) -> None:
        """The data folder is of one process."""

    def confirm(self) -> None:
        """Nobody can take the place of the only one."""

    def begin(self, lowest: int) -> None:
        self._own = lowest

    def number(self, count: int) -> int:
        first = self._own - 1
        self._own -= count
        return first

    def tables(self, name: str) -> str:
        return f"__ducklake_metadata_{name}"

    def tidy(self, cursor: duckdb.DuckDBPyConnection, name: str) -> None:
        """Write times as those are that DuckLake compares them with.

        In SQLite they are texts: DuckLake puts ``2026-11-22 02:39:12+00`` there and compares it
        with ``2026-11-22T02:29:12+00``, by which all of a day is older than any moment of it, and
        files went that somebody was just reading.
        """
        for table, column in (
            ("ducklake_snapshot", "snapshot_time"),
            ("ducklake_files_scheduled_for_deletion", "schedule_start"),
        ):
            cursor.execute(
                f"UPDATE {self.tables(name)}.{table}"
                f" SET {column} = replace({column}, ' ', 'T') WHERE contains({column}, ' ')"
            )

    def bytes(self) -> int:
        return self.file.stat().st_size

    def close(self) -> None:
        """DuckDB has had the only connection."""
