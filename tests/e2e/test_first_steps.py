"""What somebody does first with a hub started by ``madang up``, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import COMMAND, Server


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A hub on the data folder that there is if nobody names one: a relative path."""
    monkeypatch.chdir(tmp_path)
    with Server(Path("madang-data"), open=False) as server:
        yield server


def madang(
    hub: Server, folder: Path, *words: str, key: str = ""
) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MADANG_")}
    environ |= {"MADANG_URL": hub.url, "MADANG_KEY": key}
    return subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_is_loaded_and_its_history_asked_in_sql(hub: Server, tmp_path: Path) -> None:
    (tmp_path / "spots.csv").write_text("id,status\n1,free\n2,taken\n")
    done = madang(hub, tmp_path, "load", "spots.csv", "--type", "ParkingSpot")
    assert done.returncode == 0, done.stderr
    sql = "SELECT count(*) AS n FROM history WHERE attribute = 'status'"
    done = madang(hub, tmp_path, "sql", sql, "--format", "csv")
    assert (done.returncode, done.stdout.split()) == (0, ["n", "2"]), done.stderr


def test_from_another_folder_a_load_says_once_how_to_be_let_in(hub: Server, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    rows = "".join(f"{number},free\n" for number in range(3000))
    (elsewhere / "spots.csv").write_text("id,status\n" + rows)
    words = ("load", "spots.csv", "--type", "ParkingSpot")
    done = madang(hub, elsewhere, *words)
    assert done.returncode == 2
    assert done.stderr.count("MADANG_DATA to its data folder") == 1, done.stderr
    key = madang(hub, tmp_path, "key", "create", "loader", "--app", "--write", "ParkingSpot")
    done = madang(hub, elsewhere, *words, key=key.stdout.strip())
    assert done.returncode == 0, done.stderr


def test_the_engine_of_history_is_loaded_before_anybody_is_answered(hub: Server) -> None:
    maps = Path("/proc", str(hub.pid), "maps")
    if not maps.exists():
        pytest.skip("only Linux tells what a process has loaded")
    assert "/ducklake.duckdb_extension" in maps.read_text()
