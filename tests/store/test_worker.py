"""A thread of the store's own, for what waits for the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from madang.store.worker import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test-worker")
    yield made
    made.close()


async def test_calls_are_done_in_their_order_in_one_other_thread(worker: Worker) -> None:
    seen: list[int] = []

    def note(number: int) -> tuple[int, str]:
        seen.append(number)
        return number, threading.current_thread().name

    done = await asyncio.gather(*(worker.run(note, number) for number in range(100)))
    assert seen == list(range(100))
    assert done == [(number, "test-worker") for number in range(100)]


async def test_who_waits_gets_the_error_and_the_next_call_is_done(worker: Worker) -> None:
    with pytest.raises(ZeroDivisionError):
        await worker.run(divmod, 1, 0)
    assert await worker.run(divmod, 7, 2) == (3, 1)


async def test_who_gave_up_holds_up_nobody(worker: Worker) -> None:
    going_on = threading.Event()
    waiting = asyncio.create_task(worker.run(going_on.wait))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    after = asyncio.create_task(worker.run(divmod, 7, 2))
    going_on.set()
    assert await after == (3, 1)


async def test_closing_waits_for_what_was_asked_for() -> None:
    worker, done = Worker("test-worker"), threading.Event()
    asked = asyncio.create_task(worker.run(done.set))
    await asyncio.sleep(0)
    worker.close()
    assert done.is_set()
    await asked


def test_a_loop_that_is_gone_does_not_end_the_thread(worker: Worker) -> None:
    going_on = threading.Event()

    async def leave() -> None:
        asking = asyncio.create_task(worker.run(going_on.wait))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(leave())
    going_on.set()
    assert asyncio.run(worker.run(divmod, 7, 2)) == (3, 1)
