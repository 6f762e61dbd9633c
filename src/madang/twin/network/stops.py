"""Bus stops and parking areas: places on lanes where vehicles stay, as SUMO's additional file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from madang.twin.network.programs import NetworkError
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import put

STOP_M: Final = 28.0
"""Of a bus stop: two buses."""
SPOT_M: Final = 6.0
"""Of a parking spot along a street."""
MOST_SPOTS: Final = 2_000
"""Of one parking area."""
_EDGE_M: Final = 1.0  # that stays free at both ends of a lane


class BusStop(NamedTuple):
    """Where buses stop."""

    id: str
    name: str
    lane: str
    start: float
    """From the beginning of the lane. [m]"""
    end: float
    lines: tuple[str, ...] = ()


class ParkingArea(NamedTuple):
    """Where cars park beside a lane."""

    id: str
    """The id of its entity."""
    name: str
    lane: str
    start: float
    """From the beginning of the lane. [m]"""
    end: float
    spots: int


def span(roads: Roads, lane: str, middle: float, length: float) -> tuple[float, float] | None:
    """Return where something of a length fits on a lane; None if the lane is too short.

    Args:
        roads: of the lane.
        lane: its id.
        middle: where its middle should be. [m]
        length: that it would like; it may become half. [m]
    """
    room = roads.lanes[lane].length - 2 * _EDGE_M
    fits = min(length, room)
    if fits < length / 2:
        return None
    start = min(max(middle - fits / 2, _EDGE_M), _EDGE_M + room - fits)
    return round(start, 2), round(start + fits, 2)


def write(path: Path, stops: Iterable[BusStop], areas: Iterable[ParkingArea]) -> None:
    """Write them whole."""
    put(path, ["<additional>\n", *map(_stop, stops), *map(_area, areas), "</additional>\n"])


def _stop(one: BusStop) -> str:
    lines = f" lines={quoteattr(' '.join(one.lines))}" if one.lines else ""
    return (
        f'<busStop id={quoteattr(one.id)} lane={quoteattr(one.lane)} startPos="{one.start:.2f}"'
        f' endPos="{one.end:.2f}" name={quoteattr(one.name)}{lines}/>\n'
    )


def _area(one: ParkingArea) -> str:
    return (
        f"<parkingArea id={quoteattr(one.id)} lane={quoteattr(one.lane)}"
        f' startPos="{one.start:.2f}" endPos="{one.end:.2f}" roadsideCapacity="{one.spots}"'
        f" name={quoteattr(one.name)}/>\n"
    )


def read(path: Path) -> tuple[dict[str, BusStop], dict[str, ParkingArea]]:
    """Return the bus stops and the parking areas of a file by id.

    Raises:
        NetworkError: it is no such file.
    """
    try:
        rows = list(_rows(path))
        stops = [
            BusStop(
                row["id"], row.get("name", ""), row["lane"],
                float(row["startPos"]), float(row["endPos"]),
                tuple(row.get("lines", "").split()),
            )
            for tag, row in rows if tag == "busStop"
        ]  # fmt: skip
        areas = [
            ParkingArea(
                row["id"], row.get("name", ""), row["lane"],
                float(row["startPos"]), float(row["endPos"]), int(row["roadsideCapacity"]),
            )
            for tag, row in rows if tag == "parkingArea"
        ]  # fmt: skip
    except (OSError, ElementTree.ParseError, KeyError, ValueError) as error:
        raise NetworkError(f"{path} cannot be read: {error}; build the city again") from None
    return {one.id: one for one in stops}, {one.id: one for one in areas}


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    for element in ElementTree.parse(path).getroot():
        yield element.tag, dict(element.attrib)
