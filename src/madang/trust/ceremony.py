"""Challenges that go out to a browser and come back once, soon, and to the same browser."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

AGE = 600.0  # [s] that a person has to finish what they began
MOST = 10_000  # under way at a time; more push out the oldest


class Ceremonies(Generic[T]):
    """What has been begun and not finished, by a random id. Kept in memory only.

    A restart makes people begin again; nothing else is lost by it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, tuple[float, T]] = {}

    def begin(self, what: T) -> str:
        """Keep something until it is taken or too old; return the id to take it with."""
        now = self._clock()
        while self._open:
            oldest = next(iter(self._open))
            if len(self._open) < MOST and self._open[oldest][0] > now:
                break
            del self._open[oldest]
        id = secrets.token_urlsafe(32)
        self._open[id] = (now + AGE, what)
        return id

    def take(self, id: str) -> T | None:
        """Return what was begun under an id, the first time and while it is young."""
        ends, what = self._open.pop(id, (0.0, None))
        return what if ends > self._clock() else None
