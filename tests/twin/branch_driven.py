"""Runs of policies on a small town, in a process of its own; results are plain."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from madang.model.errors import MadangError
from madang.twin.branch.policy import body, read
from madang.twin.branch.run import run
from madang.twin.branch.start import Start, usual
from madang.twin.branch.tasks import Run

SECONDS = 240.0


def tried(town: Path, text: str, seed: int = 1, start: Start | None = None) -> dict[str, Any]:
    """Run a policy for some minutes from eight o'clock on; return its figures, by edge too."""
    begin = usual("08:00") if start is None else start
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = run(
                Run(str(town), body(read(text)), begin.told(), SECONDS, seed, f"{folder}/out")
            )
        except MadangError as error:
            return {"error": str(error)}
    streets = {name: dict(zip(found.edges, figures.tolist(), strict=True))
               for name, figures in found.streets.items()}  # fmt: skip
    return {**found.indicators, "streets": streets, "stranded": found.stranded,
            "trips": found.trips}  # fmt: skip
