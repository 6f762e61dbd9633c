"""Upkeep of a SQLite store: its outbox, copies of one moment, and what could be wrong with it."""

from __future__ import annotations

from pathlib import Path

import apsw

from madang.store.protocol import Block

FORGOTTEN = 250  # blocks of the outbox removed in one transaction


def blocks(connection: apsw.Connection, after: int, limit: int) -> list[Block]:
    """Return the outbox after a sequence number, until it makes up so many changes."""
    found: list[Block] = []
    for row in connection.execute(
        "SELECT seq, count, body FROM outbox WHERE seq > ? ORDER BY seq", (after,)
    ):
        block = Block(*row)
        found.append(block)
        limit -= min(block.size, block.last - after)
        if limit <= 0:
            break
    return found


def forget(connection: apsw.Connection, upto: int) -> bool:
    """Note how far the outbox has been drained, and remove some of what has; tell if more is left.

    Writes wait meanwhile, so it is little at a time. What is left does no harm.
    """
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO item VALUES ('setting', 'drained', ?)", (str(upto).encode(),)
        )
        connection.execute(
            "DELETE FROM outbox WHERE seq IN"
            " (SELECT seq FROM outbox WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (upto, FORGOTTEN),
        )
        removed = connection.changes()
    return removed == FORGOTTEN


def copy(connection: apsw.Connection, target: Path) -> None:
    """Copy the state of one moment to a file, whatever is written meanwhile."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    connection.execute("BEGIN")
    try:
        # Reading something fixes the moment of which the copy is, whatever is written meanwhile.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        with apsw.Connection(str(part)) as other, other.backup("main", connection, "main") as work:
            while not work.done:
                work.step(2000)
    finally:
        connection.execute("COMMIT")
    part.replace(target)


def faults(connection: apsw.Connection) -> list[str]:
    """Return what is wrong with a store, one sentence each."""
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
    found = [fault for fault in found if fault != "ok"]
    for sql, text in (
        (
            "SELECT id FROM shape s WHERE count != (SELECT count(*) FROM entity WHERE shape=s.id)",
            "the count of shape {} does not fit its entities",
        ),
        (
            "SELECT rowid FROM entity WHERE west IS NOT NULL"
            " AND rowid NOT IN (SELECT rowid FROM place)",
            "entity row {} is missing in the index of places",
        ),
        (
            "SELECT rowid FROM place WHERE rowid NOT IN"
            " (SELECT rowid FROM entity WHERE west IS NOT NULL)",
            "the index of places names row {}, which has no place",
        ),
        ("SELECT id FROM entity WHERE NOT json_valid(doc)", "the document of {} is no JSON"),
    ):
        found += [text.format(row[0]) for row in connection.execute(sql + " LIMIT 20")]
    return found
