"""Boxes around where entities are, as the R*Tree keeps them.

Changing an entry of an R*Tree costs more than changing the entity itself. So a thing that moves
gets a box some moves wide, and the tree is touched only when it leaves the box. Things that stand
still keep a tight one. A geo-query uses boxes only to find candidates; the geometry itself
decides.
"""

from __future__ import annotations

from typing import Any

from madang.model.entity import Document
from madang.model.geometry import bounds

Box = tuple[float, float, float, float]  # west, south, east, north [deg]

MOVES = 4.0  # how many moves of the size just seen a box lets pass
WIDEST = 0.02  # [deg]: some two kilometres; beyond it a wide box costs queries too much


def box_of(document: Document, names: tuple[str, ...]) -> Box | None:
    """Return the box around all geometries of the named GeoProperties."""
    if not names:
        return None
    if len(names) == 1:
        attribute = document[names[0]]
        if type(attribute) is dict:
            value = attribute["value"]
            if value["type"] == "Point":
                x, y = value["coordinates"][:2]
                return x, y, x, y
    boxes = [bounds(value) for name in names for value in _geometries(document[name])]
    if not boxes:
        return None
    west, south, east, north = zip(*boxes, strict=True)
    return min(west), min(south), max(east), max(north)


def kept(old: Box | None, document: Document, names: tuple[str, ...]) -> tuple[Box | None, bool]:
    """Return the box to keep around the named GeoProperties, and whether it is not the old one."""
    box = box_of(document, names)
    if box is None or old is None:
        return box, box is not old
    if holds(old, box):
        return old, False
    return moved(old, box), True


def _geometries(attribute: Any) -> list[dict[str, Any]]:
    instances = attribute if isinstance(attribute, list) else [attribute]
    return [i["value"] for i in instances if i["type"] == "GeoProperty"]


def holds(outer: Box, inner: Box) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def moved(old: Box, new: Box) -> Box:
    """Return the box for a thing that left its old box: around the new one, some moves wide."""
    dx = min(MOVES * max(abs(new[0] - old[0]), abs(new[2] - old[2])), WIDEST)
    dy = min(MOVES * max(abs(new[1] - old[1]), abs(new[3] - old[3])), WIDEST)
    return new[0] - dx, new[1] - dy, new[2] + dx, new[3] + dy
