"""The file of the audit log: a SQLite database to which records are only ever added.

Each record is a JSON text; its leaf hash (RFC 9162) is the ``previous`` of the next, so the
records are a chain and a tree at once. The tables ``record``, ``head`` and ``signer`` refuse UPDATE
and DELETE; ``about`` is an index of the records, ``block`` a cache of the tree, ``tip`` the newest
head, signed anew with each group of records so that a tail cannot be cut off unseen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import orjson

from madang.store.connection import connect
from madang.store.upkeep import copy
from madang.trust import merkle
from madang.trust.checkpoint import BadHead, Head, Signer, Verifier, opened
from madang.trust.merkle import Block, Frontier, leaf_hash

NAME = "audit.sqlite"
_FOLDER = "state"
HEAD_RECORDS = 1_000
HEAD_SECONDS = 60.0

_TABLES = """
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    hash BLOB NOT NULL,
    time TEXT AS (body ->> 'time') VIRTUAL,
    kind TEXT AS (body ->> 'kind') VIRTUAL,
    actor TEXT AS (body ->> 'actor') VIRTUAL
) STRICT;
CREATE INDEX record_time ON record (time);
CREATE INDEX record_kind ON record (kind);
CREATE INDEX record_actor ON record (actor);
CREATE TABLE about (
    name TEXT NOT NULL, role TEXT NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (name, role, sequence)
) STRICT, WITHOUT ROWID;
CREATE TABLE block (
    level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE head (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT;
CREATE TABLE tip (one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL) STRICT;
CREATE TABLE signer (verifier TEXT PRIMARY KEY) STRICT;
CREATE TRIGGER record_next BEFORE INSERT ON record
WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), -1) + 1 FROM record)
BEGIN SELECT RAISE(ABORT, 'the audit log takes records in their order only'); END;
"""
SCHEMA = _TABLES + "".join(
    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
    " BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
    for table in ("record", "head", "signer")
    for verb in ("UPDATE", "DELETE")
)
# One step of SQLite for a whole group: the interpreter is let go once, not once a record.
_RECORDS = """
INSERT INTO record (sequence, body, hash)
SELECT value ->> 0, value ->> 1, unhex(value ->> 2) FROM json_each(?)
"""
_ABOUT = (
    "INSERT OR IGNORE INTO about SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?)"
)


class Entry(NamedTuple):
    """A record as it is kept."""

    sequence: int
    """Its number, from 0: the index of its leaf."""
    text: bytes
    """The JSON text that is hashed."""
    hash: bytes

    def content(self) -> dict[str, Any]:
        """Return what the record says."""
        found: dict[str, Any] = orjson.loads(self.text)
        return found


class Pending(NamedTuple):
    """An event on its way into the log."""

    time: str
    content: bytes
    """The event as a JSON object."""
    targets: tuple[str, ...]
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for; what is empty does not narrow."""

    actor: str = ""
    kind: str = ""
    """One kind, or several with commas."""
    target: str = ""
    subject: str = ""
    since: str = ""
    """The earliest time, as the records write it."""
    until: str = ""
    """The time before which they must be."""
    before: int | None = None
    """Only lower numbers: the last one of the page before."""
    first: int | None = None
    """Only from this number on, and then the oldest first."""
    action: str = ""
    tenant: str = ""
    """A name; the default tenant has none, and is not asked for alone."""

    def starting(self, first: int) -> Wanted:
        """Return the same from a number on, the oldest first."""
        return replace(self, first=first)


def place(data: Path) -> Path:
    """Return where the log of a data folder is: beside the stores, to be swapped with them."""
    return data / _FOLDER / NAME


def now_text() -> str:
    """Return the time as records write it: always 27 characters, so that texts sort as times."""
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def written(instant: str) -> str:
    """Return a DateTime as records write it.

    >>> written("2026-11-21T09:00:00Z")
    '2026-11-21T09:00:00.000000Z'
    """
    whole, _, part = instant[:-1].replace(",", ".").partition(".")
    return f"{whole}.{part[:6]:0<6}Z"


