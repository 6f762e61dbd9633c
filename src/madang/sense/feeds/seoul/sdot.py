"""A row of S-DoT, Seoul's city sensors, as entities. Pure.

Means of an hour. Source: Seoul Open Data Plaza OA-22833 (``sDoTEnv``), OA-15969 (``IotVdata017``).
The rows do not tell where a sensor is: ``refDevice`` leads to it, once the table of the sensors
(``madang load … --mapping sdot-nodes``) is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.sense.feeds.attributes import instant, number, prop, relationship, urn

Record = dict[str, Any]

_ZONE = "Asia/Seoul"
# Type, attribute, unit (UN/CEFACT), factor, and the names of the field in the two services.
FIELDS: tuple[tuple[str, str, str, float, tuple[str, ...]], ...] = (
    ("WeatherObserved", "temperature", "CEL", 1, ("AVG_TEMP", "AVG_TP")),
    ("WeatherObserved", "relativeHumidity", "C62", 0.01, ("AVG_HUMI", "AVG_HUM")),
    ("WeatherObserved", "windSpeed", "MTS", 1, ("AVG_WIND_SPEED", "AVG_WSPD")),
    ("WeatherObserved", "windDirection", "DD", 1, ("AVG_WIND_DIRE", "AVG_WD")),
    ("WeatherObserved", "illuminance", "LUX", 1, ("AVG_INTE_ILLU", "AVG_INILLU")),
    ("WeatherObserved", "uvIndex", "C62", 1, ("AVG_ULTRA_RAYS", "AVG_UV")),
    ("WeatherObserved", "blackGlobeTemperature", "CEL", 1, ("AVG_EFFE_TEMP", "AVG_GT")),
    ("NoiseLevelObserved", "LAeq", "2N", 1, ("AVG_NOISE", "AVG_NIS")),
    ("NoiseLevelObserved", "LAmax", "2N", 1, ("MAX_NOISE", "MAX_NIS")),
    ("AirQualityObserved", "no2", "59", 1, ("AVG_NO2", "AVG_NTDX")),
    ("AirQualityObserved", "co", "59", 1, ("AVG_CO", "AVG_CBMX")),
    ("AirQualityObserved", "so2", "59", 1, ("AVG_SO2", "AVG_SO")),
    ("AirQualityObserved", "nh3", "59", 1, ("AVG_NH3",)),
    ("AirQualityObserved", "h2s", "59", 1, ("AVG_H2S",)),
    ("AirQualityObserved", "o3", "59", 1, ("AVG_O3", "AVG_OZON")),
)


def sdot(row: Record) -> list[Record]:
    """Return the entities of a row: one for each type that it has a value of.

    Raises:
        ValueError: it tells neither sensor nor time, or a value is no number.
    """
    serial = _first(row, ("SERIAL", "SERIAL_NO", "SN"))
    if serial is None:
        raise ValueError("SERIAL is missing, so nobody knows which sensor it is")
    when = _first(row, ("SENSING_TIME", "MSRMT_HR"))
    if when is None:
        raise ValueError("SENSING_TIME is missing")
    at = instant(when.replace("_", " "), _ZONE)
    made: dict[str, Record] = {}
    for kind, name, unit, factor, fields in FIELDS:
        value = _first(row, fields)
        if value is not None:
            entity = made.setdefault(kind, _frame(kind, serial, row))
            scaled = round(number(value, fields[0]) * factor, 9)
            entity[name] = prop(scaled, at, unit)
    return list(made.values())


def _frame(kind: str, serial: str, row: Record) -> Record:
    entity: Record = {
        "id": urn(kind, "S-DoT", serial),
        "type": kind,
        "refDevice": relationship(urn("Device", "S-DoT", serial)),
    }
    address = {
        "addressLocality": _first(row, ("AUTONOMOUS_DISTRICT", "CGG")),
        "district": _first(row, ("ADMINISTRATIVE_DISTRICT", "DONG")),
    }
    if given := {name: text for name, text in address.items() if text}:
        entity["address"] = prop({"addressCountry": "KR", "addressRegion": "Seoul"} | given)
    return entity


def _first(row: Mapping[str, Any], fields: tuple[str, ...]) -> str | None:
    """Return the first field that is there and not empty, as text."""
    for field in fields:
        value = row.get(field)
        if value is not None and (text := str(value).strip()):
            return text
    return None
