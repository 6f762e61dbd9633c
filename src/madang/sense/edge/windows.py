"""Aggregates over windows of time: the mean of each window leaves, with minimum, maximum and count.

Windows lie side by side from 1970 on, by ``observedAt``. Changes of an attribute come in the order
of their ``observedAt``, so a window ends with the first value of a later one, or when for some time
nothing has come. That time goes by when the node wrote the changes, not by the clock: after a break
the same changes give the same aggregates.
"""

from __future__ import annotations

import math
from typing import Any

from madang.model import time
from madang.model.entity import Document

GRACE = 5_000_000  # [us] that a window waits for values after its end
LOOK = 1_000_000  # [us] between two looks at all windows

Key = tuple[str, str]
"""Entity and attribute."""


class _Window:
    __slots__ = (
        "count",
        "end",
        "first",
        "highest",
        "last",
        "latest",
        "lowest",
        "sum",
        "type",
        "unit",
        "width",
    )

    def __init__(self, end: int, width: int, type: Any, unit: str | None, first: int) -> None:
        self.end = end
        self.width = width
        self.type = type
        self.unit = unit
        self.first = first
        """Position of the first change in it."""
        self.last = 0
        """When its last value was written. [us since 1970]"""
        self.latest = 0
        """When its last value was measured. [us since 1970]"""
        self.count = 0
        self.sum = 0.0
        self.lowest = math.inf
        self.highest = -math.inf

    @property
    def due(self) -> int:
        """When no more is awaited; who is behind anyway has the time of a window. [us]"""
        return GRACE + (self.end if self.last <= self.end else self.last + self.width)

    def add(self, value: float, at: int, written: int) -> None:
        self.last = max(self.last, written)
        self.latest = max(self.latest, at)
        self.count += 1
        self.sum += value
        self.lowest = min(self.lowest, value)
        self.highest = max(self.highest, value)


class Windows:
    """All open windows, one at most for each attribute of an entity."""

    def __init__(self) -> None:
        self._open: dict[Key, _Window] = {}
        self._closed: dict[Key, int] = {}
        """The end of the last window that was closed."""
        self._looked = 0

    def add(
        self, entity: Document, name: str, attribute: Any, width: int, position: int, written: int
    ) -> list[Document]:
        """Add a value; return the window that it ends, if it does.

        What is no number, failed its tests or belongs to a closed window is left out.

        Args:
            entity: with its id and type.
            name: of the attribute.
            attribute: its instance.
            width: of the window. [us]
            position: of the change that brought it.
            written: when that was. [us since 1970]
        """
        value, at = _measured(attribute)
        if value is None or at is None:
            return []
        key, end = (entity["id"], name), (at // width + 1) * width
        if end <= self._closed.get(key, 0):
            return []
        window = self._open.get(key)
        ended = [] if window is None or window.end >= end else [self._close(key)]
        if window is None or ended:
            unit = attribute.get("unitCode")
            window = self._open[key] = _Window(end, width, entity["type"], unit, position)
        window.add(value, at, written)
        return ended

    def close(self, now: int) -> list[Document]:
        """Return the aggregates of windows for which nothing more is awaited, the oldest first."""
        second = now // LOOK * LOOK
        if second <= self._looked:
            return []
        self._looked = second
        due = [k for k, w in self._open.items() if w.due <= second]
        return [self._close(key) for key in sorted(due, key=lambda key: self._open[key].end)]

    def cut(self) -> list[Document]:
        """End all windows and return their aggregates, the oldest first.

        Each ends right after its last value, so that what comes next, alone or in a window of the
        same end, is later.
        """
        cut: list[Document] = []
        for key, window in sorted(self._open.items(), key=lambda item: item[1].latest):
            window.end = window.latest + 1
            cut.append(_entity(key, window))
        self._open.clear()
        return cut

    @property
    def first(self) -> int | None:
        """The position of the first change that is in an open window."""
        return min((window.first for window in self._open.values()), default=None)

    def _close(self, key: Key) -> Document:
        window = self._open.pop(key)
        self._closed[key] = window.end
        return _entity(key, window)


def _measured(attribute: Any) -> tuple[float | None, int | None]:
    """Return the number that an attribute measured, and when."""
    if not isinstance(attribute, dict):
        return None, None
    value, at = attribute.get("value"), attribute.get("observedAt")
    if isinstance(value, bool) or not isinstance(value, int | float) or at is None:
        return None, None
    quality = attribute.get("quality")
    if isinstance(quality, dict) and quality.get("value") == "fail":
        return None, None
    return value, time.parse(at)


def _entity(key: Key, window: _Window) -> Document:
    id, name = key
    attribute: dict[str, Any] = {"type": "Property", "value": window.sum / window.count}
    if window.unit is not None:
        attribute["unitCode"] = window.unit
    attribute["observedAt"] = time.render(window.end)
    for member, value in (
        ("minimum", window.lowest),
        ("maximum", window.highest),
        ("sampleCount", window.count),
    ):
        attribute[member] = {"type": "Property", "value": value}
    return {"id": id, "type": window.type, name: attribute}