class Tree:
    """The hashes kept in a file. See :class:`madang.trust.merkle.Hashes`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def hashes(self, level: int, first: int, count: int) -> Sequence[bytes]:
        if level == 0:
            sql = "SELECT hash FROM record WHERE sequence>=? ORDER BY sequence LIMIT ?"
        else:
            sql = f"SELECT hash FROM block WHERE level={level:d} AND position>=?"
            sql += " ORDER BY position LIMIT ?"
        found = [bytes(row[0]) for row in self._connection.execute(sql, (first, count))]
        if len(found) != count:
            raise apsw.CorruptError(f"hashes of level {level} from {first} are missing")
        return found


class AuditWriter:
    """Adds records to the file. Used by one thread at a time.

    Args:
        file: the database; made if it is not there.
        signer: signs the heads.
    """

    def __init__(self, file: Path, signer: Signer) -> None:
        file.touch(0o600)
        file.chmod(0o600)  # also one that was restored; SQLite makes the files beside it alike
        self._connection = connect(file)
        self._connection.pragma("wal_autocheckpoint", 1_000)
        self._connection.pragma("cache_size", -4_096)
        self._signer = signer
        if not self._connection.pragma("user_version"):
            with self._connection:
                self._connection.execute(SCHEMA)
                self._connection.pragma("user_version", 1)
        self._take_up()

    def _take_up(self) -> None:
        """Read where the log ends, and sign that."""
        row = self._connection.execute(
            "SELECT sequence, hash FROM record ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        size, self._previous = (0, merkle.EMPTY) if row is None else (row[0] + 1, bytes(row[1]))
        try:
            self._frontier = Frontier.load(Tree(self._connection), size)
        except apsw.CorruptError:
            self._frontier = self._grown_again()
        self._head_size = self._connection.execute("SELECT coalesce(max(size), 0) FROM head").get
        self._headed = time.monotonic()
        self.fault = self._fault()
        with self._connection:
            key = (str(self._signer.verifier),)
            self._connection.execute("INSERT OR IGNORE INTO signer VALUES (?)", key)
            self.note = self._sign(self._frontier)

    def _grown_again(self) -> Frontier:
        """Grow the tree from the records where some, or blocks, are missing: the log must go on.

        A hash of zeros stands where a record is missing, so what was signed before will not fit.
        """
        frontier = Frontier()
        with self._connection:
            self._connection.execute("DELETE FROM block")
            rows: Any = self._connection.execute(
                "SELECT sequence, hash FROM record ORDER BY sequence"
            )
            for sequence, hash in rows:
                while frontier.size < sequence:
                    self._keep_blocks(frontier.append(bytes(32)))
                self._keep_blocks(frontier.append(hash))
        return frontier

    def _keep_blocks(self, blocks: Sequence[Block]) -> None:
        if blocks:
            self._connection.executemany("INSERT INTO block VALUES (?, ?, ?)", blocks)

    def _fault(self) -> str:
        """Return in what the records differ from the head signed last; nothing is as it should."""
        note = self._connection.execute("SELECT note FROM tip").fetchone()
        if note is None:
            return "the newest signed head is missing" if self._frontier.size else ""
        try:
            head = head_of(self._connection, note[0])
        except BadHead as error:
            return str(error)
        if head.size != self._frontier.size:
            return f"{head.size} records were signed, {self._frontier.size} are there"
        is_same = head.root == self._frontier.root()
        return "" if is_same else "the records are not those that were signed"

    @property
    def size(self) -> int:
        return self._frontier.size

    def append(self, group: Sequence[Pending]) -> None:
        """Add records; they are on the disk when it returns, or none of them when it raises."""
        frontier, previous = self._frontier.copy(), self._previous
        rows, about, blocks = [], [], []
        for pending in group:
            sequence = frontier.size
            text = b'{"sequence":%d,"time":"%s","previous":"%s",%s' % (
                sequence, pending.time.encode(), previous.hex().encode(), pending.content[1:],
            )  # fmt: skip
            previous = leaf_hash(text)
            blocks += frontier.append(previous)
            rows.append((sequence, text.decode(), previous.hex()))
            about += [(name, "target", sequence) for name in pending.targets]
            about += [(name, "subject", sequence) for name in pending.subjects]
        with self._connection as connection:
            connection.execute(_RECORDS, (orjson.dumps(rows).decode(),))
            if about:
                connection.execute(_ABOUT, (orjson.dumps(about).decode(),))
            self._keep_blocks(blocks)
            note, keep = self._sign(frontier), self._is_head_due(frontier.size)
            if keep:
                self._keep(frontier.size, note)
        self._frontier, self._previous, self.note = frontier, previous, note
        if keep:
            self._head_size, self._headed = frontier.size, time.monotonic()

    def _sign(self, frontier: Frontier) -> str:
        note = Head(frontier.size, frontier.root(), now_text()).signed(self._signer)
        self._connection.execute("INSERT OR REPLACE INTO tip VALUES (1, ?)", (note,))
        return note

    def _is_head_due(self, size: int) -> bool:
        added = size - self._head_size
        return added >= HEAD_RECORDS or time.monotonic() - self._headed >= HEAD_SECONDS

    def _keep(self, size: int, note: str) -> None:
        # Where a tail was cut off there may be a head of this size: it stays, as the proof.
        self._connection.execute("INSERT OR IGNORE INTO head VALUES (?, ?)", (size, note))

    def close(self) -> None:
        """Keep the newest head for good and close the file."""
        if self.size > self._head_size:
            self._keep(self.size, self.note)
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._connection.close()


def verifiers(connection: apsw.Connection) -> list[Verifier]:
    """Return the public keys whose heads a file has."""
    return [Verifier.parse(row[0]) for row in connection.execute("SELECT verifier FROM signer")]


def head_of(connection: apsw.Connection, note: str) -> Head:
    """Return the head in one of the file's own notes."""
    return opened(note, verifiers(connection))[0]


