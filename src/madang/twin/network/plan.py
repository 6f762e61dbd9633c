"""What a road network is drawn from when no map is at hand, in SUMO's plain XML.

Traffic keeps to the right; lanes count from the right, beginning with 0. A bicycle lane is lane 0
of its edge. Source of the file formats: SUMO user documentation, Networks/PlainXML.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

Place = tuple[float, float]
"""Longitude and latitude. [degree]"""
LANE_M: Final = 3.2
BICYCLE_LANE_M: Final = 2.0
_PRIORITY: Final = {"primary": 9, "secondary": 5, "residential": 2}


class Node(NamedTuple):
    """Where edges meet."""

    id: str
    place: Place
    is_signalled: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    """One direction of a street between two nodes."""

    id: str
    start: str
    end: str
    lanes: int
    """For cars; the bicycle lane is one more."""
    speed: float
    """Limit. [m/s]"""
    kind: str
    """``primary``, ``secondary`` or ``residential``."""
    name: tuple[str, str]
    """In Korean and English."""
    shape: tuple[Place, ...] = ()
    """Places of its middle line, those of its nodes with them; empty if it is straight."""
    has_bicycle_lane: bool = False

    @property
    def first(self) -> int:
        """Number of the rightmost lane for cars."""
        return int(self.has_bicycle_lane)

    @property
    def all_lanes(self) -> int:
        """How many lanes it has, that for bicycles with them."""
        return self.lanes + self.first


class Turn(NamedTuple):
    """A way from a lane to another; an edge with any has only those."""

    start: str
    end: str
    from_lane: int
    to_lane: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A network as drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    turns: tuple[Turn, ...] = ()

    @property
    def projection(self) -> str:
        """Transverse Mercator about its middle, for PROJ: metres are metres, north is up."""
        west, east = _ends(node.place[0] for node in self.nodes)
        south, north = _ends(node.place[1] for node in self.nodes)
        return (
            f"+proj=tmerc +lat_0={(south + north) / 2:.4f} +lon_0={(west + east) / 2:.4f}"
            " +k=1 +x_0=0 +y_0=0 +ellps=WGS84 +units=m +no_defs"
        )

    def write(self, folder: Path) -> dict[str, Path]:
        """Write it as plain XML; return the options of netconvert that name the files."""
        parts = {
            "node-files": ("nodes", map(_node, self.nodes)),
            "edge-files": ("edges", map(_edge, self.edges)),
            "connection-files": ("connections", map(_turn, self.turns)),
        }
        files = {}
        for option, (root, rows) in parts.items():
            files[option] = folder / f"{root}.xml"
            files[option].write_text(f"<{root}>\n{''.join(rows)}</{root}>\n", "utf-8")
        return files


def _ends(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _node(node: Node) -> str:
    kind = "traffic_light" if node.is_signalled else "priority"
    lon, lat = node.place
    return f'<node id={quoteattr(node.id)} x="{lon}" y="{lat}" type="{kind}"/>\n'


def _edge(edge: Edge) -> str:
    korean, english = edge.name
    shape = " ".join(f"{lon},{lat}" for lon, lat in edge.shape)
    lanes = "".join(_lane(edge, index) for index in range(edge.all_lanes))
    return (
        f"<edge id={quoteattr(edge.id)} from={quoteattr(edge.start)} to={quoteattr(edge.end)}"
        f' numLanes="{edge.all_lanes}" speed="{edge.speed:.2f}"'
        f' priority="{_PRIORITY[edge.kind]}" type="{edge.kind}" name={quoteattr(korean)}'
        f"{f' shape={quoteattr(shape)}' if shape else ''}>{lanes}"
        f'<param key="name:en" value={quoteattr(english)}/></edge>\n'
    )


def _lane(edge: Edge, index: int) -> str:
    if edge.has_bicycle_lane and index == 0:
        return f'<lane index="0" width="{BICYCLE_LANE_M}" allow="bicycle"/>'
    return f'<lane index="{index}" width="{LANE_M}" disallow="pedestrian tram rail ship"/>'


def _turn(turn: Turn) -> str:
    return (
        f"<connection from={quoteattr(turn.start)} to={quoteattr(turn.end)}"
        f' fromLane="{turn.from_lane}" toLane="{turn.to_lane}"/>\n'
    )
