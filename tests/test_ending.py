"""What the log says of a process that is slow to end."""

from __future__ import annotations

import asyncio

from madang.ending import unfinished


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


async def _outer(event: asyncio.Event) -> None:
    await _wait(event)


async def test_it_says_where_each_task_stands() -> None:
    event = asyncio.Event()
    task = asyncio.create_task(_outer(event))
    await asyncio.sleep(0)
    (where,) = unfinished()
    steps = [step.partition(":")[0] for step in where.split(" > ")]
    assert steps[:3] == ["_outer", "_wait", "Event.wait"]
    event.set()
    await task
    assert unfinished() == []