class AuditReader:
    """Reads the file, also while it is written, also a copy elsewhere. Used by one thread."""

    def __init__(self, file: Path) -> None:
        # Without a log of writes beside it nobody has it open, and reading leaves no trace.
        is_still = not file.with_name(file.name + "-wal").exists()
        address = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if is_still else ''}"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        self.connection = apsw.Connection(address, flags=flags)
        self.connection.set_busy_timeout(10_000)

    def find(self, wanted: Wanted, limit: int) -> list[Entry]:
        """Return the records that are wanted, the newest first unless ``wanted.first`` is given."""
        clauses, values = _conditions(wanted)
        where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
        sql = f"SELECT r.sequence, CAST(r.body AS BLOB), r.hash FROM record r{where}"
        sql += f" ORDER BY r.sequence {'DESC' if wanted.first is None else 'ASC'} LIMIT ?"
        return [Entry(*row) for row in self.connection.execute(sql, (*values, limit))]

    def walk(self, first: int = 0) -> Iterator[Entry]:
        """Yield the records in their order."""
        sql = "SELECT sequence, CAST(body AS BLOB), hash FROM record WHERE sequence>=?"
        for row in self.connection.execute(sql + " ORDER BY sequence", (first,)):
            yield Entry(*row)

    def get(self, sequence: int) -> Entry | None:
        """Return one record."""
        return next((e for e in self.walk(sequence) if e.sequence == sequence), None)

    def note(self) -> str:
        """Return the newest signed head."""
        row = self.connection.execute("SELECT note FROM tip").fetchone()
        return "" if row is None else str(row[0])

    def close(self) -> None:
        self.connection.close()


def continues(longer: Path, shorter: Path) -> bool:
    """Return whether one log begins with all the records of another, which may be as long."""
    with closing(AuditReader(longer)) as one, closing(AuditReader(shorter)) as other:
        last = other.find(Wanted(), 1)
        return not last or one.get(last[0].sequence) == last[0]


def backup(file: Path, target: Path) -> None:
    """Copy the log of one moment, whatever is written meanwhile."""
    with closing(AuditReader(file)) as reader:
        copy(reader.connection, target)


def count(reader: AuditReader) -> int:
    """Return how many records there are."""
    return int(reader.connection.execute("SELECT coalesce(max(sequence) + 1, 0) FROM record").get)


def _conditions(wanted: Wanted) -> tuple[list[str], list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    for role, name in (("target", wanted.target), ("subject", wanted.subject)):
        if name:
            inner = "SELECT sequence FROM about WHERE name=? AND role=?"
            clauses.append(f"r.sequence IN ({inner})")
            values += [name, role]
    if wanted.kind:
        kinds = wanted.kind.split(",")
        clauses.append(f"r.kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    for clause, value in (
        ("r.actor=?", wanted.actor),
        ("r.time>=?", wanted.since),
        ("r.time<?", wanted.until),
        ("r.body->>'action'=?", wanted.action),
        ("r.body->>'tenant'=?", wanted.tenant),
        ("r.sequence<?", wanted.before),
        ("r.sequence>=?", wanted.first),
    ):
        if value not in ("", None):
            clauses.append(clause)
            values.append(value)
    return clauses, values
