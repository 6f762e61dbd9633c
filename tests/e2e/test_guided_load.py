"""``madang load`` of a table nobody has described, at a terminal: it shows, asks and remembers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from madang.sense.files.mapping import read
from tests.e2e.server import API, COMMAND, Server

TABLE = """측정소,측정일시,초미세먼지(㎍/㎥),비고
종로,2026-01-31 24:00,31,
중구,2026-01-31 24:00,28,점검
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("guided") / "data") as running:
        yield running


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "대기질.csv"
    path.write_bytes(TABLE.encode("cp949"))
    return path


class Terminal:
    """A program that believes a person sits before it."""

    def __init__(self, *words: str | Path, environ: dict[str, str]) -> None:
        self._master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [str(COMMAND), *map(str, words)],
            stdin=slave, stdout=slave, stderr=slave, close_fds=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "160", "NO_COLOR": "1", **environ},
        )  # fmt: skip
        os.close(slave)

    def until(self, wanted: str, seconds: float = 20.0) -> None:
        """Read until something was said."""
        ends = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < ends, f"it never says {wanted!r}:\n{self.text}"
            if select.select([self._master], [], [], 0.2)[0]:
                self.text += os.read(self._master, 65536).decode()

    def type(self, line: str) -> None:
        self.text = ""
        os.write(self._master, f"{line}\n".encode())

    def end(self) -> int:
        """Read to the end; return the exit code."""
        while True:
            try:
                found = os.read(self._master, 65536)
            except OSError:  # the other side is closed
                break
            if not found:
                break
            self.text += found.decode()
        os.close(self._master)
        return self.process.wait(20)


def entity(server: Server, id: str) -> Any:
    answer = server.request("GET", f"{API}/entities/{quote(id)}")
    assert answer.status == 200, answer.body
    return answer.json()


def test_what_is_accepted_at_the_terminal_is_loaded_and_remembered(
    server: Server, table: Path
) -> None:
    environ = {"MADANG_DATA": str(server.data)}
    terminal = Terminal("load", table, "--url", server.url, environ=environ)
    terminal.until("Take it")
    assert "cp949" in terminal.text
    assert "pm25 (number)" in terminal.text
    assert "AirQualityObserved" in terminal.text
    terminal.type("4")
    terminal.until("leave the column out")
    terminal.type("-")
    terminal.until("Take it")
    terminal.type("99")
    terminal.until("none of the choices")
    terminal.until("Take it")
    terminal.type("t")
    terminal.until("Entity type")
    terminal.type("AirQualityForecast")
    terminal.until("Take it")
    terminal.type("")
    assert terminal.end() == 0, terminal.text
    assert "2 entities loaded" in terminal.text
    found = entity(server, "urn:ngsi-ld:AirQualityForecast:종로")
    assert found["pm25"] == {
        "type": "Property",
        "value": 31,
        "unitCode": "GQ",
        "observedAt": "2026-01-31T15:00:00Z",
    }
    assert "description" not in found
    kept = list((server.data / "mappings").glob("*.toml"))
    assert len(kept) == 1
    assert read(str(kept[0])).entity[0].type == "AirQualityForecast"

    again = Terminal("load", table, "--url", server.url, environ=environ)
    assert again.end() == 0
    assert "as accepted before" in again.text
    assert "Take it" not in again.text


def test_a_file_that_is_left_out_loads_nothing(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("id,noise\na,55\n")
    environ = {"MADANG_DATA": str(server.data)}
    terminal = Terminal("load", path, "--url", server.url, environ=environ)
    terminal.until("Take it")
    terminal.type("l")
    assert terminal.end() == 0
    assert "0 entities loaded" in terminal.text


def test_without_a_terminal_the_guess_is_printed_and_taken(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_text("id,noise\na,55\n")
    done = server.madang("load", str(path))
    assert done.returncode == 0, done.stderr
    assert "LAeq (number)" in done.stdout
    assert entity(server, "urn:ngsi-ld:NoiseLevelObserved:a")["LAeq"]["value"] == 55
    assert not list((server.data / "mappings").glob("NoiseLevel*"))


def test_show_loads_nothing(tmp_path: Path) -> None:
    path = tmp_path / "noise.csv"
    path.write_text("id,noise\na,55\n")
    done = subprocess.run(
        [COMMAND, "load", "--show", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 'LAeq = { column = "noise", kind = "number", unit = "2N" }' in done.stdout
