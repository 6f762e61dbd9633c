"""What the processes of a trial are asked to do; the hub writes it, and they read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FIRST_SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One simulation. It can be pickled."""

    scenario: str
    """Folder."""
    policy: dict[str, Any]
    start: dict[str, Any]
    """As :meth:`~madang.twin.branch.start.Start.told` tells it."""
    seconds: float
    """How long, from the start on. [s]"""
    seed: int
    folder: str
    """Gets what SUMO writes, and how far it is."""

    @property
    def progress(self) -> Path:
        """The file that says which part is done."""
        return Path(self.folder, "progress")


@dataclass(frozen=True, slots=True)
class Job:
    """A trial. It can be pickled."""

    scenario: str
    """Folder."""
    policies: list[dict[str, Any]]
    """The first is what the others are compared with."""
    start: dict[str, Any]
    seconds: float
    seeds: int
    folder: str
    """Gets the result and the streets of each policy."""
    processes: int
    """How many runs at once."""
    ray: str
    """Address of a Ray cluster; empty: processes of this machine."""

    def runs(self) -> list[Run]:
        """Return the runs: all seeds of the first policy, then of the next."""
        return [
            Run(
                self.scenario,
                policy,
                self.start,
                self.seconds,
                FIRST_SEED + seed,
                str(Path(self.folder, "runs", f"{number}-{seed}")),
            )
            for number, policy in enumerate(self.policies)
            for seed in range(self.seeds)
        ]


def streets_file(folder: Path, policy: int) -> Path:
    """Return the file with the differences of a policy, street by street."""
    return folder / f"streets-{policy}.geojson"
