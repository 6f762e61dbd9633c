"""What the doctor finds, and that it says how to mend it."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from madang import doctor
from madang.doctor import Finding, examine
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.settings import Settings
from madang.store.engine import SqliteEngine
from tests.lake.outbox import Outbox, entity


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", port=0, mqtt_port=0)


def about(findings: list[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject.startswith(subject))


async def test_a_healthy_machine_has_only_good_findings(settings: Settings) -> None:
    engine = SqliteEngine(settings.data / "state")
    await engine.open("", create=True)
    await engine.close()
    findings = await examine(settings)
    assert {finding.verdict for finding in findings} <= {"good", "warning"}
    assert "sound, 0 entities" in about(findings, "Store of the default tenant").text


async def test_whatever_is_not_good_comes_with_a_remedy(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "FREE_GB_BAD", 1e9)
    monkeypatch.setattr(doctor, "SLOW_SYNC_MS", -1.0)
    monkeypatch.setattr(doctor, "OLDEST_PYTHON", (9, 0))
    monkeypatch.setattr(doctor, "_LIBRARIES", ("no-such-library",))
    findings = await examine(settings.model_copy(update={"host": "0.0.0.0"}))
    poor = [finding for finding in findings if finding.verdict != "good"]
    assert len(poor) == 5
    assert all(finding.remedy for finding in poor)


def test_looking_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    asyncio.run(examine(settings))
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_store_is_found(settings: Settings) -> None:
    state = settings.data / "state"
    state.mkdir(parents=True)
    (state / "default.sqlite").write_bytes(b"not a database at all, but long enough" * 100)
    finding = about(await examine(settings), "Store of the default tenant")
    assert finding.verdict == "bad"
    assert "restore" in finding.remedy


@pytest.fixture
def other_program() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.slow
async def test_a_damaged_lake_is_found(settings: Settings) -> None:
    folder = settings.data / "lake" / "default"
    engine = Engine(settings.data / "lake" / "scratch")
    lake = DuckLake(engine, SqliteCatalog(folder))
    lake.take([Outbox().put(entity("urn:ngsi-ld:Room:1", n=1))])
    lake.drain()
    lake.close()
    engine.close()

    async def told() -> list[tuple[str, str]]:
        found = [one for one in await examine(settings) if one.subject == "History in default"]
        return [(one.verdict, one.text) for one in found]

    (good,) = await told()
    assert good[0] == "good"
    assert "2 rows" in good[1]
    file = next(folder.rglob("*.parquet"))
    file.unlink()
    (bad,) = await told()
    assert bad[0] == "bad"
    assert "cannot be opened" in bad[1]
    assert file.name in bad[1]
    (folder / "catalog.sqlite").write_bytes(b"no database at all" * 100)
    (bad,) = await told()
    assert "cannot be opened" in bad[1]


async def test_a_port_of_another_program_is_bad_for_http_and_a_warning_for_mqtt(
    settings: Settings, other_program: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_is_hub", lambda host, port: False)
    taken = settings.model_copy(update={"port": other_program, "mqtt_port": other_program})
    findings = await examine(taken)
    assert about(findings, "port ").verdict == "bad"
    assert about(findings, "mqtt_port ").verdict == "warning"


class _Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": "ok", "version": "0.1.0"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


async def test_a_port_of_our_own_hub_is_good(settings: Settings) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ours = settings.model_copy(update={"port": server.server_address[1]})
        finding = about(await examine(ours), "port ")
        server.shutdown()
    assert finding.verdict == "good"
    assert "a Madang hub is running" in finding.text
