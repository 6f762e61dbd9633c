"""Long works in processes of their own: begun by the hub, ended with it, told of as they go.

The hub answers meanwhile, and a work that goes wrong ends its process and nothing else. The job
comes pickled on the standard input, which stays open as long as the hub lives. What is told on the
way goes as lines of JSON to the standard output; the result is a file of the work's folder.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

RESULT = "result.json"
NICE = 10  # the live city comes first
_LINE = 1 << 16

Tell = Callable[[dict[str, Any]], None]


# --- in the hub -----------------------------------------------------------------------------------


async def work(module: str, job: object, folder: Path, told: Tell) -> str:
    """Let a module do a job in a process; return why it could not, or nothing.

    Args:
        module: that is run, and calls :func:`begun` and :func:`ended`.
        job: can be pickled.
        folder: that it works in, with the result afterwards.
        told: is called with what it tells on the way.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        cwd=folder, limit=_LINE, env=_environ(),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(pickle.dumps(job))
        await process.stdin.drain()
        async for line in process.stdout:
            told(orjson.loads(line))
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return "" if code == 0 else f"its process ended with the code {code}; the hub's log says why"


def result(folder: Path) -> dict[str, Any]:
    """Return what a work has found."""
    found: dict[str, Any] = orjson.loads((folder / RESULT).read_bytes())
    return found


def _environ() -> dict[str, str]:
    """Return what the process may know of ours: no settings, and so no secrets, of the hub."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MADANG_")}


# --- in the process -------------------------------------------------------------------------------


def begun(nice: int = NICE) -> tuple[Any, Tell]:
    """Return the job of this process, and how it tells of what it does.

    Args:
        nice: how far it stands back behind others; what must keep up with the clock does not.
    """
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what others print must not stand between our lines
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.platform != "win32":
        os.nice(nice)
    job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_hub, daemon=True).start()

    def tell(what: dict[str, Any]) -> None:
        out.write(orjson.dumps(what) + b"\n")

    return job, tell


def ended(folder: Path, found: dict[str, Any]) -> None:
    """Leave the result."""
    (folder / RESULT).write_bytes(orjson.dumps(found))


def _end_with_the_hub() -> None:
    # Not through the buffer, whose lock would be held when this process ends by itself.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)
