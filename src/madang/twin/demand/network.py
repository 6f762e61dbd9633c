"""The roads of a scenario as demand sees them: where trips of each kind can begin and end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from madang.model.errors import MadangError
from madang.twin.network.roads import Edge, Roads

_GATES_AT_MOST: Final = 40
_RIM: Final = 0.008  # of the length round the network: what ends this near to its rim leads out
_SHORTEST_M: Final = 15.0  # an edge below it has no room to depart
_WIDE: Final = 0.4  # of what the widest gate holds: a narrower one is no gate


class NoRoads(MadangError):
    """A network has no roads on which trips could run."""


@dataclass(frozen=True)
class Network:
    """Roads, and the edges at which trips come into the city and leave it."""

    roads: Roads

    def allows(self, edge: Edge, kind: str) -> bool:
        return any(kind in self.roads.lanes[lane].allowed for lane in edge.lanes)

    def after(self, edge: Edge, kind: str) -> set[str]:
        """Return the edges to which a kind of vehicle may go on."""
        lanes = self.roads.lanes
        return {
            lanes[link.to].edge
            for lane in edge.lanes
            if kind in lanes[lane].allowed
            for link in self.roads.links.get(lane, ())
            if kind in lanes[link.to].allowed
        }

    def usable(self, kind: str) -> list[Edge]:
        """Return the edges of a kind from each of which all the others can be reached."""
        edges = self.roads.edges
        after = {name: self.after(one, kind) for name, one in edges.items()}
        before: dict[str, set[str]] = {}
        for name, several in after.items():
            for other in several:
                before.setdefault(other, set()).add(name)
        left = {one.id for one in edges.values() if self.allows(one, kind)}
        best: set[str] = set()
        while len(left) > len(best):
            widest = max(left, key=lambda name: (room(edges[name]), name))
            circle = _reached(widest, after) & _reached(widest, before) & left
            best = max(best, circle, key=len)
            left -= circle
        return [edges[name] for name in sorted(best)] if len(best) > 1 else []

    @cached_property
    def gates(self) -> tuple[list[Edge], list[Edge]]:
        """The edges on which cars come into the city, and those on which they leave it.

        They are the ends of roads at its rim; without such, the widest roads that lead from the
        rim inwards and back.
        """
        inner = {one.id for one in self.usable("passenger")}
        if not inner:
            raise NoRoads("the network has no roads that form a net for cars")
        edges = self.roads.edges
        rim = [one for one in edges.values() if self.allows(one, "passenger") and self._on_rim(one)]
        leads = {other for name in inner for other in self.after(edges[name], "passenger")} | inner
        into = [
            one for one in rim
            if self._come.get(one.start, set()) <= {one.end}
            and inner & {one.id, *self.after(one, "passenger")}
        ]  # fmt: skip
        out = [
            one for one in rim if self._go.get(one.end, set()) <= {one.start} and one.id in leads
        ]
        if len(into) < 2 or len(out) < 2:
            into = [one for one in rim if one.id in inner and self._inwards(one) > 0.5]
            out = [one for one in rim if one.id in inner and self._inwards(one) < -0.5]
        if not into or not out:
            into = out = [edges[one] for one in inner]
        return _widest(into), _widest(out)

    def _inwards(self, edge: Edge) -> float:
        """Return how much an edge leads away from the rim, for each metre of it. [1]"""
        return (self._depth(edge.line[-1]) - self._depth(edge.line[0])) / max(edge.length, 1.0)

    def _on_rim(self, edge: Edge) -> bool:
        rim = self._rim
        depth = min(self._depth(edge.line[0]), self._depth(edge.line[-1]))
        return depth < _RIM * float(rim.length)

    def _depth(self, at: tuple[float, float]) -> float:
        """Return how far a point is from the rim of the network. [m]"""
        import shapely

        return float(self._rim.distance(shapely.Point(at)))

    @cached_property
    def _rim(self) -> Any:
        import shapely

        points = [point for one in self.roads.edges.values() for point in one.line]
        return shapely.MultiPoint(points).convex_hull.exterior

    @cached_property
    def _come(self) -> dict[str, set[str]]:
        """From where one comes to each junction."""
        found: dict[str, set[str]] = {}
        for one in self.roads.edges.values():
            found.setdefault(one.end, set()).add(one.start)
        return found

    @cached_property
    def _go(self) -> dict[str, set[str]]:
        """To where one goes from each junction."""
        found: dict[str, set[str]] = {}
        for one in self.roads.edges.values():
            found.setdefault(one.start, set()).add(one.end)
        return found


def room(edge: Edge) -> float:
    """Return how much traffic an edge holds, for comparing."""
    return len(edge.lanes) * edge.speed


def _reached(start: str, after: Mapping[str, set[str]]) -> set[str]:
    """Return what can be reached from an edge, with it."""
    found, waiting = {start}, [start]
    while waiting:
        more = after.get(waiting.pop(), set()) - found
        found |= more
        waiting += more
    return found


def _widest(edges: list[Edge]) -> list[Edge]:
    ordered = sorted(edges, key=lambda one: (-room(one), one.id))
    return [one for one in ordered if room(one) > _WIDE * room(ordered[0])][:_GATES_AT_MOST]


class Doors:
    """Which edges trips of a kind begin and end on, for each of some places: the nearest."""

    def __init__(
        self, network: Network, kind: str, lon: NDArray[np.float64], lat: NDArray[np.float64]
    ) -> None:
        import shapely

        self.edges = [one for one in network.usable(kind) if one.length >= _SHORTEST_M]
        if not self.edges:
            raise NoRoads(f"the network has no roads that form a net for the kind {kind}")
        tree = shapely.STRtree([shapely.LineString(one.line) for one in self.edges])
        points = shapely.points(*network.roads.xy(lon, lat))
        self._nearest = np.asarray(tree.nearest(points), np.int64)
        number = {(one.start, one.end): index for index, one in enumerate(self.edges)}
        self._across = np.array(
            [number.get((one.end, one.start), index) for index, one in enumerate(self.edges)]
        )

    def of(self, place: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int64]:
        """Return an edge for each place, on either side of its road."""
        near = self._nearest[place]
        return np.where(rng.random(len(place)) < 0.5, near, self._across[near])
