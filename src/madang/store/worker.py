"""A thread that does calls for the event loop, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class _Call(NamedTuple):
    future: asyncio.Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Worker:
    """Does what waits for a disk, in a thread of its own.

    An executor of one thread would do the same with two futures, a condition and a semaphore for
    each call. The loop and the thread pass the interpreter to and fro over them, which costs a
    commit of a few writes a fifth of its time.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        # Whoever stops without closing has nothing to wait for: what is not done was promised to
        # nobody.
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Do a call in its turn; return what it returns, or raise what it raises."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(future, function, arguments))
        return await future

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            result: Any = None
            error: BaseException | None = None
            try:
                result = call.function(*call.arguments)
            except BaseException as raised:  # for whoever waits
                error = raised
            with suppress(RuntimeError):  # the loop has been closed; nobody waits any more
                call.future.get_loop().call_soon_threadsafe(_tell, call.future, result, error)
            del call, result, error  # not to be kept until the next call

    def close(self) -> None:
        """End when all calls are done."""
        self._calls.put(None)
        self._thread.join()


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
