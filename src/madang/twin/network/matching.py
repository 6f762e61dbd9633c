"""Stops of a timetable onto lanes, and the ways of buses between them.

A stop is near several lanes; which is meant follows from the ones before and after it. The
likeliest chain is found by dynamic programming (Viterbi), after Newson and Krumm, Hidden Markov
Map Matching Through Noise and Sparseness, ACM SIGSPATIAL 2009: a lane costs what it is away, a
step costs the detour it means.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from madang.twin.network.connected import arcs
from madang.twin.network.roads import Roads
from madang.twin.network.timetable import Pattern, Stop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NEAR_M: Final = 45.0
_MOST_LANES: Final = 6  # edges that a stop may be at
_WRONG_SIDE_M: Final = 25.0  # that a stop at the left of its lane seems farther
_DETOUR: Final = 0.5  # metres that a metre of detour seems
_SHORTEST_M: Final = 12.0  # of a lane that buses stop at
_FAR_S: Final = 1500.0  # between two stops, at most
_CHUNK: Final = 128
_PACE: Final = 10.0  # by which times become metres [m/s]


class Place(NamedTuple):
    """Where a stop may be."""

    lane: str
    edge: str
    position: float
    """From the beginning of the lane. [m]"""
    cost: float
    """[m]"""


class Way(NamedTuple):
    """How a pattern drives."""

    pattern: Pattern
    calls: list[int]
    """The stops of the pattern that are on roads, by their number."""
    places: list[Place]
    """Where those are."""
    edges: list[str]


class Matcher:
    """Brings patterns onto roads.

    Args:
        roads: on which buses drive.
        stops: by id.
    """

    def __init__(self, roads: Roads, stops: Mapping[str, Stop]) -> None:
        self._roads = roads
        self._graph, self._names = _graph(roads)
        self._number = {name: number for number, name in enumerate(self._names)}
        self._stops = stops
        self._places: dict[str, list[Place]] = {}
        self._times: dict[int, NDArray[np.float32]] = {}
        self._column: dict[int, int] = {}

    def ways(self, patterns: Sequence[Pattern]) -> tuple[list[Way], list[tuple[Pattern, str]]]:
        """Return how patterns drive, and those that cannot, with the reason."""
        used = {stop for pattern in patterns for stop in pattern.stops if stop in self._stops}
        self._places = {stop: self._near(self._stops[stop]) for stop in sorted(used)}
        self._measure()
        chains: list[tuple[Pattern, list[int], list[Place]]] = []
        lost = []
        for pattern in patterns:
            calls = [n for n, stop in enumerate(pattern.stops) if self._places.get(stop)]
            chain = self._chain([pattern.stops[n] for n in calls])
            if len(chain) < max(2, len(calls) // 2):
                lost.append((pattern, "its stops are not on connected roads"))
            else:
                kept = [calls[n] for n, _ in chain]
                chains.append((pattern, kept, [place for _, place in chain]))
        paths = self._paths({pair for _, _, places in chains for pair in _pairs(places)})
        ways = []
        for pattern, kept, places in chains:
            edges = [places[0].edge]
            for pair in _pairs(places):
                edges += paths[pair][1:]
            ways.append(Way(pattern, kept, places, edges))
        return ways, lost

    def _near(self, stop: Stop) -> list[Place]:
        """Return where a stop may be: one place an edge, nearest first."""
        found: dict[str, Place] = {}
        x, y = self._roads.xy(*stop.place)
        for near in self._roads.near(*stop.place, "bus", _NEAR_M):
            lane = self._roads.lanes[near.lane]
            if lane.edge not in found and lane.length >= _SHORTEST_M:
                wrong = _is_left(lane.line, (float(x), float(y)))
                cost = near.distance + (_WRONG_SIDE_M if wrong else 0.0)
                right = self._roads.lane_for(lane.edge, "bus") or lane.id
                found[lane.edge] = Place(right, lane.edge, near.position, cost)
        return sorted(found.values(), key=lambda place: place.cost)[:_MOST_LANES]

    def _measure(self) -> None:
        """Work out the times between all edges at which there may be stops."""
        import numpy as np
        from scipy.sparse.csgraph import dijkstra

        goals = sorted({self._number[p.edge] for places in self._places.values() for p in places})
        self._column = {goal: column for column, goal in enumerate(goals)}
        for start in range(0, len(goals), _CHUNK):
            some = goals[start : start + _CHUNK]
            times = dijkstra(self._graph, indices=some, limit=_FAR_S)[:, goals]
            self._times.update(zip(some, times.astype(np.float32), strict=True))

    def _step(self, a: Place, b: Place) -> float:
        """Return what it costs to come from one place to the next; infinite if one cannot. [m]"""
        if a.edge == b.edge:
            return 0.0 if b.position > a.position else math.inf
        start, end = self._number[a.edge], self._number[b.edge]
        seconds = float(self._times[start][self._column[end]])
        if not math.isfinite(seconds):
            return math.inf
        crow = math.dist(self._point(a), self._point(b))
        speed = self._roads.edges[a.edge].speed, self._roads.edges[b.edge].speed
        seconds += b.position / speed[1] - a.position / speed[0]
        return _DETOUR * max(0.0, seconds * _PACE - crow)

    def _point(self, place: Place) -> tuple[float, float]:
        line = self._roads.lanes[place.lane].line
        share = place.position / self._roads.lanes[place.lane].length
        (x0, y0), (x1, y1) = line[0], line[-1]
        return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share

    def _chain(self, stops: Sequence[str]) -> list[tuple[int, Place]]:
        """Return the likeliest places of the stops of a pattern, each with the stop's number.

        A stop that cannot be reached from those before it is left out.
        """
        if not stops:
            return []
        steps: list[tuple[int, list[Place], list[int]]] = [(0, self._places[stops[0]], [0])]
        costs = [place.cost for place in steps[0][1]]
        for number, stop in enumerate(stops[1:], 1):
            row, froms = [], []
            for place in self._places[stop]:
                options = [
                    cost + self._step(last, place)
                    for cost, last in zip(costs, steps[-1][1], strict=True)
                ]
                best = min(range(len(options)), key=options.__getitem__)
                row.append(options[best] + place.cost)
                froms.append(best)
            if math.isfinite(min(row)):
                steps.append((number, self._places[stop], froms))
                costs = row
        at = min(range(len(costs)), key=costs.__getitem__)
        found = []
        for number, places, froms in reversed(steps):
            found.append((number, places[at]))
            at = froms[at] if number else at
        return found[::-1]

    def _paths(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """Return the edges of the ways between pairs of edges."""
        from scipy.sparse.csgraph import dijkstra

        goals: dict[int, set[int]] = {}
        found: dict[tuple[str, str], list[str]] = {}
        for a, b in pairs:
            goals.setdefault(self._number[a], set()).add(self._number[b])
        starts = sorted(goals)
        for first in range(0, len(starts), _CHUNK):
            some = starts[first : first + _CHUNK]
            _, before = dijkstra(self._graph, indices=some, limit=_FAR_S, return_predecessors=True)
            for start, row in zip(some, before, strict=True):
                for goal in goals[start]:
                    numbers = _walk(row, start, goal)
                    names = [self._names[number] for number in numbers]
                    found[names[0], names[-1]] = names
        return found


def _pairs(chain: Sequence[Place]) -> list[tuple[str, str]]:
    return [(a.edge, b.edge) for a, b in pairwise(chain) if a.edge != b.edge]


def _walk(before: Any, start: int, goal: int) -> list[int]:
    numbers = [goal]
    while numbers[-1] != start:
        numbers.append(int(before[numbers[-1]]))
    return numbers[::-1]


def _graph(roads: Roads) -> tuple[Any, list[str]]:
    """Return the edges that buses may use as a graph of driving times. [s]"""
    import numpy as np
    from scipy.sparse import coo_matrix

    pairs = arcs(roads, "bus")
    names = sorted({id for pair in pairs for id in pair} | set(roads.edges))
    number = {name: place for place, name in enumerate(names)}
    times = [roads.edges[a].length / max(roads.edges[a].speed, 1.0) for a, _ in pairs]
    start = np.array([number[a] for a, _ in pairs])
    end = np.array([number[b] for _, b in pairs])
    return coo_matrix((times, (start, end)), shape=(len(names), len(names))).tocsr(), names


def _is_left(line: Sequence[tuple[float, float]], point: tuple[float, float]) -> bool:
    """Return whether a point is at the left of a line, by the nearest of its parts."""
    best, left = math.inf, False
    for (x0, y0), (x1, y1) in pairwise(line):
        dx, dy = x1 - x0, y1 - y0
        share = ((point[0] - x0) * dx + (point[1] - y0) * dy) / ((dx * dx + dy * dy) or 1.0)
        share = min(max(share, 0.0), 1.0)
        away = math.dist(point, (x0 + share * dx, y0 + share * dy))
        if away < best:
            best, left = away, dx * (point[1] - y0) - dy * (point[0] - x0) > 0
    return left
