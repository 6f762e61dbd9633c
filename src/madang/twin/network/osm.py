"""What a city has in OpenStreetMap: its roads for netconvert, its buildings and its car parks.

Source: OpenStreetMap wiki, Map Features (keys highway, building, amenity=parking, barrier).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from madang.twin.network.programs import NetworkError

MOST_BYTES: Final = 300_000_000
"""Of a map: a large city with its surroundings."""
MOST_BUILDINGS: Final = 200_000
MOST_PARKING: Final = 5_000
_ROADS: Final = frozenset(
    {
        "motorway", "motorway_link", "trunk", "trunk_link", "primary", "primary_link",
        "secondary", "secondary_link", "tertiary", "tertiary_link", "unclassified", "residential",
        "living_street", "service", "busway", "bus_guideway", "cycleway", "road",
    }
)  # fmt: skip
_LET_IN: Final = frozenset({"yes", "designated"})
_BARRIERS: Final = frozenset(
    {"gate", "lift_gate", "swing_gate", "bollard", "block", "jersey_barrier"}
)
_FLOOR_M: Final = 3.0


class Building(NamedTuple):
    """A building as mapped."""

    id: str
    """``w`` or ``r`` and the number of its way or relation."""
    name: str
    category: str
    shape: Any
    """Polygon or MultiPolygon of shapely. [degree]"""
    floors: int | None
    height: float | None
    """[m]"""
    address: Mapping[str, str]


class Parking(NamedTuple):
    """A car park as mapped."""

    id: str
    name: str
    is_on_street: bool
    spots: int
    is_counted: bool
    """Whether the map says how many spots there are, or the area does."""
    is_public: bool
    shape: Any
    """Point or Polygon of shapely. [degree]"""


@dataclass(slots=True)
class Extract:
    """What of a map is taken."""

    roads: int = 0
    """Ways."""
    buildings: list[Building] = field(default_factory=list)
    parking: list[Parking] = field(default_factory=list)
    closed: list[tuple[str, str, tuple[float, float]]] = field(default_factory=list)
    """What is closed: the reason, a name and a place."""
    left_out: dict[str, int] = field(default_factory=dict)
    """How many of what were not taken, by reason."""
    bounds: tuple[float, float, float, float] = (180.0, 90.0, -180.0, -90.0)
    """Of its roads: west, south, east, north. [degree]"""

    @property
    def middle(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of its roads. [degree]"""
        west, south, east, north = self.bounds
        return (west + east) / 2, (south + north) / 2

    def leave(self, reason: str, count: int = 1) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + count


def extract(source: Path, target: Path, boundary: Any) -> Extract:
    """Take roads, buildings and car parks out of a map.

    Args:
        source: ``.osm.pbf`` (or ``.osm``) file.
        target: XML file for the roads.
        boundary: shape within which things are taken, None for all. [degree]

    Raises:
        NetworkError: the map cannot be read, is too large, or has no roads there.
    """
    import osmium

    try:
        if source.stat().st_size > MOST_BYTES:
            raise NetworkError(
                f"{source} is larger than {MOST_BYTES:,} bytes; cut out the city with"
                " `osmium extract` or give a --boundary and a smaller map"
            )
        return _Reader(boundary).read(source, target)
    except OSError as error:
        raise NetworkError(f"{source} cannot be read: {error.strerror or error}") from None
    except (RuntimeError, osmium.InvalidLocationError) as error:
        raise NetworkError(f"{source} is no map of OpenStreetMap: {error}") from None


