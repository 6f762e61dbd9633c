"""Loads the files of the drop folders by itself: each whole and in its order, one after the other.

A file stays where it is until every row of it is durable or kept as a dead letter, so that a crash
only makes it be loaded again: values with a time of measuring are known then and change nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson
import structlog

from madang.model.errors import InternalError, MadangError, Overloaded
from madang.sense.files import remembered
from madang.sense.files.drop_folder import Folder, folders
from madang.sense.files.entities import EntityReader, Failure
from madang.sense.files.look import look_at
from madang.sense.files.mapping import ROW, Mapping, read
from madang.sense.files.source import open_source
from madang.sense.files.toml_text import written
from madang.sense.message import Message, Reading
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.sense.intake import Taken
    from madang.sense.message import Reason

log = structlog.get_logger("madang.drop")

POLL_S = 2.0
AGAIN_S = 5.0  # until rows that could not be stored for the moment are tried again
BATCH = 500  # rows read and written together
MOST_LETTERS = 1_000  # bad rows of a file kept as dead letters; all are counted
MOST_TOLD = 100  # of which its report tells the reason
MOST_REPORTS = 20


class Sink(Protocol):
    """Where readings go."""

    async def put(
        self, tenant: str, readings: Sequence[Reading], principal: Principal, source: str
    ) -> Taken:
        """Write readings as a principal; return when they are durable."""

    async def keep(self, message: Message, reason: Reason, detail: str) -> int:
        """Keep a row that cannot be used."""


class Batch(NamedTuple):
    """Some rows of a file."""

    rows: int
    readings: list[Reading]
    failures: list[Failure]


class Loaded(NamedTuple):
    """A file of which all rows are dealt with, until it is moved away."""

    version: tuple[int, int, int] | None
    report: dict[str, Any]
    is_good: bool


class Progress:
    """What has become of a file so far."""

    def __init__(self, file: Path) -> None:
        self.file = file.name
        self.began = time.time_ns() // 1000
        self.mapping = ""
        self.rows = 0
        self.skipped = 0
        self.loaded = 0
        self.failed = 0
        self.error = ""
        self.failures: list[dict[str, Any]] = []

    def report(self) -> dict[str, Any]:
        """Return it as JSON has it; the reasons of the first bad rows are in it."""
        return {
            "file": self.file,
            "at": datetime.fromtimestamp(self.began / 1e6, UTC).isoformat(timespec="seconds"),
            "mapping": self.mapping,
            "rows": self.rows,
            "skipped": self.skipped,
            "loaded": self.loaded,
            "failed": self.failed,
            **({"error": self.error} if self.error else {}),
            **({"failures": self.failures} if self.failures else {}),
        }


class Drop:
    """The drop folders of all tenants. Call :meth:`start` on a running event loop."""

    def __init__(self, data: Path, hub: Hub, sink: Sink) -> None:
        self._data = data
        self._hub = hub
        self._sink = sink
        self._folders: dict[str, Folder] = {}
        self._loading: dict[str, Progress] = {}
        self._loaded: dict[Path, Loaded] = {}
        """Files that could not be moved away, so that they are not loaded again and again."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop; a file that is not done is loaded again from its beginning."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def status(self, tenant: str) -> dict[str, Any]:
        """Return what lies in the folder of a tenant, and what became of the last files."""
        path = self._path(tenant)
        folder = self._folders.get(tenant) or Folder(tenant, path)
        loading = self._loading.get(tenant)
        return {
            "folder": str(path),
            "watched": self._task is not None,
            "waiting": sorted(folder.waiting),
            "refused": folder.refused,
            "loading": None if loading is None else loading.report(),
            "reports": await asyncio.to_thread(folder.reports, MOST_REPORTS),
        }

    def _path(self, tenant: str) -> Path:
        return self._data / "drop" / tenant if tenant else self._data / "drop"

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            try:
                await self._look()
            except Exception:
                log.exception("drop.failed")

    async def _look(self) -> None:
        for tenant, path in list(folders(self._data, list(self._hub.open))):
            folder = self._folders.setdefault(tenant, Folder(tenant, path))
            known = set(folder.refused)
            for file in await asyncio.to_thread(folder.look):
                await self._load(folder, file)
            for name in folder.refused.keys() - known:
                log.warning("drop.refused", file=name, reason=folder.refused[name])

    async def _load(self, folder: Folder, file: Path) -> None:
        """Load a file, unless that is done, and move it away."""
        loaded = self._loaded.pop(file, None)
        if loaded is None or _version(file) != loaded.version:
            loaded = await self._dealt_with(folder, file)
        if _version(file) != loaded.version:  # somebody put a new one there: that is loaded next
            return
        day, report = datetime.now(UTC).date(), loaded.report
        try:
            await asyncio.to_thread(folder.settle, file, report, day, is_good=loaded.is_good)
        except OSError as error:
            self._loaded[file] = loaded
            why = f"is loaded, but cannot be moved away ({error}); it is tried again"
            folder.refused[file.name] = why
            return
        note = {key: report[key] for key in ("file", "rows", "loaded", "failed")}
        ending = "drop.done" if loaded.is_good else "drop.unusable"
        log.info(ending, **note, error=report.get("error", ""))

    async def _dealt_with(self, folder: Folder, file: Path) -> Loaded:
        """Load the rows of a file; each is durable then, or kept as a dead letter, or counted."""
        before = _version(file)
        progress = self._loading[folder.tenant] = Progress(file)
        try:
            await self._load_rows(folder, file, progress)
        except MadangError as error:
            progress.error = str(error)
        finally:
            self._loading.pop(folder.tenant, None)
        is_good = not progress.error and (progress.loaded > 0 or not progress.failed)
        return Loaded(before, progress.report(), is_good)

    async def _load_rows(self, folder: Folder, file: Path, progress: Progress) -> None:
        mapping, progress.mapping = await asyncio.to_thread(self._mapping, file)
        principal = _principal(folder.tenant)
        with open_source(file, mapping.read if mapping else None) as source:
            reader = await asyncio.to_thread(EntityReader, source, mapping, None)
            if mapping is None and reader.mapping is not None:
                progress.mapping = f"guessed:\n{written(reader.mapping)}"
            batches = _batches(reader)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                await self._put(folder.tenant, batch, principal, progress)
                progress.skipped = reader.skipped

    def _mapping(self, file: Path) -> tuple[Mapping | None, str]:
        """Return the mapping for a file and where it is from; None if it is to be guessed."""
        beside = file.with_name(file.name.split(".", 1)[0] + ".toml")
        if beside.is_file() and not beside.is_symlink():
            return read(str(beside)), beside.name
        look = look_at(file)
        if look is None:
            return None, "entities as they are"
        found = remembered.find(self._data, look.columns)
        return (None, "guessed") if found is None else (found[1], found[0].name)

    async def _put(
        self, tenant: str, batch: Batch, principal: Principal, progress: Progress
    ) -> None:
        """Write a batch; wait and try again for as long as it cannot be stored."""
        source = f"file:{progress.file}"
        if batch.readings:
            while True:
                try:
                    taken = await self._sink.put(tenant, batch.readings, principal, source)
                    break
                except (InternalError, Overloaded) as error:
                    log.warning("drop.waits", file=progress.file, reason=str(error))
                    await asyncio.sleep(AGAIN_S)
            lost = len(batch.readings) - taken.entities
            progress.loaded += taken.entities
            progress.failed += lost
            if lost:
                _tell(progress, Failure(0, "", f"{lost} refused, the last: {taken.detail}"))
        for failure in batch.failures:
            if progress.failed < MOST_LETTERS:
                row = {name: cell for name, cell in failure.values.items() if name != ROW}
                body = orjson.dumps(row, default=str, option=orjson.OPT_NON_STR_KEYS)
                message = Message("file", source, body, principal, progress.began, tenant)
                column = f", column {failure.column}" if failure.column else ""
                text = f"row {failure.row}{column}: {failure.reason}"
                await self._sink.keep(message, "badRow", text)
            progress.failed += 1
            _tell(progress, failure)
        progress.rows += batch.rows


