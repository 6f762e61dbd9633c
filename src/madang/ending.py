"""What a process still waits for when it is slow to end, for the log: where each task stands."""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 50  # tasks told of


def unfinished() -> list[str]:
    """Return where each other task of this loop stands: functions with lines, innermost last."""
    mine = asyncio.current_task()
    return sorted(_where(one) for one in asyncio.all_tasks() if one is not mine)[:MOST]


def _where(task: asyncio.Task[Any]) -> str:
    steps: list[str] = []
    at: Any = task.get_coro()
    while at is not None:
        name = getattr(at, "__qualname__", None)
        if name is None:  # a future, or an iterator of another kind: what is waited for
            steps.append(type(at).__name__)
            break
        frame = getattr(at, "cr_frame", None) or getattr(at, "ag_frame", None)
        steps.append(name if frame is None else f"{name}:{frame.f_lineno}")
        at = getattr(at, "cr_await", None) or getattr(at, "ag_await", None)
    return " > ".join(steps)
