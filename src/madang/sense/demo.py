"""A small generated city of sensors around Seoul, which keeps changing; a seed makes it repeat."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

Entity = dict[str, Any]
Write = Callable[[list[Entity]], Awaitable[object]]

SENSORS = 200
INTERVAL_S = 2.0
SHARE_PER_STEP = 0.25  # of the sensors report in one step

# Name in Korean and English, longitude, latitude.
DISTRICTS = (
    ("종로구", "Jongno-gu", 126.979, 37.573),
    ("중구", "Jung-gu", 126.998, 37.564),
    ("용산구", "Yongsan-gu", 126.990, 37.532),
    ("성동구", "Seongdong-gu", 127.037, 37.563),
    ("마포구", "Mapo-gu", 126.908, 37.560),
    ("영등포구", "Yeongdeungpo-gu", 126.896, 37.526),
    ("강남구", "Gangnam-gu", 127.047, 37.517),
    ("서초구", "Seocho-gu", 127.033, 37.484),
    ("송파구", "Songpa-gu", 127.106, 37.515),
    ("노원구", "Nowon-gu", 127.057, 37.654),
)
SPREAD_DEGREES = 0.012  # about a kilometre


@dataclass(frozen=True, slots=True)
class Quantity:
    """A measured quantity: its mean, how it swings over the day, how it drifts, its bounds."""

    name: str
    unit: str | None
    mean: float
    swing: float
    noise: float
    low: float
    high: float
    peak_hour: float = 15.0
    digits: int = 1

    def expected(self, hour: float) -> float:
        """Return the value usual at a time of day [h]."""
        turn = math.cos((hour - self.peak_hour) / 24.0 * math.tau)
        return self.mean + self.swing * turn

    def within(self, value: float) -> float:
        """Return a value within the bounds, as precise as such a sensor is."""
        rounded = round(min(max(value, self.low), self.high), self.digits)
        return int(rounded) if self.digits == 0 else rounded


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of sensor, after the Smart Data Models."""

    type: str
    korean: str
    english: str
    share: float
    quantities: tuple[Quantity, ...]
    fixed: dict[str, Any] = field(default_factory=dict)


KINDS = (
    Kind(
        "AirQualityObserved", "대기질 측정소", "Air quality station", 0.30,
        (
            Quantity("pm25", "GQ", 22, 6, 3, 0, 500, 9),
            Quantity("pm10", "GQ", 41, 10, 5, 0, 900, 9),
            Quantity("no2", "59", 0.028, 0.012, 0.004, 0, 2, 8, 4),
            Quantity("o3", "59", 0.031, 0.020, 0.004, 0, 1, 15, 4),
        ),
        {"typeofLocation": "outdoor"},
    ),
    Kind(
        "WeatherObserved", "기상 관측소", "Weather station", 0.20,
        (
            Quantity("temperature", "CEL", 18, 5, 0.4, -25, 42),
            Quantity("relativeHumidity", None, 0.6, -0.15, 0.02, 0.05, 1, 15, 2),
            Quantity("windSpeed", "MTS", 2.4, 1.0, 0.4, 0, 40),
        ),
    ),
    Kind(
        "NoiseLevelObserved", "소음 측정기", "Noise meter", 0.15,
        (Quantity("LAeq", "2N", 61, 7, 2, 30, 110, 14),),
    ),
    Kind(
        "OffStreetParking", "공영주차장", "Public car park", 0.15,
        (Quantity("availableSpotNumber", "C62", 90, -45, 8, 0, 180, 14, 0),),
        {"totalSpotNumber": 180, "category": ["public"]},
    ),
    Kind(
        "TrafficFlowObserved", "교통량 측정기", "Traffic counter", 0.20,
        (
            Quantity("intensity", "C62", 820, 430, 60, 0, 4000, 18, 0),
            Quantity("averageVehicleSpeed", "KMH", 34, -12, 3, 0, 90, 18),
        ),
    ),
)  # fmt: skip


class DemoCity:
    """The sensors and what they measure at present."""

    def __init__(self, seed: int = 1, sensors: int = SENSORS) -> None:
        self._random = Random(seed)
        self._values: dict[str, dict[str, float]] = {}
        self._sensors = [
            self._place(kind, number)
            for kind in KINDS
            for number in range(1, round(sensors * kind.share) + 1)
        ]

    def _place(self, kind: Kind, number: int) -> tuple[Kind, Entity]:
        """Return the part of a sensor's entity that never changes."""
        korean, english, longitude, latitude = DISTRICTS[(number - 1) % len(DISTRICTS)]
        east = round(longitude + self._random.gauss(0, SPREAD_DEGREES), 6)
        north = round(latitude + self._random.gauss(0, SPREAD_DEGREES), 6)
        names = {
            "ko": f"{korean} {kind.korean} {number}",
            "en": f"{english} {kind.english} {number}",
        }
        entity: Entity = {
            "id": f"urn:ngsi-ld:{kind.type}:demo:{number:03d}",
            "type": kind.type,
            "name": {"type": "LanguageProperty", "languageMap": names},
            "location": {
                "type": "GeoProperty",
                "value": {"type": "Point", "coordinates": [east, north]},
            },
            "areaServed": {"type": "Property", "value": korean},
            "source": {"type": "Property", "value": "generated"},
        }
        fixed = {name: {"type": "Property", "value": value} for name, value in kind.fixed.items()}
        return kind, entity | fixed

    def entities(self, at: datetime) -> list[Entity]:
        """Return all sensors whole, with what they measure at a time."""
        return [entity | self._measured(kind, entity["id"], at) for kind, entity in self._sensors]

    def step(self, at: datetime) -> list[Entity]:
        """Return new measurements of some of the sensors, without what never changes."""
        count = max(1, round(len(self._sensors) * SHARE_PER_STEP))
        chosen = self._random.sample(self._sensors, count)
        return [
            {"id": entity["id"], "type": entity["type"]} | self._measured(kind, entity["id"], at)
            for kind, entity in chosen
        ]

    def _measured(self, kind: Kind, identifier: str, at: datetime) -> Entity:
        hour = (at.hour + 9 + at.minute / 60) % 24  # Seoul is nine hours ahead of UTC
        stamp = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        values = self._values.setdefault(identifier, {})
        found: Entity = {}
        for quantity in kind.quantities:
            # Half way back to what is usual at this hour, and a little chance.
            expected = quantity.expected(hour)
            last = values.get(quantity.name, expected + self._random.gauss(0, quantity.noise * 2))
            moved = (last + expected) / 2 + self._random.gauss(0, quantity.noise)
            values[quantity.name] = moved
            unit = {} if quantity.unit is None else {"unitCode": quantity.unit}
            value = {"type": "Property", "value": quantity.within(moved)}
            found[quantity.name] = value | unit | {"observedAt": stamp}
        return found


async def run(write: Write, interval_s: float = INTERVAL_S, seed: int = 1) -> None:
    """Write the city once whole, then keep it changing until cancelled.

    Args:
        write: stores a list of normalized entities; attributes not given must stay.
        interval_s: time between two steps. [s]
        seed: the same seed places the same sensors.
    """
    city = DemoCity(seed)
    await write(city.entities(datetime.now(UTC)))
    while True:
        await asyncio.sleep(interval_s)
        await write(city.step(datetime.now(UTC)))
