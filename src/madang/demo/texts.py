"""What people would have set up in the demo city: rules, a playbook, contacts, services."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

ZONE: Final = "Asia/Seoul"


@cache
def file(name: str) -> str:
    """Return the text of one of the files: ``rules``, ``playbook``, ``cabinet`` …"""
    return (files("madang.demo") / "files" / f"{name}.toml").read_text("utf-8")


CONTACTS: Final[dict[str, dict[str, Any]]] = {
    "kim": {
        "kind": "person", "title": "김마당 (관제실)", "language": "ko",
        "channels": [{"kind": "email", "address": "kim@example.org"}],
        "quiet": {"start": "22:00", "end": "07:00", "time_zone": ZONE},
    },
    "lee": {
        "kind": "person", "title": "이나루 (관제실)", "language": "ko",
        "channels": [{"kind": "email", "address": "lee@example.org"}],
    },
    "smith": {
        "kind": "person", "title": "Ann Smith (roads)", "language": "en",
        "channels": [{"kind": "email", "address": "smith@example.org", "urgent_only": True}],
    },
    "control-room": {"kind": "group", "title": "통합관제센터", "members": ["kim", "lee"]},
    "duty": {
        "kind": "rota", "title": "야간 당직", "time_zone": ZONE, "people": ["kim", "lee"],
        "start": "2026-01-05T09:00", "turn_hours": 12,
    },
}  # fmt: skip
"""In this order: groups and rotas name those before them."""

SERVICES: Final[dict[str, dict[str, Any]]] = {
    "parking": {
        "time_zone": ZONE, "currency": "KRW", "first_price": 2000, "step_up": 200, "step_down": 200,
        "far_step_down": 400, "floor": 500, "cap": 6000,
    },
    "air": {"time_zone": ZONE, "cell_km": 0.25},
    "waste": {"time_zone": ZONE, "depot": [126.966, 37.557], "vehicle_litres": 14_000},
    "street_light": {"time_zone": ZONE},
    "forecast": {
        "time_zone": ZONE, "horizon": 24, "history_days": 2,
        "series": [
            {"type": "AirQualityObserved", "attribute": "pm25", "entities": [
                f"urn:ngsi-ld:AirQualityObserved:demo:{number:03d}" for number in (1, 2, 3)]},
            {"type": "OffStreetParking", "attribute": "availableSpotNumber", "entities": [
                f"urn:ngsi-ld:OffStreetParking:demo:{number:03d}" for number in (1, 2, 3)]},
        ],
    },
    "anomaly": {
        "time_zone": ZONE, "learn": 200, "threshold": 1.5,
        "series": [
            {"type": "TrafficFlowObserved", "attribute": "intensity", "entities": [
                f"urn:ngsi-ld:TrafficFlowObserved:demo:{number:03d}" for number in range(1, 11)]},
        ],
    },
    "incidents": {
        "time_zone": ZONE, "from_severity": "high",
        "nearby_types": ["AirQualityObserved", "Streetlight", "Vehicle"],
    },
    "signals": {},
    "bus_priority": {"time_zone": ZONE},
    "green_wave": {"time_zone": ZONE},
}  # fmt: skip
"""Which are on, with what is set of each."""

PUBLIC: Final = (
    "AirQualityMap", "AirQualityObserved", "BikeLane", "Building", "District", "Forecast",
    "KeyPerformanceIndicator", "NoiseLevelObserved", "OffStreetParking", "OnStreetParking", "Park",
    "ParkingSpot", "RoadSegment", "Streetlight", "TrafficFlowObserved", "TrafficSignal", "Vehicle",
    "WasteContainer", "WeatherObserved",
)  # fmt: skip
"""Types that are open data."""

KEPT: Final = orjson.dumps(
    {
        "policies": [
            {"name": "demo-vehicles", "age": "P2D", "types": ["Vehicle"]},
            {"name": "demo-places", "age": "PT2H", "every": "PT1M", "types": ["Vehicle"]},
            {
                "name": "demo-approaches",
                "age": "PT2H",
                "types": ["TrafficSignal"],
                "attributes": ["approaches"],
            },
        ],
        "holds": [],
    }
)
"""Vehicles tell where they are every second: kept for two hours, then one place a minute for as
long as the film goes back. What signals see is worth nothing after two hours."""