class _Reader:
    """Goes through a map once."""

    def __init__(self, boundary: Any) -> None:
        import osmium
        import shapely

        self._shapes = osmium.geom.WKBFactory()
        self._shapely = shapely
        self._boundary = boundary
        self._box = (-180.0, -90.0, 180.0, 90.0)
        if boundary is not None:
            shapely.prepare(boundary)
            self._box = boundary.bounds
        self.found = Extract()
        self._nodes: set[int] = set()
        self._ways: set[int] = set()
        self._relations: set[int] = set()
        self._barriers: dict[int, tuple[str, tuple[float, float]]] = {}

    def read(self, source: Path, target: Path) -> Extract:
        import osmium

        area_filter = osmium.filter.KeyFilter("building", "amenity", "parking")
        wanted = osmium.filter.KeyFilter(
            "highway", "building", "amenity", "parking", "barrier", "restriction"
        )
        for one in osmium.FileProcessor(source).with_areas(area_filter).with_filter(wanted):
            if isinstance(one, osmium.osm.Node):
                self._node(one)
            elif isinstance(one, osmium.osm.Way):
                if self._is_road(one):
                    self._take(one)
            elif isinstance(one, osmium.osm.Relation):
                if self._is_restriction(one):
                    self._relations.add(one.id)
            elif isinstance(one, osmium.osm.Area):
                self._area(one)
        self.found.roads = len(self._ways)
        if not self._ways:
            raise NetworkError(f"{source} has no roads there; does the boundary lie on this map?")
        self._write(source, target)
        return self.found

    def _take(self, way: Any) -> None:
        self._ways.add(way.id)
        self._nodes.update(node.ref for node in way.nodes)
        west, south, east, north = self.found.bounds
        lon, lat = _place(way)
        self.found.bounds = min(west, lon), min(south, lat), max(east, lon), max(north, lat)

    def _write(self, source: Path, target: Path) -> None:
        """Write what was taken, with the nodes that it needs."""
        import osmium

        kinds = osmium.osm
        objects = osmium.FileProcessor(source)
        for ids, kind in (
            (self._nodes, kinds.NODE), (self._ways, kinds.WAY), (self._relations, kinds.RELATION),
        ):  # fmt: skip
            only = osmium.filter.IdFilter(ids)
            only.enable_for(kind)
            objects.with_filter(only)
        with osmium.SimpleWriter(str(target)) as writer:
            for one in objects:
                writer.add(one)

    def _node(self, node: Any) -> None:
        place = node.location.lon, node.location.lat
        if node.tags.get("barrier") in _BARRIERS:
            self._barriers[node.id] = node.tags["barrier"], place
        if node.tags.get("amenity") == "parking" and self._contains(place):
            self._parking(f"n{node.id}", node.tags, self._shapely.Point(place))

    def _is_road(self, way: Any) -> bool:
        tags = way.tags
        kind = tags.get("highway", "")
        if kind == "construction" and tags.get("construction") in _ROADS:
            if self._is_inside(way):
                self._closed("construction", tags.get("name", ""), _place(way))
            return False
        if kind not in _ROADS or tags.get("area") == "yes" or not self._is_inside(way):
            return False
        if kind == "service" and not any(tags.get(key) in _LET_IN for key in ("bus", "psv")):
            self.found.leave("service roads")
            return False
        if tags.get("access") == "no" and not tags.get("bus") and not tags.get("psv"):
            self._closed("no access", tags.get("name", ""), _place(way))
        for node in way.nodes:
            if (barrier := self._barriers.pop(node.ref, None)) is not None:
                self._closed(barrier[0], tags.get("name", ""), barrier[1])
        return True

    def _closed(self, reason: str, name: str, place: tuple[float, float]) -> None:
        self.found.closed.append((reason, name, place))

    def _is_restriction(self, relation: Any) -> bool:
        ways = [member.ref for member in relation.members if member.type == "w"]
        return relation.tags.get("type") == "restriction" and self._ways.issuperset(ways)

    def _is_inside(self, way: Any) -> bool:
        places = [(node.lon, node.lat) for node in way.nodes if node.location.valid()]
        if len(places) < 2:
            return False
        if self._boundary is None:
            return True
        if not any(map(self._is_near, places)):
            return False
        lon, lat = zip(*places, strict=True)
        return bool(self._shapely.contains_xy(self._boundary, lon, lat).any())

    def _contains(self, place: tuple[float, float]) -> bool:
        return self._boundary is None or bool(self._shapely.contains_xy(self._boundary, *place))

    def _is_near(self, place: tuple[float, float]) -> bool:
        """Return whether a place is in the rectangle about the boundary, which is soon known."""
        west, south, east, north = self._box
        return west <= place[0] <= east and south <= place[1] <= north

    def _area(self, area: Any) -> None:
        tags = area.tags
        is_parking = tags.get("amenity") == "parking"
        if not is_parking and tags.get("building", "no") == "no":
            return
        corners = [(node.lon, node.lat) for ring in area.outer_rings() for node in ring]
        if not any(map(self._is_near, corners)):
            return
        try:
            shape = self._shapely.from_wkb(self._shapes.create_multipolygon(area))
        except RuntimeError:  # a ring that does not close: osmium says no more
            self.found.leave("areas whose outline is broken")
            return
        if len(shape.geoms) == 1:
            shape = shape.geoms[0]
        middle = shape.representative_point()
        if not self._contains((middle.x, middle.y)):
            return
        id = f"{'w' if area.from_way() else 'r'}{area.orig_id()}"
        if is_parking:
            self._parking(id, tags, shape)
        else:
            self._building(id, tags, shape)

    def _building(self, id: str, tags: Any, shape: Any) -> None:
        if len(self.found.buildings) >= MOST_BUILDINGS:
            self.found.leave(f"buildings beyond {MOST_BUILDINGS:,}")
            return
        height = _number(tags.get("height"))
        floors = _number(tags.get("building:levels"))
        if height is None and floors is not None:
            height = round(floors * _FLOOR_M, 1)
        address = {
            key.removeprefix("addr:"): tags[key]
            for key in ("addr:street", "addr:housenumber", "addr:postcode", "addr:city")
            if key in tags
        }
        self.found.buildings.append(
            Building(
                id, tags.get("name", "")[:200], _category(tags), shape,
                None if floors is None else int(floors), height, address,
            )
        )  # fmt: skip

    def _parking(self, id: str, tags: Any, shape: Any) -> None:
        if len(self.found.parking) >= MOST_PARKING:
            self.found.leave(f"car parks beyond {MOST_PARKING:,}")
            return
        kind = tags.get("parking", "surface")
        counted = _number(tags.get("capacity"))
        spots = int(counted) if counted else _spots(shape, kind)
        self.found.parking.append(
            Parking(
                id, tags.get("name", "")[:200],
                kind in ("street_side", "lane", "on_kerb", "half_on_kerb", "layby"),
                max(1, min(spots, 10_000)), bool(counted),
                tags.get("access", "yes") in ("yes", "public", "permissive", "customers"),
                shape,
            )
        )  # fmt: skip


