"""Tables of the SQLite engine, and the steps from each version of them to the next.

The version is SQLite's ``user_version``. A step runs in one transaction with the new version
number, so a crash leaves the old version or the new one. Before the first step the file is copied
to ``<name>.v<version>.bak``: going back to the release before is putting that file in its place.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from madang.model.errors import MadangError

VERSION_1 = """
CREATE TABLE shape (
    id INTEGER PRIMARY KEY,
    types TEXT NOT NULL,
    attributes TEXT NOT NULL,
    count INTEGER NOT NULL
) STRICT;
CREATE TABLE entity (
    rowid INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    shape INTEGER NOT NULL,
    created INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    written INTEGER NOT NULL,
    expires INTEGER,
    west REAL, south REAL, east REAL, north REAL,
    times TEXT,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX entity_shape ON entity (shape);
CREATE INDEX entity_expires ON entity (expires) WHERE expires IS NOT NULL;
CREATE VIRTUAL TABLE place USING rtree (rowid, west, east, south, north);
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE item (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT
) STRICT;
CREATE INDEX delivery_subscription ON delivery (subscription, key);
"""

MIGRATIONS: list[str] = [VERSION_1]
"""``MIGRATIONS[n]`` leads from version n to version n + 1."""


class NewerStore(MadangError):
    """The file was written by a newer Madang."""


def migrate(connection: apsw.Connection, file: Path) -> int:
    """Bring a database to the newest version; return the version it had.

    Raises:
        NewerStore: the file is of a version this program does not know.
    """
    found = int(connection.pragma("user_version"))
    if found > len(MIGRATIONS):
        raise NewerStore(
            f"{file} has store version {found}, this Madang knows up to {len(MIGRATIONS)};"
            " install the newer Madang again"
        )
    if 0 < found < len(MIGRATIONS):
        _keep_copy(connection, file.with_name(f"{file.name}.v{found}.bak"))
    for version in range(found, len(MIGRATIONS)):
        with connection:
            connection.execute(MIGRATIONS[version])
            connection.pragma("user_version", version + 1)
    return found


def _keep_copy(connection: apsw.Connection, target: Path) -> None:
    with apsw.Connection(str(target)) as copy, copy.backup("main", connection, "main") as work:
        while not work.done:
            work.step(1000)
