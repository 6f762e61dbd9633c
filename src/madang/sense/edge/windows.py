"""Aggregates over windows of time: the mean of each window leaves, with minimum, maximum and count.

Windows lie side by side from 1970 on, by ``observedAt``. Time goes on by when the node itself wrote
the changes, not by the clock: after a break the same changes give the same aggregates.
"""

from __future__ import annotations

import math
from typing import Any

from madang.model import time
from madang.model.entity import Document

GRACE = 5_000_000  # [us] that values may be late for their window

Key = tuple[str, str, int]
"""Entity, attribute and end of a window."""


class _Window:
    __slots__ = ("count", "first", "highest", "lowest", "sum", "type", "unit")

    def __init__(self, type: Any, unit: str | None, first: int) -> None:
        self.type = type
        self.unit = unit
        self.first = first
        """Position of the first change in it."""
        self.count = 0
        self.sum = 0.0
        self.lowest = math.inf
        self.highest = -math.inf

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.lowest = min(self.lowest, value)
        self.highest = max(self.highest, value)


class Windows:
    """All open windows.

    Args:
        closed: up to when they were closed before. [us since 1970]
    """

    def __init__(self, closed: int = 0) -> None:
        self._open: dict[Key, _Window] = {}
        self.closed = closed

    def add(self, entity: Document, name: str, attribute: Any, width: int, position: int) -> None:
        """Add a value; what is no number, failed its tests or is too late is left out.

        Args:
            entity: with its id and type.
            name: of the attribute.
            attribute: its instance.
            width: of the window. [us]
            position: of the change that brought it.
        """
        value, at = _measured(attribute)
        if value is None or at is None:
            return
        end = (at // width + 1) * width
        if end <= self.closed:
            return
        key = entity["id"], name, end
        window = self._open.get(key)
        if window is None:
            unit = attribute.get("unitCode")
            window = self._open[key] = _Window(entity["type"], unit, position)
        window.add(value)

    def close(self, now: int) -> list[Document]:
        """Return the aggregates of windows that ended some time before now, the oldest first."""
        self.closed = max(self.closed, now - GRACE)
        ended = sorted((key for key in self._open if key[2] <= self.closed), key=lambda k: k[2])
        return [_entity(key, self._open.pop(key)) for key in ended]

    @property
    def first(self) -> int | None:
        """The position of the first change that is in an open window."""
        return min((window.first for window in self._open.values()), default=None)


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
    id, name, end = key
    attribute: dict[str, Any] = {"type": "Property", "value": window.sum / window.count}
    if window.unit is not None:
        attribute["unitCode"] = window.unit
    attribute["observedAt"] = time.render(end)
    for member, value in (
        ("minimum", window.lowest),
        ("maximum", window.highest),
        ("sampleCount", window.count),
    ):
        attribute[member] = {"type": "Property", "value": value}
    return {"id": id, "type": window.type, name: attribute}
