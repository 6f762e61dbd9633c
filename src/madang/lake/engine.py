"""The one DuckDB of the process, with the extensions that came with it from PyPI.

Nothing is ever downloaded: automatic installation and loading are off, and the extension files are
those inside the wheels. DuckDB is imported when the first lake is opened, so that a hub that has
nothing to remember yet starts without it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from madang.lake.connecting import connect
from madang.lake.storage import Away
from madang.model.errors import MadangError

if TYPE_CHECKING:
    import duckdb

log = structlog.get_logger("madang.history")

EXTENSIONS = ("ducklake", "sqlite_scanner")
MEMORY_MB = 512
FLUSH_ROWS = 61_440
"""Rows of a month that a writer gathers before it encodes them: half a row group. With DuckDB's
524,288, rows of a year do not fit into the memory, and are written to disk and read again."""
OPEN_FILES = 300
"""Months that one writer has open: with DuckDB's 100, decades come into many files a
month. A process may have 1,024 open where nobody raised that."""


class ExtensionMissing(MadangError):
    """A wheel with a DuckDB extension is not installed, or is for another version of DuckDB."""


def extension(name: str) -> Path:
    """Return the file of an extension inside its wheel ``duckdb-extension-<name>``."""
    import duckdb

    package = f"duckdb_extension_{name}"
    spec = find_spec(package)
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        file = Path(folder, "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.exists():
            return file
    wheel = package.replace("_", "-")
    raise ExtensionMissing(
        f"DuckDB {duckdb.__version__} needs its extension {name};"
        f" install it with: pip install {wheel}=={duckdb.__version__}"
    )


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_fatal(error: BaseException) -> bool:
    """Tell whether an error came of a fatal one of DuckDB."""
    import duckdb

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, duckdb.FatalException):
        cause = cause.__cause__
    return cause is not None


class Engine:
    """Opens DuckDB, at the latest when it is first needed, and gives cursors to any thread.

    Args:
        scratch: folder for what does not fit into memory while sorting.
        memory_mb: what DuckDB may use. [MB]
    """

    def __init__(self, scratch: Path, memory_mb: int = MEMORY_MB) -> None:
        self._scratch = scratch
        self._memory_mb = memory_mb
        self._opening = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._names = 0
        self.generation = 0
        """How often it has been begun anew."""

    def load(self) -> None:
        """Open DuckDB now."""
        self.cursor().close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own to the same database."""
        with self._opening:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection.cursor()

    def name(self) -> str:
        """Return a name that no catalog or schema has yet."""
        with self._opening:
            self._names += 1
            return f"lake{self._names}"

    def require(self, name: str) -> None:
        """Load an extension that only some lakes need."""
        with self.cursor() as cursor:
            cursor.execute(f"LOAD '{extension(name)}'")

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = connect(
            {
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_community_extensions": "false",
                "secret_directory": str(self._scratch / "secrets"),  # there are none
                "memory_limit": f"{self._memory_mb}MB",
                "temp_directory": str(self._scratch),
                # DuckDB starts a thread for each core of the machine, though it may use one only.
                "threads": _cores(),
                "preserve_insertion_order": "false",
            }
        )
        for name in EXTENSIONS:
            connection.execute(f"LOAD '{extension(name)}'")
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET GLOBAL parquet_metadata_cache = true")
        connection.execute(f"SET GLOBAL partitioned_write_flush_threshold = {FLUSH_ROWS}")
        connection.execute(f"SET GLOBAL partitioned_write_max_open_files = {OPEN_FILES}")
        return connection

    @contextmanager
    def guarded(self, generation: int) -> Iterator[None]:
        """Let the next cursor be of a new DuckDB if the block finds that this one has failed.

        After a fatal error DuckDB answers nothing any more, with the same error for everything.

        Args:
            generation: of the cursors in the block.

        Raises:
            Away: it has failed; what was opened with it must be opened again.
        """
        import duckdb

        try:
            yield
        except (duckdb.Error, OSError) as error:
            if not _is_fatal(error):
                raise
            log.error("history.engine_failed", error=str(error))
            with self._opening:
                if generation == self.generation:  # nobody has begun it anew before
                    self.generation += 1
                    self._connection = None
            raise Away("its engine has failed, and is begun anew") from error

    def close(self) -> None:
        """Let go of everything; cursors must not be used any more."""
        with self._opening:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
