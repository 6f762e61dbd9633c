"""Which rows of an embedded tenant have changed since a move of it began.

Triggers in the tenant's own file note the key of each row that is written, in the transaction that
writes it, whoever writes and however that process ends. A key is noted once, so the log is never
longer than there are things. It is there only while a city is being moved.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw

from madang.store.connection import connect as connect_plain

Logged = Literal["entity", "item"]
"""The tables whose rows are noted one by one; the others are copied whole."""

Key = tuple[str, ...]

KEYS: dict[Logged, tuple[str, ...]] = {"entity": ("id",), "item": ("kind", "id")}
PATIENCE_S = 60.0  # that a write of ours waits for those of a hub
_POLL_S = 0.0005  # between two of which there is often no more time than this

_TABLE = """
CREATE TABLE move_log (
    name TEXT NOT NULL,
    one TEXT NOT NULL,
    two TEXT NOT NULL,
    taken INTEGER NOT NULL,
    PRIMARY KEY (name, one, two)
) STRICT, WITHOUT ROWID;
"""


def _trigger(table: Logged, event: str) -> str:
    row = "OLD" if event == "DELETE" else "NEW"
    one, two, *_ = *(f"{row}.{column}" for column in KEYS[table]), "''"
    # REPLACE, for where the statement that fires it says so, SQLite takes that for this one, too.
    return (
        f"CREATE TRIGGER move_{table}_{event.lower()} AFTER {event} ON {table} BEGIN"
        f" INSERT OR REPLACE INTO move_log VALUES ('{table}', {one}, {two}, 0);"
        " END;"
    )


_EVENTS = ("INSERT", "UPDATE", "DELETE")
_TRIGGERS = "".join(_trigger(table, event) for table in KEYS for event in _EVENTS)
_END = "DROP TABLE IF EXISTS move_log;" + "".join(
    f"DROP TRIGGER IF EXISTS move_{table}_{event.lower()};" for table in KEYS for event in _EVENTS
)


def connect(file: Path) -> apsw.Connection:
    """Open a tenant's file beside the hub that works on it."""
    connection = connect_plain(file)
    # What is noted here and lost by a power cut is only moved once more.
    connection.pragma("synchronous", "NORMAL")
    began = time.monotonic()

    def wait(attempts: int) -> bool:
        nonlocal began
        began = time.monotonic() if attempts == 0 else began
        time.sleep(_POLL_S)
        return time.monotonic() - began < PATIENCE_S

    connection.set_busy_handler(wait)
    return connection


def begin(connection: apsw.Connection) -> None:
    """Note from now on what changes; what was noted before is forgotten."""
    connection.execute(f"BEGIN IMMEDIATE; {_END} {_TABLE} {_TRIGGERS} COMMIT")


def is_there(connection: apsw.Connection) -> bool:
    """Tell whether changes are being noted."""
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'move_log'")
    return found.fetchone() is not None


def end(connection: apsw.Connection) -> None:
    """Leave the file as if it had never been moved."""
    connection.execute(f"BEGIN IMMEDIATE; {_END} COMMIT")


@contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """See one state of the file while the block runs, whatever is written meanwhile."""
    connection.execute("BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
    try:
        yield
    finally:
        connection.execute("COMMIT")


def noted(connection: apsw.Connection, table: Logged) -> list[Key]:
    """Return the keys of the rows that have changed and are not settled."""
    rows = connection.execute("SELECT one, two FROM move_log WHERE name = ?", (table,))
    return [tuple(row[: len(KEYS[table])]) for row in rows]


def take(connection: apsw.Connection) -> None:
    """Begin to settle what is noted now; what changes after it is noted once more."""
    connection.execute("BEGIN IMMEDIATE; UPDATE move_log SET taken = 1 WHERE NOT taken; COMMIT")


def settle(connection: apsw.Connection) -> None:
    """Forget what was taken: it has been moved as it was then, or as it is since."""
    connection.execute("BEGIN IMMEDIATE; DELETE FROM move_log WHERE taken; COMMIT")
