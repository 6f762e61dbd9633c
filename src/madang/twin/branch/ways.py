"""Ways through the network for each kind of road user, by time, price and what is closed.

Who departs takes the way of least cost in time as it is just then: the times of the last minutes,
and what has to be paid, as time. Ways are searched on edges of the network (E. W. Dijkstra, A note
on two problems in connexion with graphs, Numerische Mathematik 1, 1959).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from madang.twin.branch.policy import Where

CLASSES: Final = {"car": "passenger", "truck": "truck", "bus": "bus", "bicycle": "bicycle"}
"""SUMO's vehicle classes by our kinds."""
RIDING: Final = 5.0
"""How fast people ride. [m/s]"""
SMOOTH: Final = 0.5
"""Weight of the newest time of an edge."""
BESIDE_M: Final = 40.0
"""Edges about as far from a place as the nearest may be its other side. [m]"""
_EARTH: Final = 111_320.0
"""A degree of latitude. [m]"""


class Ways:
    """The network of a simulation that runs.

    Args:
        sumo: libsumo.
    """

    def __init__(self, sumo: Any) -> None:
        self._sumo = sumo
        self.edges = [id for id in sumo.edge.getIDList() if not id.startswith(":")]
        self.index = {id: number for number, id in enumerate(self.edges)}
        self.lanes = [
            [f"{id}_{n}" for n in range(sumo.edge.getLaneNumber(id))] for id in self.edges
        ]
        self.names = [self._name(id) for id in self.edges]
        """Of the streets: Korean, or as the map has it, and English."""
        first = [lanes[0] for lanes in self.lanes]
        self.length = np.array([sumo.lane.getLength(id) for id in first])
        self.limit = np.array([sumo.lane.getMaxSpeed(lanes[-1]) for lanes in self.lanes])
        self.shapes = [self._shape(id) for id in first]
        self.middle = np.array([_middle(shape) for shape in self.shapes])
        """Longitude and latitude. [degree]"""
        self._open = {
            kind: np.array([self._takes(lanes, name) for lanes in self.lanes])
            for kind, name in CLASSES.items()
        }
        self._tails, self._heads = self._arcs()
        self.times = self.length / self.limit
        """To drive along each edge. [s]"""
        self._extra: dict[str, NDArray[Any]] = {}
        self._shut: dict[str, NDArray[Any]] = {kind: ~there for kind, there in self._open.items()}
        self._known: dict[tuple[str, frozenset[int], int], Any] = {}
        self.blocks: list[NDArray[Any]] = []
        """Areas without through traffic, as edges of which that is true."""

    def _shape(self, lane: str) -> list[tuple[float, float]]:
        geo = self._sumo.simulation.convertGeo
        return [tuple(geo(x, y)) for x, y in self._sumo.lane.getShape(lane)]

    def _name(self, edge: str) -> tuple[str, str]:
        name = self._sumo.edge.getStreetName(edge)
        return name, self._sumo.edge.getParameter(edge, "name:en") or name

    def _takes(self, lanes: Sequence[str], name: str) -> bool:
        allowed = map(self._sumo.lane.getAllowed, lanes)
        return any(not names or name in names for names in allowed)

    def _arcs(self) -> tuple[NDArray[Any], NDArray[Any]]:
        found = set()
        for tail, lanes in enumerate(self.lanes):
            for lane in lanes:
                for link in self._sumo.lane.getLinks(lane):
                    head = self.index.get(link[0].rpartition("_")[0])
                    if head is not None:
                        found.add((tail, head))
        arcs = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
        return arcs[:, 0], arcs[:, 1]

    # --- what is meant, what is near ----------------------------------------------------------

    def within(self, where: Where) -> NDArray[Any]:
        """Return of each edge whether it is meant."""
        found = np.isin(self.edges, where.edges) if where.edges else np.zeros(len(self.edges), bool)
        if where.streets:
            wanted = {name.casefold() for name in where.streets}
            told = [{name.casefold() for name in names} for names in self.names]
            found |= np.array([bool(wanted & names) for names in told])
        if where.area:
            import shapely

            area = shapely.Polygon(where.area)
            found |= shapely.contains_xy(area, self.middle[:, 0], self.middle[:, 1])
        if where.place is not None:
            found |= self.metres(where.place) <= where.radius_m
        return found

    def metres(self, place: Sequence[float]) -> NDArray[Any]:
        """Return how far the middle of each edge is from a place. [m]"""
        return _beeline(self.middle, np.asarray(place))

    def beeline(self, start: int, end: int) -> float:
        """Return how far two edges are apart, from middle to middle. [m]"""
        return float(_beeline(self.middle[[start]], self.middle[end])[0])

    def near(self, place: Sequence[float], kind: str) -> int:
        """Return the nearest edge that a kind may use."""
        metres = np.where(self._shut[kind], np.inf, self.metres(place))
        return int(metres.argmin())

    def beside(self, place: Sequence[float], kind: str) -> list[int]:
        """Return the edges that a stop at a place may be at: the nearest, and its other side."""
        metres = np.where(self._shut[kind], np.inf, self.metres(place))
        nearest = np.argsort(metres)[:4]
        return [int(edge) for edge in nearest if metres[edge] <= metres[nearest[0]] + BESIDE_M]

    def takes(self, edge: int, kind: str) -> bool:
        """Return whether a kind may use an edge at present."""
        return not self._shut[kind][edge]

    # --- what changes -------------------------------------------------------------------------

    def look(self) -> None:
        """Take note of how long edges take just now."""
        edge = self._sumo.edge
        now = np.array([edge.getTraveltime(id) for id in self.edges])
        self.times += SMOOTH * (np.minimum(now, 3600.0) - self.times)
        self._known.clear()

    def limit_to(self, edges: NDArray[Any], speed: float) -> None:
        """Let nobody drive faster on some edges. [m/s]"""
        for number in np.flatnonzero(edges & (self.limit > speed)):
            for lane in self.lanes[number]:
                self._sumo.lane.setMaxSpeed(lane, speed)
            self.limit[number] = speed
            self.times[number] = max(self.times[number], self.length[number] / speed)
        self._known.clear()

    def shut(self, edges: NDArray[Any], kinds: Iterable[str]) -> None:
        """Close edges to some kinds, or open them again with :meth:`reopen`."""
        for kind in kinds:
            self._shut[kind] = self._shut[kind] | edges
        self._known.clear()

    def reopen(self, edges: NDArray[Any], kinds: Iterable[str]) -> None:
        """Open edges to those who could use them before."""
        for kind in kinds:
            self._shut[kind] = self._shut[kind] & ~(edges & self._open[kind])
        self._known.clear()

    def charge(self, edges: NDArray[Any], seconds: float) -> None:
        """Let cars and trucks pay for coming into an area, in time; less than 0 takes it back."""
        comes_in = ~edges[self._tails] & edges[self._heads]
        for kind in ("car", "truck"):
            extra = self._extra.get(kind, np.zeros(len(self._heads)))
            self._extra[kind] = extra + np.where(comes_in, seconds, 0.0)
        self._known.clear()

    # --- ways ---------------------------------------------------------------------------------

    def way(self, kind: str, start: int, end: int) -> list[str] | None:
        """Return the edges from one edge to another; None if there is no way."""
        distances, before = self._from(kind, start, end)
        if not np.isfinite(distances[end]):
            return None
        found = [end]
        while found[-1] != start:
            found.append(int(before[found[-1]]))
        return [self.edges[number] for number in reversed(found)]

    def cost(self, kind: str, start: int, end: int) -> float:
        """Return what a way costs, as time; infinite if there is none. [s]"""
        distances, _ = self._from(kind, start, end)
        return float(distances[end] + self.times[start])

    def reach(self, kind: str, start: int) -> NDArray[Any]:
        """Return how long it takes to each edge, without prices. [s]"""
        weights = self._weights(kind, frozenset())
        if kind in self._extra:
            weights = weights - self._extra[kind]
        return np.asarray(dijkstra(self._graph(weights), indices=start))

    def _from(self, kind: str, start: int, end: int) -> Any:
        barred = frozenset(
            number
            for number, block in enumerate(self.blocks)
            if kind in ("car", "truck") and not block[start] and not block[end]
        )
        key = (kind, barred, start)
        found = self._known.get(key)
        if found is None:
            graph = self._graph(self._weights(kind, barred))
            found = dijkstra(graph, indices=start, return_predecessors=True)
            self._known[key] = found
        return found

    def _weights(self, kind: str, barred: frozenset[int]) -> NDArray[Any]:
        times = self.times
        if kind == "bicycle":
            times = np.maximum(self.length / RIDING, 0.1)
        closed = self._shut[kind]
        for number in barred:
            closed = closed | self.blocks[number]
        weights = np.where(closed, np.inf, times)[self._heads]
        return np.asarray(weights + self._extra.get(kind, 0.0))

    def _graph(self, weights: NDArray[Any]) -> csr_matrix:
        size = len(self.edges)
        is_open = np.isfinite(weights)
        arcs = (self._tails[is_open], self._heads[is_open])
        return csr_matrix((weights[is_open], arcs), shape=(size, size))


def _middle(shape: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the point halfway along a line."""
    points = np.array(shape)
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    half = along[-1] / 2
    return float(np.interp(half, along, points[:, 0])), float(np.interp(half, along, points[:, 1]))


def _beeline(points: NDArray[Any], place: NDArray[Any]) -> NDArray[Any]:
    """Return how far points are from a place, on a plane that fits a city. [m]"""
    wide = np.cos(np.radians(place[1]))
    return np.asarray(np.hypot((points[:, 0] - place[0]) * wide, points[:, 1] - place[1]) * _EARTH)
