"""A process beside the hub in which services compute, so that the hub goes on answering."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from typing import Any

from madang.model.errors import InternalError

IDLE_S = 60.0  # after which the process ends, with the libraries that it has loaded


class Workers:
    """One process, made when it is first needed. Its event loop is the one that first calls it."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None
        self._waiting = 0
        self._ending: asyncio.TimerHandle | None = None

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function of a module returns for arguments that can be pickled.

        Raises:
            InternalError: the process has ended meanwhile, for want of memory for example.
        """
        if self._ending is not None:
            self._ending.cancel()
        if self._pool is None:
            # Not forked: a copy of the hub would hold its files and locks.
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin)
            self._pid = self._pool.submit(os.getpid)
        self._waiting += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, partial(_compute, function, *args))
        except BrokenProcessPool as error:
            self._pool = None
            raise InternalError(f"the process that computes has ended: {error}") from error
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._ending = loop.call_later(IDLE_S, self.close)

    def close(self) -> None:
        """End the process; what is under way is given up."""
        if self._ending is not None:
            self._ending.cancel()
        if self._pool is None or self._pid is None:
            return
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._pid.done() and not self._pid.exception():
            # Else Python waits for it at its end. One that answers ends by itself: half an answer
            # would be waited for.
            os.kill(self._pid.result(), signal.SIGTERM)
        self._pool = None


def _begin() -> None:
    """Leave Ctrl-C to the hub, which closes its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _later)


_ending: list[int] = []
"""Signals to end that have come while nothing was computed."""


def _later(number: int, _: object) -> None:
    _ending.append(number)


def _compute(function: Callable[..., Any], *args: Any) -> Any:
    """Compute, and let oneself be ended meanwhile."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _ending:
        os._exit(1)
    try:
        return function(*args)
    finally:
        signal.signal(signal.SIGTERM, _later)
