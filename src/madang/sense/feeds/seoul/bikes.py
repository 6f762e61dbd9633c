"""A station of Ttareungyi, Seoul's public bicycles (``bikeList``), as BikeHireDockingStation. Pure.

The service does not tell when it counted. Source: Seoul Open Data Plaza OA-15493.
"""

from __future__ import annotations

from typing import Any

from madang.sense.feeds.attributes import count, number, point, prop, urn

Record = dict[str, Any]


def bike_station(row: Record) -> list[Record]:
    """Return the entity of a row.

    Raises:
        ValueError: it has no station, or a count is none.
    """
    id = str(row.get("stationId") or "").strip()
    if not id:
        raise ValueError("stationId is missing")
    racks = count(row.get("rackTotCnt"), "rackTotCnt")
    bikes = count(row.get("parkingBikeTotCnt"), "parkingBikeTotCnt")
    entity: Record = {
        "id": urn("BikeHireDockingStation", "Ttareungyi", id),
        "type": "BikeHireDockingStation",
        "stationCode": prop(id),
        "totalSlotNumber": prop(racks),
        "availableBikeNumber": prop(bikes),
        # More bicycles may stand than there are racks: they are locked to one another.
        "freeSlotNumber": prop(max(racks - bikes, 0)),
        "status": prop("empty" if bikes == 0 else "full" if bikes >= racks > 0 else "working"),
    }
    if name := str(row.get("stationName") or "").strip():
        entity["name"] = prop(name)
    east, north = row.get("stationLongitude"), row.get("stationLatitude")
    if east and north and number(east, "stationLongitude"):
        entity["location"] = point(east, north)
    return [entity]
