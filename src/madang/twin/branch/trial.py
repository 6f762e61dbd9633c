"""A trial: what is asked for, how far it is, what came of it; kept as a folder on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import orjson

from madang.model import time
from madang.services.process import RESULT
from madang.twin.branch.policy import read

if TYPE_CHECKING:
    import asyncio

    from madang.twin.branch.start import Start

ABOUT: Final = "trial.json"
START: Final = "start.json"

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    policies: tuple[str, ...]
    """TOML; the first is what the others are compared with."""
    hours: float
    seeds: int
    by: str
    """Who asks."""


@dataclass
class Trial:
    """One trial."""

    id: str
    tenant: str
    asked: Asked
    start: dict[str, Any]
    """What it begins from in short: see :func:`in_short`."""
    at: int
    """When it was asked for. [us since 1970]"""
    folder: Path
    state: State = "waiting"
    progress: float = 0.0
    runs_ended: int = 0
    seconds: float = 0.0
    """It has been at work for. [s]"""
    error: str = ""
    decision: dict[str, Any] | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        return self.state not in ("waiting", "running")

    @property
    def runs(self) -> int:
        """How many simulations it takes."""
        return len(self.asked.policies) * self.asked.seeds

    @property
    def result(self) -> dict[str, Any] | None:
        """What came of it; None until it is done."""
        if self.state != "done":
            return None
        found: dict[str, Any] = orjson.loads((self.folder / RESULT).read_bytes())
        return found

    def tell(self, what: dict[str, Any]) -> None:
        """Hear how far it is."""
        self.progress, self.runs_ended = what["progress"], what["ended"]

    def shown(self) -> dict[str, Any]:
        """Return it as JSON, without its result."""
        asked = self.asked
        return {
            "id": self.id,
            "state": self.state,
            "at": time.render(self.at),
            "by": asked.by,
            "start": self.start,
            "hours": asked.hours,
            "seeds": asked.seeds,
            "policies": [
                {"title": policy.title, "measures": policy.measures, "text": text}
                for text in asked.policies
                for policy in [read(text)]
            ],
            "progress": round(self.progress, 4),
            "runs": self.runs,
            "runsEnded": self.runs_ended,
            "seconds": round(self.seconds, 1),
            "error": self.error,
            "decision": self.decision,
        }

    # --- on disk ------------------------------------------------------------------------------

    def save(self) -> None:
        """Write what is to be known of it when the hub starts again."""
        asked = self.asked
        told = {
            "tenant": self.tenant,
            "policies": asked.policies,
            "hours": asked.hours,
            "seeds": asked.seeds,
            "by": asked.by,
            "start": self.start,
            "at": self.at,
            "state": self.state,
            "seconds": self.seconds,
            "error": self.error,
            "decision": self.decision,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{ABOUT}"
        draft.write_bytes(orjson.dumps(told))
        draft.replace(self.folder / ABOUT)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            OSError: there is nothing to read.
            ValueError, KeyError, TypeError: it is damaged.
        """
        told = orjson.loads((folder / ABOUT).read_bytes())
        asked = Asked(tuple(told["policies"]), told["hours"], told["seeds"], told["by"])
        found = cls(folder.name, told["tenant"], asked, told["start"], told["at"], folder)
        found.state, found.seconds = told["state"], told["seconds"]
        found.error, found.decision = told["error"], told["decision"]
        if found.state == "done":
            found.progress, found.runs_ended = 1.0, found.runs
        return found


def in_short(start: Start) -> dict[str, Any]:
    """Return what a trial begins from as JSON, without all the vehicles."""
    hours, rest = divmod(int(start.second), 3600)
    return {
        "kind": start.kind,
        "at": None if start.at is None else time.render(start.at),
        "time": f"{hours:02d}:{rest // 60:02d}",
        "vehicles": len(start.vehicles),
        "counts": len(start.counts),
        "control": start.control,
    }
