"""A vehicle of GBFS that stands free as Vehicle (Smart Data Models). Pure.

Publishers give a vehicle a new id after each trip, so that nobody can follow it (GBFS, Data
Privacy). An entity therefore ends by itself soon after its id was last seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from madang.sense.feeds.attributes import instant, number, point, prop, relationship, urn

Record = dict[str, Any]

_SHORTEST_LIFE_S = 3600
_WORDS = {"bicycle": "bicycle", "cargo_bicycle": "cargoBicycle", "scooter": "scooter"}


def forms_of(types: Iterable[Record]) -> dict[str, str]:
    """Return the form factor of each ``vehicle_type_id``."""
    return {
        str(one["vehicle_type_id"]): str(one.get("form_factor", ""))
        for one in types
        if "vehicle_type_id" in one
    }


def vehicle(
    system: str, record: Record, forms: dict[str, str], updated: Any, every_s: float
) -> Record | None:
    """Return the entity of a vehicle; None if it does not stand free, but at a station.

    Args:
        system: of which it is.
        record: of ``vehicle_status`` (3.x) or ``free_bike_status`` (2.x).
        forms: of types of vehicles.
        updated: ``last_updated`` of the file.
        every_s: how often it is read. [s]

    Raises:
        ValueError: a member is not what it should be.
    """
    id = record.get("vehicle_id") or record.get("bike_id")
    if not id:
        raise ValueError("has no vehicle_id")
    if "lat" not in record or "lon" not in record:
        return None
    reported = record.get("last_reported") or updated
    at = None if reported is None else instant(reported)
    form = forms.get(str(record.get("vehicle_type_id")), "bicycle")
    out = bool(record.get("is_disabled"))
    entity: Record = {
        "id": urn("Vehicle", system, id),
        "type": "Vehicle",
        "expiresAt": _end(every_s),
        "location": point(record["lon"], record["lat"], at),
        "vehicleType": prop(_WORDS.get(form, form or "bicycle")),
        "serviceStatus": prop("outOfService" if out else "parked", at),
        "isReserved": prop(bool(record.get("is_reserved")), at),
    }
    if record.get("current_range_meters") is not None:
        reach = number(record["current_range_meters"], "current_range_meters")
        entity["currentRange"] = prop(reach, at, "MTR")
    if record.get("current_fuel_percent") is not None:
        level = number(record["current_fuel_percent"], "current_fuel_percent")
        entity["fuelLevel"] = prop(level, at, "C62")
    if record.get("station_id"):
        station = urn("BikeHireDockingStation", system, record["station_id"])
        entity["refBikeHireDockingStation"] = relationship(station, at)
    return entity


def _end(every_s: float) -> str:
    """Return when an entity ends: whole hours, so that it is not new in every reading."""
    life = max(_SHORTEST_LIFE_S, 3 * every_s)
    end = -(-(time.time() + life) // 3600) * 3600
    return datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
