"""The audit log: keeps what is worth remembering for good, so that nobody can quietly change it.

Everything here runs on the event loop; the file is written by a thread of its own, and all that
arrives while one group of records waits for the disk goes into the next (group commit).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw
import orjson
import structlog

from madang.model.errors import MadangError, NgsiError, Overloaded, ResourceNotFound
from madang.trust import merkle
from madang.trust.audit_file import (
    AuditReader,
    AuditWriter,
    Entry,
    Pending,
    Tree,
    Wanted,
    head_of,
    now_text,
)
from madang.trust.checkpoint import Signer
from madang.trust.events import Event

log = structlog.get_logger("madang.audit")

GROUP = 2_000  # records of one commit
WAITING = 100_000  # records that may wait
NOTE_DELAY = 0.1  # [s] until what was noted goes to the disk, if nothing is recorded before
RETRY = 1.0  # [s] until what was noted is tried again after a failure
IDS = 1_000  # targets or subjects of one record; an event with more becomes several
MOST = 1_000  # records of a page

T = TypeVar("T")


class NotRecorded(NgsiError):
    """The audit log cannot be written, so what should have been recorded must not happen."""

    name, title, status = "InternalError", "The audit log cannot be written", 503


class Proof(NamedTuple):
    """That a record is in the log: verify with :func:`madang.trust.merkle.is_included`."""

    entry: Entry
    note: str
    """The signed head against which the path leads."""
    path: list[bytes]


class Growth(NamedTuple):
    """That the log of one head begins with that of an older one."""

    note: str
    path: list[bytes]


class _Work(NamedTuple):
    records: list[Pending]
    future: asyncio.Future[None] | None
    """Who waits; nobody for what was only noted."""


class Audit:
    """The log of one place. A :class:`madang.trust.events.Recorder`.

    Args:
        file: its SQLite database, made by :meth:`start` if it is not there.
        signer: signs its heads.
    """

    def __init__(self, file: Path, signer: Signer) -> None:
        self.file = file
        self.signer = signer
        self.waiting = 0
        self.lost = 0
        """Noted events that were given up because the disk took none for too long."""
        self.failing = False
        self._queue: list[_Work] = []
        self._turn: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._writer: AuditWriter | None = None
        self._reader: AuditReader | None = None
        self._writing = ThreadPoolExecutor(1, "audit-write")
        self._reading = ThreadPoolExecutor(1, "audit-read")

    async def start(self) -> None:
        """Open the file and see whether it ends as it was left."""
        loop = asyncio.get_running_loop()
        try:
            self._writer = await loop.run_in_executor(self._writing, self._open)
        except apsw.Error as error:
            raise MadangError(
                f"the audit log {self.file} cannot be opened: {error}; see `madang audit verify`"
            ) from error
        self._reader = await loop.run_in_executor(self._reading, AuditReader, self.file)
        if self._writer.fault:
            log.error(
                "audit.damaged", fault=self._writer.fault, way_out="run `madang audit verify`"
            )

    def _open(self) -> AuditWriter:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        return AuditWriter(self.file, self.signer)

    @property
    def size(self) -> int:
        """Return how many records there are."""
        return self._opened.size

    @property
    def damaged(self) -> str:
        """Return what was wrong with the end of the log when it was opened, or nothing."""
        return self._opened.fault

    @property
    def _opened(self) -> AuditWriter:
        if self._writer is None:
            raise RuntimeError("the audit log has not been started")
        return self._writer

    # --- writing ------------------------------------------------------------------------------

    def note(self, event: Event) -> None:
        """Keep an event soon (within a second), without making anybody wait."""
        records = _pending(event)
        if self.waiting + len(records) > WAITING:
            self.lost += len(records)
            log.error("audit.lost", kind=event.kind, lost=self.lost)
            return
        self._add(_Work(records, None))
        if self._turn is None and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(NOTE_DELAY, self._begin)

    async def record(self, *events: Event) -> None:
        """Keep events and return when they are durable.

        Raises:
            NotRecorded: the disk does not take them, none of them is kept: do not do it.
            Overloaded: too much is waiting already.
        """
        records = [pending for event in events for pending in _pending(event)]
        if not records:
            return
        if self.waiting + len(records) > WAITING:
            raise Overloaded("too many records are waiting for the audit log; try again shortly")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(_Work(records, future))
        if self._turn is None:
            self._begin()
        await future

    def _add(self, work: _Work) -> None:
        self._queue.append(work)
        self.waiting += len(work.records)

    def _begin(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._turn is None and self._queue:
            self._turn = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        """Write groups until nothing waits."""
        while self._queue:
            group = self._next_group()
            records = [pending for work in group for pending in work.records]
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._writing, self._opened.append, records)
            except Exception as error:  # the outermost loop: whoever waits must be told
                self._failed(group, error)
                if not any(work.future for work in self._queue):
                    break  # what was noted waits for the disk to be well again
                continue
            self._done(group)
        self._turn = None
        if self._queue and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(RETRY, self._begin)

    def _next_group(self) -> list[_Work]:
        count = taken = 0
        for work in self._queue:
            if count and count + len(work.records) > GROUP:
                break
            count += len(work.records)
            taken += 1
        group, self._queue = self._queue[:taken], self._queue[taken:]
        return group

    def _done(self, group: Iterable[_Work]) -> None:
        if self.failing:
            self.failing = False
            log.info("audit.written_again", lost=self.lost)
        for work in group:
            self.waiting -= len(work.records)
            if work.future is not None and not work.future.done():
                work.future.set_result(None)

    def _failed(self, group: list[_Work], error: Exception) -> None:
        """Refuse what somebody waits for; keep what was noted for a later try."""
        if not self.failing:
            self.failing = True
            log.error(
                "audit.not_written", error=repr(error), way_out="see whether the disk is full"
            )
        noted = []
        for work in group:
            if work.future is None:
                noted.append(work)
                continue
            self.waiting -= len(work.records)
            if not work.future.done():
                work.future.set_exception(
                    NotRecorded(f"what is not recorded is not done: {error}; is the disk full?")
                )
        self._queue = noted + self._queue

    # --- reading ------------------------------------------------------------------------------

    async def find(self, wanted: Wanted, limit: int = 100) -> list[Entry]:
        """Return records that are wanted, the newest first, at most 1,000 of them."""
        count = max(1, min(limit, MOST))
        return await self._read(lambda reader: reader.find(wanted, count))

    def checkpoint(self) -> str:
        """Return the newest signed head; who keeps it can tell later if anything was changed."""
        return self._opened.note

    async def proof(self, sequence: int) -> Proof:
        """Return a record with the proof that it is in the log.

        Raises:
            ResourceNotFound: there is no such record.
        """
        return await self._read(lambda reader: prove(reader, sequence))

    async def growth(self, old: int) -> Growth:
        """Return the proof that the log begins with its first ``old`` records unchanged.

        Raises:
            ResourceNotFound: there are not so many.
        """
        return await self._read(lambda reader: _growth(reader, old))

    async def _read(self, work: Callable[[AuditReader], T]) -> T:
        reader = self._reader
        if reader is None:
            raise RuntimeError("the audit log has not been started")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, work, reader)

    async def close(self) -> None:
        """Write what waits and close the file."""
        self._begin()
        if self._turn is not None:
            await asyncio.wait([self._turn])
        if self._alarm is not None:
            self._alarm.cancel()
        if self.waiting:
            log.error("audit.lost", lost=self.waiting)
        loop = asyncio.get_running_loop()
        if self._reader is not None:
            await loop.run_in_executor(self._reading, self._reader.close)
        if self._writer is not None:
            await loop.run_in_executor(self._writing, self._writer.close)
        self._reading.shutdown()
        self._writing.shutdown()


def _pending(event: Event) -> list[Pending]:
    """Return the records of an event; what is empty is left out of them."""
    most = max(len(event.targets), len(event.subjects))
    if most <= IDS:
        return [_part(event, event.targets, event.subjects)]
    return [
        _part(event, event.targets[first : first + IDS], event.subjects[first : first + IDS])
        for first in range(0, most, IDS)
    ]


def _part(event: Event, targets: tuple[str, ...], subjects: tuple[str, ...]) -> Pending:
    said: dict[str, Any] = {
        "kind": event.kind,
        "actor": event.actor,
        "action": event.action,
        "outcome": event.outcome,
    }
    if event.tenant:
        said["tenant"] = event.tenant
    if targets:
        said["targets"] = targets
    if subjects:
        said["subjects"] = subjects
    if event.purpose:
        said["purpose"] = event.purpose
    if event.address:
        said["address"] = event.address
    if event.detail:
        said["detail"] = event.detail
    return Pending(now_text(), orjson.dumps(said, default=str), targets, subjects)


def prove(reader: AuditReader, sequence: int) -> Proof:
    """Return a record with its proof, from the file.

    Raises:
        ResourceNotFound: there is no such record.
    """
    with reader.connection:  # one moment: the head fits the records
        note = reader.note()
        head = head_of(reader.connection, note)
        entry = reader.get(sequence) if 0 <= sequence < head.size else None
        kept = Tree(reader.connection)
        path = [] if entry is None else merkle.inclusion(kept, sequence, head.size)
    if entry is None:
        raise ResourceNotFound(f"there is no record {sequence}; the log has {head.size}")
    return Proof(entry, note, path)


def _growth(reader: AuditReader, old: int) -> Growth:
    with reader.connection:
        note = reader.note()
        head = head_of(reader.connection, note)
        if not 0 <= old <= head.size:
            raise ResourceNotFound(f"the log has {head.size} records, not {old}")
        path = merkle.consistency(Tree(reader.connection), old, head.size)
    return Growth(note, path)


def describe(entry: Entry, as_text: bool = False) -> dict[str, Any]:
    """Return a record as it is shown, or the text that was hashed."""
    if as_text:
        said: dict[str, Any] = {"sequence": entry.sequence, "text": entry.text.decode()}
    else:
        said = entry.content()
    return said | {"hash": entry.hash.hex()}
