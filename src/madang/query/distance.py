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
from itertools import pairwise
from math import ceil, cos, inf, pi, radians, sin, sqrt
from typing import Any, NamedTuple

import shapely
from pyproj import Geod

_GEOD = Geod(ellps="WGS84")
A = 6378137.0  # equatorial radius [m]
_F = 1 / 298.257223563
_B = A * (1 - _F)
_E2 = _F * (2 - _F)
_TIGHTEST = _B * _B / A  # least radius of curvature, of the meridian at the equator [m]
METRES_PER_DEGREE = radians(_TIGHTEST)  # least length of a degree of latitude [m]
_STEP = 0.05  # longest piece of a line that is measured as one [degree]
_CANDIDATES = 4
_PAIRS = 1_000_000  # points times pieces that are held in memory at once

Vector = tuple[float, float, float]
Place = list[float]  # longitude, latitude [degree]


class Outline(NamedTuple):
    """The lines of a geometry as arrays of short pieces; a point is a piece without length."""

    starts: Any  # [degree]
    ends: Any  # [degree]
    near: Any  # starts as vectors [m]
    along: Any  # from starts to ends, as vectors [m]
    vertices: Any  # [degree]


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
    places = _outline(points).vertices
    outline = _outline(lines)
    rows = max(1, _PAIRS // len(outline.starts))
    return min(
        _least(places[first : first + rows], outline) for first in range(0, len(places), rows)
    )


def _least(places: Any, outline: Outline) -> float:
    """Find the pairs of place and piece with the shortest chords; measure those exactly."""
    starts, ends, near, along, _ = outline
    gaps = _vectors(places.tolist())[:, None, :] - near[None, :, :]  # shape (place, piece, 3)
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
def _outline(geometry: Any) -> Outline:
    """Return the lines of a geometry in short pieces."""
    lines = shapely.boundary(geometry) if shapely.get_dimensions(geometry) == 2 else geometry
    starts: list[Place] = []
    ends: list[Place] = []
    vertices: list[Place] = []
    for part in shapely.get_parts(lines):
        places = _dense(shapely.get_coordinates(part).tolist())
        vertices += places
        starts += places[:-1] or places
        ends += places[1:] or places
    near = _vectors(starts)
    return Outline(_array(starts), _array(ends), near, _vectors(ends) - near, _array(vertices))


def _dense(places: list[Place]) -> list[Place]:
    """Return a line with places added so that no piece is long."""
    dense = places[:1]
    for (lon, lat), (next_lon, next_lat) in pairwise(places):
        steps = max(1, ceil(max(abs(next_lon - lon), abs(next_lat - lat)) / _STEP))
        for step in range(1, steps):
            share = step / steps
            dense.append([lon + share * (next_lon - lon), lat + share * (next_lat - lat)])
        dense.append([next_lon, next_lat])
    return dense


def _vectors(places: list[Place]) -> Any:
    return _array([vector(lon, lat) for lon, lat in places])


def _array(rows: Any) -> Any:
    """Return rows of two or three numbers as the kind of array shapely works with."""
    return shapely.get_coordinates(shapely.points(rows), include_z=len(rows[0]) == 3)
