"""A real Mosquitto on a port of its own, to be killed and started again."""

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

PATH = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
MOSQUITTO = shutil.which("mosquitto", path=PATH)
PASSWD = shutil.which("mosquitto_passwd", path=PATH)
DURABLE = ("persistence true", "autosave_on_changes true", "autosave_interval 1")
"""Write every change to the disk, and have what is not acknowledged after a crash."""


class Mosquitto:
    """Mosquitto with a user ``city``, which keeps its state in a folder."""

    def __init__(self, port: int, folder: Path, password: str = "secret") -> None:
        self.port = port
        self.folder = folder
        self._process: asyncio.subprocess.Process | None = None
        folder.mkdir()
        users = folder / "users"
        subprocess.run([str(PASSWD), "-b", "-c", users, "city", password], check=True)

    async def start(self, more: Sequence[str] = ()) -> None:
        # Started by root it would become a user who may not look into pytest's folders.
        keep = ["user root"] if os.geteuid() == 0 else []
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {self.folder / 'users'}",
            *DURABLE,
            f"persistence_location {self.folder}/",
            "max_inflight_messages 100",
            "max_queued_messages 100000",
            *keep,
            *more,
        ]
        config = self.folder / "mosquitto.conf"
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
