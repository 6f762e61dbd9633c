"""Whatever a client sends, the hub answers, lives and does not grow: fuzzed from its OpenAPI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import Server

GROWTH = 150 * 1024 * 1024  # bytes of memory the run may add: caches fill up to their bounds


def memory_of(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


OTHERS = "^/(ngsi-ld/.*|changes|relay|live|devices/.+/socket|sense/socket/.+|history/instances)$"
"""What is not fuzzed with the rest: NGSI-LD, answers that go on as long as one listens, Parquet."""


@pytest.mark.parametrize(
    ("paths", "examples", "checks"),
    [
        (["--include-path-regex=^/ngsi-ld/"], 10, "not_a_server_error"),
        (
            [f"--exclude-path-regex={OTHERS}"],
            2,
            "not_a_server_error,response_schema_conformance",
        ),
    ],
    ids=["hub", "beside"],
)
def test_no_request_makes_it_fail_hang_or_grow(
    tmp_path: Path, paths: list[str], examples: int, checks: str
) -> None:
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    with Server(tmp_path / "data", environ=limits) as server:
        # What history needs is loaded when it is first asked: half of what the hub itself takes.
        asked = server.request("GET", "/ngsi-ld/v1/temporal/entities?type=Sensor&lastN=1")
        assert asked.status == 200
        # Making the document may take longer than a busy machine lets schemathesis wait.
        assert server.request("GET", "/openapi.json").status == 200
        before = memory_of(server.pid)
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.url}/openapi.json",
            *paths,
            f"--checks={checks}",
            f"--max-examples={examples}",
            "--phases=fuzzing",
            "--request-timeout=10",
            "--seed=20261121",
            "--no-color",
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path
        )
        assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
        assert server.request("GET", "/health").status == 200
        assert memory_of(server.pid) - before < GROWTH
