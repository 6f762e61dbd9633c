"""Whatever is done to the file behind the log's back, verifying finds it and says where."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest

from madang.trust.audit import Audit
from madang.trust.audit_file import AuditReader
from madang.trust.audit_verify import Walk, verify
from madang.trust.checkpoint import Head, Signer
from madang.trust.events import Event
from madang.trust.merkle import Frontier, leaf_hash

SIGNER = Signer.of(bytes(range(32)))
SIZE = 1_300
HEADS = 2  # kept for good, at 1,000 and at the end


async def make(file: Path, size: int = SIZE) -> None:
    audit = Audit(file, SIGNER)
    await audit.start()
    for first in range(0, size, 100):
        await audit.record(
            *(
                Event("write", f"person:{n % 7}", "updateEntity", targets=(f"urn:a:{n}",))
                for n in range(first, min(size, first + 100))
            )
        )
    await audit.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("audit") / "audit.sqlite"
    asyncio.run(make(file))
    return file


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "audit.sqlite"
    shutil.copyfile(made, copy)
    return copy


def check(file: Path, **how: Any) -> Walk:
    reader = AuditReader(file)
    try:
        return verify(reader, **how)
    finally:
        reader.close()


def tamper(file: Path, *statements: str, triggers: bool = False) -> None:
    """Change the file as somebody would who knows what they do: triggers taken off and put back."""
    with sqlite3.connect(file, isolation_level=None) as other:
        rows = other.execute("SELECT name, sql FROM sqlite_schema WHERE type='trigger'").fetchall()
        for name, _ in rows:
            other.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            other.execute(statement)
        if not triggers:
            for _, sql in rows:
                other.execute(sql)
    other.close()


def recompute(file: Path, first: int) -> None:
    """Compute everything anew from a record on, all but the signatures."""
    with sqlite3.connect(file, isolation_level=None) as other:
        triggers = other.execute("SELECT name, sql FROM sqlite_schema WHERE type='trigger'")
        rows = triggers.fetchall()
        for name, _ in rows:
            other.execute(f"DROP TRIGGER {name}")
        other.execute("BEGIN")
        frontier, previous = Frontier(), ""
        query = "SELECT sequence, body, hash FROM record ORDER BY sequence"
        for sequence, body, hash in other.execute(query).fetchall():
            if sequence >= first:
                said = orjson.loads(body) | {"sequence": sequence}
                if previous:
                    said["previous"] = previous
                body = orjson.dumps(said).decode()
                hash = leaf_hash(body.encode())
                values = (body, hash, sequence)
                other.execute("UPDATE record SET body=?, hash=? WHERE sequence=?", values)
            previous = hash.hex()
            for block in frontier.append(hash):
                other.execute("INSERT OR REPLACE INTO block VALUES (?, ?, ?)", block)
        other.execute("COMMIT")
        for _, sql in rows:
            other.execute(sql)
    other.close()


def test_a_log_that_nobody_touched_is_sound(file: Path) -> None:
    seen: list[int] = []
    walk = check(file, progress=seen.append)
    assert walk.found.faults == []
    assert walk.frontier.size == SIZE
    assert walk.heads == HEADS + 1
    assert walk.keys == {SIGNER.verifier}
    assert seen == [0, 1000, SIZE]


async def test_an_empty_log_is_sound(tmp_path: Path) -> None:
    await make(tmp_path / "audit.sqlite", 0)
    assert check(tmp_path / "audit.sqlite").found.faults == []


def test_a_copy_on_a_read_only_medium_can_be_verified(file: Path) -> None:
    file.parent.chmod(0o500)
    try:
        assert check(file).found.faults == []
    finally:
        file.parent.chmod(0o700)


CHANGE = "UPDATE record SET body=replace(body, 'person:5', 'person:6') WHERE sequence=40"
SWAP = (
    "CREATE TABLE t AS SELECT * FROM record WHERE sequence IN (40, 41)",
    "UPDATE record SET body=(SELECT body FROM t WHERE t.sequence=81-record.sequence),"
    " hash=(SELECT hash FROM t WHERE t.sequence=81-record.sequence) WHERE sequence IN (40, 41)",
    "DROP TABLE t",
)
MAKE_ROOM = "UPDATE record SET sequence=-sequence-1 WHERE sequence>=40"
CLOSE_UP = "UPDATE record SET sequence=-sequence-{} WHERE sequence<0"
COPY = "INSERT INTO record SELECT 40, body, hash FROM record WHERE sequence=-41"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ((CHANGE,), r"record 40: changed; its text has the hash \w{64}, \w{64} was expected"),
        (("UPDATE record SET hash=zeroblob(32) WHERE sequence=40",), "record 40: changed"),
        (("UPDATE record SET body='[]' WHERE sequence=40",), "record 40: changed; its text is no"),
        (("DELETE FROM record WHERE sequence=40",), "record 40: removed; the next one is 41"),
        (
            ("DELETE FROM record WHERE sequence BETWEEN 40 AND 49",),
            "record 40 to 49: removed; the next one is 50",
        ),
        (("DELETE FROM record WHERE sequence=0",), "record 0: removed"),
        (SWAP, "record 40: moved or put in; it calls itself number 41"),
        (
            (MAKE_ROOM, COPY, CLOSE_UP.format(0)),
            "record 41: moved or put in; it calls itself number 40",
        ),
        (
            (MAKE_ROOM, "DELETE FROM record WHERE sequence=-41", CLOSE_UP.format(2)),
            "record 40: moved or put in; it calls itself number 41",
        ),
        (("DELETE FROM record WHERE sequence>=1290",), "records 1290 to 1299: removed from"),
        (
            ("DELETE FROM record WHERE sequence>=1290", "DELETE FROM head WHERE size>1290"),
            "records 1290 to 1299: removed from the end; 1300 were signed on 20",
        ),
        (
            (
                "DELETE FROM record WHERE sequence>=1290",
                "DELETE FROM head WHERE size>1290",
                "DELETE FROM tip",
            ),
            "records 1000 to 1289: no signed head vouches for them",
        ),
        (("DELETE FROM head", "DELETE FROM tip"), "no signed head vouches for the log"),
        (("UPDATE tip SET note=replace(note, '1300', '1301')",), "signature .* 1301 records is"),
        (("UPDATE head SET note='x'",), "'x' is no signed head"),
        (("DELETE FROM about WHERE sequence=40",), "index of targets and subjects: changed"),
        (("UPDATE about SET name='urn:b' WHERE sequence=40",), "index of targets and subjects"),
        (("UPDATE block SET hash=zeroblob(32) WHERE position=1",), "block 1 of level 1"),
        (("DELETE FROM signer",), "not that of a known key"),
    ],
)  # fmt: skip
def test_what_was_done_is_found(file: Path, statements: tuple[str, ...], told: str) -> None:
    tamper(file, *statements)
    walk = check(file)
    assert any(re.search(told, fault) for fault in walk.found.faults), walk.found.faults


def test_triggers_taken_off_are_missed(file: Path) -> None:
    tamper(file, triggers=True)
    assert check(file).found.faults == [
        "the tables or the triggers that keep the file append-only: changed"
    ]


def test_one_changed_record_is_told_once(file: Path) -> None:
    tamper(file, CHANGE)
    faults = check(file).found.faults
    assert [fault for fault in faults if "40" not in fault] == []


@pytest.mark.parametrize(
    ("statements", "first"),
    [
        ((CHANGE,), 40),
        ((MAKE_ROOM, COPY, CLOSE_UP.format(0)), 40),
        ((MAKE_ROOM, "DELETE FROM record WHERE sequence=-41", CLOSE_UP.format(2)), 40),
        (SWAP, 40),
    ],
    ids=["changed", "put in", "removed", "swapped"],
)
def test_hashes_computed_anew_do_not_fit_the_signatures(
    file: Path, statements: tuple[str, ...], first: int
) -> None:
    tamper(file, *statements)
    recompute(file, first)
    faults = check(file).found.faults
    assert any(
        re.match(r"records 0 to 999: not those that were signed on 20.*computed anew", fault)
        for fault in faults
    ), faults


def test_a_change_after_the_first_head_is_looked_for_after_it(file: Path) -> None:
    tamper(file, CHANGE.replace("=40", "=1100").replace("person:5", "person:1"))
    recompute(file, 1100)
    assert any(fault.startswith("records 1000 to 1299: not") for fault in check(file).found.faults)


def sign_all(file: Path, signer: Signer) -> None:
    """Sign the records with another key, as somebody can who has the file but not the key."""
    reader = AuditReader(file)
    frontier, notes = Frontier(), {}
    for entry in reader.walk():
        frontier.append(entry.hash)
        if frontier.size in (1000, SIZE):
            notes[frontier.size] = Head(frontier.size, frontier.root(), "2026").signed(signer)
    reader.close()
    tamper(
        file,
        f"UPDATE signer SET verifier='{signer.verifier}'",
        *(f"UPDATE head SET note='{note}' WHERE size={size}" for size, note in notes.items()),
        f"UPDATE tip SET note='{notes[SIZE]}'",
    )


def test_a_log_signed_by_another_key_is_found_by_the_key_that_is_known(file: Path) -> None:
    tamper(file, CHANGE)
    recompute(file, 40)
    sign_all(file, Signer.of(bytes(32)))
    walk = check(file, key=SIGNER.verifier)
    assert any("not that of a known key" in fault for fault in walk.found.faults)
    assert check(file).keys == {Signer.of(bytes(32)).verifier}  # which a person can compare


def test_a_head_kept_elsewhere_gives_away_a_log_rolled_back(file: Path, tmp_path: Path) -> None:
    with sqlite3.connect(file) as other:
        head = other.execute("SELECT note FROM tip").fetchone()[0]
    other.close()
    asyncio.run(make(tmp_path / "older.sqlite", 500))
    faults = check(tmp_path / "older.sqlite", earlier=[head], key=SIGNER.verifier).found.faults
    assert any(fault.startswith("records 500 to 1299: removed from the end") for fault in faults)


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_byte_anywhere_in_the_records_is_found(file: Path, seed: int) -> None:
    """All of the file but its header and unused space counts."""
    raw = bytearray(file.read_bytes())
    choose = random.Random(seed)
    places = [match.start() for match in re.finditer(rb'"sequence":', raw)]
    place = choose.choice(places) + choose.randrange(150)
    raw[place] ^= 1 << choose.randrange(8)
    file.write_bytes(raw)
    try:
        walk = check(file)
    except apsw.Error:
        return  # not even a database any more
    assert walk.found.faults


def test_a_file_cut_short_is_found(file: Path) -> None:
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])
    try:
        assert check(file).found.faults
    except apsw.Error as error:
        assert "malformed" in str(error)  # noqa: PT017


async def test_a_log_that_was_cut_says_so_when_it_is_opened_and_goes_on(file: Path) -> None:
    tamper(file, "DELETE FROM record WHERE sequence>=1290")
    audit = Audit(file, SIGNER)
    await audit.start()
    assert audit.damaged == "1300 records were signed, 1290 are there"
    for n in range(30):
        await audit.record(Event("command", "person:1", "commandAsked", targets=(str(n),)))
    await audit.close()
    faults = check(file).found.faults
    assert any(fault.startswith("records 1000 to 1299: not those") for fault in faults)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("DELETE FROM record WHERE sequence=1285", "the records are not those that were signed"),
        ("UPDATE tip SET note='x'", "'x' is no signed head of an audit log"),
        ("DELETE FROM tip", "the newest signed head is missing"),
        ("DELETE FROM block", ""),
    ],
)
async def test_whatever_was_done_to_the_file_the_log_goes_on(
    file: Path, statement: str, fault: str
) -> None:
    tamper(file, statement)
    audit = Audit(file, SIGNER)
    await audit.start()
    assert audit.damaged == fault
    await audit.record(Event("command", "person:1", "commandAsked"))
    assert audit.size == SIZE + 1
    await audit.close()
    assert check(file).found.faults == [] or fault
