"""The audit log keeps what it was given, in order, whatever happens to the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest

from madang.model.errors import MadangError, ResourceNotFound
from madang.trust import audit as audit_module
from madang.trust import merkle
from madang.trust.audit import Audit, NotRecorded
from madang.trust.audit_file import AuditReader, Wanted
from madang.trust.audit_verify import verify
from madang.trust.checkpoint import BadHead, Head, Signer, Verifier, opened
from madang.trust.events import Event

SIGNER = Signer.of(bytes(range(32)))


def read(number: int, **more: Any) -> Event:
    person = f"urn:ngsi-ld:Person:{number}"
    return Event(
        "personalRead", "person:clerk", "readEntity", targets=(person,), subjects=(person,), **more
    )


@pytest.fixture
async def audit(tmp_path: Path) -> AsyncIterator[Audit]:
    log = Audit(tmp_path / "audit.sqlite", SIGNER)
    await log.start()
    yield log
    await log.close()


async def test_what_is_recorded_is_found_newest_first(audit: Audit) -> None:
    await audit.record(read(1, purpose="care"), read(2))
    await audit.record(read(3))
    found = await audit.find(Wanted())
    assert [entry.sequence for entry in found] == [2, 1, 0]
    said = found[2].content()
    assert said["kind"] == "personalRead"
    assert said["purpose"] == "care"
    assert said["targets"] == ["urn:ngsi-ld:Person:1"]
    assert "tenant" not in said


async def test_each_record_names_the_hash_of_the_one_before(audit: Audit) -> None:
    await asyncio.gather(*(audit.record(read(n)) for n in range(20)))
    entries = (await audit.find(Wanted()))[::-1]
    assert entries[0].content()["previous"] == merkle.EMPTY.hex()
    for before, after in pairwise(entries):
        assert after.content()["previous"] == before.hash.hex()
        assert merkle.leaf_hash(after.text) == after.hash


async def test_records_that_arrive_together_share_a_commit(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []
    assert audit._writer is not None
    append = audit._writer.append

    def counted(group: Any) -> None:
        groups.append(len(group))
        append(group)

    monkeypatch.setattr(audit._writer, "append", counted)
    await asyncio.gather(*(audit.record(read(n)) for n in range(500)))
    assert sum(groups) == 500
    assert len(groups) <= 3


async def test_what_is_noted_is_soon_there_though_nobody_waits_for_it(audit: Audit) -> None:
    audit.note(read(1))
    assert audit.size == 0
    async with asyncio.timeout(10):
        while audit.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert audit.size == 1


async def test_what_is_noted_keeps_its_place_before_what_is_recorded_later(audit: Audit) -> None:
    audit.note(read(1))
    await audit.record(read(2))
    assert [e.content()["targets"][0][-1] for e in await audit.find(Wanted())] == ["2", "1"]


async def test_closing_writes_what_was_noted(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit.sqlite", SIGNER)
    await log.start()
    log.note(read(1))
    await log.close()
    again = Audit(tmp_path / "audit.sqlite", SIGNER)
    await again.start()
    assert again.size == 1
    await again.record(read(2))
    assert again.damaged == ""
    await again.close()


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(actor="person:b"), [3, 1]),
        (Wanted(kind="denial"), [2]),
        (Wanted(kind="denial,personalRead", subject="urn:s:0"), [2, 0]),
        (Wanted(target="urn:t:2"), [2]),
        (Wanted(subject="urn:s:1"), [3, 1]),
        (Wanted(subject="urn:t:2"), []),
        (Wanted(actor="person:a", kind="personalRead"), [0]),
        (Wanted(first=2), [2, 3]),
        (Wanted(since="2999"), []),
        (Wanted(until="2999", subject="urn:s:0"), [2, 0]),
    ],
)
async def test_records_are_found_by_actor_kind_target_subject_and_time(
    audit: Audit, wanted: Wanted, numbers: list[int]
) -> None:
    for n in range(4):
        await audit.record(
            Event(
                "denial" if n == 2 else "personalRead",
                "person:b" if n % 2 else "person:a",
                "readEntity",
                targets=(f"urn:t:{n}",),
                subjects=(f"urn:s:{n % 2}",),
            )
        )
    assert [entry.sequence for entry in await audit.find(wanted)] == numbers


async def test_pages_follow_one_another(audit: Audit) -> None:
    await audit.record(*(read(n) for n in range(10)))
    first = await audit.find(Wanted(), limit=4)
    second = await audit.find(Wanted(before=first[-1].sequence), limit=4)
    assert [e.sequence for e in first + second] == [9, 8, 7, 6, 5, 4, 3, 2]


async def test_an_event_with_very_many_targets_becomes_several_records(audit: Audit) -> None:
    ids = tuple(f"urn:x:{n}" for n in range(2500))
    await audit.record(Event("write", "person:a", "updateEntity", targets=ids))
    entries = await audit.find(Wanted())
    assert [len(e.content()["targets"]) for e in entries] == [500, 1000, 1000]
    assert [e.sequence for e in await audit.find(Wanted(target="urn:x:2400"))] == [2]


async def test_any_text_is_kept_as_it_is(audit: Audit) -> None:
    strange = '서울 "\\ \x00 \n \ud7ff 🏙 <&>'
    await audit.record(Event("command", strange, "command", detail={strange: [strange, 1.5, None]}))
    entry = (await audit.find(Wanted(actor=strange)))[0]
    assert entry.content()["detail"] == {strange: [strange, 1.5, None]}
    assert merkle.leaf_hash(entry.text) == entry.hash


# --- proofs ---------------------------------------------------------------------------------------


async def test_a_proof_leads_from_the_record_to_the_signed_head(audit: Audit) -> None:
    await audit.record(*(read(n) for n in range(600)))
    for sequence in (0, 255, 256, 599):
        proof = await audit.proof(sequence)
        head, key = opened(proof.note, [SIGNER.verifier])
        assert key == SIGNER.verifier
        leaf = merkle.leaf_hash(proof.entry.text)
        assert merkle.is_included(sequence, head.size, leaf, proof.path, head.root)
    with pytest.raises(ResourceNotFound, match="the log has 600"):
        await audit.proof(600)


async def test_an_older_head_is_shown_to_be_the_beginning_of_the_newest(audit: Audit) -> None:
    await audit.record(*(read(n) for n in range(300)))
    old, _ = opened(audit.checkpoint(), [SIGNER.verifier])
    await audit.record(*(read(n) for n in range(400)))
    growth = await audit.growth(300)
    new, _ = opened(growth.note, [SIGNER.verifier])
    assert (old.size, new.size) == (300, 700)
    assert merkle.is_consistent(old.size, new.size, old.root, new.root, growth.path)


async def test_heads_are_kept_each_thousand_records_and_at_the_end(tmp_path: Path) -> None:
    log = Audit(tmp_path / "audit.sqlite", SIGNER)
    await log.start()
    for _ in range(5):
        await log.record(*(read(n) for n in range(500)))
    await log.close()
    reader = AuditReader(log.file)
    assert reader.connection.execute("SELECT size FROM head").fetchall() == [
        (1000,), (2000,), (2500,),
    ]  # fmt: skip
    reader.close()


def test_a_head_signed_by_another_key_is_refused() -> None:
    note = Head(3, bytes(32), "2026-01-01T00:00:00.000000Z").signed(SIGNER)
    assert opened(note, [SIGNER.verifier])[0].size == 3
    with pytest.raises(BadHead, match="not that of a known key"):
        opened(note, [Signer.of(bytes(32)).verifier])
    with pytest.raises(BadHead, match="not that of a known key"):
        opened(note.replace("\n3\n", "\n4\n"), [SIGNER.verifier])
    with pytest.raises(BadHead, match="no signed head"):
        opened("nonsense", [SIGNER.verifier])


def test_a_public_key_survives_being_written_down() -> None:
    assert Verifier.parse(str(SIGNER.verifier)) == SIGNER.verifier
    with pytest.raises(BadHead, match="no public key"):
        Verifier.parse(str(SIGNER.verifier).replace("+AQ", "+Ag"))
    with pytest.raises(BadHead, match="no public key"):
        Verifier.parse("madang.audit")


# --- when the disk is full ------------------------------------------------------------------------


def fill(log: Audit) -> None:
    """Let the file grow no further."""
    assert log._writer is not None
    pages = log._writer._connection.pragma("page_count")
    log._writer._connection.pragma("max_page_count", pages)


def empty(log: Audit) -> None:
    assert log._writer is not None
    log._writer._connection.pragma("max_page_count", 1_000_000)


LONG = {"text": "x" * 100_000}


async def test_a_full_disk_refuses_what_must_be_recorded(audit: Audit) -> None:
    fill(audit)
    with pytest.raises(NotRecorded, match="is the disk full"):
        await audit.record(read(1, detail=LONG))
    assert audit.failing
    assert audit.size == 0
    empty(audit)
    await audit.record(read(2))
    assert [e.content()["targets"] for e in await audit.find(Wanted())] == [
        ["urn:ngsi-ld:Person:2"]
    ]
    assert not audit.failing


async def test_what_was_noted_waits_for_the_disk_to_be_well_again(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "RETRY", 0.05)
    fill(audit)
    audit.note(read(1, detail=LONG))
    await asyncio.sleep(0.3)
    assert (audit.failing, audit.waiting, audit.lost) == (True, 1, 0)
    empty(audit)
    await asyncio.sleep(0.3)
    assert (audit.failing, audit.waiting, audit.size) == (False, 0, 1)


async def test_what_is_noted_beyond_all_measure_is_counted_as_lost(
    audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "WAITING", 2)
    for n in range(5):
        audit.note(read(n))
    assert (audit.waiting, audit.lost) == (2, 3)
    with pytest.raises(MadangError, match="too many records are waiting"):
        await audit.record(read(9))


# --- append-only ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE record SET body='{}' WHERE sequence=1",
        "DELETE FROM record WHERE sequence=1",
        "DELETE FROM head",
        "DELETE FROM signer",
        "INSERT OR REPLACE INTO record VALUES (1, '{}', x'00')",
        "INSERT INTO record VALUES (7, '{}', x'00')",
    ],
)
async def test_the_file_refuses_anything_but_the_next_record(audit: Audit, sql: str) -> None:
    await audit.record(*(read(n) for n in range(1200)))
    with apsw.Connection(str(audit.file)) as other, pytest.raises(apsw.ConstraintError):
        other.execute(sql)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
async def test_nobody_else_on_the_machine_reads_the_file(audit: Audit) -> None:
    await audit.record(read(1))
    files = [file for file in audit.file.parent.iterdir() if file.name.startswith("audit")]
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []


async def test_a_file_that_is_no_log_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "audit.sqlite").write_bytes(b"nonsense " * 1000)
    log = Audit(tmp_path / "audit.sqlite", SIGNER)
    with pytest.raises(MadangError, match="cannot be opened"):
        await log.start()


# --- kill -9 --------------------------------------------------------------------------------------

CHILD = """
import asyncio, sys
from pathlib import Path
from madang.trust.audit import Audit
from madang.trust.checkpoint import Signer
from madang.trust.events import Event

async def main():
    audit = Audit(Path(sys.argv[1]), Signer.of(bytes(range(32))))
    await audit.start()
    async def many(who):
        n = 0
        while True:
            n += 1
            await audit.record(Event("write", f"person:{who}", "updateEntity", targets=(str(n),)))
            print(who, n, flush=True)
    await asyncio.gather(*(many(who) for who in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("wait_s", [0.0, 0.11, 0.23])
def test_after_kill_everything_acknowledged_is_there(tmp_path: Path, wait_s: float) -> None:
    file = tmp_path / "audit.sqlite"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(file)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    told = [child.stdout.readline()]
    time.sleep(wait_s)
    os.kill(child.pid, signal.SIGKILL)
    told += child.stdout.read().splitlines()
    child.stdout.close()
    child.wait()
    acknowledged = {tuple(line.split()) for line in told if len(line.split()) == 2}
    reader = AuditReader(file)
    kept = {(e.content()["actor"][7:], e.content()["targets"][0]) for e in reader.walk()}
    faults = verify(reader).found.faults
    reader.close()
    assert faults == []
    assert {(who.decode(), n.decode()) for who, n in acknowledged} <= kept
