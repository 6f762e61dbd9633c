"""Connections to a SQLite store, all with the settings that the engine's promises need."""

from __future__ import annotations

from pathlib import Path

import apsw

LOG_BYTES = 128 << 20  # of the write-ahead log that are kept when it begins anew

_PRAGMAS: dict[str, str | int] = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "temp_store": "MEMORY",
    "cache_size": -32_768,  # [KiB]
    "mmap_size": 256 << 20,  # of each connection; more is hardly faster, and counts as memory
    "wal_autocheckpoint": 0,  # Log does it
    "journal_size_limit": LOG_BYTES,
}


def connect(file: Path) -> apsw.Connection:
    """Open a connection with the settings that every one of ours has."""
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(10_000)
    for name, value in _PRAGMAS.items():
        connection.pragma(name, value)
    return connection
