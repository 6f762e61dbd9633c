"""Finds out whether an audit log is what was signed, and if not, where it is not.

The walk trusts nothing but the public key: every hash, the chain, the tree under each signed head,
the indexes by which records are found, and the triggers that keep the file append-only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

import apsw
import orjson

from madang.trust import merkle
from madang.trust.audit_file import SCHEMA, AuditReader, Entry, verifiers
from madang.trust.checkpoint import BadHead, Head, Verifier, opened
from madang.trust.merkle import Block, Frontier, leaf_hash

TOLD = 50  # faults that are spelled out
STEP = 1_000  # records between two signs of progress
_FIELD = 1 << 256

Progress = Callable[[int], None]


class Findings:
    """What is wrong, one sentence each."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.more = 0
        """Faults beyond those spelled out."""

    def add(self, fault: str) -> None:
        if len(self.faults) < TOLD:
            self.faults.append(fault)
        else:
            self.more += 1

    def __bool__(self) -> bool:
        return bool(self.faults)


class Walk:
    """Checks records as they come, in their order, against one another and the signed heads.

    Args:
        notes: the signed heads, of the log or kept elsewhere since.
        keys: whose signatures count.
    """

    def __init__(self, notes: Iterable[str], keys: Sequence[Verifier]) -> None:
        self.found = Findings()
        self.keys: set[Verifier] = set()
        """Those that signed a head."""
        self.frontier = Frontier()
        self._previous = merkle.EMPTY
        self._expected = 0
        self._is_whole = True  # the tree can still be compared with heads
        self._sound = 0  # records under the largest head that fits
        self._heads = self._opened(notes, keys)

    def _opened(self, notes: Iterable[str], keys: Sequence[Verifier]) -> dict[int, list[Head]]:
        heads: dict[int, list[Head]] = {}
        for note in notes:
            try:
                head, key = opened(note, keys)
            except BadHead as error:
                self.found.add(str(error))
                continue
            self.keys.add(key)
            heads.setdefault(head.size, []).append(head)
        return heads

    @property
    def heads(self) -> int:
        """Return how many signed heads there are."""
        return sum(map(len, self._heads.values()))

    def feed(self, entry: Entry) -> list[Block]:
        """Check the next record; return the blocks of the tree that it fills."""
        number = entry.sequence
        if number != self._expected:
            self._is_whole = False
            last = f" to {number - 1}" if number - 1 > self._expected else ""
            self.found.add(f"record {self._expected}{last}: removed; the next one is {number}")
        self._expected = number + 1
        self._check(entry)
        self._previous = entry.hash
        filled = self.frontier.append(entry.hash)
        if self._is_whole:
            self._compare()
        return filled if self._is_whole else []

    def _check(self, entry: Entry) -> None:
        number = entry.sequence
        if leaf_hash(entry.text) != entry.hash:
            self.found.add(
                f"record {number}: changed; its text has the hash {leaf_hash(entry.text).hex()},"
                f" {entry.hash.hex()} was expected"
            )
        try:
            content = entry.content()
            own, previous = content["sequence"], content["previous"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self.found.add(f"record {number}: changed; its text is no record")
            return
        if own != number:
            self.found.add(f"record {number}: moved or put in; it calls itself number {own}")
        if previous != self._previous.hex():
            self.found.add(
                f"record {number}: it follows a record with the hash {previous}, but the one before"
                f" it has {self._previous.hex()}; one of the two was changed, or one between them"
                " put in or removed"
            )

    def _compare(self) -> None:
        """Compare the tree with the heads over as many records."""
        size = self.frontier.size
        for head in self._heads.get(size, ()):
            if head.root == self.frontier.root():
                self._sound = size
            else:
                self._is_whole = False
                self.found.add(
                    f"records {self._sound} to {size - 1}: not those that were signed on"
                    f" {head.time}; at least one was changed, put in or removed, and the hashes"
                    " after it computed anew"
                )

    def end(self) -> Findings:
        """Look at what should follow the last record; return all that was found."""
        size = self._expected
        newest = max(self._heads, default=None)
        if newest is None:
            self.found.add("no signed head vouches for the log: all of them are missing")
        elif newest > size:
            head = self._heads[newest][0]
            self.found.add(
                f"records {size} to {newest - 1}: removed from the end; {newest} were signed on"
                f" {head.time}"
            )
        elif newest < size and self._is_whole:
            self.found.add(f"records {newest} to {size - 1}: no signed head vouches for them")
        return self.found


def verify(
    reader: AuditReader,
    *,
    key: Verifier | None = None,
    earlier: Sequence[str] = (),
    progress: Progress = lambda _: None,
) -> Walk:
    """Check a whole file.

    Args:
        key: the public key that must have signed it; those that the file names unless given.
        earlier: signed heads that were kept elsewhere.
        progress: is told how many records have been checked.
    """
    connection = reader.connection
    connection.execute("BEGIN")  # one moment, whatever is written meanwhile
    try:
        known = [key] if key is not None else verifiers(connection)
        notes = [row[0] for row in connection.execute("SELECT note FROM head ORDER BY size")]
        walk = Walk([*notes, reader.note(), *earlier], known)
        _walk(reader, walk, progress)
    except (apsw.Error, BadHead) as error:
        walk = Walk([], [])
        walk.found.add(f"the file is damaged: {error}")
    finally:
        connection.execute("COMMIT")
    return walk


def _walk(reader: AuditReader, walk: Walk, progress: Progress) -> None:
    names, blocks = _Names(), dict[tuple[int, int], bytes]()
    last = -1
    try:
        for entry in reader.walk():
            for block in walk.feed(entry):
                blocks[block.level, block.position] = block.hash
            names.add(entry)
            last = entry.sequence
            if last % STEP == 0:
                progress(last)
        progress(last + 1)
        found = walk.end()
        _check_rest(reader.connection, names, blocks, found)
    except apsw.Error as error:
        walk.found.add(f"the file is damaged after record {last}: {error}")


class _Names:
    """The names that records should be found by, as a sum of hashes: the order does not matter."""

    def __init__(self) -> None:
        self.sum = 0

    def add(self, entry: Entry) -> None:
        try:
            content = entry.content()
            parts = [
                ("target", content.get("targets", ())),
                ("subject", content.get("subjects", ())),
            ]
        except (orjson.JSONDecodeError, AttributeError):
            return  # told already
        for role, names in parts:
            for name in set(names):
                self.count(name, role, entry.sequence)

    def count(self, name: str, role: str, sequence: int) -> None:
        raw = f"{sequence}\n{role}\n{name}".encode("utf-8", "surrogatepass")
        self.sum = (self.sum + int.from_bytes(sha256(raw).digest())) % _FIELD


def _check_rest(
    connection: apsw.Connection,
    names: _Names,
    blocks: dict[tuple[int, int], bytes],
    found: Findings,
) -> None:
    """Check what the file has beside its records."""
    kept = _Names()
    for name, role, sequence in connection.execute("SELECT name, role, sequence FROM about"):
        kept.count(name, role, sequence)
    if kept.sum != names.sum:
        found.add("the index of targets and subjects: changed; searches by them may miss records")
    for level, position, hash in connection.execute("SELECT level, position, hash FROM block"):
        if blocks and blocks.get((level, position)) not in (hash, None):
            found.add(f"block {position} of level {level} of the tree: changed; proofs would fail")
    if _schema(connection) != _expected_schema():
        found.add("the tables or the triggers that keep the file append-only: changed")
    for row in connection.execute("PRAGMA integrity_check(20)"):
        if row[0] != "ok":
            found.add(f"the database: {row[0]}")


def _schema(connection: apsw.Connection) -> set[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {(str(name), str(sql)) for name, sql in rows}


def _expected_schema() -> set[tuple[str, str]]:
    empty = apsw.Connection(":memory:")
    empty.execute(SCHEMA)
    return _schema(empty)
