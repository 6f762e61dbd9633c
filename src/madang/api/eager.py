"""Run a coroutine at once, and without a task when it has to wait.

Most reads of the hub never wait: their coroutine ends at its first step. What waits, waits for a
future that the writer or a reading thread resolves, and goes on from its callback. An asyncio task
for each request would cost more than many a request. What needs a task of its own (a time limit,
say) makes one, as fetching a remote @context does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Steps(Generic[T]):
    """A coroutine on its way; called when what it waits for is there."""

    __slots__ = ("_done", "_loop", "_work")

    def __init__(
        self,
        work: Coroutine[Any, Any, T],
        loop: asyncio.AbstractEventLoop,
        done: Callable[[T | None, BaseException | None], None],
    ) -> None:
        self._work = work
        self._loop = loop
        self._done = done

    def __call__(self, _ready: object = None) -> None:
        """Go on to the next wait, or to the end."""
        try:
            waiting = self._work.send(None)
        except StopIteration as end:
            self._done(end.value, None)
        except Exception as error:  # handed to `done`, which answers for the request
            self._done(None, error)
        else:
            if waiting is None:  # only let others run
                self._loop.call_soon(self)
            else:
                waiting._asyncio_future_blocking = False  # what a task does with it
                waiting.add_done_callback(self)


def run(
    work: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop,
    done: Callable[[T | None, BaseException | None], None],
) -> None:
    """Run ``work``; call ``done`` with its result or error, before returning if it never waits."""
    Steps(work, loop, done)()
