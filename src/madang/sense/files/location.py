"""Where things are: locations made of cells, and GeoJSON geometries checked. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from madang.sense.files import cells
from madang.sense.files.mapping import Location

Row = Mapping[str, Any]

CellReader = Callable[[Row, str], Any]
"""Reads a cell of a row; None if it is empty."""

Builder = Callable[[Row, str | None], Any]
"""Makes an attribute of a row and its time; None leaves it out."""

_POSITION_DEPTH = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}


class BadCell(ValueError):
    """A cell cannot be used; carries the column for the report."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


def location_builder(spec: Location, cell_of: CellReader) -> Builder:
    """Return what makes the GeoProperty ``location`` of a row."""
    if spec.longitude is not None and spec.latitude is not None:
        return partial(_point, spec.longitude, spec.latitude, cell_of)
    if spec.geometry is not None:
        return partial(_geometry, spec.geometry, cell_of)
    points = {word: _at(place) for word, place in spec.places.items()}
    return partial(_place, spec.column or "", points, cell_of)


def _point(
    longitude: str, latitude: str, cell_of: CellReader, row: Row, observed: str | None
) -> Any:
    east = _coordinate(longitude, cell_of(row, longitude), 180.0)
    north = _coordinate(latitude, cell_of(row, latitude), 90.0)
    if east is None and north is None:
        return None
    if east is None or north is None:
        raise BadCell(longitude if east is None else latitude, "is empty, the other is not")
    return _at([east, north])


def _coordinate(column: str, cell: Any, bound: float) -> float | None:
    if cell is None:
        return None
    try:
        value = float(cells.number(cell))
    except ValueError as error:
        raise BadCell(column, str(error)) from None
    if abs(value) > bound:
        hint = "; are longitude and latitude exchanged?" if abs(value) <= 180 else ""
        raise BadCell(column, f"{value:g} is not within -{bound:g} and {bound:g}{hint}")
    return value


def _geometry(column: str, cell_of: CellReader, row: Row, observed: str | None) -> Any:
    cell = cell_of(row, column)
    if cell is None:
        return None
    try:
        return {"type": "GeoProperty", "value": geometry(cell)}
    except ValueError as error:
        raise BadCell(column, str(error)) from None


def _place(
    column: str, points: Mapping[str, Any], cell_of: CellReader, row: Row, observed: str | None
) -> Any:
    cell = cell_of(row, column)
    if cell is None:
        return None
    try:
        return points[cells.text(cell)]
    except KeyError:
        known = ", ".join(points)
        raise BadCell(column, f"{cells.text(cell)!r} is none of the places {known}") from None


def _at(position: list[float]) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": position}}


def geometry(cell: Any) -> dict[str, Any]:
    """Return a GeoJSON geometry, given as an object or as its text.

    Raises:
        ValueError: it is none, or a position in it is no longitude and latitude.
    """
    value = cells.from_json(cell)
    depth = _POSITION_DEPTH.get(value.get("type", "")) if isinstance(value, dict) else None
    if depth is None:
        raise ValueError(f"{str(cell)[:40]!r} is no GeoJSON geometry such as Point or Polygon")
    _check_positions(value.get("coordinates"), depth)
    return {"type": value["type"], "coordinates": value["coordinates"]}


def _check_positions(found: Any, depth: int) -> None:
    if not isinstance(found, list) or not found:
        raise ValueError("the coordinates of the geometry are incomplete")
    if depth:
        for item in found:
            _check_positions(item, depth - 1)
        return
    if len(found) < 2 or not all(isinstance(number, (int, float)) for number in found):
        raise ValueError(f"{str(found)[:40]} is no position of longitude and latitude")
    if abs(found[0]) > 180 or abs(found[1]) > 90:
        raise ValueError(
            f"the position {found[:2]} is no longitude and latitude; is the file in WGS 84?"
        )
