"""How far a reading has got. It is counted while it goes on, so that who waits can look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_PROBLEMS = 50  # told; all are counted


@dataclass(slots=True)
class Progress:
    """How far a reading has got, and what came of it."""

    requests: int = 0
    bytes: int = 0
    records: int = 0
    """Entities and bad records that were read."""
    entities: int = 0
    written: int = 0
    """Entities that differed from what was last written."""
    bad: int = 0
    letters: list[int] = field(default_factory=list)
    changed: bool = False
    """Whether the publisher had anything new."""
    problems: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        names = ("requests", "bytes", "records", "entities", "written", "bad", "changed")
        return {name: getattr(self, name) for name in names} | {"problems": self.problems}

    def add_problem(self, problem: str) -> None:
        """Count a bad record; the first of them are told."""
        self.bad += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem[:500])
