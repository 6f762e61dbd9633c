"""Questions in SQL about a lake: what they are asked of, and the processes that answer them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import structlog

from madang.lake import spans
from madang.lake.kinds import Kinds
from madang.lake.protocol import Lake
from madang.lake.schema import NAMES, quoted
from madang.lake.sql_job import Format, Job, Outcome
from madang.lake.sql_views import Tables, tables
from madang.model.errors import BadRequestData, InternalError, TooComplexQuery, Unavailable
from madang.query.reach import Reach
from madang.query.tree import Condition, Query

if TYPE_CHECKING:
    import duckdb

log = structlog.get_logger("madang.history")

_NO_MEMORY = (
    "MemoryError", "bad_alloc", "Cannot allocate", "memory allocation of", "Out of Memory Error",
    "can't start new thread", "could not spawn threads",
)  # fmt: skip
MEMORY_MB = 256  # of a question
GRACE_S = 10.0  # [s] that a process has to end by itself after its time is over


@dataclass(frozen=True, slots=True)
class Moment:
    """What a lake holds at one moment, as files that stay for some minutes."""

    files: list[str]
    deletes: list[tuple[str, str]]
    scopes: list[str]
    tables: Tables


def moment(lake: Lake, reach: Reach, folder: Path) -> Moment:
    """Return what somebody may ask of a lake now.

    Args:
        lake: what is asked.
        reach: what they may see.
        folder: for what is not in files yet; it must be removed afterwards.
    """
    found = tables(lake.kinds(), reach)
    with lake.reading() as cursor:
        files, deletes = held(lake, cursor, folder)
        scopes = [
            _scope_file(cursor, condition, folder / f"scope_{number}.parquet")
            for number, condition in enumerate(found.scopes)
        ]
    return Moment(files, deletes, scopes, found)


def held(
    lake: Lake, cursor: duckdb.DuckDBPyConnection, folder: Path
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the files of all instances now, and those of what is deleted out of some of them.

    Args:
        lake: that has them.
        cursor: that of :meth:`Lake.reading`.
        folder: for what is in no file yet; it is written there.
    """
    (name,) = cursor.execute("SELECT current_schema()").fetchall()[0]
    rows = cursor.execute(
        f"SELECT data_file, delete_file FROM ducklake_list_files('{name}_files', 'instance')"
    ).fetchall()
    tail = folder / "tail.parquet"
    cursor.execute(
        f"COPY (SELECT {NAMES} FROM tail WHERE seq > (SELECT upto FROM {name}_files.mark))"
        f" TO '{quoted(tail)}' (FORMAT parquet)"
    )
    named = [name for row in rows for name in row if name]
    links = dict(zip(named, lake.links(named), strict=True))
    files = [*(links[file] for file, _ in rows), str(tail)]
    return files, [(links[file], links[gone]) for file, gone in rows if gone]


def _scope_file(cursor: duckdb.DuckDBPyConnection, condition: Condition, file: Path) -> str:
    """Write down when entities were in a scope."""
    spans.create(cursor, "sql_scope", spans.of_scope(cursor, Kinds(), Query(), condition))
    cursor.execute(f"COPY temp.sql_scope TO '{quoted(file)}' (FORMAT parquet)")
    return str(file)


def job(
    now: Moment,
    sql: str,
    form: Format,
    output: Path,
    *,
    limit: int | None = None,
    rows: str = "",
    seconds: float,
) -> Job:
    """Return the job that answers a question.

    Args:
        now: what is asked.
        sql: the question.
        form: of the answer.
        output: file for it; beside it there is room for what does not fit into memory.
        limit: rows at most; None only for questions of our own, which are not checked and may have
            more memory.
        rows: see :class:`madang.lake.sql_job.Job`.
        seconds: that it may take.
    """
    return Job(
        sql=sql,
        format=form,
        output=str(output),
        temp=str(output.with_name("spill")),
        views=[(table.name, table.sql) for table in now.tables.tables],
        files=now.files,
        deletes=now.deletes,
        scopes=now.scopes,
        limit=limit,
        rows=rows,
        memory_mb=MEMORY_MB if limit is not None else 2 * MEMORY_MB,
        seconds=seconds,
    )


def run(work: Job) -> Outcome:
    """Answer a question in a process of its own; block until it is done.

    Raises:
        BadRequestData: it is no question that can be answered; the text says why.
        TooComplexQuery: it takes more time or memory than it may.
        Unavailable: the files of history cannot be read.
    """
    command = [sys.executable, "-I", "-m", "madang.lake.sql_job"]
    environ = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    try:
        done = subprocess.run(
            command,
            input=orjson.dumps(asdict(work)),
            capture_output=True,
            timeout=work.seconds + GRACE_S,
            env=environ,
            cwd=Path(work.output).parent,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooComplexQuery(_too_much(f"it took more than {work.seconds:g} s")) from None
    if done.returncode != 0:
        raise _failure(done, work)
    outcome = Outcome(**orjson.loads(done.stdout))
    if outcome.too_much:
        raise TooComplexQuery(_too_much(outcome.too_much))
    if outcome.away:
        raise Unavailable("the files of history cannot be read; try again later")
    if outcome.refused:
        raise BadRequestData(outcome.refused)
    return outcome


def _failure(done: subprocess.CompletedProcess[bytes], work: Job) -> Exception:
    """Return what is raised for a process that ended without an outcome."""
    told = done.stderr.decode(errors="replace")[-2000:]
    was_killed = done.returncode < 0 and done.returncode != -signal.SIGABRT
    if was_killed or any(sign in told for sign in _NO_MEMORY):
        return TooComplexQuery(_too_much(f"it needs more than {work.memory_mb} MB of memory"))
    log.error("sql.failed", code=done.returncode, error=told)
    return InternalError("the question could not be answered; the hub's log says why")


def _too_much(what: str) -> str:
    return (
        f"the question was ended, for {what}; ask for a shorter time, for fewer columns, or for"
        " means instead of every row"
    )
