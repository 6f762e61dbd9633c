"""Answers one question about history in a process of its own: ``python -m madang.lake.sql_job``.

A question of strangers can ask for more memory than there is, or trip over a fault of the engine.
Here that ends this process and nothing else. The engine has no network but for links to files, no
keys, no settings to change, and of all files only those that the job names; the process has limits
of the operating system beside.
The job comes as JSON on the standard input, what became of it goes as JSON to the standard output.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from madang.lake import window
from madang.lake.connecting import connect
from madang.lake.engine import extension
from madang.lake.schema import NAMES
from madang.lake.sql_check import Refused, check
from madang.lake.sql_views import quoted

if TYPE_CHECKING:
    import duckdb

Format = Literal["json", "csv", "parquet", "geoparquet", "arrow", "arrow-file"]

THREADS = 2
SPILL = "4GB"  # on the disk, for what does not fit into memory
ROWS = "lake.rows"
"""Of a job that makes some first, for its question to ask."""
PARTS = (1, 16, 128)
"""Into how many parts of the time the rows of a job are cut, until memory suffices. What texts an
aggregate has found cannot go to the disk meanwhile; what it has made of a part can."""
GROUP = 20_480  # rows that a writer of Parquet gathers; with long texts 122,880 are too many
OVERHEAD_MB = 1_500  # of addresses: the interpreter, the engine, stacks of its threads
OWN_OVERHEAD_MB = 4_000
"""The same of a question of our own, which may go on for minutes: most of it are gaps that are
reserved and never used, and more come with each buffer for what is read from a bucket."""
_ISO = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be answered, of what, and where to."""

    sql: str
    format: Format
    output: str
    """The file to write."""
    temp: str
    views: list[tuple[str, str]]
    """Names of tables, and the SQL that makes them of ``lake.instance``."""
    files: list[str] = field(default_factory=list)
    """Parquet files of instances."""
    deletes: list[tuple[str, str]] = field(default_factory=list)
    """Files, each with a file of the positions in it that are deleted."""
    scopes: list[str] = field(default_factory=list)
    limit: int | None = None
    """Rows; None is all, for questions of our own, which are written as they come."""
    rows: str = ""
    """What makes :data:`ROWS` for a question of our own, each of one instant of ``time`` alone."""
    memory_mb: int = 256
    seconds: float = 30.0

    @property
    def is_remote(self) -> bool:
        """Whether files are read by links to another machine."""
        return any(is_link(file) for file in self.files)


@dataclass(frozen=True, slots=True)
class Outcome:
    rows: int = 0
    more: bool = False
    """There were more rows than the limit."""
    columns: list[tuple[str, str]] = field(default_factory=list)
    """Names and SQL types."""
    refused: str = ""
    """Why it was not answered; empty if it was."""
    too_much: str = ""
    """Which limit it went beyond."""
    away: bool = False
    """The files could not be read, for their server did not answer."""


def main() -> None:
    """Read a job, do it, say what became of it."""
    job = Job(**orjson.loads(sys.stdin.buffer.read()))
    _limit(job)
    sys.stdout.buffer.write(orjson.dumps(asdict(run(job))))


def _limit(job: Job) -> None:
    """Let the operating system end this process before it harms others."""
    if sys.platform == "win32":
        return
    import resource

    overhead_mb = OWN_OVERHEAD_MB if job.limit is None else OVERHEAD_MB
    most = (job.memory_mb + overhead_mb) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(job.seconds * (THREADS + 1)) + 10
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))


def run(job: Job) -> Outcome:
    """Answer a question; the answer is in the file that the job names."""
    import duckdb

    connection = _opened(job)
    clock = threading.Timer(job.seconds, connection.interrupt)
    clock.daemon = True
    try:
        _make_views(connection, job)
        connection.execute("SET lock_configuration = true")
        if job.limit is not None:
            check(connection, job.sql, [name for name, _ in job.views])
        clock.start()
        return _answer(connection, job)
    except Refused as error:
        return Outcome(refused=str(error))
    except duckdb.InterruptException:
        return Outcome(too_much=f"it took more than {job.seconds:g} s")
    except (duckdb.OutOfMemoryException, MemoryError):
        return Outcome(too_much=f"it needs more than {job.memory_mb} MB of memory")
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and job.is_remote:
            return Outcome(away=True)  # without the text, for it may have links
        return Outcome(refused=_plain(str(error)))
    finally:
        clock.cancel()
        connection.close()  # left to the end of the process, its threads sometimes abort that


