"""What is known of how a feed has gone: kept with the tenant, so that a restart changes nothing."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import orjson

from madang.model import time

Trouble = Literal["", "unavailable", "refused", "unusable", "fault"]
"""Why the last reading failed: no answer, an answer that says no, one that makes no sense, us."""

ALARM_AFTER = 3  # intervals without a good reading
_SOONEST_S = 60.0
_SLOWEST_S = {"unavailable": 900.0, "unusable": 3600.0, "fault": 3600.0, "refused": 86_400.0}
_REFUSED_S = 900.0
_JITTER = 0.05  # of the interval, so that feeds do not all ask at the full minute


@dataclass(slots=True)
class State:
    """Times are microseconds since 1970; 0 is never."""

    on: bool = True
    added: int = 0
    by: str = ""
    """Who added it."""
    tried: int = 0
    """When it was last read, well or not."""
    good: int = 0
    """When it was last read well."""
    changed: int = 0
    """When it last brought something new."""
    next: int = 0
    failures: int = 0
    """In a row."""
    trouble: Trouble = ""
    error: str = ""
    alarm: bool = False
    """Whether an alarm is raised."""
    readings: int = 0
    """How often it was read well."""
    records: int = 0
    """In the last good reading, as the three below."""
    entities: int = 0
    written: int = 0
    bad: int = 0
    letters: list[int] = field(default_factory=list)
    """Marks of the bad records that are among the dead letters already."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What its kind wants to know the next time."""
    anew: bool = True
    """Whether its file has changed since the last good reading, so that all is to be written."""

    def dump(self) -> bytes:
        return orjson.dumps(asdict(self))

    def shown(self) -> dict[str, Any]:
        """Return it as JSON for people."""
        figures = ("failures", "error", "alarm", "readings", "records", "entities", "written")
        return {
            "on": self.on,
            "addedAt": _moment(self.added),
            "addedBy": self.by,
            "triedAt": _moment(self.tried),
            "goodAt": _moment(self.good),
            "changedAt": _moment(self.changed),
            "nextAt": _moment(self.next) if self.on else None,
            "trouble": self.trouble or None,
            **{name: getattr(self, name) for name in figures},
            "bad": self.bad,
            "notes": self.notes,
        }

    def went_well(self, now: int, every_s: float) -> None:
        """Note a good reading, and when the next one is due."""
        self.tried = self.good = now
        self.failures, self.trouble, self.error = 0, "", ""
        self.anew = False
        self.readings += 1
        self.next = now + _us(every_s * random.uniform(1 - _JITTER, 1 + _JITTER))

    def went_wrong(
        self, now: int, every_s: float, trouble: Trouble, error: str, wait_s: float
    ) -> None:
        """Note a reading that failed, and when to try again.

        What may pass is tried again after a minute, or the interval if that is less, and then each
        time after twice as long, up to a quarter of an hour; an interval longer than that is kept
        to. What will not pass by itself is tried again after a quarter of an hour, and at the
        longest after a day.
        """
        self.tried = now
        self.failures += 1
        self.trouble, self.error = trouble, error[:1000]
        first = max(every_s, _REFUSED_S) if trouble == "refused" else min(every_s, _SOONEST_S)
        longest = max(every_s, _SLOWEST_S[trouble])
        delay = min(first * 2.0 ** min(self.failures - 1, 30), longest)
        self.next = now + _us(max(delay * random.uniform(1, 1 + _JITTER), wait_s))

    def needs_alarm(self, now: int, every_s: float) -> bool:
        """Return whether it has failed for so long, or in such a way, that a person must look."""
        if not self.failures:
            return False
        since = self.good or self.added
        return self.trouble == "refused" or now - since > _us(ALARM_AFTER * every_s)


def load(body: bytes | None) -> State:
    """Return a kept state; members that are unknown are of another version and left out."""
    known = {one.name for one in fields(State)}
    found = {} if body is None else orjson.loads(body)
    return State(**{name: value for name, value in found.items() if name in known})


def _moment(instant: int) -> str | None:
    return time.render(instant) if instant else None


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
