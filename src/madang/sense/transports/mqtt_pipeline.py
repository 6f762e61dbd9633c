"""Messages of one connection on their way: begun in their order, answered in their order.

At most :data:`MOST` are under way; then the connection is not read any more, so that TCP itself
makes the other side wait. What the hub refuses for the moment is begun again, in its order, after
the time that the hub says; nobody else's connection notices.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from madang.model.errors import Overloaded, TooManyRequests

MOST = 100
"""Messages of one connection under way."""
FEW = MOST // 2
"""As many or fewer, and the connection is read again."""
MOST_BYTES = 64 * 1024 * 1024
"""What may be under way of all connections together; beyond, each has one message at a time."""
OVERHEAD = 200  # bytes that a message takes besides its payload, about


@dataclass(slots=True)
class Load:
    """What is under way of several connections."""

    messages: int = 0
    bytes: int = 0

    @property
    def is_heavy(self) -> bool:
        return self.bytes > MOST_BYTES


class Way(ABC):
    """One message on its way."""

    __slots__ = ("size", "task")

    def __init__(self, payload: bytes, task: asyncio.Task[Any] | None = None) -> None:
        self.size = len(payload) + OVERHEAD
        self.task = task
        """Ends when the message is durable; None if there is nothing to wait for."""

    @abstractmethod
    def begin(self) -> asyncio.Task[Any] | None:
        """Begin again with a message that was refused for the moment."""

    @abstractmethod
    def settle(self, result: Any) -> None:
        """Answer; everything that came before has been answered."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Do not answer: the message could not be stored."""


class Reads(Protocol):
    """The connection that is read."""

    def caught_up(self) -> None:
        """Some have been answered: there may be room again."""


class Pipeline:
    """What is under way of one connection."""

    def __init__(self, reads: Reads, load: Load) -> None:
        self._reads = reads
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._ways: deque[Way] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self.is_over = False
        """The connection is gone: nobody can be answered."""

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read for now."""
        few = 0 if self._load.is_heavy else MOST - 1
        return len(self._ways) > few or self._retry is not None

    @property
    def has_room(self) -> bool:
        """Whether reading may go on after it was stopped."""
        few = 0 if self._load.is_heavy else FEW
        return len(self._ways) <= few and self._retry is None

    def add(self, way: Way) -> None:
        """Add a message that has been begun."""
        self._ways.append(way)
        self._load.messages += 1
        self._load.bytes += way.size
        if way.task is not None:
            way.task.add_done_callback(self._go_on)
        elif len(self._ways) == 1:
            self._pop().settle(None)

    def _pop(self) -> Way:
        way = self._ways.popleft()
        self._load.messages -= 1
        self._load.bytes -= way.size
        return way

    def _go_on(self, _task: object = None) -> None:
        """Answer what is durable, up to the first that is not."""
        while self._ways:
            task = self._ways[0].task
            if task is None:
                self._pop().settle(None)
                continue
            if not task.done():
                break
            error = _error(task)
            if error is None:
                self._pop().settle(task.result())
            elif isinstance(error, TooManyRequests | Overloaded) and not self.is_over:
                self._wait(getattr(error, "retry_after_s", 1))
                break
            else:
                self._pop().fail(error)
        self._reads.caught_up()

    def _wait(self, seconds: float) -> None:
        if self._retry is None:
            self._retry = self._loop.call_later(seconds, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        for way in self._ways:
            task = way.task
            if task is None or not task.done():
                continue
            if isinstance(_error(task), TooManyRequests | Overloaded):
                way.task = way.begin()
                if way.task is not None:
                    way.task.add_done_callback(self._go_on)

    def lost(self) -> None:
        """Let what is under way end without an answer; the connection is gone."""
        self.is_over = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._go_on()

    async def finish(self, longest_s: float) -> None:
        """Wait until everything under way is durable and answered, but not longer than so."""
        until = self._loop.time() + longest_s
        while self._ways and self._loop.time() < until:
            waiting = [way.task for way in self._ways if way.task is not None]
            await asyncio.wait(waiting, timeout=until - self._loop.time())
            await asyncio.sleep(0.05 if self._retry is not None else 0)


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()
