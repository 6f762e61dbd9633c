"""A scenario of a real city: from OpenStreetMap, a timetable, a boundary and districts."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from madang.twin.network import areas, buses, detectors, odd, osm, stops, types
from madang.twin.network.areas import Area
from madang.twin.network.buses import Buses
from madang.twin.network.convert import Converted, convert
from madang.twin.network.detectors import Station
from madang.twin.network.entities import City, Entity
from madang.twin.network.osm import Extract, Parking
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario, put, put_entities, put_json
from madang.twin.network.stops import ParkingArea
from madang.twin.network.timetable import Day

STEPS: Final = (
    "roads, buildings and car parks of the map", "junctions and signals", "bus stops and lines",
    "parking and counting stations", "entities", "report",
)  # fmt: skip
MOST_STATIONS: Final = 400
_COUNTED: Final = ("motorway", "trunk", "primary", "secondary", "tertiary")
"""Classes of road with counting stations, most important first."""
_STATION_M: Final = 40.0  # of road that a station wants at least
_PARKING_M: Final = 80.0  # from the outline of a car park to its road, at most
_NO_ENTRANCE: Final = ("motorway", "motorway_link", "trunk", "trunk_link")
_DEGREE_M: Final = 111_195.0  # of latitude

_SOURCE: Final = "OpenStreetMap contributors (ODbL 1.0)"

Tell = Callable[[int, str], None]
"""Is told that a step begins: its number from 0, and what it makes."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a city is made from."""

    map: Path
    """OpenStreetMap, ``.osm.pbf``."""
    boundary: Path | None = None
    districts: Path | None = None
    """Both GeoJSON."""
    day: Day | None = None
    """A weekday of its buses."""


def build(folder: Path, name: str, zone: str, seed: int, sources: Sources, tell: Tell) -> Scenario:
    """Make the scenario of a city, but for its demand.

    Args:
        folder: for its files.
        name: part of the ids of its entities.
        zone: its time zone.
        seed: of what is drawn later.
        sources: what it is made from.
        tell: is told how far it is.

    Raises:
        NetworkError: something given cannot be used; the text says what and why.
    """
    within = areas.union(areas.read(sources.boundary)) if sources.boundary else None
    districts = areas.read(sources.districts) if sources.districts else []
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as work:
        tell(0, STEPS[0])
        map_ = Path(work) / "roads.osm.xml"
        found = osm.extract(sources.map, map_, within)
        tell(1, STEPS[1])
        draft = Scenario(Path(work) / "city", name, seed, zone, found.bounds, _SOURCE)
        draft.folder.mkdir()
        made = convert(map_, draft.net, found.middle)
        _fill(draft, sources, found, made, districts, tell)
        _move(draft.folder, folder)
    return Scenario.open(folder)


def _fill(
    draft: Scenario,
    sources: Sources,
    found: Extract,
    made: Converted,
    districts: Sequence[Area],
    tell: Tell,
) -> None:
    """Write all files of a scenario but its network."""
    roads, city = made.roads, City(draft.name, _SOURCE, districts)
    types.write(draft.types)
    tell(2, STEPS[2])
    driven = buses.on_roads(roads, sources.day) if sources.day else Buses({}, [], {}, [])
    put(draft.buses, buses.written(driven))
    tell(3, STEPS[3])
    parking, stations = parking_areas(roads, city, found.parking), counting_stations(roads)
    stops.write(draft.stops, driven.stops.values(), parking)
    detectors.write(draft.detectors, stations)
    tell(4, STEPS[4])
    entities = put_entities(
        draft.entities, _entities(city, roads, found, driven, stations, districts)
    )
    tell(5, STEPS[5])
    put_json(draft.report, _report(made, found, driven))
    counts = {
        "edges": len(roads.edges), "signals": len(roads.signals),
        "buildings": len(found.buildings), "districts": len(districts),
        "stops": len(driven.stops), "bus_trips": driven.trips,
        "parking": len(parking), "stations": len(stations), "entities": entities,
    }  # fmt: skip
    replace(draft, bounds=roads.bounds, counts=counts).write()


def _move(draft: Path, folder: Path) -> None:
    """Put a finished scenario in the place of an earlier one, whose demand is of other roads."""
    Scenario.forget(folder)
    for file in sorted(draft.iterdir(), key=lambda file: file.suffix == ".toml"):
        file.replace(folder / file.name)


def _entities(
    city: City,
    roads: Roads,
    found: Extract,
    driven: Buses,
    stations: Sequence[Station],
    districts: Sequence[Area],
) -> Iterator[Entity]:
    return chain(
        city.districts(districts),
        city.roads(roads),
        city.road_segments(roads),
        city.signals(roads),
        city.stations(roads, stations),
        city.stops(roads, driven.stops.values()),
        city.routes(driven.stops.values()),
        city.parking(found.parking),
        city.buildings(found.buildings),
    )


def _report(made: Converted, found: Extract, driven: Buses) -> dict[str, Any]:
    everything = chain(
        odd.of_closed(found.closed),
        odd.of_roads(made.roads),
        odd.of_said(made.said, made.before),
        odd.of_cut(made.before, sorted(made.cut)),
    )
    return odd.report(everything, found.left_out) | {"timetable": driven.lost[: odd.MOST_TOLD]}


def parking_areas(roads: Roads, city: City, mapped: Sequence[Parking]) -> list[ParkingArea]:
    """Return the car parks that have a road nearby, each beside the lane that is nearest."""
    found = []
    for one in mapped:
        middle = one.shape.centroid
        west, south, east, north = one.shape.bounds
        reach = _PARKING_M + math.dist((west, south), (east, north)) / 2 * _DEGREE_M
        near = [
            place
            for place in roads.near(middle.x, middle.y, "passenger", reach)
            if not roads.edges[roads.lanes[place.lane].edge].kind.endswith(_NO_ENTRANCE)
        ]
        if not one.is_public or not near:
            continue
        spots = min(one.spots, stops.MOST_SPOTS)
        length = min(spots * stops.SPOT_M, roads.lanes[near[0].lane].length)
        room = stops.span(roads, near[0].lane, near[0].position, length)
        if room is not None:
            found.append(ParkingArea(city.parking_id(one), one.name, near[0].lane, *room, spots))
    return found


def counting_stations(roads: Roads) -> list[Station]:
    """Return stations in the middle of what leads up to signals, then of other main roads."""
    before = {
        roads.lanes[lane].edge for signal in roads.signals.values() for lane in signal.in_lanes
    }
    ranked = sorted(
        (edge.id not in before, rank, -edge.length, edge.id)
        for edge in roads.edges.values()
        if (rank := _rank(edge.kind)) is not None and edge.length >= _STATION_M
        and roads.lane_for(edge.id, "passenger")
    )  # fmt: skip
    chosen = sorted(id for _, _, _, id in ranked[:MOST_STATIONS])
    return [
        detectors.station(roads, f"station-{number:03d}", id, roads.edges[id].length / 2)
        for number, id in enumerate(chosen, 1)
    ]


def _rank(kind: str) -> int | None:
    name = kind.rpartition(".")[2].removesuffix("_link")
    return _COUNTED.index(name) if name in _COUNTED else None
