"""Madang as a user runs it: ``madang up`` in its own process, to be used, killed, restarted."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Self

import orjson

from tests.e2e import forked

COMMAND = Path(sys.executable).with_name("madang")
API = "/ngsi-ld/v1"
PORTS = (10_000, 32_000)  # below those that Linux gives to outgoing connections


class ServerFailed(Exception):
    """The process ended, or was not ready in time; the text has the end of its log."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    """Names in lower case; repeated ones joined with a comma and a blank."""
    body: bytes

    def json(self) -> object:
        return orjson.loads(self.body)


def free_port() -> int:
    """Return a port nobody listens on, and that no outgoing connection is given meanwhile."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)  # tests are seeded alike in each process
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class Server:
    """One server over one data folder; the port stays the same over restarts.

    Args:
        data: its data folder.
        options: more options of ``madang up``.
        environ: variables besides those of this process (``MADANG_*`` of it are not passed on).
        core: the processor core it is bound to, where ``taskset`` is there.
        open: nobody needs to sign in.
        role: of ``madang node``; none is ``madang up``.
        paces: seconds from one look or try of some part of it to the next, by the name of the
            constant, where a test would wait for nothing else. Not of the real executable.
    """

    imports = True
    """Start the real executable; tests fork it instead: see tests/conftest.py."""

    def __init__(
        self,
        data: Path,
        *options: str,
        environ: dict[str, str] | None = None,
        core: int | None = None,
        open: bool = True,
        role: str | None = None,
        paces: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.data = data
        self.port = free_port()
        self.mqtt_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.with_name(data.name + ".log")
        self._words = ("up", "--no-demo") if role is None else ("node", "--role", role)
        self._options = options
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("MADANG_")}
        self.environ.update({"MADANG_OPEN": "true"} if open else {})
        self.environ.update(environ or {})
        self._core = core
        self._paces = paces
        self._process: subprocess.Popen[bytes] | forked.Forked | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def launch(self) -> None:
        """Start the process without waiting for it."""
        self._run(
            *self._words, "--data", str(self.data), "--port", str(self.port),
            "--mqtt-port", str(self.mqtt_port), *self._options,
        )  # fmt: skip

    def _run(self, *words: str) -> None:
        with self.log.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            if not self.imports and "PYTHONPATH" not in self.environ:
                streams = (nothing, log, log)
                self._process = forked.Forked(
                    words, self.environ, streams, core=self._core, paces=self._paces
                )
                return
            assert not self._paces, "the real executable has its own"
            command = [str(COMMAND), *words]
            if self._core is not None and shutil.which("taskset"):
                command = ["taskset", "-c", str(self._core), *command]
            self._process = subprocess.Popen(
                command, env=self.environ, stdin=nothing, stdout=log, stderr=log
            )

    def start(self, wait_s: float = 30.0) -> float:
        """Start the process and wait until it is ready; return how long that took. [s]"""
        began = time.perf_counter()
        self.launch()
        self.wait_for(self.ready, wait_s)
        return time.perf_counter() - began

    def wait_for(self, ready: Callable[[], bool], wait_s: float = 30.0) -> None:
        """Wait until the process is ready, by a test that may raise OSError until then."""
        began = time.perf_counter()
        while not self._is(ready):
            if self._process is not None and self._process.poll() is not None:
                raise ServerFailed(f"the server ended:\n{self.log_end()}")
            if time.perf_counter() - began > wait_s:
                raise ServerFailed(f"not ready after {wait_s:g} s:\n{self.log_end()}")
            time.sleep(0.005)

    @staticmethod
    def _is(ready: Callable[[], bool]) -> bool:
        try:
            return ready()
        except OSError:
            return False

    def ready(self) -> bool:
        """Return whether it says that it serves requests."""
        return self.request("GET", "/ready", timeout_s=5).status == 200

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int:
        """Ask the process to end and wait for it; return its exit code."""
        return self._signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Let the process do nothing more, and not end."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on, as if nothing had been."""
        os.kill(self.pid, signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise ServerFailed(f"it did not end within 30 s:\n{self.log_end()}") from None
        finally:
            self._process = None

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 60,
    ) -> Answer:
        """Send one request on a connection of its own; a body that is no bytes is sent as JSON."""
        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        head = {} if content is None else {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, content, {**head, **(headers or {})})
            response = connection.getresponse()
            names: dict[str, str] = {}
            for name, value in response.getheaders():
                key = name.lower()
                names[key] = f"{names[key]}, {value}" if key in names else value
            return Answer(response.status, names, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no proper answer: {error!r}") from error
        finally:
            connection.close()

    def local_key(self) -> dict[str, str]:
        """Return the header by which programs of this machine sign in (madang/trust/local.py)."""
        content = orjson.loads((self.data / "local.key").read_bytes())
        return {"Authorization": f"Bearer {content['key']}"}

    def log_end(self, characters: int = 4000) -> str:
        """Return the end of what it has logged."""
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def madang(
        self, *words: str, timeout_s: float = 60, cwd: Path | None = None, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line against it, as somebody at this machine does."""
        environ = {name: one for name, one in os.environ.items() if not name.startswith("MADANG_")}
        environ |= {"MADANG_URL": self.url, "MADANG_DATA": str(self.data)}
        if not self.imports:
            return forked.run(words, environ, cwd=cwd, stdin=stdin, timeout_s=timeout_s)
        return subprocess.run(
            [str(COMMAND), *words],
            capture_output=True, text=True, timeout=timeout_s, check=False, cwd=cwd, env=environ,
            input=stdin,
        )  # fmt: skip

    def said(self, *words: str, timeout_s: float = 60) -> str:
        """Return what a command prints; it must end well."""
        done = self.madang(*words, timeout_s=timeout_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()
