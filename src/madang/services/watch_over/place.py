"""Places of watch-over tags: near a zone or not, coarse on purpose, and where one can be by now.

Within some kilometres the earth is flat: a degree of latitude has 111,195 m (mean radius of the
earth 6,371,009 m), one of longitude that times the cosine of the latitude.
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import orjson
import shapely

METRE = 111_195.0  # of a degree of latitude. [m]
CORNERS = 24  # of a circle


def read(location: Any) -> list[float] | None:
    """Return longitude and latitude of a GeoJSON point, or of the middle of an area."""
    shape = _shape(location)
    if shape is None:
        return None
    middle = shape.centroid
    return [round(middle.x, 6), round(middle.y, 6)]


def is_area(location: Any) -> bool:
    """Tell whether a GeoJSON geometry has an area."""
    shape = _shape(location)
    return shape is not None and shape.area > 0


def metres_off(area: Any, longitude: float, latitude: float) -> float:
    """Return how far a place lies outside an area, 0 within it. [m]

    Args:
        area: GeoJSON Polygon or MultiPolygon.
        longitude: of the place. [deg]
        latitude: of the place. [deg]
    """
    shape = _shape(area)
    if shape is None:
        return math.inf
    scale = numpy.array((METRE * math.cos(math.radians(latitude)), METRE))
    here = numpy.array((longitude, latitude))
    flat = shapely.transform(shape, lambda points: (points - here) * scale)
    return float(shapely.distance(flat, shapely.Point(0, 0)))


def cell(longitude: float, latitude: float, size: float) -> dict[str, Any]:
    """Return the square of a fixed grid in which a place lies, as GeoJSON.

    All that is told of a place outside a search: the same square for everybody in it, so that even
    many sightings tell no more than the square.

    Args:
        longitude: of the place. [deg]
        latitude: of the place. [deg]
        size: of a side. [m]
    """
    tall = size / METRE
    south = math.floor(latitude / tall) * tall
    wide = tall / max(math.cos(math.radians(south + tall / 2)), 0.01)
    west = math.floor(longitude / wide) * wide
    corners = [(west, south), (west + wide, south), (west + wide, south + tall),
               (west, south + tall), (west, south)]  # fmt: skip
    return _polygon(corners)


def circle(longitude: float, latitude: float, radius: float) -> dict[str, Any]:
    """Return a circle around a place, as GeoJSON.

    Args:
        longitude: of the place. [deg]
        latitude: of the place. [deg]
        radius: of the circle. [m]
    """
    tall = radius / METRE
    wide = tall / max(math.cos(math.radians(latitude)), 0.01)
    turns = [2 * math.pi * step / CORNERS for step in range(CORNERS)]
    corners = [(longitude + wide * math.cos(t), latitude + tall * math.sin(t)) for t in turns]
    return _polygon([*corners, corners[0]])


def reach(accuracy: float, seconds: float, speed: float, most: float) -> float:
    """Return how far from where one was seen one can be by now. [m]

    Args:
        accuracy: of the sighting. [m]
        seconds: since then. [s]
        speed: of somebody on foot. [m/s]
        most: the radius does not grow beyond it. [m]
    """
    return min(accuracy + max(seconds, 0.0) * speed, max(most, accuracy))


def _polygon(corners: list[tuple[float, float]]) -> dict[str, Any]:
    ring = [[round(x, 6), round(y, 6)] for x, y in corners]
    return {"type": "Polygon", "coordinates": [ring]}


def _shape(location: Any) -> shapely.Geometry | None:
    if not isinstance(location, dict):
        return None
    try:
        shape = shapely.from_geojson(orjson.dumps(location))
    except (shapely.GEOSException, orjson.JSONEncodeError):
        return None
    return None if shape.is_empty else shape
