"""What the demo city is made of, and how it goes on: pure but for the clock of its loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from madang.demo import indicators
from madang.demo.buses import buses
from madang.demo.furniture import cabinets, containers, lights, moved, parked, zones
from madang.demo.indicators import TARGETS, Target
from madang.demo.quantities import Walk
from madang.demo.quarter import quarter
from madang.demo.sensors import Sensors
from madang.demo.told import Entity
from madang.model.errors import Overloaded

SEED: Final = 1
BATCH: Final = 200  # entities written at once
BUSES_S: Final = 1.0
SENSORS_S: Final = 2.0
SPOTS_S: Final = 5.0
MINUTE_S: Final = 60.0
SURGES_S: Final = 150.0
LOUDER: Final = 26.0  # [dB]
SMOKE: Final = 170.0  # [ug/m3]

Write = Callable[[list[Entity]], Awaitable[object]]
"""Stores normalized entities; attributes that are not given stay."""


class DemoCity:
    """All of it. The same seed makes the same city.

    Args:
        seed: for places, names and chance.
    """

    def __init__(self, seed: int = SEED) -> None:
        self._random = Random(seed)
        self.quarter = quarter(seed)
        streets = self.quarter.streets
        self.sensors = Sensors(streets, seed)
        self.buses = buses()
        self.zones = zones(streets, self._random)
        self.containers = containers(streets, self._random)
        self.lights = lights(streets, self._random)
        self.cabinets = cabinets()
        self._figures = [(one, Walk(one.quantity, self._random)) for one in TARGETS]
        self.told_elsewhere: frozenset[str] = frozenset()
        """Ids of buses and counters that devices tell of (:mod:`madang.demo.traffic`)."""
        self.drives = asyncio.Event()
        """Traffic has begun."""

    def standing(self) -> list[Entity]:
        """Return what never changes, whole; buses and sensors without what they tell."""
        spots = [spot.entity for zone in self.zones for spot in zone.spots]
        return [*self.quarter.entities, *spots, *self.changing()]

    def changing(self) -> list[Entity]:
        """Return those of them that something is told of again and again."""
        return [
            *(one.fixed for one in self.buses),
            *(one.entity for one in self.sensors),
            *(zone.entity for zone in self.zones),
            *(one.entity for one in self.containers),
            *self.lights,
            *self.cabinets,
            *(made for _, made in self.indicators()),
        ]

    def indicators(self) -> list[tuple[Target, Entity]]:
        """Return its key performance indicators."""
        return list(zip(TARGETS, indicators.indicators(), strict=True))

    def present(self, at: datetime) -> list[Entity]:
        """Return what everything tells at a time."""
        return [
            *self.driven(at),
            *(one.measured(at) for one in self.sensors),
            *(parked(spot, at) for zone in self.zones for spot in zone.spots),
            *self.filled(at),
            *self.figured(at),
        ]

    def driven(self, at: datetime) -> list[Entity]:
        """Return where buses are."""
        elsewhere = self.told_elsewhere
        return [one.told(at) for one in self.buses if one.fixed["id"] not in elsewhere]

    def measured(self, at: datetime) -> list[Entity]:
        """Return new measurements of some sensors."""
        return [one for one in self.sensors.step(at) if one["id"] not in self.told_elsewhere]

    def parked(self, at: datetime) -> list[Entity]:
        """Return the spots that cars have come to or left."""
        return moved(self.zones, at, self._random)

    def filled(self, at: datetime) -> list[Entity]:
        """Return how full containers are."""
        return [one.told(at) for one in self.containers]

    def figured(self, at: datetime) -> list[Entity]:
        """Return how its indicators are."""
        return [
            indicators.told(one.key, one.quantity, walk.step(at), at) for one, walk in self._figures
        ]

    def surged(self, at: datetime) -> list[Entity]:
        """Let it be loud somewhere for a while: alarms come and go."""
        meters = [one for one in self.sensors if one.entity["type"] == "NoiseLevelObserved"]
        self._random.choice(meters).walks[0].push(LOUDER, at + timedelta(seconds=1.5 * SURGES_S))
        return []

    def smoke(self, at: datetime) -> list[Entity]:
        """Let it burn near a station for a quarter of an hour; return what that measures."""
        station = next(iter(self.sensors))
        for walk in station.walks[:2]:
            walk.push(SMOKE, at + timedelta(minutes=15))
        return [station.measured(at)]

    async def go_on(self, write: Write) -> None:
        """Keep it changing until cancelled."""
        steps = (
            (self.driven, BUSES_S),
            (self.measured, SENSORS_S),
            (self.parked, SPOTS_S),
            (self.filled, MINUTE_S),
            (self.surged, SURGES_S),
            (self.figured, MINUTE_S),
        )
        async with asyncio.TaskGroup() as group:
            for step, every_s in steps:
                group.create_task(_repeat(step, every_s, write))


async def _repeat(step: Callable[[datetime], list[Entity]], every_s: float, write: Write) -> None:
    while True:
        await asyncio.sleep(every_s)
        if found := step(datetime.now(UTC)):
            with contextlib.suppress(Overloaded):  # the hub has better things to do
                await write(found)


def batches(entities: Sequence[Entity]) -> Iterator[list[Entity]]:
    """Yield entities in parts that are written at once."""
    for start in range(0, len(entities), BATCH):
        yield list(entities[start : start + BATCH])
