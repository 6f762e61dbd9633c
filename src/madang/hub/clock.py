"""The hub's clock: microseconds since 1970-01-01T00:00:00Z, never going back."""

from __future__ import annotations

import time


class Clock:
    """Gives each turn of a writer a time of its own, later than all before."""

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def now(self) -> int:
        """Return the current time. [us since 1970]"""
        return max(time.time_ns() // 1000, self._last)

    def tick(self) -> int:
        """Return a time later than any given before, even if the machine's clock went back."""
        self._last = max(time.time_ns() // 1000, self._last + 1)
        return self._last
