"""Counting stations: induction loops across all lanes of an edge, as SUMO's additional file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from madang.twin.network.programs import NetworkError
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import put

PERIOD_S: Final = 60
"""Over which a loop counts."""


class Station(NamedTuple):
    """The loops of one direction of a street."""

    id: str
    edge: str
    position: float
    """From the beginning of the edge. [m]"""
    lanes: tuple[str, ...]

    @property
    def loops(self) -> dict[str, str]:
        """Ids of its loops, each with its lane."""
        return {f"{self.id}_{number}": lane for number, lane in enumerate(self.lanes)}


def station(roads: Roads, id: str, edge: str, position: float) -> Station:
    """Return a station across the lanes of an edge on which anything drives."""
    own = roads.edges[edge]
    lanes = tuple(lane for lane in own.lanes if roads.lanes[lane].allowed - {"pedestrian"})
    return Station(id, edge, round(min(position, own.length), 1), lanes)


def write(path: Path, stations: Iterable[Station]) -> None:
    """Write them whole; the simulation counts, and writes no file of its own."""
    rows = [
        f'<inductionLoop id={quoteattr(id)} lane={quoteattr(lane)} pos="{one.position}"'
        f' period="{PERIOD_S}" file="NUL"/>\n'
        for one in stations
        for id, lane in one.loops.items()
    ]
    put(path, ["<additional>\n", *rows, "</additional>\n"])


def read(path: Path) -> dict[str, Station]:
    """Return the stations of a file by id.

    Raises:
        NetworkError: it is no such file.
    """
    found: dict[str, Station] = {}
    try:
        for row in ElementTree.parse(path).getroot().iterfind("inductionLoop"):
            id, lane = row.attrib["id"].rpartition("_")[0], row.attrib["lane"]
            before = found.get(id)
            lanes = (*before.lanes, lane) if before else (lane,)
            edge = lane.rpartition("_")[0]
            found[id] = Station(id, edge, float(row.attrib["pos"]), lanes)
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as error:
        raise NetworkError(f"{path} cannot be read: {error}; build the city again") from None
    return found
