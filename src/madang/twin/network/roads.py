"""The roads of a network: lanes, edges, signals and where they are on the map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from madang.services.signals.signal import Signal
from madang.twin.network import net as files
from madang.twin.network.programs import NetworkError
from madang.twin.network.signals import signals_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Place = tuple[float, float]
"""Longitude and latitude. [degree]"""
Point = tuple[float, float]
"""East and north of the network's origin. [m]"""
KINDS: Final = (
    "passenger", "bus", "truck", "bicycle", "emergency", "taxi", "delivery", "motorcycle",
    "pedestrian", "tram", "rail",
)  # fmt: skip
"""The vehicle classes of SUMO that we tell apart."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of an edge."""

    id: str
    edge: str
    index: int
    """From the right, beginning with 0."""
    length: float
    """[m]"""
    speed: float
    """Limit. [m/s]"""
    width: float
    """[m]"""
    allowed: frozenset[str]
    """Vehicle classes, of :data:`KINDS`."""
    line: tuple[Point, ...]
    shape: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """One direction of a street between two junctions."""

    id: str
    start: str
    end: str
    """Junctions."""
    lanes: tuple[str, ...]
    """From the right."""
    length: float
    """[m]"""
    speed: float
    """Highest limit of its lanes. [m/s]"""
    kind: str
    """``primary``, ``highway.residential`` …, as its source says."""
    name: tuple[str, str]
    """In the city's language and in English; empty where nobody gave one."""
    line: tuple[Point, ...]
    shape: tuple[Place, ...]


class Link(NamedTuple):
    """A way from the end of a lane to the beginning of another."""

    to: str
    """Lane."""
    turn: str
    """``s`` straight, ``l`` and ``r``, ``L`` and ``R`` half, ``t`` back."""
    signal: str
    """That it obeys, or empty."""
    number: int
    """Of the link at the signal; -1 without one."""
    allowed: frozenset[str]
    """Vehicle classes that may go this way, if both lanes are for them, too."""


class Near(NamedTuple):
    """A lane near a place."""

    distance: float
    """From its middle line. [m]"""
    lane: str
    position: float
    """From its beginning. [m]"""


