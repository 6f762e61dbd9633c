"""Areas of a city from GeoJSON: its boundary, its districts.

Coordinates are longitude and latitude (RFC 7946), or of the reference system that an older file
names in ``crs`` (GeoJSON 2008, section 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import shapely
import shapely.geometry

from madang.twin.network.programs import NetworkError

MOST_BYTES: Final = 50_000_000
MOST_AREAS: Final = 2_000
_NAMES: Final = ("name", "name:en", "nom", "denominaci", "nameunit", "district", "label", "title")
"""Properties that may hold an area's name, in lower case."""


class Area(NamedTuple):
    """A part of the city."""

    name: str
    shape: Any
    """Polygon or MultiPolygon of shapely. [degree]"""


def read(path: Path) -> list[Area]:
    """Return the areas of a GeoJSON file.

    Raises:
        NetworkError: it is missing, too large, no GeoJSON or has no areas; the text says which.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NetworkError(f"{path} is larger than {MOST_BYTES:,} bytes; simplify its areas")
        found = orjson.loads(path.read_bytes())
    except OSError as error:
        raise NetworkError(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise NetworkError(f"{path} is no GeoJSON: {error}") from None
    if not isinstance(found, dict):
        raise NetworkError(f"{path} is no GeoJSON: expected an object with features")
    to_degrees = _transformer(path, found)
    areas: list[Area] = []
    for number, (geometry, properties) in enumerate(_parts(found), 1):
        if geometry.get("type") not in ("Polygon", "MultiPolygon"):
            continue
        if len(areas) == MOST_AREAS:
            raise NetworkError(f"{path} has more than {MOST_AREAS:,} areas; expected districts")
        try:
            shape = shapely.make_valid(shapely.geometry.shape(geometry))
        except (ValueError, TypeError, KeyError, IndexError, shapely.errors.GEOSException) as error:
            raise NetworkError(f"{path}: area {number} is no polygon: {error}") from None
        if to_degrees is not None:
            shape = shapely.transform(shape, to_degrees.transform, interleaved=False)
        areas.append(Area(_name(properties, number), shape))
    if not areas:
        raise NetworkError(f"{path} has no Polygon or MultiPolygon; expected the areas of a city")
    _check(path, areas)
    return areas


def union(areas: list[Area]) -> Any:
    """Return all areas as one shape."""
    return shapely.union_all([area.shape for area in areas])


def _parts(found: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    features = found.get("features") if found.get("type") == "FeatureCollection" else [found]
    for one in features if isinstance(features, list) else []:
        if isinstance(one, dict):
            geometry = one.get("geometry") if one.get("type") == "Feature" else one
            if isinstance(geometry, dict):
                yield geometry, one.get("properties") or {}


def _transformer(path: Path, found: Mapping[str, Any]) -> Any:
    """Return what makes degrees of coordinates; None if they are degrees."""
    crs = found.get("crs")
    named = crs.get("properties", {}).get("name") if isinstance(crs, dict) else None
    if not isinstance(named, str) or named.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        return None
    import pyproj

    try:
        return pyproj.Transformer.from_crs(named, "OGC:CRS84", always_xy=True)
    except pyproj.exceptions.CRSError:
        raise NetworkError(
            f"{path} names the reference system {named[:80]!r}, which is unknown; expected degrees"
            " (RFC 7946) or an EPSG code"
        ) from None


def _name(properties: Mapping[str, Any], number: int) -> str:
    known = {str(name).lower(): value for name, value in properties.items()}
    for name in _NAMES:
        if isinstance(value := known.get(name), str) and value.strip():
            return value.strip()[:200]
    return str(number)


def _check(path: Path, areas: list[Area]) -> None:
    west, south, east, north = shapely.total_bounds([area.shape for area in areas])
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise NetworkError(
            f"{path}: coordinates are no degrees (they reach from {west:.0f},{south:.0f} to"
            f" {east:.0f},{north:.0f}); expected longitude and latitude, or a known crs"
        )
