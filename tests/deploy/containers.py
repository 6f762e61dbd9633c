"""Containers without images: namespaces of Linux on a network of their own, by root only.

What a Compose file says of commands, variables, addresses, volumes, secrets, users and health
checks is done by the kernel; the programs are Debian's and the checkout's own.
"""

from __future__ import annotations

import ctypes
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.unit import ROOT

HERE = Path(__file__).parent
SPACES = ["unshare", "--net", "--mount", "--uts", "--ipc", "--propagation", "private"]
PATH = f"{sys.prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NETWORK = "172.30.64"


def _can_contain() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip", path=PATH) is None:
        return False
    try_it = "ip link add first type veth peer name second && mount -t tmpfs none /srv"
    done = subprocess.run([*SPACES, "sh", "-c", try_it], capture_output=True, check=False)
    return done.returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _can_contain(), reason="only root may make networks and file systems, with iproute2"
)
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path=PATH) is None,
    reason="nginx is not installed; sh tools/programs.sh installs it on Debian",
)


@dataclass
class Container:
    """What is run in one container.

    Args:
        name: by which the others find it.
        command: the program and its words.
        environment: its variables.
        mounts: folders and files of this machine, by where they are in the container.
        user: and group, by number.
        writable: places where it may write beside its mounts; None is everywhere.
        address: the last part of it.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, Path] = field(default_factory=dict)
    user: tuple[int, int] = (0, 0)
    folder: str = "/"
    health: Sequence[str] = ()
    writable: Sequence[str] | None = ()
    address: int = 0


class World:
    """Containers on one bridge, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.containers: dict[str, Container] = {}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._numbers = itertools.count()
        self._links: dict[str, tuple[str, int]] = {}
        words = [*SPACES, "sleep", "infinity"]
        self._bridge = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _until(lambda: _space(self._bridge.pid) != _space(os.getpid()))
        # A bridge takes the lowest address of its links if it has none of its own, and they change.
        for line in (
            "link add br0 address 02:42:ac:1e:40:01 type bridge",
            f"addr add {NETWORK}.1/24 dev br0",
            "link set br0 up",
            "link set lo up",
        ):
            self._ip(self._bridge.pid, line)

    def add(self, container: Container) -> None:
        """Give a container an address; it is not started yet."""
        taken = {one.address for one in self.containers.values()}
        container.address = container.address or next(n for n in range(10, 250) if n not in taken)
        self.containers[container.name] = container

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def start(self, name: str) -> None:
        """Start a container without waiting until it is well."""
        found = self.containers[name]
        hosts = [f"{NETWORK}.{one.address} {one.name}" for one in self.containers.values()]
        plan = {
            "hostname": name,
            "hosts": "\n".join(["127.0.0.1 localhost", *hosts, ""]),
            "mounts": {place: str(what) for place, what in found.mounts.items()},
            "writable": found.writable,
            "user": found.user,
            "folder": found.folder,
            "command": found.command,
            "environment": {"PATH": PATH, "HOSTNAME": name, **found.environment},
            "venv": sys.prefix,
            "source": str(ROOT),
        }
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(plan))
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [*SPACES, sys.executable, str(HERE / "contained.py"), str(file)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), self.log(name).read_text()
        self._unlink(name)
        link = f"v{next(self._numbers)}"
        # Outlives the program, as Docker's does: what it has sent arrives.
        self._links[name] = link, os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
        # The same for the same address, as Docker has it: others know it for half a minute.
        mac = f"02:42:ac:1e:40:{found.address:02x}"
        self._ip(
            self._bridge.pid,
            f"link add {link} type veth peer name eth0 address {mac} netns {process.pid}",
        )
        self._ip(self._bridge.pid, f"link set {link} master br0 up")
        self._ip(process.pid, f"addr add {NETWORK}.{found.address}/24 dev eth0")
        self._ip(process.pid, "link set eth0 up")
        process.stdin.write("\n")
        process.stdin.close()
        self._processes[name] = process

    def _unlink(self, name: str) -> None:
        if name in self._links:
            link, network = self._links.pop(name)
            self._ip(self._bridge.pid, f"link delete {link}")
            os.close(network)

    def run(self, name: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container that runs, as its user."""
        found = self.containers[name]
        user, group = found.user
        pid = str(self._processes[name].pid)
        words = ["nsenter", "--target", pid, "--net", "--mount", "--uts",
                 f"--setuid={user}", f"--setgid={group}"]  # fmt: skip
        environ = {"PATH": PATH, **found.environment, **environment}
        return subprocess.run(
            [*words, *command], env=environ, capture_output=True, text=True, check=False
        )

    def is_well(self, name: str) -> bool:
        process, found = self._processes[name], self.containers[name]
        assert process.poll() is None, f"{name} has ended:\n{self.log(name).read_text()[-3000:]}"
        return self.run(name, *found.health).returncode == 0

    def wait_for(self, name: str, wait_s: float = 90.0) -> None:
        """Wait until a container says that it is well."""
        _until(lambda: self.is_well(name), wait_s, lambda: self.log(name).read_text()[-3000:])

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """End a container; return its exit code."""
        process = self._processes.pop(name)
        process.send_signal(number)
        assert process.stdout is not None
        process.stdout.close()
        return process.wait(60)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread open connections on the network of the containers."""
        with Path("/proc/thread-self/ns/net").open() as home:
            with Path(f"/proc/{self._bridge.pid}/ns/net").open() as network:
                _enter(network.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def connect(self, name: str, port: int = 8080) -> http.client.HTTPConnection:
        """Return an open connection to a container; it stays what it is in other threads."""
        address = f"{NETWORK}.{self.containers[name].address}"
        connection = http.client.HTTPConnection(address, port, timeout=60)
        connection.auto_open = 0  # it would be opened on the network of this machine
        with self.inside():
            connection.connect()
        return connection

    def close(self) -> None:
        for name in list(self._processes):
            self.stop(name, signal.SIGKILL)
        for name in list(self._links):
            self._unlink(name)
        self._bridge.kill()
        self._bridge.wait()

    @staticmethod
    def _ip(pid: int, line: str) -> None:
        words = ["nsenter", "--target", str(pid), "--net", "ip", *line.split()]
        subprocess.run(words, env={"PATH": PATH}, check=True)


def _space(pid: int) -> Path:
    return Path(f"/proc/{pid}/ns/net").readlink()


def _enter(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _until(
    condition: Callable[[], bool], wait_s: float = 10.0, why: Callable[[], str] = str
) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        assert time.monotonic() < end, f"not so after {wait_s:g} s\n{why()}"
        time.sleep(0.3)  # asking takes processor time from what is asked