def _place(way: Any) -> tuple[float, float]:
    node = way.nodes[len(way.nodes) // 2]
    return node.lon, node.lat


def _number(text: str | None) -> float | None:
    """Return the number that a value begins with, such as ``12 m``; None without a sound one."""
    try:
        found = float((text or "").split(";")[0].split(" ")[0].removesuffix("m"))
    except ValueError:
        return None
    return found if 0 <= found <= 10_000 else None


_KINDS: Final = {
    "residential": "residential", "apartments": "apartments", "house": "house",
    "detached": "detached_house", "terrace": "terrace_house", "dormitory": "dormitory",
    "hotel": "hotel", "office": "office", "commercial": "commercial", "retail": "retail",
    "supermarket": "supermarket", "industrial": "industrial", "warehouse": "warehouse",
    "school": "school", "kindergarten": "kindergarten", "university": "university",
    "college": "college", "hospital": "hospital", "church": "church", "civic": "civic",
    "public": "public", "government": "government", "garage": "garage", "garages": "garages",
    "parking": "parking", "sports_centre": "sports_centre", "stadium": "stadium",
    "train_station": "train_station", "fire_station": "civic",
}  # fmt: skip
_AMENITIES: Final = frozenset(
    {"school", "kindergarten", "university", "college", "hospital", "hotel", "parking"}
)


def _category(tags: Any) -> str:
    """Return what a building is, in the words of the Smart Data Model Building where it has one."""
    for name in (tags.get("amenity"), tags.get("tourism")):
        if name in _AMENITIES:
            return str(name)
    kind = tags["building"]
    if kind == "yes" and "shop" in tags:
        return "retail"
    if kind == "yes" and "office" in tags:
        return "office"
    return _KINDS.get(kind, "other")


def _spots(shape: Any, kind: str) -> int:
    """Return how many cars an area takes: a spot with its share of the aisle needs 25 m2."""
    if shape.geom_type == "Point":
        return 20
    metres = 111_195.0**2 * math.cos(math.radians(shape.centroid.y))
    floors = {"multi-storey": 3, "underground": 2}.get(kind, 1)
    return int(shape.area * metres / 25.0 * floors)
