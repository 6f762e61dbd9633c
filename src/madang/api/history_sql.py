"""SQL over history, and its export, over HTTP.

An answer is written to a file before its first byte is sent, so a question that fails does so with
a status, and one with millions of rows needs no memory. Beyond the rows, headers tell:
``History-Rows``, ``History-More`` (there were more rows than the limit), ``History-Left-Out`` (what
the reader's rights keep out of tables), the last as a JSON array.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.responses import StreamingResponse as Streaming

from madang.lake import sql_run
from madang.lake.sql_export import export
from madang.lake.sql_job import Format, Job, Outcome
from madang.lake.sql_run import Moment
from madang.lake.sql_views import Table
from madang.model import time
from madang.model.errors import BadRequestData, InvalidRequest, Overloaded
from madang.model.names import shown

if TYPE_CHECKING:
    from madang.hub.history import History
    from madang.trust.seen_history import SeenHistory

ROWS: Final = 10_000
MOST_ROWS: Final = 1_000_000
SECONDS: Final = 30.0
EXPORT_SECONDS: Final = 300.0
AT_ONCE: Final = 2  # questions answered at the same time, each in a process of its own
WAITING: Final = 16  # that may wait for that
MEDIA: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "geoparquet": "application/vnd.apache.parquet",
    "arrow-file": "application/vnd.apache.arrow.file",
}
ANSWERS: Final[tuple[Format, ...]] = ("json", "csv", "arrow", "parquet")
_CHUNK: Final = 256 * 1024
_EXPORTED: Final = {"type", "format", "since", "until", "attrs"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the body of a question says."""

    sql: str
    limit: int
    format: Format


class SqlPages:
    """Handlers of SQL and export.

    Args:
        folder: the data folder; answers wait in it until they have been sent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "lake" / "answers"
        shutil.rmtree(self._folder, ignore_errors=True)  # what a crash left
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def answer(self, request: Request) -> Response:
        """``POST /history/sql``."""
        asked = asked_of(await request.body(), request.headers)

        def job(now: Moment, output: Path) -> Job:
            return sql_run.job(
                now, asked.sql, asked.format, output, limit=asked.limit, seconds=SECONDS
            )

        return await self._answered(request.state.tenant.history, job, asked.format)

    async def tables(self, request: Request) -> Response:
        """``GET /history/sql/tables``."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            found = (await request.state.tenant.history.tables(Path(folder))).tables
        return JSONResponse(
            {"tables": [_told(table) for table in found.tables], "leftOut": found.left_out}
        )

    async def export(self, request: Request) -> Response:
        """``GET /history/export``."""
        given = request.query_params
        if unknown := set(given) - _EXPORTED:
            raise InvalidRequest(
                f"an export has no parameter {shown(min(unknown))}; it has"
                f" {', '.join(sorted(_EXPORTED))}"
            )
        form = _format(given.get("format", "parquet"), get_args(Format))
        since, until = (_instant(given.get(name), name) for name in ("since", "until"))
        names = [name for name in given.get("attrs", "").split(",") if name]

        def job(now: Moment, output: Path) -> Job:
            wanted = export(now.tables, given.get("type", ""), since, until, names, form)
            return sql_run.job(
                now, wanted.sql, form, output, rows=wanted.rows, seconds=EXPORT_SECONDS
            )

        return await self._answered(request.state.tenant.history, job, form)

    async def _answered(self, history: History | SeenHistory, job: Any, form: Format) -> Response:
        """Let a process answer, and send what it wrote.

        Raises:
            Overloaded: too many questions wait already.
        """
        if self._waiting >= WAITING:
            raise Overloaded("too many questions in SQL are waiting; try again in a minute")
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        output = folder / "answer"
        self._waiting += 1
        try:
            async with self._turns:
                now, outcome = await self._run(history, job, folder, output)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._waiting -= 1
        headers = {
            "History-Rows": str(outcome.rows),
            "History-More": "true" if outcome.more else "false",
            "Content-Length": str(output.stat().st_size),
            "Cache-Control": "no-store",
        }
        if now.tables.left_out:
            headers["History-Left-Out"] = _ascii(now.tables.left_out)
        return Streaming(_sent(folder, output), media_type=MEDIA[form], headers=headers)

    async def _run(
        self, history: History | SeenHistory, job: Any, folder: Path, output: Path
    ) -> tuple[Moment, Outcome]:
        now = await history.tables(folder)
        work = job(now, output)
        return now, await asyncio.to_thread(sql_run.run, work)


async def _sent(folder: Path, output: Path) -> AsyncIterator[bytes]:
    """Yield what is in a file; then it goes."""
    try:
        with output.open("rb") as stream:
            while chunk := await asyncio.to_thread(stream.read, _CHUNK):
                yield chunk
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ascii(texts: list[str]) -> str:
    """Return texts as a JSON array that a header can hold."""
    import json

    return json.dumps(texts)


def _told(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "about": table.about,
        "columns": [
            {"name": one.name, "type": one.type, "unit": one.unit, "about": one.about}
            for one in table.columns
        ],
    }


# --- what is asked ------------------------------------------------------------------------------


def asked_of(body: bytes, headers: Mapping[str, str]) -> Asked:
    """Return what a request asks in SQL.

    Raises:
        InvalidRequest, BadRequestData: it cannot be read; the text names the member.
    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f'the body is no JSON such as {{"sql": "SELECT …"}}: {error}'
        ) from None
    if not isinstance(given, dict) or given.keys() - {"sql", "limit", "format"}:
        raise BadRequestData("the body must be an object with sql, and if need be limit and format")
    sql, limit = given.get("sql"), given.get("limit", ROWS)
    if not isinstance(sql, str) or not sql.strip():
        raise BadRequestData("sql must be the text of a SELECT")
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise BadRequestData(f"limit must be a number of rows, 1 to {MOST_ROWS:,}")
    return Asked(sql, limit, _format(given.get("format") or _wanted(headers), ANSWERS))


def _format(name: object, known: tuple[Format, ...]) -> Format:
    for one in known:
        if name == one:
            return one
    raise BadRequestData(f"format must be one of {', '.join(known)}, not {shown(name)}")


def _wanted(headers: Mapping[str, str]) -> Format:
    """Return the first format that the Accept header names; JSON if it names none of them."""
    accepted = [part.partition(";")[0].strip() for part in headers.get("accept", "").split(",")]
    return next((f for media in accepted for f in ANSWERS if MEDIA[f] == media), "json")


def _instant(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    return time.parse(time.checked(text, name))
