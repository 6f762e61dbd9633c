"""Where things are: locations made of cells, and GeoJSON geometries checked. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from madang.sense.files import angles, cells, projection
from madang.sense.files.mapping import Location
from madang.sense.files.notation import Number

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


def location_builder(spec: Location, cell_of: CellReader, number: Number) -> Builder:
    """Return what makes the GeoProperty ``location`` of a row; ``number`` reads numbers."""
    if spec.longitude is not None and spec.latitude is not None:
        columns = spec.longitude, spec.latitude
        if spec.crs is not None:
            return partial(_projected, columns, projection.to_wgs84(spec.crs), cell_of, number)
        return partial(_point, columns, cell_of, angles.reader(number))
    if spec.geometry is not None:
        return partial(_geometry, spec.geometry, cell_of)
    points = {word: _at(place) for word, place in spec.places.items()}
    return partial(_place, spec.column or "", points, cell_of)


def _point(
    columns: tuple[str, str],
    cell_of: CellReader,
    read: Callable[[object], float],
    row: Row,
    observed: str | None,
) -> Any:
    found = _pair(columns, cell_of, read, row)
    if found is None:
        return None
    for column, value, bound in zip(columns, found, (180.0, 90.0), strict=True):
        if abs(value) > bound:
            hint = "; are longitude and latitude exchanged?" if abs(value) <= 180 else ""
            raise BadCell(column, f"{value:g} is not within -{bound:g} and {bound:g}{hint}")
    return _at(list(found))


def _projected(
    columns: tuple[str, str],
    convert: Callable[[float, float], tuple[float, float]],
    cell_of: CellReader,
    number: Number,
    row: Row,
    observed: str | None,
) -> Any:
    found = _pair(columns, cell_of, number, row)
    if found is None:
        return None
    try:
        return _at(list(convert(*found)))
    except ValueError as error:
        raise BadCell(columns[0], str(error)) from None


def _pair(
    columns: tuple[str, str], cell_of: CellReader, read: Callable[[object], float], row: Row
) -> tuple[float, float] | None:
    """Return both coordinates, or None if neither is there."""
    east, north = (_coordinate(column, cell_of(row, column), read) for column in columns)
    if east is None and north is None:
        return None
    if east is None or north is None:
        raise BadCell(columns[east is not None], "is empty, the other is not")
    return east, north


def _coordinate(column: str, cell: Any, read: Callable[[object], float]) -> float | None:
    try:
        return None if cell is None else float(read(cell))
    except ValueError as error:
        raise BadCell(column, str(error)) from None


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
