"""Tells systemd, or whoever starts the hub in its way, when it serves and that it still does.

Source: sd_notify(3). Where nobody wants to be told, nothing is done.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger("madang")


class Supervisor:
    """The service manager that started this process, if there is one.

    Args:
        environ: variables of the process: ``NOTIFY_SOCKET``, ``WATCHDOG_USEC``, ``WATCHDOG_PID``.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._every_s = int(environ.get("WATCHDOG_USEC", "0")) / 2e6 if is_for_us else 0.0

    def ready(self) -> None:
        """Say that the hub serves; from now on, as often as is wanted, that its loop turns."""
        self._tell("READY=1")
        if self._address and self._every_s:
            self._beat(asyncio.get_running_loop())

    def stopping(self) -> None:
        """Say that the hub is ending in order."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Say that it is not stuck, while there is no loop to say so."""
        self._tell("WATCHDOG=1")

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._tell("WATCHDOG=1")
        loop.call_later(self._every_s, self._beat, loop)

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)  # a manager that does not read must not stop the hub
                line.sendto(state.encode(), self._address)
        except OSError as error:
            log.warning("supervisor.not_told", state=state, error=str(error))
