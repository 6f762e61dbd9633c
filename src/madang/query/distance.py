"""Geodesic distance on the WGS 84 ellipsoid: exact, and mostly decided without computing it.

Two points are compared by the straight line through the earth between them (their chord), which is
never longer than the geodesic and, for the distances a city asks about, hardly shorter. Only in the
narrow band between the two bounds the geodesic itself is computed (Karney's method, by pyproj).

Source: C. F. F. Karney, Algorithms for geodesics, J. Geodesy 87 (2013) 43-55. The upper bound is
Schur's comparison theorem with the greatest curvature a geodesic has on the ellipsoid, a / b^2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import cos, inf, pi, radians, sin, sqrt
from typing import Any

import shapely
from pyproj import Geod

_GEOD = Geod(ellps="WGS84")
A = 6378137.0  # equatorial radius [m]
_F = 1 / 298.257223563
_B = A * (1 - _F)
_E2 = _F * (2 - _F)
_TIGHTEST = _B * _B / A  # least radius of curvature, of the meridian at the equator [m]
METRES_PER_DEGREE = radians(_TIGHTEST)  # least length of a degree of latitude [m]
_STEP = 0.25  # longest piece of a line that is measured as one [degree]
_CANDIDATES = 4
_PAIRS = 1_000_000  # points times pieces that are held in memory at once

Vector = tuple[float, float, float]
Pieces = tuple[Any, Any, Any, Any]  # starts, ends [degree]; starts, directions as vectors [m]


def between(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the length of the geodesic between two points. [m]"""
    return float(_GEOD.inv(lon1, lat1, lon2, lat2)[2])


def vector(lon: float, lat: float) -> Vector:
    """Return where a point of the ellipsoid is, from the centre of the earth. [m]"""
    phi = radians(lat)
    sine = sin(phi)
    normal = A / sqrt(1.0 - _E2 * sine * sine)
    across = normal * cos(phi)
    turn = radians(lon)
    return across * cos(turn), across * sin(turn), normal * (1.0 - _E2) * sine


def within_of(lon: float, lat: float, limit: float) -> Callable[[float, float], bool]:
    """Return a test whether a point is at most ``limit`` metres from this one."""
    x, y, z = vector(lon, lat)
    beyond = limit * limit
    turn = min(limit / (2 * _TIGHTEST), pi / 2)
    sure = (2 * _TIGHTEST * sin(turn)) ** 2
    band = limit / METRES_PER_DEGREE  # no geodesic to another latitude is shorter

    def test(other_lon: float, other_lat: float) -> bool:
        if not -band <= other_lat - lat <= band:
            return False
        # vector(), written out: this runs for every candidate of every geo-query
        phi = radians(other_lat)
        sine = sin(phi)
        normal = A / sqrt(1.0 - _E2 * sine * sine)
        across = normal * cos(phi)
        turn = radians(other_lon)
        dx = across * cos(turn) - x
        dy = across * sin(turn) - y
        dz = normal * (1.0 - _E2) * sine - z
        chord = dx * dx + dy * dy + dz * dz
        if chord > beyond:
            return False
        return chord <= sure or between(lon, lat, other_lon, other_lat) <= limit

    return test


def nearest(one: Any, other: Any) -> float:
    """Return the geodesic distance between the closest points of two shapely geometries. [m]

    Lines between positions are straight in longitude and latitude (RFC 7946 section 3.1.1).
    """
    if shapely.intersects(one, other):
        return 0.0
    # Of two geometries that do not touch, a vertex of one is among the closest points.
    if shapely.get_dimensions(one) == 0:
        return _from_vertices(one, other)
    if shapely.get_dimensions(other) == 0:
        return _from_vertices(other, one)
    return min(_from_vertices(one, other), _from_vertices(other, one))


def _from_vertices(points: Any, lines: Any) -> float:
    """Return the least distance from a vertex of one geometry to any place on the other."""
    places = shapely.get_coordinates(shapely.segmentize(points, _STEP))
    pieces = _pieces(lines)
    rows = max(1, _PAIRS // len(pieces[0]))
    return min(
        _least(places[first : first + rows], pieces) for first in range(0, len(places), rows)
    )


def _least(places: Any, pieces: Pieces) -> float:
    """Find the pairs of place and piece with the shortest chords; measure those exactly."""
    starts, ends, near, along = pieces
    gaps = _vectors(places)[:, None, :] - near[None, :, :]  # shape (place, piece, 3)
    lengths = (along * along).sum(axis=1).clip(1e-9)
    share = ((gaps * along[None, :, :]).sum(axis=2) / lengths).clip(0.0, 1.0)
    gaps -= share[:, :, None] * along[None, :, :]
    chords = (gaps * gaps).sum(axis=2).ravel()
    least = inf
    for flat in chords.argsort()[:_CANDIDATES].tolist():
        place, piece = divmod(flat, len(starts))
        lon, lat = starts[piece] + share[place, piece] * (ends[piece] - starts[piece])
        own_lon, own_lat = places[place]
        least = min(least, between(own_lon, own_lat, lon, lat))
    return least


@lru_cache(maxsize=512)
def _pieces(geometry: Any) -> Pieces:
    """Return the short pieces of all lines of a geometry; a point is a piece without length."""
    dense = shapely.segmentize(geometry, _STEP)
    outline = shapely.boundary(dense) if shapely.get_dimensions(dense) == 2 else dense
    starts: list[list[float]] = []
    ends: list[list[float]] = []
    for part in shapely.get_parts(outline):
        places = shapely.get_coordinates(part).tolist()
        starts += places[:-1] or places
        ends += places[1:] or places
    near = _array([vector(*place) for place in starts])
    far = _array([vector(*place) for place in ends])
    return _array(starts), _array(ends), near, far - near


def _vectors(places: Any) -> Any:
    return _array([vector(lon, lat) for lon, lat in places.tolist()])


def _array(rows: Any) -> Any:
    """Return rows of two or three numbers as the kind of array shapely works with."""
    return shapely.get_coordinates(shapely.points(rows), include_z=len(rows[0]) == 3)
