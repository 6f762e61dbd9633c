"""Politeness: one request at a time to each host, with a pause between, and waiting when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from madang.sense.feeds.errors import Unavailable

PATIENCE_S = 30.0
"""A host that is to be left alone for longer fails the feed for now, instead of holding it up."""
_AT_ONCE = 32  # requests to all hosts
_REMEMBERED = 1000  # hosts


class _Host:
    __slots__ = ("free_at", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.free_at = 0.0


class Turns:
    """Whose turn it is to ask which host."""

    def __init__(self, pause_s: float) -> None:
        """Take the pause between the end of a request and the next one to the same host. [s]"""
        self._pause_s = pause_s
        self._hosts: dict[str, _Host] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for the turn at a host and hold it.

        Raises:
            Unavailable: the host has asked not to be asked for long.
        """
        one = self._host(host)
        async with one.lock:
            wait = one.free_at - time.monotonic()
            if wait > PATIENCE_S:
                raise Unavailable(f"{host} wants to be left alone for {wait:.0f} s more", wait)
            if wait > 0:
                await asyncio.sleep(wait)
            # The slot is taken last, so that a slow host holds one of them at most.
            async with self._slots:
                try:
                    yield
                finally:
                    self.rest(host, self._pause_s)

    def rest(self, host: str, seconds: float) -> None:
        """Leave a host alone for some time."""
        one = self._host(host)
        one.free_at = max(one.free_at, time.monotonic() + seconds)

    def _host(self, name: str) -> _Host:
        found = self._hosts.get(name)
        if found is None:
            if len(self._hosts) >= _REMEMBERED:
                self._forget()
            found = self._hosts[name] = _Host()
        return found

    def _forget(self) -> None:
        now = time.monotonic()
        for name, one in list(self._hosts.items()):
            if one.free_at < now and not one.lock.locked():
                del self._hosts[name]
