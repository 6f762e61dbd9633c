"""Dead letters: messages that could not be used, kept on the disk with the reason.

An operator looks at them, mends what was wrong (a profile, a key, a device that nobody registered)
and replays them. A device that sends nothing else cannot push out those of others: each has room
for so many, and a new one takes the place of its oldest, which is counted.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import apsw
import structlog

from madang.model import time
from madang.model.errors import InternalError
from madang.sense.message import Message, Reason
from madang.store.connection import connect

log = structlog.get_logger("madang.sense")

T = TypeVar("T")

MOST_OF_SENDER = 1_000  # letters kept of one device or address
MOST_BYTES_OF_SENDER = 32 * 1024 * 1024  # of their bodies together
MOST = 200_000  # of a tenant
MOST_BYTES = 1024 * 1024  # of a body; transports let no larger one in
MOST_DETAIL = 2_000  # [characters]
MOST_DEVICES = 100  # whose letters are counted

_SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL, transport TEXT NOT NULL, address TEXT NOT NULL, codec TEXT NOT NULL,
    device TEXT NOT NULL, named TEXT NOT NULL, sender TEXT NOT NULL, origin TEXT NOT NULL,
    reason TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS letter_of_device ON letter (device, id);
CREATE INDEX IF NOT EXISTS letter_by_reason ON letter (reason, id);
CREATE TABLE IF NOT EXISTS figure (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
_COLUMNS = (
    "id, at, transport, address, codec, device, named, sender, origin, reason, detail, attempts,"
    " body"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that could not be used."""

    id: int
    at: int
    transport: str
    address: str
    codec: str
    device: str
    """Who it is of: a device if one is known, else the address or the sender."""
    named: str
    """The device that the address names, if it does."""
    sender: str
    """Principal id of who sent it."""
    origin: str
    reason: str
    detail: str
    attempts: int
    """How often it was tried: once when it came, and with every replay."""
    body: bytes

    def shown(self, whole: bool = False) -> dict[str, Any]:
        """Return it as JSON; ``whole`` with its body, as text if it is one, else in Base64."""
        body: dict[str, Any] = {"bytes": len(self.body)}
        if whole:
            try:
                body["text"] = self.body.decode()
            except UnicodeDecodeError:
                body["base64"] = base64.b64encode(self.body).decode()
        return {
            "id": self.id,
            "at": time.render(self.at),
            "transport": self.transport,
            "address": self.address,
            "codec": self.codec,
            "device": self.device,
            "sender": self.sender,
            "origin": self.origin,
            "reason": self.reason,
            "detail": self.detail,
            "attempts": self.attempts,
            "body": body,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which letters are wanted; empty means all."""

    device: str = ""
    reason: str = ""
    before: int = 0
    """Only those with smaller numbers: the next page begins at the last one seen."""


class DeadLetters:
    """The dead letters of one tenant. Made with :meth:`open`; what a call returns from is durable.

    One thread writes; letters that come at the same time share a commit.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "letters")
        self._connection: apsw.Connection | None = None
        self._coming: list[tuple[tuple[Any, ...], asyncio.Future[int]]] = []
        self._turn: asyncio.Task[None] | None = None

    async def keep(self, message: Message, reason: Reason, detail: str, device: str = "") -> int:
        """Keep a message that cannot be used; return the number of the letter.

        Raises:
            InternalError: the disk is full or broken; the sender should try again.
        """
        row = (
            message.received, message.transport, message.address[:500], message.codec,
            (device or message.device or message.address)[:200], message.device[:200],
            message.principal.id, message.origin, reason, detail[:MOST_DETAIL], 1,
            message.body[:MOST_BYTES],
        )  # fmt: skip
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._coming.append((row, future))
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_task(self._write())
        return await future

    async def page(self, wanted: Filter, limit: int) -> Sequence[Letter]:
        """Return letters, the newest first."""
        terms, values = _terms(wanted)
        sql = f"SELECT {_COLUMNS} FROM letter{terms} ORDER BY id DESC LIMIT ?"
        rows = await self._run(lambda db: list(db.execute(sql, [*values, limit])))
        return [Letter(*row) for row in rows]

    async def get(self, id: int) -> Letter | None:
        sql = f"SELECT {_COLUMNS} FROM letter WHERE id = ?"
        rows = await self._run(lambda db: list(db.execute(sql, [id])))
        return Letter(*rows[0]) if rows else None

    async def counts(self) -> dict[str, Any]:
        """Return how many there are, by reason and device, and how many had to make room."""

        def read(db: apsw.Connection) -> dict[str, Any]:
            by_reason = dict(db.execute("SELECT reason, count(*) FROM letter GROUP BY reason"))
            by_device = db.execute(
                "SELECT device, count(*) FROM letter GROUP BY device ORDER BY 2 DESC, 1 LIMIT ?",
                [MOST_DEVICES],
            )
            replaced = list(db.execute("SELECT number FROM figure WHERE name = 'replaced'"))
            return {
                "count": sum(by_reason.values()),
                "byReason": by_reason,
                "byDevice": dict(by_device),
                "replaced": replaced[0][0] if replaced else 0,
            }

        return await self._run(read)

    async def remove(self, wanted: Filter, id: int | None = None) -> int:
        """Remove one letter, or all that a filter lets through; return how many."""
        terms, values = _terms(wanted) if id is None else (" WHERE id = ?", [id])

        def write(db: apsw.Connection) -> int:
            db.execute(f"DELETE FROM letter{terms}", values)
            return db.changes()

        return await self._run(write)

    async def failed_again(self, id: int, reason: Reason, detail: str) -> None:
        """Note that a replay came to nothing."""

        def write(db: apsw.Connection) -> None:
            with db:
                db.execute(
                    "UPDATE letter SET reason = ?, detail = ?, attempts = attempts + 1"
                    " WHERE id = ?",
                    [reason, detail[:MOST_DETAIL], id],
                )

        await self._run(write)

    async def close(self) -> None:
        """Write out what is under way."""
        while self._turn is not None:
            await asyncio.wait([self._turn])
        if self._connection is not None:
            await self._run(lambda db: db.close())
        self._thread.shutdown()

    # --- the thread ---------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            while self._coming:
                coming, self._coming = self._coming, []
                await self._write_group(coming)
        finally:
            self._turn = None

    async def _write_group(self, coming: list[tuple[tuple[Any, ...], asyncio.Future[int]]]) -> None:
        try:
            ids = await self._run(lambda db: _insert(db, [row for row, _ in coming]))
        except (apsw.Error, OSError) as error:  # a full disk, most often: the sender tries again
            why = error.__context__ or error  # a rollback that follows it fails, too
            log.error("letters.not_kept", error=str(why))
            for _, future in coming:
                if not future.done():
                    future.set_exception(InternalError(f"a message could not be kept: {why}"))
            return
        for (_, future), id in zip(coming, ids, strict=True):
            if not future.done():
                future.set_result(id)

    async def _run(self, work: Callable[[apsw.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(self._opened()))

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = connect(self._file)
            self._connection.pragma("wal_autocheckpoint", 1000)
            self._connection.execute(_SCHEMA)
        return self._connection


def _insert(db: apsw.Connection, rows: Sequence[tuple[Any, ...]]) -> list[int]:
    with db:
        ids = []
        for row in rows:
            db.execute(
                f"INSERT INTO letter ({_COLUMNS.removeprefix('id, ')})"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            ids.append(db.last_insert_rowid())
        gone = sum(_make_room(db, device) for device in sorted({row[4] for row in rows}))
        if gone:
            db.execute(
                "INSERT INTO figure VALUES ('replaced', ?)"
                " ON CONFLICT (name) DO UPDATE SET number = number + excluded.number",
                [gone],
            )
    return ids


def _make_room(db: apsw.Connection, device: str) -> int:
    """Remove the oldest letters where there are too many; return how many went."""
    newest = (
        "SELECT id, row_number() OVER newest AS place, sum(length(body)) OVER newest AS size"
        " FROM letter WHERE device = ? WINDOW newest AS (ORDER BY id DESC)"
    )
    db.execute(
        f"DELETE FROM letter WHERE device = ? AND id <= coalesce((SELECT max(id) FROM ({newest})"
        " WHERE place > ? OR size > ?), 0)",
        [device, device, MOST_OF_SENDER, MOST_BYTES_OF_SENDER],
    )
    gone = db.changes()
    db.execute(
        "DELETE FROM letter WHERE id <= coalesce("
        "(SELECT id FROM letter ORDER BY id DESC LIMIT 1 OFFSET ?), 0)",
        [MOST],
    )
    return gone + db.changes()


def _terms(wanted: Filter) -> tuple[str, list[Any]]:
    terms, values = [], list[Any]()
    if wanted.device:
        terms.append("device = ?")
        values.append(wanted.device)
    if wanted.reason:
        terms.append("reason = ?")
        values.append(wanted.reason)
    if wanted.before:
        terms.append("id < ?")
        values.append(wanted.before)
    return (" WHERE " + " AND ".join(terms) if terms else ""), values
