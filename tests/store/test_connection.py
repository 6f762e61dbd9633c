"""The settings a connection must have for what the engine promises."""

from __future__ import annotations

from pathlib import Path

from madang.store.connection import connect

FULL, MEMORY = 2, 2


def test_a_connection_syncs_fully_and_maps_the_file(tmp_path: Path) -> None:
    connection = connect(tmp_path / "x.sqlite")
    found = {
        name: connection.pragma(name)
        for name in ("journal_mode", "synchronous", "temp_store", "wal_autocheckpoint")
    }
    assert found == {
        "journal_mode": "wal",
        "synchronous": FULL,
        "temp_store": MEMORY,
        "wal_autocheckpoint": 0,
    }
    assert connection.pragma("mmap_size") >= 1 << 28
    assert connection.pragma("cache_size") < -10_000
    connection.close()
