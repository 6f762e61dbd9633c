"""The unit of systemd, used: what it says is started as it says, with nothing more allowed.

systemd itself does not run where the tests do. So ``confined.py`` does with the kernel's own means
what systemd would: another user, a read-only file system, no capabilities, only the system calls
named. Not done: ``PrivateDevices`` and the ``ProtectKernel...`` lines that only take away what an
ordinary user may not do anyway.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import types
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from madang.settings_sources import load
from tests.deploy.unit import FILE, ROOT, TEMPLATE, Unit
from tests.e2e.server import free_port

NOBODY = 65_534
HERE = Path(__file__).parent
ALONE = ["unshare", "--mount", "--ipc", "--propagation", "private"]
PLACE = "/var/lib/madang"


def _can_confine() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="Debian's package systemd is not installed"
)
needs_root = pytest.mark.skipif(
    not _can_confine(), reason="only root may make a file system of its own, as systemd does"
)


class Manager:
    """The end of systemd that a service talks to (sd_notify)."""

    def __init__(self) -> None:
        self.address = f"@madang-test-{os.getpid()}-{free_port()}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:])

    def hear(self, process: subprocess.Popen[bytes], wait_s: float) -> str:
        """Return what the service tells next; nothing if it ends or is silent for so long."""
        self._socket.settimeout(0.2)
        until = time.monotonic() + wait_s
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                return self._socket.recv(4096).decode()
        return ""

    def close(self) -> None:
        self._socket.close()


@contextmanager
def service(tmp_path: Path, manager: Manager, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start what the unit starts; end it."""
    process = started(tmp_path, manager, Unit(), more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def started(
    tmp_path: Path,
    manager: Manager,
    unit: Unit,
    more: Mapping[str, str],
    shared: Mapping[str, Path] = types.MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """Start what a unit starts, in the way that the unit asks for.

    Args:
        tmp_path: has its state and its log.
        manager: hears what it tells systemd.
        unit: what is started.
        more: variables, as they would stand in ``EnvironmentFile``.
        shared: folders of this machine, by where the service finds them.
    """
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    watchdog_us = int(unit.one("WatchdogSec")) * 1_000_000
    plan = {
        "user": NOBODY,
        "folder": unit.one("WorkingDirectory"),
        "state": str(state),
        "shared": {place: str(what) for place, what in shared.items()},
        "writable": unit.all("ReadWritePaths"),
        "venv": sys.prefix,
        "source": str(ROOT),
        "opt": "/opt/madang/.venv",
        "command": unit.one("ExecStart").split(),
        "environment": {
            "PATH": "/usr/bin:/bin",
            "HOME": unit.one("WorkingDirectory"),
            **unit.environment(),
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(watchdog_us),
            **more,
        },
        "system_calls": unit.system_calls(),
        "families": unit.one("RestrictAddressFamilies").split(),
    }
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    with (tmp_path / "log").open("ab") as log:
        return subprocess.Popen(
            [*ALONE, sys.executable, str(HERE / "confined.py"), str(file)], stdout=log, stderr=log
        )


@needs_systemd
@pytest.mark.parametrize("unit", [FILE, TEMPLATE], ids=lambda file: file.stem)
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path, unit: Path) -> None:
    program = tmp_path / "madang"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = tmp_path / unit.name.replace("@", "@worker")
    start = Unit().one("ExecStart").split()[0]
    file.write_text(unit.read_text().replace(start, str(program)))
    words = ["systemd-analyze", "verify", "--man=no", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "madang" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", [FILE, TEMPLATE], ids=lambda file: file.stem)
def test_the_unit_leaves_little_to_attack(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20"]
    done = subprocess.run([*words, str(unit)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-200:]  # 2.0 of 10, as systemd counts


def test_the_unit_names_settings_that_there_are() -> None:
    chosen = load({}, environ=Unit().environment())
    assert chosen.data == Path(PLACE, "data")
    assert chosen.log_format == "json"


def test_the_user_of_the_unit_is_made() -> None:
    made = FILE.with_name("madang.sysusers.conf").read_text().splitlines()[-1].split()
    assert made[:2] == ["u", Unit().one("User")]
    assert made[-1] == PLACE


@pytest.mark.slow
@needs_root
@needs_systemd
def test_what_the_unit_starts_works_confined_and_tells_systemd(tmp_path: Path) -> None:
    port, manager = free_port(), Manager()
    ports = {"MADANG_PORT": str(port), "MADANG_MQTT_PORT": str(free_port())}
    url = f"http://127.0.0.1:{port}"
    try:
        with service(tmp_path, manager, **ports) as process:
            assert manager.hear(process, 60) == "READY=1", (tmp_path / "log").read_text()
            assert manager.hear(process, 5) == "WATCHDOG=1"
            with urllib.request.urlopen(f"{url}/ready", timeout=10) as answer:
                assert answer.status == 200
            status = Path(f"/proc/{process.pid}/status").read_text()
            facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert set(facts["Uid"].split()) == {str(NOBODY)}
            assert facts["CapBnd"].strip("0") == facts["CapEff"].strip("0") == ""
            assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
            write(tmp_path, url)
            process.terminate()
            assert manager.hear(process, 30) == "STOPPING=1"
            assert process.wait(60) == 0, (tmp_path / "log").read_text()
        kept = tmp_path / "state" / "data"
        assert (kept / "state").is_dir()
        assert all(one.stat().st_mode & 0o077 == 0 for one in kept.rglob("*"))
        with service(tmp_path, manager, **ports) as process:
            assert manager.hear(process, 60) == "READY=1", (tmp_path / "log").read_text()
            assert read(tmp_path, url) == 21.5
    finally:
        manager.close()


def madang(tmp_path: Path, *words: str) -> str:
    """Run the command line as root does on that machine, with the key of the running hub."""
    data = str(tmp_path / "state" / "data")
    words = (str(Path(sys.executable).with_name("madang")), *words)
    environ = {**os.environ, "MADANG_DATA": data}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(tmp_path: Path, url: str) -> None:
    room = {"id": "urn:ngsi-ld:Room:1", "type": "Room"}
    file = tmp_path / "room.json"
    file.write_text(json.dumps([{**room, "temperature": {"type": "Property", "value": 21.5}}]))
    madang(tmp_path, "load", str(file), "--url", url)


def read(tmp_path: Path, url: str) -> float:
    found = json.loads(madang(tmp_path, "find", "--type", "Room", "--json", "--url", url))
    return float(found[0]["temperature"]["value"])
