"""The process in which services compute."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from operator import mul

import pytest

from madang.model.errors import InternalError
from madang.services.workers import Workers


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers()
    yield made
    made.close()


async def test_another_process_computes(workers: Workers) -> None:
    assert await workers.compute(mul, 6, 7) == 42
    assert await workers.compute(os.getpid) != os.getpid()


async def test_an_error_of_the_function_reaches_the_caller(workers: Workers) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await workers.compute(int, "six")


async def test_a_process_that_ends_is_replaced(workers: Workers) -> None:
    with pytest.raises(InternalError, match="has ended"):
        await workers.compute(os._exit, 3)
    assert await workers.compute(mul, 6, 7) == 42


async def test_closing_ends_what_is_under_way(workers: Workers) -> None:
    pid = await workers.compute(os.getpid)
    waiting = asyncio.ensure_future(workers.compute(signal.pause))
    await asyncio.sleep(0.1)
    workers.close()
    with pytest.raises((InternalError, asyncio.CancelledError)):
        await waiting
    assert await ends(pid)


async def ends(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        await asyncio.sleep(0.05)
    return False
