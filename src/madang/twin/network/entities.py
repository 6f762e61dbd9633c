"""What a network has as entities, after the Smart Data Models (NGSI-LD, normalized).

Transportation (Road, RoadSegment, TrafficFlowObserved), Parking (OnStreetParking,
OffStreetParking), UrbanMobility (GtfsStop, GtfsRoute), Building (Building). TrafficSignal and
District are ours: the models have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from madang.services.corridor.way import approaches, told
from madang.services.signals.wire import pack
from madang.twin.network.areas import Area
from madang.twin.network.detectors import Station
from madang.twin.network.osm import Building, Parking
from madang.twin.network.roads import Edge, Place, Roads
from madang.twin.network.stops import BusStop

Entity = dict[str, Any]
_VEHICLES: Final = {
    "passenger": "car", "bus": "bus", "truck": "lorry", "bicycle": "bicycle",
    "motorcycle": "motorcycle", "delivery": "van",
}  # fmt: skip
"""Vehicle classes of SUMO, as the Smart Data Models call them."""
_MOST_POINTS: Final = 2_000
"""Of an outline; larger ones are simplified."""


class City:
    """Makes entities of one city.

    Args:
        name: part of their ids.
        source: what they are from.
        districts: its zones, if it has any.
    """

    def __init__(self, name: str, source: str, districts: Sequence[Area] = ()) -> None:
        self.name = name
        self.source = source
        self._zones = Zones(districts)

    def id_of(self, type_: str, key: str) -> str:
        """Return the id of an entity."""
        return f"urn:ngsi-ld:{type_}:{self.name}:{quote(key, safe='#_-.~@')}"

    def _entity(self, type_: str, key: str, /, **attributes: Any) -> Entity:
        """Return an entity; what is no attribute yet becomes a Property, and None is left out."""
        found: Entity = {"id": self.id_of(type_, key), "type": type_}
        for name, content in attributes.items():
            if content is not None:
                found[name] = content if _is_attribute(content) else _value(content)
        return found | {"source": _value(self.source)}

    # --- roads ------------------------------------------------------------------------------------

    def road_segments(self, roads: Roads) -> Iterator[Entity]:
        """Yield each direction of a street between two junctions."""
        for edge in roads.edges.values():
            lanes = [roads.lanes[lane] for lane in edge.lanes]
            allowed = frozenset[str]().union(*(lane.allowed for lane in lanes))
            if kinds := [name for kind, name in _VEHICLES.items() if kind in allowed]:
                yield self._entity(
                    "RoadSegment", edge.id,
                    name=_words(edge.name),
                    refRoad=self._road(edge),
                    roadClass=edge.kind.rpartition(".")[2] or None,
                    location=_line(edge.shape),
                    startPoint=_point(edge.shape[0]),
                    endPoint=_point(edge.shape[-1]),
                    length=_value(round(edge.length, 1), "MTR"),
                    totalLaneNumber=len(lanes),
                    maximumAllowedSpeed=_value(round(edge.speed * 3.6), "KMH"),
                    allowedVehicleType=kinds,
                    category=["oneway"],
                )  # fmt: skip

    def _road(self, edge: Edge) -> Entity | None:
        return _link(self.id_of("Road", edge.name[0])) if edge.name[0] else None

    def roads(self, roads: Roads) -> Iterator[Entity]:
        """Yield the streets that have a name."""
        named: dict[str, list[Edge]] = {}
        for edge in roads.edges.values():
            if edge.name[0]:
                named.setdefault(edge.name[0], []).append(edge)
        for name, edges in sorted(named.items()):
            yield self._entity(
                "Road", name,
                name=_words(edges[0].name),
                roadClass=edges[0].kind.rpartition(".")[2] or None,
                length=_value(round(sum(edge.length for edge in edges) / 1000, 3), "KMT"),
                refRoadSegment=_link([self.id_of("RoadSegment", edge.id) for edge in edges]),
            )  # fmt: skip

    def signals(self, roads: Roads) -> Iterator[Entity]:
        """Yield signals with all that a controller has to know of each (``layout``), and where its
        lanes end and lead to (``stopLines``)."""
        shapes = {id: lane.shape for id, lane in roads.lanes.items()}
        for signal in roads.signals.values():
            before = list(
                dict.fromkeys(roads.edges[roads.lanes[lane].edge] for lane in signal.in_lanes)
            )
            yield self._entity(
                "TrafficSignal", signal.id,
                name=_words(_crossing(before)),
                location=_point(at := _middle([edge.shape[-1] for edge in before])),
                areaServed=self._zones.of(*at),
                layout={"type": "JsonProperty", "json": pack(signal)},
                stopLines={"type": "JsonProperty", "json": told(approaches(signal, shapes))},
                phaseCount=len(signal.phases),
                controlMode="plan",
            )  # fmt: skip

    def stations(self, roads: Roads, stations: Iterable[Station]) -> Iterator[Entity]:
        """Yield counting stations."""
        for one in stations:
            edge = roads.edges[one.edge]
            line = roads.lanes[one.lanes[len(one.lanes) // 2]]
            share = one.position / edge.length if edge.length else 0.0
            yield self._entity(
                "TrafficFlowObserved", one.id,
                name=_words(edge.name),
                location=_point(_along(line.shape, share)),
                refRoadSegment=_link(self.id_of("RoadSegment", one.edge)),
                laneDirection="forward",
            )  # fmt: skip

    # --- stops and parking ------------------------------------------------------------------------

    def stops(self, roads: Roads, stops: Iterable[BusStop]) -> Iterator[Entity]:
        """Yield bus stops, each where buses stop on its lane."""
        for one in stops:
            lane = roads.lanes[one.lane]
            yield self._entity(
                "GtfsStop", one.id,
                name=one.name,
                code=one.id,
                location=_point(_along(lane.shape, (one.start + one.end) / 2 / lane.length)),
                line=list(one.lines) or None,
            )  # fmt: skip

    def parking(self, mapped: Iterable[Parking]) -> Iterator[Entity]:
        """Yield car parks."""
        for one in mapped:
            type_ = "OnStreetParking" if one.is_on_street else "OffStreetParking"
            yield self._entity(
                type_, one.id,
                name=one.name or None,
                category=["public" if one.is_public else "private"],
                allowedVehicleType=["car"],
                totalSpotNumber=_value(one.spots, "C62"),
                spotNumberIsEstimated=None if one.is_counted else True,
                location=_shape(one.shape),
            )  # fmt: skip

    def parking_id(self, one: Parking) -> str:
        """Return the id of a car park's entity."""
        return self.id_of("OnStreetParking" if one.is_on_street else "OffStreetParking", one.id)

    def routes(self, stops: Iterable[BusStop]) -> Iterator[Entity]:
        """Yield the lines that call at stops."""
        for line in sorted({line for stop in stops for line in stop.lines}):
            yield self._entity(
                "GtfsRoute", line, name=line, shortName=line, routeType="3"
            )  # fmt: skip

    # --- what stands there ------------------------------------------------------------------------

    def buildings(self, buildings: Iterable[Building]) -> Iterator[Entity]:
        """Yield buildings."""
        for one in buildings:
            address = {
                "streetAddress": " ".join(
                    one.address[part] for part in ("street", "housenumber") if part in one.address
                ),
                "postalCode": one.address.get("postcode", ""),
                "addressLocality": one.address.get("city", ""),
            }
            given = {name: text for name, text in address.items() if text}
            middle = one.shape.centroid
            yield self._entity(
                "Building", one.id,
                name=one.name or None,
                category=[one.category],
                location=_shape(one.shape),
                areaServed=self._zones.of(middle.x, middle.y),
                floorsAboveGround=one.floors,
                height=None if one.height is None else _value(one.height, "MTR"),
                address=given or None,
            )  # fmt: skip

    def districts(self, areas: Sequence[Area]) -> Iterator[Entity]:
        """Yield districts."""
        for number, area in enumerate(areas, 1):
            yield self._entity(
                "District", str(number), name=area.name, location=_shape(area.shape)
            )  # fmt: skip


