"""Trips, their stop times and frequencies as entities (Smart Data Models, UrbanMobility). Pure."""

from __future__ import annotations

from typing import Any

from madang.sense.feeds.attributes import number, prop, relationship, urn
from madang.sense.feeds.gtfs.clock import text
from madang.sense.feeds.gtfs.network import Record, Row, some

_FLAGS = {
    "direction_id": ("direction", (0, 1)),
    "wheelchair_accessible": ("wheelChairAccessible", (0, 1, 2)),
    "bikes_allowed": ("bikesAllowed", (0, 1, 2)),
}


def trip(system: str, row: Row) -> Record:
    """Return a GtfsTrip, with what its stop times come to.

    Raises:
        ValueError: a flag is none that GTFS has.
    """
    entity: Record = {
        "id": urn("GtfsTrip", system, row["trip_id"]),
        "type": "GtfsTrip",
        "hasRoute": relationship(urn("GtfsRoute", system, row["route_id"])),
        "hasService": relationship(urn("GtfsService", system, row["service_id"])),
        **some(
            headSign=row["trip_headsign"],
            shortName=row["trip_short_name"],
            block=row["block_id"],
        ),
    }
    for column, (name, known) in _FLAGS.items():
        if row[column] is not None:
            entity[name] = prop(_flag(row[column], column, known))
    if row["shape_id"]:
        entity["hasShape"] = relationship(urn("GtfsShape", system, row["shape_id"]))
    if row["calls"]:
        entity["stopCount"] = prop(row["calls"])
        entity["hasOrigin"] = relationship(urn("GtfsStop", system, row["origin"]))
        entity["hasDestination"] = relationship(urn("GtfsStop", system, row["destination"]))
    if row["start"] is not None:
        entity["startTime"] = prop(text(row["start"]))
        entity["endTime"] = prop(text(row["end"]))
    return entity


def stop_time(system: str, row: Row) -> Record | None:
    """Return a GtfsStopTime; None where the timetable gives no time.

    Raises:
        ValueError: a distance is none.
    """
    arrival = row["arrival"] if row["arrival"] is not None else row["departure"]
    departure = row["departure"] if row["departure"] is not None else row["arrival"]
    if arrival is None or departure is None:
        return None
    entity: Record = {
        "id": urn("GtfsStopTime", system, row["trip_id"], row["sequence"]),
        "type": "GtfsStopTime",
        "hasTrip": relationship(urn("GtfsTrip", system, row["trip_id"])),
        "hasStop": relationship(urn("GtfsStop", system, row["stop_id"])),
        "stopSequence": prop(row["sequence"]),
        "arrivalTime": prop(text(arrival)),
        "departureTime": prop(text(departure)),
        **some(
            stopHeadsign=row["stop_headsign"],
            pickupType=row["pickup_type"],
            dropOffType=row["drop_off_type"],
            timepoint=row["timepoint"],
        ),
    }
    if row["shape_dist_traveled"] is not None:
        travelled = number(row["shape_dist_traveled"], "shape_dist_traveled")
        entity["distanceTravelled"] = prop(travelled)
    return entity


def frequency(system: str, row: Row) -> Record:
    """Return a GtfsFrequency: a trip that runs every so often.

    Raises:
        ValueError: the headway is none.
    """
    headway = number(row["headway_secs"], "headway_secs")
    return {
        "id": urn("GtfsFrequency", system, row["trip_id"], row["start_time"]),
        "type": "GtfsFrequency",
        "hasTrip": relationship(urn("GtfsTrip", system, row["trip_id"])),
        "headwaySeconds": prop(headway),
        **some(startTime=row["start_time"], endTime=row["end_time"]),
    }


def _flag(value: Any, column: str, known: tuple[int, ...]) -> int:
    if value not in map(str, known):
        raise ValueError(f"{column} is {value!r}, expected one of {', '.join(map(str, known))}")
    return int(value)
