"""When something that is done regularly is next due."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_EVERY = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
MICROSECONDS = 1_000_000


class Schedule(Protocol):
    """Regular times."""

    def after(self, instant: int) -> int:
        """Return the first of them later than an instant. [us since 1970]"""


@dataclass(frozen=True, slots=True)
class Interval:
    """Whole multiples of so many microseconds since 1970, so that every run has the same ones."""

    microseconds: int

    def after(self, instant: int) -> int:
        return (instant // self.microseconds + 1) * self.microseconds


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone."""

    expression: str
    zone: str

    def after(self, instant: int) -> int:
        start = datetime.fromtimestamp(instant // MICROSECONDS, UTC)
        local = start.astimezone(ZoneInfo(self.zone))
        return int(next(CronSim(self.expression, local)).timestamp()) * MICROSECONDS


@lru_cache
def schedule(when: str, zone: str = "UTC") -> Schedule:
    """Return the schedule that a text means: ``15m``, or ``0 4 * * *``.

    Raises:
        ValueError: it means none.
    """
    found = _EVERY.fullmatch(when)
    if found is not None:
        return Interval(int(found[1]) * _SECONDS[found[2]] * MICROSECONDS)
    try:
        ZoneInfo(zone)
        next(CronSim(when, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise ValueError(f"{when!r} is neither like '15m' nor a cron expression") from None
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {zone!r}") from None
    return Cron(when, zone)
