"""Replays in a process of its own: ``python -m madang.services.replay.job``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from madang.model.errors import MadangError
from madang.services.process import begun, ended
from madang.services.replay.replay import Job, replay
from madang.services.services import installed


def main() -> None:
    """Read a job, do it, say what became of it."""
    job: Job
    job, tell = begun()

    def progress(part: float, changes: int) -> None:
        tell({"progress": part, "changes": changes})

    try:
        found = asyncio.run(replay(installed()[job.service], job, progress))
    except MadangError as error:
        found = {"error": str(error)}
    ended(Path(job.folder), found)


if __name__ == "__main__":
    main()
