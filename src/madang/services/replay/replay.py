"""Plays a service on what a lake has recorded, with one setting or with several side by side.

It is switched on at the start of the period, in the city as it was then, and told of the changes of
the period in their order. What it wrote itself in reality is left out by the trace under which the
hub wrote it, and so is what others did to things that it alone had made (a command that was sent),
unless it makes them again. Its own effects take their place at once. Nothing is written anywhere.
"""

from __future__ import annotations

import hashlib
import time as clocks
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from madang.hub.feed import Event, logged
from madang.lake.frozen import Frozen, FrozenLake
from madang.lake.memory import Memory
from madang.model import time
from madang.model.entity import Document
from madang.model.errors import MadangError
from madang.services.ground import Kept
from madang.services.past import Past
from madang.services.played import Player
from madang.services.records import DECISION, INDICATOR
from madang.services.run import Effect, ServiceFailed
from madang.services.service import Indicator, Service

SHOWN = 200  # decisions of a run that are told with the result
TELL_S = 0.2  # between two words on how far it is

Progress = Callable[[float, int], None]
"""Is told which part is done [1] and how many changes have been told."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be played. It can be pickled."""

    service: str
    options: list[dict[str, Any]]
    """The settings of each run."""
    start: int
    end: int
    frozen: Frozen
    folder: str
    """Gets the effects of each run."""


def effects_file(folder: Path, run: int) -> Path:
    """Return the file of the effects of a run: an entity a line, as it was written."""
    return folder / f"effects-{run}.ndjson"


class _Side:
    """One run: the service with one setting, on a past of its own."""

    def __init__(self, service: Service, options: dict[str, Any], past: Past, file: Path,
                 start: int) -> None:  # fmt: skip
        self.past = past
        self.failure: dict[str, Any] | None = None
        self.effects = 0
        self.written: Counter[str] = Counter()
        self.decided: dict[str, Document] = {}
        """The first decisions."""
        self.decisions = 0
        self.figures: dict[str, list[float]] = {}
        self._options = options
        self._digest = hashlib.sha256()
        self._file = file.open("wb")
        kept = Kept(past.number, start)
        self._player = Player(service, past, service.given(options), kept, wrote=self._note)

    async def change(self, event: Event, is_own: bool) -> None:
        """Let time pass up to a change, and let it happen.

        Args:
            event: the change.
            is_own: of what the service alone had made in reality; happens only if it is here too.
        """
        if self.failure is None:
            try:
                if event.at >= self._player.run.due:
                    await self._player.until(event.at)
                if not is_own or event.id in self.past.entities:
                    self.past.tell(event)
                    await self._player.change(event)
            except MadangError as error:
                self._fail(error, event.at)

    async def until(self, instant: int) -> None:
        """Let time pass."""
        if self.failure is None:
            try:
                await self._player.until(instant)
            except MadangError as error:
                self._fail(error, self.past.now)

    def _fail(self, error: MadangError, at: int) -> None:
        trace = error.trace if isinstance(error, ServiceFailed) else ""
        self.failure = {"message": str(error), "at": time.render(at), "trace": trace}

    def _note(self, effect: Effect, now: int) -> None:
        document = effect.document
        self.effects += 1
        self.written[document["type"]] += 1
        line = orjson.dumps(document)
        self._digest.update(orjson.dumps([now, effect.key, effect.removed]) + line)
        self._file.write(line + b"\n")
        if document["type"] == DECISION:
            self._decide(document)
        elif document["type"] == INDICATOR and "currentValue" in document:
            value = document["currentValue"]["value"]
            self.figures.setdefault(document["id"], []).append(value)

    def _decide(self, document: Document) -> None:
        id = document["id"]
        if "madeBy" in document:  # else something is learnt of an earlier one
            self.decisions += 1
            if len(self.decided) < SHOWN:
                self.decided[id] = orjson.loads(orjson.dumps(document))
        elif id in self.decided:
            self.decided[id] |= document

    def shown(self) -> dict[str, Any]:
        """Return what came of it as JSON."""
        self._file.close()
        self.past.close()
        return {
            "options": self._options,
            "calls": self._player.run.calls,
            "effects": self.effects,
            "written": dict(sorted(self.written.items())),
            "decisions": self.decisions,
            "digest": self._digest.hexdigest(),
            "failure": self.failure,
            "decided": list(self.decided.values()),
        }


async def replay(service: Service, job: Job, progress: Progress) -> dict[str, Any]:
    """Play a service; return what came of it as JSON.

    Raises:
        TooComplexQuery: there are too many entities.
    """
    folder = Path(job.folder)
    trace = f"service:{service.name}"
    lake = FrozenLake(job.frozen, folder)
    entities = list(lake.state(job.start))
    # What it writes is numbered from the last change on, so that each call has a key of its own.
    number = lake.position(job.end)
    sides = [
        _Side(
            service,
            options,
            Past(entities, Memory(lake, trace, job.start), number),
            effects_file(folder, run),
            job.start,
        )
        for run, options in enumerate(job.options)
    ]
    changes = await _play(lake, sides, job, trace, progress)
    decisions = lake.count_made(job.start, job.end, f"urn:ngsi-ld:{DECISION}:{service.name}:")
    found = {
        "entities": len(entities),
        "changes": changes,
        "indicators": [
            _indicator(service, one, lake, sides, job) for one in service.indicators.values()
        ],
        "recorded": {"decisions": decisions},
        "runs": [side.shown() for side in sides],
    }
    lake.close()
    return found


async def _play(
    lake: FrozenLake, sides: Sequence[_Side], job: Job, trace: str, progress: Progress
) -> int:
    """Tell the runs of all changes; return how many there were."""
    own = _Own(lake.made(job.start, job.end, trace))
    changes, told = 0, 0.0
    for change in lake.changes(job.start, job.end, trace):
        event = logged(change)
        changes += 1
        is_own = own.has(event)
        for side in sides:
            await side.change(event, is_own)
        if clocks.monotonic() - told > TELL_S:
            told = clocks.monotonic()
            progress((event.at - job.start) / (job.end - job.start), changes)
    for side in sides:
        await side.until(job.end)
    return changes


class _Own:
    """Knows which entities were there only because the service had made them, as time passes."""

    def __init__(self, made: Sequence[tuple[int, int, str]]) -> None:
        self._made = deque(made)
        self._ids: set[str] = set()

    def has(self, event: Event) -> bool:
        """Tell whether a change, of which each is later than the one before, is of such a one."""
        while self._made and self._made[0][:2] < (event.at, event.position):
            self._ids.add(self._made.popleft()[2])
        if event.kind == "created":
            self._ids.discard(event.id)
        return event.id in self._ids


def _indicator(
    service: Service, indicator: Indicator, lake: FrozenLake, sides: Sequence[_Side], job: Job
) -> dict[str, Any]:
    """Return what an indicator really was, and what it was in each run."""
    id = f"urn:ngsi-ld:{INDICATOR}:{service.name}:{indicator.name}"
    values = [value for _, value in lake.values(id, "currentValue", job.start, job.end)]
    return {
        "name": indicator.name,
        "title": {"en": indicator.title.en, "ko": indicator.title.ko},
        "unit": indicator.unit,
        "better": indicator.better,
        "recorded": _figures(values),
        "replayed": [_figures(side.figures.get(id, [])) for side in sides],
    }


def _figures(values: Sequence[float]) -> dict[str, Any] | None:
    """Return what values come to; None if there are none."""
    if not values:
        return None
    mean = sum(values) / len(values)
    return {"count": len(values), "mean": round(mean, 6), "last": values[-1]}
