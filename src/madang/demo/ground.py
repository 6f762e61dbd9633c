"""The ground of the demo city: its grid of streets, bent a little, as places on Earth.

The plan is drawn in metres east (``u``) and north (``v``) of the middle. One smooth bend brings
streets, buildings and everything else onto the map, so that what does not touch in the plan does
not touch on the map either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

CENTRE: Final = (126.978, 37.5665)
"""Longitude and latitude of the middle. [degree]"""
COLUMNS, ROWS = 5, 4
"""Large blocks, between avenues."""
SIDE: Final = 640.0
"""Of a large block. [m]"""
WIDTH: Final = COLUMNS * SIDE
HEIGHT: Final = ROWS * SIDE
BOUNDS: Final = (126.957, 37.551, 126.999, 37.582)
"""West, south, east, north of all that the city has. [degree]"""
_TURN: Final = math.radians(7)
_NORTH: Final = 111_195.0  # metres in a degree of latitude
_EAST: Final = _NORTH * math.cos(math.radians(CENTRE[1]))
_BEND: Final = 80.0  # metres between two points of a line, at most

Plan = tuple[float, float]
"""A place of the plan: ``u`` and ``v``. [m]"""
Place = tuple[float, float]
"""Longitude and latitude. [degree]"""


def bent(at: Plan) -> Plan:
    """Return where a place of the plan is, in metres east and north of the middle."""
    u, v = at
    u, v = u + 45.0 * math.sin(v / 620.0), v + 35.0 * math.sin(u / 790.0 + 1.0)
    return (
        u * math.cos(_TURN) - v * math.sin(_TURN),
        u * math.sin(_TURN) + v * math.cos(_TURN),
    )


def place(at: Plan) -> Place:
    """Return the place on Earth of a place of the plan, to a decimetre."""
    east, north = bent(at)
    return round(CENTRE[0] + east / _EAST, 6), round(CENTRE[1] + north / _NORTH, 6)


def metres(a: Plan, b: Plan) -> float:
    """Return how far two places of the plan are from one another on the ground."""
    return math.dist(bent(a), bent(b))


def way(corners: Iterable[Plan]) -> list[Plan]:
    """Return a line with as many points between its corners as the bend needs."""
    found: list[Plan] = []
    for corner in corners:
        if found:
            start = found[-1]
            steps = max(1, math.ceil(math.dist(start, corner) / _BEND))
            found += [
                (start[0] + (corner[0] - start[0]) * step / steps,
                 start[1] + (corner[1] - start[1]) * step / steps)
                for step in range(1, steps + 1)
            ]  # fmt: skip
        else:
            found.append(corner)
    return found


def line(corners: Iterable[Plan]) -> dict[str, Any]:
    """Return a GeoJSON LineString."""
    return {"type": "LineString", "coordinates": [list(place(one)) for one in way(corners)]}


def point(at: Plan) -> dict[str, Any]:
    """Return a GeoJSON Point."""
    return {"type": "Point", "coordinates": list(place(at))}


def area(u0: float, v0: float, u1: float, v1: float) -> dict[str, Any]:
    """Return a GeoJSON Polygon of a rectangle of the plan, counter-clockwise (RFC 7946)."""
    ring = way([(u0, v0), (u1, v0), (u1, v1), (u0, v1), (u0, v0)])
    return {"type": "Polygon", "coordinates": [[list(place(one)) for one in ring]]}
