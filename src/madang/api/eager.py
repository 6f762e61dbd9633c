"""Run a coroutine at once, and make a task of it only if it has to wait.

Most reads of the hub never wait: their coroutine ends at its first step. Making an asyncio task for
each would cost more than the read. Python 3.12 has eager tasks; this does the same on 3.11.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(
    work: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop,
    done: Callable[[T | None, BaseException | None], None],
) -> asyncio.Task[None] | None:
    """Step ``work`` once; call ``done`` with its result or error, now or when a task has ended it.

    Returns:
        The task, if one had to be made.
    """
    try:
        waiting = work.send(None)
    except StopIteration as end:
        done(end.value, None)
        return None
    except Exception as error:  # handed to `done`, which answers for the request
        done(None, error)
        return None
    return loop.create_task(_finish(work, waiting, done))


async def _finish(
    work: Coroutine[Any, Any, T],
    waiting: Any,
    done: Callable[[T | None, BaseException | None], None],
) -> None:
    try:
        result = await _rest(work, waiting)
    except BaseException as error:
        done(None, error)
        if not isinstance(error, Exception):
            raise
    else:
        done(result, None)


@coroutine
def _rest(work: Coroutine[Any, Any, T], waiting: Any) -> Generator[Any, Any, T]:
    """Go on with a coroutine that already stepped once, from inside a task."""
    while True:
        failure: BaseException | None = None
        sent: Any = None
        try:
            sent = yield waiting
        except BaseException as error:
            failure = error
        try:
            waiting = work.send(sent) if failure is None else work.throw(failure)
        except StopIteration as end:
            result: T = end.value
            return result