def _version(file: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from another of its name; None if there is none."""
    try:
        found = file.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _tell(progress: Progress, failure: Failure) -> None:
    if len(progress.failures) < MOST_TOLD:
        told = {"row": failure.row, "column": failure.column, "reason": failure.reason}
        progress.failures.append(told)


def _principal(tenant: str) -> Principal:
    """Return as whom files are loaded: an app that may write every type of its tenant."""
    every = frozenset({"*"})
    return Principal(
        "service:drop", "app", "drop folder", frozenset({"app"}),
        frozenset({tenant}), reads=every, writes=every,
    )  # fmt: skip


def _batches(reader: EntityReader) -> Iterator[Batch]:
    """Yield the rows of a file; one failure for each bad row, whatever is wrong in it."""
    readings: list[Reading] = []
    failures: dict[int, Failure] = {}
    before = 0
    for item in reader:
        if not isinstance(item, Failure):
            readings.append(Reading(orjson.loads(item.body)))
        elif item.row in failures:
            first = failures[item.row]
            reason = f"{first.reason}; {item.column}: {item.reason}"
            failures[item.row] = first._replace(reason=reason)
        else:
            failures[item.row] = item
        if len(readings) + len(failures) >= BATCH:
            yield Batch(reader.rows - before, readings, list(failures.values()))
            readings, failures, before = [], {}, reader.rows
    yield Batch(reader.rows - before, readings, list(failures.values()))
