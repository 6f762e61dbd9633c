"""A real Mosquitto on a port of its own, to be killed and started again, and its clients."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
MOSQUITTO = shutil.which("mosquitto", path=PATH)
PASSWD = shutil.which("mosquitto_passwd", path=PATH)
PUB = shutil.which("mosquitto_pub", path=PATH)
SUB = shutil.which("mosquitto_sub", path=PATH)
DURABLE = ("persistence true", "autosave_interval 1")
"""Write what waits to the disk every second, and have it after a crash."""

needs_mosquitto = pytest.mark.skipif(
    not (MOSQUITTO and PASSWD),
    reason="Mosquitto is not installed; sh tools/programs.sh installs it on Debian",
)
needs_clients = pytest.mark.skipif(
    not (PUB and SUB),
    reason="Mosquitto's clients are not installed; sh tools/programs.sh installs them on Debian",
)


class Mosquitto:
    """Mosquitto, which keeps its state in a folder and lets everybody in until it has a user."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self._folder = folder
        self._users = folder / "users"
        self._process: asyncio.subprocess.Process | None = None
        folder.mkdir()

    def admit(self, user: str, password: str) -> None:
        """Let in this user from the next start on, and no others."""
        command = [str(PASSWD), "-b", "-c", str(self._users), user, password]
        subprocess.run(command, check=True)

    async def start(self, more: Sequence[str] = ()) -> None:
        """Start it, with more lines of configuration, and wait until it listens."""
        access = ["allow_anonymous true"]
        if self._users.exists():
            access = ["allow_anonymous false", f"password_file {self._users}"]
        # Started by root it would become a user who may not look into pytest's folders.
        keep = ["user root"] if os.geteuid() == 0 else []
        lines = [
            f"listener {self.port} 127.0.0.1",
            *access,
            *DURABLE,
            f"persistence_location {self._folder}/",
            "max_inflight_messages 1000",
            "max_queued_messages 100000",
            *keep,
            *more,
        ]
        config = self._folder / "mosquitto.conf"
        config.write_text("\n".join([*lines, ""]))
        self._process = await asyncio.create_subprocess_exec(
            str(MOSQUITTO), "-c", str(config), stdout=DEVNULL, stderr=DEVNULL
        )
        async with asyncio.timeout(10):
            while not await self._listens():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def _listens(self) -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.close()
            await writer.wait_closed()
            return True
        return False

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(number)
            await self._process.wait()
            self._process = None

    async def stop(self) -> None:
        await self.kill(signal.SIGTERM)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def published(port: int, topic: str, body: str | bytes, *more: str) -> tuple[int, str]:
    """Publish with Mosquitto's client at QoS 1, so until it is acknowledged; return how it ended.

    Args:
        port: of the broker, on this machine.
        topic: where to.
        body: the message.
        more: options, such as user and password.
    """
    content = body.encode() if isinstance(body, str) else body
    command = [str(PUB), "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", topic, "-s", *more]
    done = subprocess.run(command, input=content, capture_output=True, timeout=20, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()
