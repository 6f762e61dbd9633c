"""A place of OpenAQ and what its sensors measured, as AirQualityObserved. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from madang.sense.feeds.attributes import instant, number, point, prop, urn

Record = dict[str, Any]

# Codes of UN/CEFACT Recommendation 20, by units as OpenAQ writes them (with both signs for micro).
UNITS = {
    "µg/m³": "GQ",
    "μg/m³": "GQ",
    "mg/m³": "GP",
    "ppm": "59",
    "ppb": "61",
    "c": "CEL",
    "f": "FAH",
    "hpa": "A97",
    "mb": "A97",
    "m/s": "MTS",
    "deg": "DD",
    "lx": "LUX",
}
# Attributes of the data model, where they differ from the names of OpenAQ's parameters.
NAMES = {
    "relativehumidity": "relativeHumidity",
    "wind_speed": "windSpeed",
    "wind_direction": "windDirection",
}
_MISSING = (-999, -9999, -99999)


class Sensor(NamedTuple):
    """What one sensor measures."""

    id: int
    name: str
    units: str


class Value(NamedTuple):
    sensor: Sensor
    at: str
    value: float


def sensors_of(place: Record) -> dict[int, Sensor]:
    """Return the sensors of a place by their ids."""
    found: dict[int, Sensor] = {}
    for one in place.get("sensors") or ():
        parameter = one.get("parameter") if isinstance(one, dict) else None
        if isinstance(parameter, dict) and isinstance(one.get("id"), int) and parameter.get("name"):
            name, units = str(parameter["name"]), str(parameter.get("units", ""))
            found[one["id"]] = Sensor(one["id"], name, units)
    return found


def is_missing(value: Any) -> bool:
    """Return whether a value is one of those that stand for "nothing was measured"."""
    return value is None or value in _MISSING


def values_at(records: Iterable[Record], sensors: Mapping[int, Sensor]) -> list[Value]:
    """Return the values in records of sensors that are known.

    Raises:
        ValueError: a value is no number, or its time is none.
    """
    found = []
    for record in records:
        sensor = sensors.get(record.get("sensorsId", -1))
        if sensor is None or is_missing(record.get("value")):
            continue
        when = record.get("datetime")
        utc = when.get("utc") if isinstance(when, dict) else None
        if utc is None:
            raise ValueError(f"a value of {sensor.name} has no datetime.utc")
        found.append(Value(sensor, instant(utc), number(record["value"], sensor.name)))
    return found


def entity_of(place: Record, values: Iterable[Value]) -> Record:
    """Return the entity of a place with values; of two for one attribute, the newer one.

    Raises:
        ValueError: its position is none.
    """
    entity: Record = {
        "id": urn("AirQualityObserved", "openaq", place["id"]),
        "type": "AirQualityObserved",
    }
    if place.get("name"):
        entity["name"] = prop(str(place["name"]))
    where = place.get("coordinates")
    if isinstance(where, dict) and where.get("latitude") is not None:
        entity["location"] = point(where.get("longitude"), where.get("latitude"))
    country = place.get("country") or {}
    address = {"addressCountry": country.get("code"), "addressLocality": place.get("locality")}
    if given := {name: text for name, text in address.items() if text}:
        entity["address"] = prop(given)
    owner = (place.get("provider") or place.get("owner") or {}).get("name")
    if owner:
        entity["source"] = prop(str(owner))
    for value in sorted(values, key=lambda one: one.at):
        name = NAMES.get(value.sensor.name, value.sensor.name)
        entity[name] = _property(value)
    return entity


def _property(value: Value) -> Record:
    units = value.sensor.units.strip().lower()
    if units == "%":  # the data model wants a share of one
        return prop(round(value.value / 100, 9), value.at, "C62")
    made = prop(value.value, value.at, UNITS.get(units))
    if units and units not in UNITS:
        made["unitText"] = prop(value.sensor.units)
    return made


def told_at(place: Record) -> str | None:
    """Return when a place last told something."""
    last = place.get("datetimeLast")
    utc = last.get("utc") if isinstance(last, dict) else None
    return None if utc is None else str(utc)