class Roads:
    """All roads of a network.

    Args:
        net: what its file says.
    """

    def __init__(self, net: files.Net) -> None:
        import pyproj

        parameter = net.location["projParameter"]
        if parameter in ("!", "-"):
            raise NetworkError("the network says not where on Earth it is: build the city again")
        self._projection = pyproj.Proj(parameter)
        self._east, self._north = map(float, net.location["netOffset"].split(","))
        self.junctions: dict[str, Point] = {
            id: (float(own["x"]), float(own["y"])) for id, (own, _) in net.junctions.items()
        }
        self.lanes: dict[str, Lane] = {}
        self.edges: dict[str, Edge] = {}
        self._fill(net)
        self.links: dict[str, tuple[Link, ...]] = _links(net.connections)
        self.signals: dict[str, Signal] = signals_of(
            net,
            {lane.id: lane.length for lane in self.lanes.values()},
            {lane.id: lane.speed for lane in self.lanes.values()},
        )

    @classmethod
    def read(cls, net: Path) -> Self:
        """Read a network file.

        Raises:
            NetworkError: it is missing or no network with places on Earth.
        """
        return cls(files.read(net))

    def _fill(self, net: files.Net) -> None:
        lines = [_line(lane["shape"]) for _, lanes, _ in net.edges for lane in lanes]
        middles = [_middle(own, lanes) for own, lanes, _ in net.edges]
        places = iter(self._places([*lines, *middles]))
        lane_shapes = iter(list(zip(lines, places, strict=False)))
        for (own, lanes, parameters), line in zip(net.edges, middles, strict=True):
            made = [
                Lane(
                    lane["id"], own["id"], int(lane["index"]), float(lane["length"]),
                    float(lane["speed"]), float(lane.get("width", 3.2)), _allowed(lane),
                    *next(lane_shapes),
                )
                for lane in lanes
            ]  # fmt: skip
            self.lanes.update((lane.id, lane) for lane in made)
            name = own.get("name", "")
            self.edges[own["id"]] = Edge(
                own["id"], own["from"], own["to"],
                tuple(lane.id for lane in made),
                made[0].length,
                max(lane.speed for lane in made),
                own.get("type", ""),
                (name, parameters.get("name:en", name)),
                line, next(places),
            )  # fmt: skip

    def _places(self, lines: Sequence[Sequence[Point]]) -> list[tuple[Place, ...]]:
        """Return lines on the map; all at once, since each call of the projection costs."""
        flat = [point for line in lines for point in line]
        lon, lat = self.lonlat([x for x, _ in flat], [y for _, y in flat])
        pairs = list(zip(lon.round(7).tolist(), lat.round(7).tolist(), strict=True))
        found, start = [], 0
        for line in lines:
            found.append(tuple(pairs[start : start + len(line)]))
            start += len(line)
        return found

    def lonlat(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitudes and latitudes of points of the network. [m] → [degree]"""
        import numpy as np

        east = np.asarray(x, np.float64) - self._east
        north = np.asarray(y, np.float64) - self._north
        lon, lat = self._projection(east, north, inverse=True)
        return np.asarray(lon, np.float64), np.asarray(lat, np.float64)

    def xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points of the network of longitudes and latitudes. [degree] → [m]"""
        import numpy as np

        east, north = self._projection(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
        return np.asarray(east, np.float64) + self._east, np.asarray(north) + self._north

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of all edges. [degree]"""
        places = [place for edge in self.edges.values() for place in edge.shape]
        lon, lat = [one[0] for one in places], [one[1] for one in places]
        return min(lon), min(lat), max(lon), max(lat)

    @cached_property
    def _tree(self) -> tuple[Any, list[str], list[Any]]:
        import shapely

        ids = list(self.lanes)
        lines = [shapely.LineString(self.lanes[id].line) for id in ids]
        return shapely.STRtree(lines), ids, lines

    def near(self, lon: float, lat: float, kind: str, within_m: float) -> list[Near]:
        """Return the lanes near a place that a kind of vehicle may use, nearest first.

        Args:
            lon: longitude. [degree]
            lat: latitude. [degree]
            kind: vehicle class, of :data:`KINDS`.
            within_m: how far their middle line may be. [m]
        """
        import shapely

        tree, ids, lines = self._tree
        x, y = self.xy(lon, lat)
        point = shapely.Point(float(x), float(y))
        found = []
        for number in tree.query(point, predicate="dwithin", distance=within_m):
            lane = self.lanes[ids[number]]
            if kind in lane.allowed:
                line = lines[number]
                share = line.project(point) / line.length if line.length else 0.0
                found.append(Near(point.distance(line), lane.id, share * lane.length))
        return sorted(found)

    def lane_for(self, edge: str, kind: str) -> str | None:
        """Return the rightmost lane of an edge that a kind of vehicle may use."""
        lanes = self.edges[edge].lanes
        return next((lane for lane in lanes if kind in self.lanes[lane].allowed), None)


def _links(connections: Iterable[Mapping[str, str]]) -> dict[str, tuple[Link, ...]]:
    found: dict[str, list[Link]] = {}
    for one in connections:
        found.setdefault(f"{one['from']}_{one['fromLane']}", []).append(
            Link(
                f"{one['to']}_{one['toLane']}",
                one["dir"],
                one.get("tl", ""),
                int(one.get("linkIndex", -1)),
                _allowed(one),
            )
        )
    return {lane: tuple(links) for lane, links in found.items()}


def _allowed(lane: Mapping[str, str]) -> frozenset[str]:
    if "allow" in lane:
        named = lane["allow"].split()
        return frozenset(KINDS if "all" in named else set(named) & set(KINDS))
    named = lane.get("disallow", "").split()
    return frozenset() if "all" in named else frozenset(KINDS).difference(named)


def _line(shape: str) -> tuple[Point, ...]:
    points = (point.split(",") for point in shape.split())
    return tuple((float(point[0]), float(point[1])) for point in points)


def _middle(own: Mapping[str, str], lanes: Sequence[Mapping[str, str]]) -> tuple[Point, ...]:
    """Return the line of an edge: that of its middle lane, so that directions stay apart."""
    return _line(lanes[len(lanes) // 2]["shape"])


def length_of(line: Sequence[Point]) -> float:
    """Return how long a line is. [m]"""
    return sum(math.dist(a, b) for a, b in pairwise(line))
