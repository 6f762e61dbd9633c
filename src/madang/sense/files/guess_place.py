"""Which columns of a table say where things are, and in which coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from statistics import median

from madang.sense.files import angles, projection
from madang.sense.files.mapping import GEOMETRY, Location
from madang.sense.files.sample import Column

_LONGITUDES = ("lon", "lng", "long", "longitude", "x", "경도", "epsg4326long", "wgs84경도", "gpsx")
_LATITUDES = ("lat", "latitude", "y", "위도", "epsg4326lat", "wgs84위도", "gpsy")
_EASTINGS = ("x좌표", "좌표x", "좌표정보x", "xcoord", "coordx", "easting", "tmx", "posx", "xcrd")
_NORTHINGS = ("y좌표", "좌표y", "좌표정보y", "ycoord", "coordy", "northing", "tmy", "posy", "ycrd")
_CODE = re.compile(r"epsg\d{4,5}")


def location(columns: Mapping[str, Column]) -> Location | None:
    """Return where things are, or None if no columns say it."""
    if GEOMETRY in columns:
        return Location(geometry=GEOMETRY)
    for easts, norths in ((_LONGITUDES, _LATITUDES), (_EASTINGS, _NORTHINGS)):
        for east in _named(columns, easts):
            for north in _named(columns, norths):
                found = _degrees(east, north) or _metres(east, north, columns)
                if found is not None:
                    return found
    return None


def is_korean(place: Location | None, columns: Mapping[str, Column]) -> bool:
    """Return whether the middle of all places is in Korea."""
    if place is None or place.longitude is None or place.latitude is None:
        return False
    if place.crs is not None:
        return place.crs in projection.KOREAN
    found = [_angles(columns[name]) for name in (place.longitude, place.latitude)]
    if not found[0] or not found[1]:
        return False
    return projection.is_in_korea(median(found[0]), median(found[1]))


def _named(columns: Mapping[str, Column], wanted: Iterable[str]) -> list[Column]:
    """Return the columns that have one of the names, with or without a code behind it."""
    found = []
    for word in wanted:
        found += [
            column
            for column in columns.values()
            if word in (column.plain, _CODE.sub("", column.plain))
        ]
    words = [word for word in wanted if word in ("longitude", "latitude", "경도", "위도")]
    found += [
        column
        for column in columns.values()
        if column not in found and any(word in column.plain for word in words)
    ]
    return found


def _angles(column: Column) -> list[float] | None:
    return column.read(angles.reader(column.number))


def _degrees(east: Column, north: Column) -> Location | None:
    """Return two columns of degrees; exchanged if their numbers say so."""
    xs, ys = _angles(east), _angles(north)
    if not xs or not ys:
        return None
    if _fits(xs, ys) and not _is_exchanged(xs, ys):
        return Location(longitude=east.name, latitude=north.name)
    if _fits(ys, xs):
        return Location(longitude=north.name, latitude=east.name)
    return None


def _fits(xs: list[float], ys: list[float]) -> bool:
    # One wrong row must not cost the others their place; it is told when it is loaded.
    return _mostly(xs, 180.0) and _mostly(ys, 90.0)


def _mostly(values: list[float], bound: float) -> bool:
    return sum(abs(value) <= bound for value in values) >= 0.9 * len(values)


def _is_exchanged(xs: list[float], ys: list[float]) -> bool:
    """Tell by Korea, which is nowhere if longitude and latitude are exchanged."""
    x, y = median(xs), median(ys)
    return projection.is_in_korea(y, x) and not projection.is_in_korea(x, y)


def _metres(east: Column, north: Column, columns: Mapping[str, Column]) -> Location | None:
    if not east.numbers or not north.numbers:
        return None
    texts = [
        cell.strip() for column in columns.values() for cell in column.cells[:50]
        if isinstance(cell, str)
    ]  # fmt: skip
    found = projection.guess_korean((east.name, north.name), east.numbers, north.numbers, texts)
    if found is None:
        return None
    crs, swapped = found
    first, second = (north, east) if swapped else (east, north)
    return Location(longitude=first.name, latitude=second.name, crs=crs)
