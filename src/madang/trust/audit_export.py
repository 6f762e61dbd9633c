"""Records on their way out, each with the proof that it is in the log: JSON Lines.

The first line names the form, the signed head and the public key; each further line has the text of
a record and the hashes that lead from it to the head's root (RFC 9162 section 2.1.3.2). Whoever has
the public key from elsewhere can check it without the log, and without our program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from madang.trust import merkle
from madang.trust.audit_file import AuditReader, Tree, Wanted, head_of, verifiers
from madang.trust.checkpoint import BadHead, Head, Verifier, opened
from madang.trust.merkle import leaf_hash

FORM = "madang-audit-proof/1"
PAGE = 500


class Checked(NamedTuple):
    """What checking an export found."""

    head: Head
    key: Verifier
    records: int
    faults: list[str]


def export(reader: AuditReader, wanted: Wanted) -> Iterator[bytes]:
    """Yield the lines of an export: the records that are wanted, the oldest first."""
    with reader.connection:  # one moment: one head for all
        note = reader.note()
        head = head_of(reader.connection, note)
        keys = verifiers(reader.connection)
        key = opened(note, keys)[1]
        yield orjson.dumps({"form": FORM, "head": note, "key": str(key)}) + b"\n"
        yield from _proofs(reader, wanted, head.size)


def _proofs(reader: AuditReader, wanted: Wanted, size: int) -> Iterator[bytes]:
    kept = Tree(reader.connection)
    first = wanted.first or 0
    while entries := reader.find(wanted.starting(first), PAGE):
        for entry in entries:
            path = [step.hex() for step in merkle.inclusion(kept, entry.sequence, size)]
            yield orjson.dumps({"record": entry.text.decode(), "proof": path}) + b"\n"
        first = entries[-1].sequence + 1


def check(lines: Iterable[bytes], key: Verifier | None = None) -> Checked:
    """Check an export.

    Args:
        key: the public key that must have signed the head; the one that the export names if None.

    Raises:
        BadHead: the first line is not that of an export, or its head is not signed by the key.
    """
    rest = iter(lines)
    head, signer = _opened(next(rest, b""), key)
    faults: list[str] = []
    count = 0
    for count, line in enumerate(rest, 1):
        try:
            said = orjson.loads(line)
            text = said["record"].encode()
            index = int(orjson.loads(text)["sequence"])
            path = [bytes.fromhex(step) for step in said["proof"]]
        except (ValueError, KeyError, TypeError, AttributeError):
            faults.append(f"line {count + 1}: it is no record with its proof")
            continue
        if not merkle.is_included(index, head.size, leaf_hash(text), path, head.root):
            faults.append(
                f"line {count + 1}: record {index} is not in the log as it stands here: its text or"
                " its proof was changed"
            )
    return Checked(head, signer, count, faults)


def _opened(line: bytes, key: Verifier | None) -> tuple[Head, Verifier]:
    try:
        said = orjson.loads(line)
        form, note, named = said["form"], said["head"], said["key"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        form = note = named = ""
    if form != FORM:
        raise BadHead("it is no export of an audit log: its first line does not say so")
    return opened(note, [key or Verifier.parse(named)])
