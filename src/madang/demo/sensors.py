"""The 200 sensors of the demo city: where they stand, and what they measure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final

from madang.demo import ground
from madang.demo.ground import Plan
from madang.demo.quantities import Quantity, Walk
from madang.demo.quarter import Street, district_name
from madang.demo.told import Entity, entity, value, where, words

SENSORS: Final = 200
SHARE_PER_STEP: Final = 0.25  # of the sensors report in one step
_BESIDE: Final = 11.0  # the middle of the street [m]
_SPREAD: Final = 0.06  # by which places differ, as a share of the mean


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of sensor, after the Smart Data Models."""

    type: str
    korean: str
    english: str
    share: float
    quantities: tuple[Quantity, ...]
    fixed: dict[str, Any] = field(default_factory=dict)


KINDS: Final = (
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


@dataclass(frozen=True, slots=True)
class Sensor:
    """One of them: what never changes of its entity, and how its quantities go."""

    entity: Entity
    walks: list[Walk]

    def measured(self, at: datetime) -> Entity:
        """Return what it measures at a time, as an entity with nothing else."""
        found: Entity = {"id": self.entity["id"], "type": self.entity["type"]}
        for walk in self.walks:
            quantity = walk.quantity
            found[quantity.name] = value(walk.step(at), quantity.unit, at)
        return found


def beside(street: Street, random: Random, metres: float = _BESIDE) -> Plan:
    """Return a place at the side of a street."""
    (u0, v0), (u1, v1) = street.corners
    share, side = random.uniform(0.06, 0.94), random.choice((-metres, metres))
    u, v = u0 + (u1 - u0) * share, v0 + (v1 - v0) * share
    return (u, v + side) if u0 != u1 else (u + side, v)


class Sensors:
    """All of them, and what they measure at present."""

    def __init__(self, streets: list[Street], seed: int = 1, count: int = SENSORS) -> None:
        self._random = Random(seed)
        self._streets = [one for one in streets if one.kind != "residential"]
        self.all = [
            self._sensor(kind, number)
            for kind in KINDS
            for number in range(1, round(count * kind.share) + 1)
        ]

    def _sensor(self, kind: Kind, number: int) -> Sensor:
        random = self._random
        street = random.choice(self._streets)
        at = beside(street, random)
        korean, english = street.name
        made = entity(
            kind.type, f"{number:03d}",
            name=words(f"{korean} {kind.korean} {number}", f"{english} {kind.english} {number}"),
            location=where(ground.point(at)),
            areaServed=district_name(at),
            **kind.fixed,
        )  # fmt: skip
        level = random.gauss(0, _SPREAD)
        return Sensor(made, [Walk(one, random, level) for one in kind.quantities])

    def entities(self, at: datetime) -> list[Entity]:
        """Return all sensors whole, with what they measure at a time."""
        return [one.entity | one.measured(at) for one in self.all]

    def step(self, at: datetime) -> list[Entity]:
        """Return new measurements of some of the sensors, without what never changes."""
        count = max(1, round(len(self.all) * SHARE_PER_STEP))
        return [one.measured(at) for one in self._random.sample(self.all, count)]

    def __iter__(self) -> Iterator[Sensor]:
        return iter(self.all)
