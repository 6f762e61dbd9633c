"""Vehicles of GTFS Realtime as Vehicle (Smart Data Models, Transportation). Pure."""

from __future__ import annotations

from struct import Struct

from google.transit import gtfs_realtime_pb2 as proto

from madang.sense.feeds.attributes import point, prop, relationship, urn
from madang.sense.feeds.gtfs_realtime.known import Known
from madang.sense.feeds.gtfs_realtime.message import Message, Record, observed, present, word

_SINGLE = Struct("f")
_VEHICLES = {"0": "tram", "3": "bus", "11": "trolley"}
"""Types of vehicles by ``route_type``, where the model has a word."""


def vehicle(system: str, entity: Message, sent: str | None, known: Known | None) -> Record:
    """Return the entity of a vehicle.

    Args:
        system: of which it is.
        entity: the FeedEntity.
        sent: when the message was made.
        known: the timetable, if there is one.

    Raises:
        ValueError: it is nowhere.
    """
    told = entity.vehicle
    at = observed(told.timestamp, sent)
    if not told.HasField("position"):
        raise ValueError("has no position")
    place = told.position
    found: Record = {
        "id": urn("Vehicle", system, name_of(entity)),
        "type": "Vehicle",
        "category": prop(["public"]),
        "fleetVehicleId": prop(name_of(entity)),
        "location": point(_single(place.longitude), _single(place.latitude), at),
    }
    if told.vehicle.label:
        found["name"] = prop(told.vehicle.label)
    if told.vehicle.license_plate:
        found["vehiclePlateIdentifier"] = prop(told.vehicle.license_plate)
    if place.HasField("bearing"):
        found["bearing"] = prop(_single(place.bearing), at, "DD")
    if place.HasField("speed"):
        found["speed"] = prop(_single(place.speed), at, "MTS")
    if place.HasField("odometer"):
        found["mileageFromOdometer"] = prop(round(place.odometer, 1), at, "MTR")
    return found | _trip(system, told, at, known) | _state(system, told, at)


def name_of(entity: Message) -> str:
    """Return what identifies a vehicle: what the operator calls it, or the entity of the feed."""
    told = entity.vehicle.vehicle
    return str(told.id or told.label or entity.id)


def _single(value: float) -> float:
    """Return a float of 32 bits as the publisher wrote it: the shortest number that becomes it.

    >>> _single(127.01000213623047)
    127.01
    """
    bits = _SINGLE.pack(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if _SINGLE.pack(short) == bits:
            return short
    return float(f"{value:.9g}")


def _trip(system: str, told: Message, at: str | None, known: Known | None) -> Record:
    trip = told.trip
    if not trip.trip_id:
        return {}
    scheduled = None if known is None else known.trips.get(trip.trip_id)
    route = trip.route_id or (scheduled.route if scheduled is not None else "")
    kind = "" if known is None else _VEHICLES.get(known.routes.get(route, ""), "")
    return present(
        serviceStatus=prop("onRoute", at),
        hasTrip=relationship(urn("GtfsTrip", system, trip.trip_id), at),
        hasRoute=relationship(urn("GtfsRoute", system, route), at) if route else None,
        vehicleType=prop(kind) if kind else None,
        inTimetable=None if known is None else prop(scheduled is not None, at),
    )


def _state(system: str, told: Message, at: str | None) -> Record:
    found: Record = {}
    if told.stop_id:
        found["hasStop"] = relationship(urn("GtfsStop", system, told.stop_id), at)
    if told.HasField("current_stop_sequence"):
        found["currentStopSequence"] = prop(told.current_stop_sequence, at)
    if told.HasField("current_status"):
        name = word(proto.VehiclePosition.VehicleStopStatus, told.current_status)
        found["currentStatus"] = prop(name, at)
    if told.HasField("occupancy_status"):
        name = word(proto.VehiclePosition.OccupancyStatus, told.occupancy_status)
        found["occupancyStatus"] = prop(name, at)
    if told.HasField("occupancy_percentage"):
        found["occupancy"] = prop(told.occupancy_percentage, at, "P1")
    if told.HasField("congestion_level"):
        name = word(proto.VehiclePosition.CongestionLevel, told.congestion_level)
        found["congestionLevel"] = prop(name, at)
    return found
