"""What a device measures, in the words of the Smart Data Model ``Device`` (controlledProperty)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from madang.sense.devices.profile import Profile

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "airPollution": ("pm1", "pm25", "pm10", "no", "no2", "nox", "o3", "so2", "co", "co2", "tvoc"),
    "atmosphericPressure": ("atmosphericPressure",),
    "electricityConsumption": ("energy", "activePower", "totalActiveEnergyImport"),
    "fillingLevel": ("fillingLevel", "distanceToContent"),
    "humidity": ("relativeHumidity",),
    "light": ("illuminance", "illuminanceLevel"),
    "location": ("location",),
    "motion": ("motion",),
    "noiseLevel": ("LAeq", "LAmax"),
    "occupancy": ("occupancy", "peopleCount"),
    "precipitation": ("precipitation",),
    "soilMoisture": ("soilMoistureVwc",),
    "solarRadiation": ("solarRadiation",),
    "speed": ("speed",),
    "temperature": ("temperature",),
    "waterConsumption": ("waterConsumption",),
    "waterLevel": ("waterLevel", "height"),
    "windDirection": ("windDirection",),
    "windSpeed": ("windSpeed", "gustSpeed"),
}


def controlled(profile: Profile) -> list[str]:
    """Return what devices of a profile measure, as far as the model has a word for it."""
    names = {
        name for part in profile.parts for name, one in part.attributes.items() if not one.target
    }
    if any(part.type == "ParkingSpot" for part in profile.parts):
        names.add("occupancy")
    return [word for word, attributes in _WORDS.items() if not names.isdisjoint(attributes)]