class Zones:
    """Finds the zone that a place is in.

    Args:
        areas: the zones.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        import shapely

        self._areas = areas
        self._tree = shapely.STRtree([area.shape for area in areas])

    def of(self, lon: float, lat: float) -> str | None:
        """Return the name of the zone at a place; None if none is there."""
        import shapely

        found = self._tree.query(shapely.Point(lon, lat), predicate="intersects")
        return self._areas[min(found)].name if len(found) else None


def _is_attribute(content: Any) -> bool:
    return isinstance(content, dict) and "type" in content


def _value(content: Any, unit: str | None = None) -> Entity:
    found: Entity = {"type": "Property", "value": content}
    return found if unit is None else found | {"unitCode": unit}


def _link(target: str | list[str]) -> Entity:
    return {"type": "Relationship", "object": target}


def _words(name: tuple[str, str]) -> Any:
    """Return a name: of a city whose streets have English ones, too, in both languages."""
    own, english = name
    if own == english:
        return own or None
    return {"type": "LanguageProperty", "languageMap": {"ko": own, "en": english}}


def _crossing(edges: Sequence[Edge]) -> tuple[str, str]:
    """Return what a junction is called: after the streets that lead there."""
    names = list(dict.fromkeys(edge.name for edge in edges if edge.name[0]))[:2]
    return " × ".join(name[0] for name in names), " × ".join(name[1] for name in names)


def _where(geometry: Mapping[str, Any]) -> Entity:
    return {"type": "GeoProperty", "value": dict(geometry)}


def _point(place: Place) -> Entity:
    return _where({"type": "Point", "coordinates": [round(place[0], 6), round(place[1], 6)]})


def _line(shape: Sequence[Place]) -> Entity:
    rounded = list(dict.fromkeys((round(lon, 6), round(lat, 6)) for lon, lat in shape))
    points = [list(place) for place in rounded]
    return _where({"type": "LineString", "coordinates": points if len(points) > 1 else points * 2})


def _shape(shape: Any) -> Entity:
    """Return a shape of shapely as GeoJSON, outlines counter-clockwise (RFC 7946)."""
    import shapely
    import shapely.geometry

    if shape.geom_type == "GeometryCollection":  # what make_valid leaves of a bow tie
        shape = shapely.union_all([one for one in shape.geoms if "Polygon" in one.geom_type])
    if shapely.get_num_coordinates(shape) > _MOST_POINTS:
        shape = shapely.simplify(shape, 1e-5)
    return _where(
        shapely.geometry.mapping(shapely.set_precision(shape, 1e-6).normalize().reverse())
    )


def _middle(places: Sequence[Place]) -> Place:
    return (
        sum(lon for lon, _ in places) / len(places),
        sum(lat for _, lat in places) / len(places),
    )


def _along(shape: Sequence[Place], share: float) -> Place:
    """Return the place at a share of a line."""
    import shapely

    point = shapely.LineString(shape).interpolate(min(max(share, 0.0), 1.0), normalized=True)
    return point.x, point.y
