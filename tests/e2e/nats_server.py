"""Real NATS servers on ports of their own, alone or as a cluster, to be killed and restarted."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.e2e.server import free_port

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
PROGRAM = shutil.which("nats-server", path=PATH)

needs_nats = pytest.mark.skipif(
    PROGRAM is None,
    reason="NATS is not installed; sh tools/programs.sh installs it on Debian",
)


class NatsServer:
    """A server with JetStream, for one user; what it keeps stays over a restart.

    Args:
        password: of the user.
        routes: ports by which the servers of a cluster reach one another, this one's first.
        jetstream: whether it keeps anything at all.
        tls: certificate and key, if all is to be encrypted.
    """

    def __init__(
        self,
        password: str = "secret",
        routes: Sequence[int] = (),
        *,
        jetstream: bool = True,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        self.port = free_port()
        self._watch = free_port()
        self._routes = routes
        self._keeping = jetstream
        self.password = password
        self._tls = tls
        self.url = f"{'tls' if tls else 'nats'}://madang@127.0.0.1:{self.port}"
        self._folder = tempfile.mkdtemp(prefix="madang-nats-")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self.authorization = ""
        """Who may do what, in the server's own words, in place of the one user who may all."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert PROGRAM is not None
        words = ["-a", "127.0.0.1", "-p", str(self.port)]
        words += ["-n", f"nats-{self.port}", "-m", str(self._watch)]
        words += ["-js", "-sd", self._folder] if self._keeping else []
        if self._tls:
            words += ["--tls", "--tlscert", str(self._tls[0]), "--tlskey", str(self._tls[1])]
        if self._routes:
            own, *others = (f"nats://127.0.0.1:{port}" for port in self._routes)
            words += ["--cluster_name", "madang", "--cluster", own, "--routes", ",".join(others)]
        self._process = subprocess.Popen(
            [PROGRAM, *words, *self._users()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self._process.poll() is None, "nats-server has ended; is the port taken?"
                assert time.monotonic() < end, "nats-server does not listen"
                time.sleep(0.02)

    def _users(self) -> list[str]:
        if not self.authorization:
            return ["--user", "madang", "--pass", self.password]
        path = Path(self._folder) / "users.conf"
        path.write_text(self.authorization)
        return ["-c", str(path)]

    def watch(self, path: str) -> str:
        """Return what monitoring answers, also if that is an error."""
        url = f"http://127.0.0.1:{self._watch}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as found:
                return str(found.read(), "utf-8")
        except HTTPError as error:
            return str(error.read(), "utf-8")
        except OSError as error:
            return repr(error)

    def is_current(self) -> bool:
        """Tell whether it has all that the others have of each stream and consumer."""
        return '"ok"' in self.watch("/healthz")

    def forget(self) -> None:
        """Lose all that it keeps; it must not run."""
        shutil.rmtree(self._folder)

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def cluster(size: int) -> list[NatsServer]:
    """Return servers that pass on to one another what each is told; none is started yet."""
    ports = [free_port() for _ in range(size)]
    return [NatsServer(routes=[*ports[n:], *ports[:n]]) for n in range(size)]
