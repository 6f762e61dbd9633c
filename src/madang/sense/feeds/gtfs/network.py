"""Agencies, stops, routes, shapes, services as entities (Smart Data Models UrbanMobility). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from madang.sense.feeds.attributes import number, place, point, prop, relationship, urn
from madang.sense.feeds.gtfs.clock import text

Record = dict[str, Any]
Row = dict[str, Any]

_KINDS = {
    "": "GtfsStop",
    "0": "GtfsStop",
    "4": "GtfsStop",
    "1": "GtfsStation",
    "2": "GtfsAccessPoint",
}
"""Types of what stops.txt lists, by ``location_type``; nodes within stations are left out."""
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST_POINTS = 20_000


def some(**texts: str | None) -> Record:
    """Return Properties of the texts that are there."""
    return {name: prop(value) for name, value in texts.items() if value}


def agency_name(row: Row) -> str:
    """Return what identifies an agency; the only one of a feed may have no id."""
    return str(row["agency_id"] or row["agency_name"])


def agency(system: str, row: Row) -> Record:
    """Return a GtfsAgency."""
    return {
        "id": urn("GtfsAgency", system, agency_name(row)),
        "type": "GtfsAgency",
        **some(
            name=row["agency_name"],
            page=row["agency_url"],
            timezone=row["agency_timezone"],
            language=row["agency_lang"],
            phone=row["agency_phone"],
        ),
    }


def stop(system: str, row: Row, agencies: list[str]) -> Record | None:
    """Return a GtfsStop, GtfsStation or GtfsAccessPoint; None for a node within a station.

    Raises:
        ValueError: it is nowhere.
    """
    kind = _KINDS.get(row["location_type"] or "")
    if kind is None:
        return None
    entity: Record = {
        "id": urn(kind, system, row["stop_id"]),
        "type": kind,
        **some(
            name=row["stop_name"],
            code=row["stop_code"],
            stop_desc=row["stop_desc"],
            page=row["stop_url"],
            zoneCode=row["zone_id"],
            wheelChairAccessible=row["wheelchair_boarding"],
            platformCode=row["platform_code"],
        ),
        "location": point(row["stop_lon"], row["stop_lat"]),
    }
    if agencies:
        entity["operatedBy"] = targets("GtfsAgency", system, agencies)
    if row["parent_station"]:
        entity["hasParentStation"] = relationship(urn("GtfsStation", system, row["parent_station"]))
    if row["routes"]:
        entity["servedBy"] = targets("GtfsRoute", system, row["routes"])
        entity["tripCount"] = prop(row["trips"])
    if row["first"] is not None:
        entity["firstDeparture"] = prop(text(row["first"]))
        entity["lastDeparture"] = prop(text(row["last"]))
    return entity


def targets(kind: str, system: str, ids: list[str]) -> Record:
    """Return a Relationship to several entities."""
    return {"type": "Relationship", "object": [urn(kind, system, id) for id in ids]}


def route(system: str, row: Row, agency: str | None) -> Record:
    """Return a GtfsRoute.

    Raises:
        ValueError: a number is none.
    """
    entity: Record = {
        "id": urn("GtfsRoute", system, row["route_id"]),
        "type": "GtfsRoute",
        **some(
            name=row["route_long_name"] or row["route_short_name"],
            shortName=row["route_short_name"],
            description=row["route_desc"],
            page=row["route_url"],
            routeType=row["route_type"],
            routeColor=row["route_color"],
            routeTextColor=row["route_text_color"],
        ),
    }
    if row["route_sort_order"]:
        entity["routeSortOrder"] = prop(int(number(row["route_sort_order"], "route_sort_order")))
    if agency is not None:
        entity["operatedBy"] = relationship(urn("GtfsAgency", system, agency))
    return entity


def lines(table: pl.DataFrame) -> pl.DataFrame:
    """Return the points of shapes in their order; what is no position is left out."""
    points = table.select(
        "shape_id",
        pl.col("shape_pt_lon").cast(pl.Float64, strict=False).alias("x"),
        pl.col("shape_pt_lat").cast(pl.Float64, strict=False).alias("y"),
        pl.col("shape_pt_sequence").cast(pl.Int64, strict=False).alias("n"),
    ).drop_nulls()
    on_earth = points.filter(pl.col("x").abs() <= 180, pl.col("y").abs() <= 90)
    return on_earth.sort("shape_id", "n")


def shapes(system: str, points: pl.DataFrame) -> Iterator[Record]:
    """Yield a GtfsShape for each shape of two points or more: the line that vehicles follow.

    Args:
        points: as :func:`lines` returns them.
    """
    for (id,), line in points.group_by("shape_id", maintain_order=True):
        every = -(-line.height // _MOST_POINTS)
        positions = [list(one) for one in line.gather_every(every).select("x", "y").iter_rows()]
        if len(positions) > 1:
            yield {
                "id": urn("GtfsShape", system, id),
                "type": "GtfsShape",
                "name": prop(id),
                "location": place({"type": "LineString", "coordinates": positions}),
            }


def service(system: str, id: str, agencies: list[str]) -> Record:
    """Return a GtfsService: the days on which trips run, which its rules say."""
    entity: Record = {
        "id": urn("GtfsService", system, id),
        "type": "GtfsService",
        "name": prop(id),
    }
    if len(agencies) == 1:
        entity["operatedBy"] = relationship(urn("GtfsAgency", system, agencies[0]))
    return entity


def calendar_rule(system: str, row: Row) -> Record:
    """Return a GtfsCalendarRule.

    Raises:
        ValueError: a date is none.
    """
    return {
        "id": urn("GtfsCalendarRule", system, row["service_id"]),
        "type": "GtfsCalendarRule",
        "hasService": relationship(urn("GtfsService", system, row["service_id"])),
        **{day: prop(row[day] == "1") for day in _DAYS},
        "startDate": prop(_date(row["start_date"], "start_date")),
        "endDate": prop(_date(row["end_date"], "end_date")),
    }


def calendar_date_rule(system: str, row: Row) -> Record:
    """Return a GtfsCalendarDateRule: a day on which a service runs (1) or does not (2).

    Raises:
        ValueError: the date or the type is none.
    """
    if row["exception_type"] not in ("1", "2"):
        raise ValueError(f"exception_type is {row['exception_type']!r}, expected 1 or 2")
    return {
        "id": urn("GtfsCalendarDateRule", system, row["service_id"], row["date"]),
        "type": "GtfsCalendarDateRule",
        "hasService": relationship(urn("GtfsService", system, row["service_id"])),
        "appliesOn": prop(_date(row["date"], "date")),
        "exceptionType": prop(row["exception_type"]),
    }


def _date(value: str | None, name: str) -> str:
    """Return a date of GTFS (20250608) in ISO 8601."""
    digits = value or ""
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{name} is {digits[:20]!r}, expected a date such as 20250608")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
