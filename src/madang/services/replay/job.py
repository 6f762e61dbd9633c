"""Replays in a process of its own: ``python -m madang.services.replay.job``.

The hub answers meanwhile, and a service that goes wrong ends this process and nothing else. The job
comes pickled on the standard input, which stays open as long as the hub lives. How far it is goes
as lines of JSON to the standard output, the result into a file of the job's folder.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading
from pathlib import Path

import orjson
import structlog

from madang.model.errors import MadangError
from madang.services.replay.replay import Job, replay
from madang.services.services import installed

RESULT = "result.json"
NICE = 10  # the live city comes first


def main() -> None:
    """Read a job, do it, say what became of it."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a service prints must not stand between our lines
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.platform != "win32":
        os.nice(NICE)
    job: Job = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_hub, daemon=True).start()

    def progress(part: float, changes: int) -> None:
        out.write(orjson.dumps({"progress": part, "changes": changes}) + b"\n")

    try:
        found = asyncio.run(replay(installed()[job.service], job, progress))
    except MadangError as error:
        found = {"error": str(error)}
    Path(job.folder, RESULT).write_bytes(orjson.dumps(found))


def _end_with_the_hub() -> None:
    # Not through the buffer, whose lock would be held when this process ends by itself.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
