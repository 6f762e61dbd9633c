"""What the devices of a live street say, as messages of the open device specification."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from madang.model import time
from madang.services.signals import wire
from madang.twin.live.cabinets import Ack, Cabinets
from madang.twin.live.fleet import Fleet

if TYPE_CHECKING:
    from madang.twin.live.job import Job
    from madang.twin.street.detectors import Count
    from madang.twin.street.street import Street

APPROACHES_S: Final = 5
"""A signal tells so often what its detectors see. [s]"""
COUNTS_S: Final = 60
MEAN_OF: Final = 5
"""Periods of a detector whose flow is told as one, so that single vehicles do not make it jump."""
BATCH: Final = 200  # vehicles of one message
TIMETABLE: Final = 18 / 3.6
"""Of buses, with their stops: a little more than traffic lets most of them keep. [m/s]"""


class Said(NamedTuple):
    """A message."""

    topic: str
    body: bytes
    qos: int = 0


class Devices:
    """All devices of a street: what they say after each second, and what they do when told.

    Args:
        job: their names.
        street: that they stand in.
    """

    def __init__(self, job: Job, street: Street) -> None:
        self._job = job
        self._street = street
        self._cabinets = Cabinets(street)
        self._signal_of = {device: signal for signal, device in job.signals.items()}
        self._fleet = Fleet(job.buses, job.others)
        self._shown: dict[str, tuple[int, str]] = {}
        self._flows: dict[str, deque[Count]] = {}

    @property
    def topics(self) -> list[str]:
        """Where they hear commands."""
        return [f"v1/devices/{device}/down" for device in self._signal_of]

    @property
    def buses(self) -> list[str]:
        """Entities of buses that drive here."""
        return self._fleet.buses

    def follow(self) -> None:
        """Take note of who has departed and arrived in the last second."""
        simulation, vehicle = self._street.sumo.simulation, self._street.sumo.vehicle
        fleet = self._fleet
        gone = set(simulation.getArrivedIDList())
        for id in gone.intersection(fleet.under_way):
            fleet.arrive(id)
        for id in simulation.getDepartedIDList():
            if id not in gone:
                kind, line = vehicle.getVehicleClass(id), vehicle.getLine(id)
                lon, lat = self._street.roads.lonlat(*vehicle.getPosition(id))
                fleet.depart(id, kind, line, (float(lon), float(lat)))

    def said(self, at: datetime) -> Iterator[Said]:
        """Yield what they say now.

        Args:
            at: the time on the clock.
        """
        stamp = time.render(int(at.timestamp() * 1000) * 1000)
        yield from map(self._acknowledged, self._cabinets.step())
        yield from self._signals(at)
        if int(self._street.now) % COUNTS_S == 0:
            yield from self._counts(stamp)
        yield from self._vehicles(stamp)

    def take(self, device: str, body: bytes) -> list[Said]:
        """Do what a device is told; return what it says about it."""
        signal = self._signal_of.get(device)
        try:
            order = orjson.loads(body)
        except orjson.JSONDecodeError:
            return []
        if signal is None or not isinstance(order, dict):
            return []
        return [self._acknowledged(ack) for ack in self._cabinets.take(signal, order)]

    def _acknowledged(self, ack: Ack) -> Said:
        topic = f"v1/devices/{self._job.signals[ack.signal]}/ack"
        return Said(topic, orjson.dumps(ack.body()), 1)

    def _signals(self, at: datetime) -> Iterator[Said]:
        """Yield phases that have changed, and in turns what is before the signals."""
        turn = int(self._street.now) % APPROACHES_S
        due = [id for place, id in enumerate(self._job.signals) if place % APPROACHES_S == turn]
        seen = self._street.seen(due)
        for id, device in self._job.signals.items():
            phase, green_s = self._street.phase(id)
            shown = phase, self._cabinets.mode(id)
            told: dict[str, Any] = {}
            if id in seen or self._shown.get(id) != shown:
                self._shown[id] = shown
                told = {"phase": phase, "since": _since(at, green_s), "mode": shown[1]}
            if id in seen:
                told["approaches"] = wire.pack_seen(seen[id])
            if told:
                yield Said(f"v1/devices/{device}/up", orjson.dumps(told), int(id not in seen))

    def _counts(self, stamp: str) -> Iterator[Said]:
        for id, count in self._street.counts().items():
            if (device := self._job.stations.get(id)) is not None:
                flows = self._flows.setdefault(id, deque(maxlen=MEAN_OF))
                flows.append(count)
                body = {"observedAt": stamp, "values": counted(flows)}
                yield Said(f"v1/devices/{device}/up", orjson.dumps(body), 1)

    def _vehicles(self, stamp: str) -> Iterator[Said]:
        here = self._street.vehicles(self._fleet.under_way)
        entities = self._fleet.told(here, stamp, self._late())
        topic = f"v1/devices/{self._job.fleet}/up/ngsi-ld"
        for start in range(0, len(entities), BATCH):
            yield Said(topic, orjson.dumps(entities[start : start + BATCH]))

    def _late(self) -> dict[str, float]:
        """Return how far buses are behind their timetable. [s]"""
        vehicle, now = self._street.sumo.vehicle, self._street.now
        return {
            id: delay(
                now - vehicle.getDeparture(id) + vehicle.getDepartDelay(id), vehicle.getDistance(id)
            )
            for id in self._fleet.driven_as_buses
        }


def delay(seconds: float, metres: float) -> float:
    """Return how far a bus is behind its timetable; who is early has no delay. [s]

    Args:
        seconds: since it should have set out.
        metres: that it has driven.

    >>> round(delay(600.0, 2_200.0)), delay(600.0, 3_000.0)
    (160, 0.0)
    """
    return max(0.0, seconds - metres / TIMETABLE)


def counted(flows: Iterable[Count]) -> dict[str, float]:
    """Return what a detector tells: flow of the last periods, speed and occupancy of the last.

    >>> from madang.twin.street.detectors import Count
    >>> counted([Count(10, 10.0, 0.1), Count(14, 12.5, 0.2)])
    {'intensity': 720, 'occupancy': 0.2, 'averageVehicleSpeed': 45.0}
    >>> counted([Count(0, None, 0.0)])
    {'intensity': 0, 'occupancy': 0.0}
    """
    *_, last = found = list(flows)
    hourly = round(sum(one.vehicles for one in found) / len(found) * 3600 / COUNTS_S)
    told: dict[str, float] = {"intensity": hourly, "occupancy": round(last.occupancy, 3)}
    if last.speed is not None:
        told["averageVehicleSpeed"] = round(last.speed * 3.6, 1)
    return told


def _since(at: datetime, green_s: float) -> dict[str, str]:
    began = int((at - timedelta(seconds=green_s)).timestamp())
    return {"@type": "DateTime", "@value": time.render(began * 1_000_000)}
