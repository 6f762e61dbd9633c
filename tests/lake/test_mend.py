"""`madang doctor --mend` removes what a crash left beside the files of a lake."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lock import held

MADANG = Path(sys.executable).with_name("madang")


def doctor(data: Path) -> subprocess.CompletedProcess[str]:
    command = [str(MADANG), "doctor", "--mend", "--data", str(data)]
    environ = {**os.environ, "MADANG_PORT": "0", "MADANG_MQTT_PORT": "0"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)


def test_files_without_an_owner_go_and_history_stays(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "lake" / "scratch")
    lake = DuckLake(engine, SqliteCatalog(tmp_path / "lake" / "default"))
    frame = pl.DataFrame(
        {
            "entity": ["urn:ngsi-ld:T:1"],
            "type": ["T"],
            "attribute": ["a"],
            "time": [datetime(2026, 1, 1, tzinfo=UTC)],
            "number": [1.5],
        }
    )
    assert lake.load(frame, created=1) > 0
    rows = lake.figures().rows
    lake.close()
    engine.close()
    owned = next((tmp_path / "lake" / "default").rglob("*.parquet"))
    orphan = owned.with_name("left-by-a-crash.parquet")
    orphan.write_bytes(owned.read_bytes())
    done = doctor(tmp_path)
    assert "1 files that a crash had left were removed" in done.stdout, done.stdout + done.stderr
    assert f"sound, {rows} rows" in done.stdout
    assert owned.exists()
    assert not orphan.exists()


def test_a_running_hub_is_not_mended(tmp_path: Path) -> None:
    with held(tmp_path):
        done = doctor(tmp_path)
    assert done.returncode == 1
    assert "stop the hub, then run this again" in done.stdout
