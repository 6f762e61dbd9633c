"""The template unit of several hubs, used: four of one machine, restarted one after the other."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from madang.settings_sources import load
from tests.contract import cluster
from tests.deploy.test_systemd import NOBODY, Manager, needs_root, needs_systemd, started
from tests.deploy.unit import TEMPLATE, Unit
from tests.e2e.balanced import Balanced
from tests.e2e.nats_server import NatsServer, needs_nats
from tests.e2e.server import API, free_port
from tests.e2e.test_several_hubs import SECRET, reading, room, until

SOCKETS = "/var/lib/postgresql"
HISTORY = "/var/lib/madang/history"
ROLES = {"sense": "sense", "worker": "worker", "api": "api", "api-2": "api"}


class Hub:
    """One instance of the template; ``manager`` is the end of systemd that it talks to."""

    def __init__(self, folder: Path, name: str, environ: dict[str, str], **shared: Path) -> None:
        self.folder, self.port, self._manager = folder / name, free_port(), Manager()
        self.folder.mkdir()
        own = {"MADANG_PORT": str(self.port), "MADANG_MQTT_PORT": str(free_port())}
        own |= {"MADANG_ROLE": ROLES[name]} if ROLES[name] != name else {}
        self._environ = {**environ, **own}
        self._unit, self._shared = Unit(TEMPLATE, name), {SOCKETS: shared["sockets"]}
        self._shared[HISTORY] = shared["history"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when systemd would: it has told that it serves."""
        self._process = started(self.folder, self._manager, self._unit, self._environ, self._shared)
        assert self._manager.hear(self._process, 60) == "READY=1", self.log()

    def stop(self) -> None:
        """Stop it as ``systemctl`` does."""
        assert self._process is not None
        self._process.terminate()
        while (told := self._manager.hear(self._process, 30)) == "WATCHDOG=1":
            pass
        assert told == "STOPPING=1"
        assert self._process.wait(60) == 0, self.log()
        self._process = None

    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._manager.close()


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[dict[str, Hub]]:
    postgres, nats = cluster.started(), NatsServer()
    history = tmp_path / "history"
    history.mkdir()
    history.chmod(0o777)
    postgres.folder.chmod(0o755)
    postgres.make("madang")
    environ = {
        "MADANG_STORE": f"postgres://madang@/madang?host={SOCKETS}",
        "MADANG_BUS": nats.url,
        "MADANG_BUS_PASSWORD": nats.password,
        "MADANG_SECRET_KEY": SECRET,
        "MADANG_OPEN": "true",
        "MADANG_HISTORY_DRAIN_S": "0.5",
    }
    made = {
        name: Hub(tmp_path, name, environ, sockets=postgres.folder, history=history)
        for name in ROLES
    }
    try:
        nats.start()
        for hub in made.values():
            hub.start()
        yield made
    finally:
        for hub in made.values():
            hub.close()
        nats.kill()
        cluster._end(postgres)


def test_an_instance_is_the_role_that_it_is_named_after() -> None:
    for name in ("api", "worker", "sense"):
        given = Unit(TEMPLATE, name).environment()
        common = {"MADANG_STORE": "postgres://madang@/madang", "MADANG_BUS": "nats://madang@nats"}
        found = load({}, environ={**given, **common})
        assert (found.role, found.data) == (name, Path("/var/lib/madang", name))
        assert found.history_path == HISTORY


@pytest.mark.slow
@needs_root
@needs_systemd
@needs_nats
def test_units_are_restarted_one_after_the_other_without_a_failed_request(
    hubs: dict[str, Hub], tmp_path: Path
) -> None:
    ports = [hubs[name].port for name in ("api", "api-2")]
    # Asks the other hub where a connection is refused or closed, and only there.
    with closing(Balanced(ports, retried=())) as client:
        status, body = client.request("POST", f"{API}/entities", room(1, temperature=0))
        assert status == 201, body
        value = 0
        for hub in hubs.values():
            hub.stop()
            value = write(client, value, 5)
            hub.start()
            value = write(client, value, 5)
        for port in ports:
            with closing(Balanced([port])) as one:
                _, body = one.request("GET", f"{API}/entities/urn:ngsi-ld:Room:1")
                assert orjson.loads(body)["temperature"]["value"] == value
    # The worker has written history where all hubs see it, as the user of the unit.
    files = tmp_path / "history"
    until(lambda: any(files.rglob("*.parquet")), 30)
    assert {one.stat().st_uid for one in files.rglob("*")} == {NOBODY}


def write(client: Balanced, value: int, times: int) -> int:
    """Write a temperature so many times; return the last one."""
    for _ in range(times):
        value += 1
        path = f"{API}/entities/urn:ngsi-ld:Room:1/attrs"
        status, body = client.request("PATCH", path, reading(value))
        assert status == 204, body
    return value
