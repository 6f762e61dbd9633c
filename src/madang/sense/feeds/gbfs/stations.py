"""A station of GBFS as BikeHireDockingStation (Smart Data Models). Pure."""

from __future__ import annotations

from typing import Any

from madang.sense.feeds.attributes import count, instant, point, prop, urn

Record = dict[str, Any]


def station(
    system: str, id: str, told: Record, state: Record | None, updated: Any, language: str
) -> Record:
    """Return the entity of a station.

    Args:
        system: of which it is.
        id: its ``station_id``.
        told: its record in ``station_information``; empty if it has none.
        state: its record in ``station_status``, if it has one.
        updated: ``last_updated`` of that file, for stations that do not say when they reported.
        language: wanted, for names.

    Raises:
        ValueError: a member is not what it should be.
    """
    entity: Record = {
        "id": urn("BikeHireDockingStation", system, id),
        "type": "BikeHireDockingStation",
        "stationCode": prop(id),
    }
    entity |= _described(told, language)
    if state is not None:
        entity |= _state(state, updated)
    return entity


def _described(told: Record, language: str) -> Record:
    found: Record = {}
    if name := text(told.get("name"), language):
        found["name"] = prop(name)
    if "lat" in told and "lon" in told:
        found["location"] = point(told["lon"], told["lat"])
    address = {"streetAddress": told.get("address"), "postalCode": told.get("post_code")}
    if given := {key: str(value) for key, value in address.items() if value}:
        found["address"] = prop(given)
    if told.get("capacity") is not None:
        found["totalSlotNumber"] = prop(count(told["capacity"], "capacity"))
    return found


def _state(state: Record, updated: Any) -> Record:
    reported = state.get("last_reported") or updated
    at = None if reported is None else instant(reported)
    bikes = state.get("num_vehicles_available", state.get("num_bikes_available"))
    broken = state.get("num_vehicles_disabled", state.get("num_bikes_disabled"))
    counts = {
        "availableBikeNumber": (bikes, "num_bikes_available"),
        "freeSlotNumber": (state.get("num_docks_available"), "num_docks_available"),
        "outOfServiceSlotNumber": (state.get("num_docks_disabled"), "num_docks_disabled"),
        "outOfServiceBikeNumber": (broken, "num_bikes_disabled"),
    }
    found = {
        name: prop(count(value, member), at)
        for name, (value, member) in counts.items()
        if value is not None
    }
    for name, member in (("isRenting", "is_renting"), ("isReturning", "is_returning")):
        if member in state:
            found[name] = prop(bool(state[member]), at)
    if kinds := _by_kind(state):
        found["availableVehiclesByType"] = prop(kinds, at)
    found["status"] = prop(_status(state, found), at)
    return found


def _by_kind(state: Record) -> dict[str, int]:
    """Return how many vehicles of each type there are, where a station tells it."""
    return {
        str(one["vehicle_type_id"]): count(one.get("count"), "vehicle_types_available.count")
        for one in state.get("vehicle_types_available") or ()
        if isinstance(one, dict) and "vehicle_type_id" in one
    }


def _status(state: Record, found: Record) -> str:
    """Return the word of the model that says how a station is."""
    rents, takes = bool(state.get("is_renting", True)), bool(state.get("is_returning", True))
    if not state.get("is_installed", True) or not (rents or takes):
        return "outOfService"
    if not (rents and takes):
        return "withIncidence"
    if found.get("availableBikeNumber", {}).get("value") == 0:
        return "empty"
    return "full" if found.get("freeSlotNumber", {}).get("value") == 0 else "working"


def text(value: Any, language: str) -> str:
    """Return a text: plain (2.x) or the one of several languages that is wanted (3.x).

    >>> text([{"text": "Rådhuset", "language": "nb"}], "en")
    'Rådhuset'
    """
    if isinstance(value, list):
        given = [one for one in value if isinstance(one, dict) and one.get("text")]
        wanted = [one for one in given if one.get("language") == language]
        value = next((one["text"] for one in wanted or given), "")
    return value if isinstance(value, str) else ""
