"""Waits for a long work of the hub (a replay, a trial), with a bar of how far it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.progress import Progress

    from madang.commands.client import HubClient

LOOK_S: Final = 0.2  # between two looks at how far it is


async def ended(
    client: HubClient, path: str, what: str, told: Callable[[dict[str, Any]], str], *, quiet: bool
) -> dict[str, Any]:
    """Return a work as it is when done.

    Args:
        client: at the hub.
        path: of the work.
        what: it is, in a word.
        told: says in a few words how far it is.
        quiet: without a bar.

    Raises:
        HubError: it failed, or somebody else has ended it.
    """
    with nullcontext() if quiet else _bar() as bar:
        task = None if bar is None else bar.add_task(what, total=1.0, told="")
        while True:
            found: dict[str, Any] = await client.send("GET", path)
            state = found["state"]
            if bar is not None and task is not None:
                far = found["progress"]
                bar.update(task, completed=far, told=told(found), description=state)
            if state == "done":
                return found
            if state not in ("waiting", "running"):
                from madang.commands.client import HubError

                raise HubError(found["error"] or f"the {what} was {state}")
            await asyncio.sleep(LOOK_S)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[told]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
