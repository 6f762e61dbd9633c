"""Ways along the avenues of the demo city, worked out from its entities ``RoadSegment``."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from madang.demo.ground import CENTRE
from madang.model.errors import MadangError
from madang.services.corridor.way import metres_between

Place = tuple[float, float]
"""Longitude and latitude. [degree]"""
LEAST_M, MOST_M = 1_800.0, 3_200.0  # of the way of a responder
_NORTH: Final = 111_195.0  # metres in a degree of latitude
Graph = dict[Place, list[tuple[Place, list[Place]]]]


class NoStreets(MadangError):
    """The city has no avenues that lead anywhere."""


def scene(segments: Sequence[dict[str, Any]]) -> tuple[Place, list[Place]]:
    """Return a place on the avenue nearest to the middle of the city, and a way that ends there.

    Raises:
        NoStreets: there are too few.
    """
    lines = [
        [_round(place) for place in one["location"]["value"]["coordinates"]]
        for one in segments if one["location"]["value"]["type"] == "LineString"
    ]  # fmt: skip
    if not lines:
        raise NoStreets("the hub has no RoadSegment of the class primary; is it a demo city?")
    line = min(lines, key=lambda one: metres_between(at(one, length(one) / 2), CENTRE))
    graph = _graph(lines)
    half = _part(line, length(line) / 2)
    ways = _ways(graph, line[0])
    far = [(metres, way) for metres, way in ways if LEAST_M <= metres <= MOST_M]
    far = [(metres, way) for metres, way in far if line[-1] not in way]
    if not far:
        raise NoStreets("no way of two to three kilometres leads to the middle of the city")
    _, way = max(far)
    return half[-1], [*reversed(way), *half[1:]]


def _round(place: Sequence[float]) -> Place:
    return round(place[0], 6), round(place[1], 6)


def _graph(lines: list[list[Place]]) -> Graph:
    found: Graph = {}
    for line in lines:
        found.setdefault(line[0], []).append((line[-1], line))
        found.setdefault(line[-1], []).append((line[0], line[::-1]))
    return found


def _ways(graph: Graph, start: Place) -> list[tuple[float, list[Place]]]:
    """Return how far every crossing is, and the way there (E. W. Dijkstra, 1959)."""
    found: dict[Place, tuple[float, list[Place]]] = {}
    queue: list[tuple[float, Place, list[Place]]] = [(0.0, start, [start])]
    while queue:
        metres, here, way = heapq.heappop(queue)
        if here in found:
            continue
        found[here] = metres, way
        for there, line in graph[here]:
            if there not in found:
                heapq.heappush(queue, (metres + length(line), there, [*way, *line[1:]]))
    return list(found.values())


def length(line: Sequence[Place]) -> float:
    """Return how long a line is. [m]"""
    return sum(metres_between(here, there) for here, there in pairwise(line))


def at(line: Sequence[Place], metres: float) -> Place:
    """Return the place so many metres along a line."""
    return _part(line, metres)[-1]


def _part(line: Sequence[Place], metres: float) -> list[Place]:
    """Return the beginning of a line."""
    found = [line[0]]
    for here, there in pairwise(line):
        long = metres_between(here, there)
        if long >= metres:
            share = metres / long if long else 0.0
            found.append((round(here[0] + (there[0] - here[0]) * share, 6),
                          round(here[1] + (there[1] - here[1]) * share, 6)))  # fmt: skip
            return found
        metres -= long
        found.append(there)
    return found


def moved(place: Place, metres: float) -> Place:
    """Return the place so many metres north of another."""
    return place[0], round(place[1] + metres / _NORTH, 6)


def around(place: Place, metres: float) -> list[Place]:
    """Return a place to the west and one to the east."""
    east = metres / _NORTH / math.cos(math.radians(place[1]))
    return [(round(place[0] - east, 6), place[1]), (round(place[0] + east, 6), place[1])]