def _plain(text: str) -> str:
    """Return what the engine says without advice that is not for analysts."""
    return text.partition("\n\nPossible solutions")[0].strip()


def _opened(job: Job) -> duckdb.DuckDBPyConnection:
    """Return an engine that can reach the files of the job and nothing else."""
    connection = connect(
        {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
            "memory_limit": f"{job.memory_mb}MB",
            "threads": str(THREADS),
            "temp_directory": job.temp,
            "max_temp_directory_size": SPILL,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    for name in _extensions(job):
        connection.execute(f"LOAD '{extension(name)}'")
    files = [*job.files, *(gone for _, gone in job.deletes), *job.scopes, job.output]
    if job.limit is None:
        connection.execute("SET preserve_insertion_order = false")
        files += _parts(job, PARTS[-1])
    if job.is_remote:
        connection.execute("SET enable_http_metadata_cache = true")  # files are never changed
    connection.execute(f"SET allowed_paths = {window.strings(files)}")
    connection.execute("SET enable_external_access = false")
    return connection


def _extensions(job: Job) -> list[str]:
    needed = {"spatial": job.format == "geoparquet", "httpfs": job.is_remote}
    return [name for name, is_needed in needed.items() if is_needed]


def _make_views(connection: duckdb.DuckDBPyConnection, job: Job) -> None:
    connection.execute("CREATE SCHEMA lake")
    connection.execute(f"CREATE VIEW lake.instance AS {instances(job.files, job.deletes)}")
    for number, file in enumerate(job.scopes):
        connection.execute(
            f"CREATE TEMP VIEW reach_{number} AS FROM read_parquet({window.text(file)})"
        )
    for name, sql in job.views:
        connection.execute(f"CREATE VIEW {quoted(name)} AS {sql}")


def is_link(file: str) -> bool:
    """Tell whether a name of a file is a link to another machine."""
    return file.startswith(("https://", "http://"))


def instances(files: Sequence[str], deletes: Sequence[tuple[str, str]]) -> str:
    """Return the SQL of all instances that are not deleted out of their files."""
    spoiled = {file for file, _ in deletes}
    whole = [file for file in files if file not in spoiled]
    parts = []
    if whole:
        parts.append(f"SELECT {NAMES} FROM read_parquet({window.strings(whole)})")
    for file, gone in deletes:
        parts.append(
            f"SELECT {NAMES} FROM read_parquet({window.text(file)}, file_row_number = true)"
            f" WHERE file_row_number NOT IN (SELECT pos FROM read_parquet({window.text(gone)}))"
        )
    return " UNION ALL ".join(parts)


# --- answers ------------------------------------------------------------------------------------


def _answer(connection: duckdb.DuckDBPyConnection, job: Job) -> Outcome:
    if job.limit is None:
        return Outcome(_write_all(connection, job))
    found = _asked(connection, job.sql)
    columns = [(name, str(kind)) for name, kind in zip(found.columns, found.types, strict=True)]
    # One more than wanted tells whether there are more.
    found.limit(job.limit + 1).create("lake.answer")
    count = _one(connection, "SELECT count(*) FROM lake.answer")
    rows = min(count, job.limit)
    _write(connection, f"(FROM lake.answer LIMIT {rows})", job)
    return Outcome(rows, count > rows, columns)


def _write_all(connection: duckdb.DuckDBPyConnection, job: Job) -> int:
    """Write the answer to a question of our own; return how many rows it has."""
    import duckdb

    for number in PARTS[:-1]:
        with suppress(duckdb.OutOfMemoryException):
            return _in_parts(connection, job, number)
    return _in_parts(connection, job, PARTS[-1])


def _in_parts(connection: duckdb.DuckDBPyConnection, job: Job, number: int) -> int:
    _make_rows(connection, job, number)
    return _write(connection, f"({job.sql}\n)", job)


def _make_rows(connection: duckdb.DuckDBPyConnection, job: Job, number: int) -> None:
    """Make the rows of a job: as they are asked for, or beforehand in parts of the time."""
    source = f"({job.rows})"
    if number > 1:
        shares = [share / number for share in range(1, number)]
        bounds = _one(connection, f"SELECT approx_quantile(time, {shares}) FROM {source}") or []
        terms = _between([f"TIMESTAMP '{bound}'" for bound in sorted(set(bounds))])
        parts = _parts(job, len(terms))
        for part, term in zip(parts, terms, strict=True):
            _copy(connection, f"(FROM {source} WHERE {term})", part, _PARQUET)
        source = f"read_parquet({window.strings(parts)})"
    connection.execute(f"CREATE OR REPLACE VIEW {ROWS} AS FROM {source}")


def _between(bounds: Sequence[str]) -> list[str]:
    """Return what is true of the times before the first bound, between two, from the last on."""
    since = [f"time >= {bound}" for bound in bounds]
    until = [f"time < {bound}" for bound in bounds]
    return [f"{a} AND {b}" for a, b in zip(["true", *since], [*until, "true"], strict=True)]


def _parts(job: Job, number: int) -> list[str]:
    return [f"{job.output}.{part}" for part in range(number)]


def _asked(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    import duckdb

    try:
        return connection.sql(sql)
    except (duckdb.BinderException, duckdb.CatalogException):
        connection.execute(sql)  # fails in the same way, and tells the line
        raise


def _write(connection: duckdb.DuckDBPyConnection, source: str, job: Job) -> int:
    """Write what a source in SQL has into the output; return how many rows."""
    if job.format == "arrow":
        return _write_arrow(connection, source, job.output)
    parquet = _PARQUET if job.limit is None else _SMALL_PARQUET
    options = {
        "json": f"FORMAT json, ARRAY true, TIMESTAMPFORMAT '{_ISO}'",
        "csv": f"FORMAT csv, HEADER true, TIMESTAMPFORMAT '{_ISO}'",
        "geoparquet": f"{parquet}, KV_METADATA {{geo: '{_GEO}'}}",
    }.get(job.format, parquet)
    rows = _copy(connection, source, job.output, options)
    if job.format == "arrow-file":
        _rewritten(Path(job.output))
    return rows


def _copy(connection: duckdb.DuckDBPyConnection, source: str, output: str, options: str) -> int:
    # Beside the output no other file may be written, so none that is renamed in the end.
    to = f"{window.text(output)} ({options}, USE_TMP_FILE false)"
    rows: int = _one(connection, f"COPY {source} TO {to}")
    return rows


_SMALL_PARQUET = "FORMAT parquet, COMPRESSION zstd"
_PARQUET = f"{_SMALL_PARQUET}, ROW_GROUP_SIZE {GROUP}"
_GEO = orjson.dumps(
    {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
    }
).decode()
"""The file metadata of GeoParquet 1.1.0; without a crs, coordinates are OGC:CRS84."""


def _write_arrow(connection: duckdb.DuckDBPyConnection, source: str, output: str) -> int:
    import polars

    frame = polars.DataFrame(connection.sql(f"FROM {source}"))
    frame.write_ipc_stream(output, compat_level=polars.CompatLevel.oldest())
    return frame.height


def _rewritten(file: Path) -> None:
    """Put an Arrow file in the place of a Parquet file, a piece at a time."""
    import polars

    made = file.with_suffix(".ipc")
    polars.scan_parquet(file).sink_ipc(made, compat_level=polars.CompatLevel.oldest())
    made.replace(file)


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    row = connection.execute(sql).fetchone()
    return 0 if row is None else row[0]


if __name__ == "__main__":
    main()
