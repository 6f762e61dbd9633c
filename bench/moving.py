"""A city in which things move: vehicles that are written over and over, and sensors that stand.

Vehicles go round in circles of their own, each position 1 to 4 m from the last one. A process of
its own writes them, as gateways do: batches over two connections that stay open.
"""

from __future__ import annotations

import http.client
import math
import multiprocessing
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Final, Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.server import API, Server

WEST, SOUTH, EAST, NORTH = 126.85, 37.45, 127.15, 37.65  # [degree] 26 km by 22 km
_BATCH: Final = 500
_CONNECTIONS: Final = 2
_HEADERS: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Traffic:
    """How much moves, and how often."""

    moving: int = 2_000
    updates_per_s: float = 5.0
    still: int = 20_000


class _Vehicle:
    def __init__(self, number: int, chance: random.Random) -> None:
        self.number = number
        self.lon = chance.uniform(WEST + 0.02, EAST - 0.02)
        self.lat = chance.uniform(SOUTH + 0.02, NORTH - 0.02)
        self.radius = chance.uniform(0.003, 0.015)
        self.turn = chance.uniform(0, 2 * math.pi)
        self.step = 2.5e-5 / self.radius * chance.choice((-1, 1))

    def moved(self) -> str:
        """Return the next state of the vehicle as JSON."""
        self.turn += self.step
        lon = self.lon + self.radius * math.cos(self.turn)
        lat = self.lat + 0.8 * self.radius * math.sin(self.turn)
        return (
            f'{{"id":"urn:ngsi-ld:Vehicle:{self.number:05d}","type":"Vehicle",'
            f'"location":{{"type":"GeoProperty","value":{{"type":"Point",'
            f'"coordinates":[{lon:.6f},{lat:.6f}]}}}},'
            f'"speed":{{"type":"Property","value":{30 + 20 * math.sin(self.turn * 7):.1f},'
            '"unitCode":"KMH"},'
            f'"heading":{{"type":"Property","value":{self.heading():.0f},"unitCode":"DD"}}}}'
        )

    def heading(self) -> float:
        """Return where it goes, clockwise from north. [degree]"""
        ahead = math.copysign(math.pi / 2, self.step)
        return math.degrees(math.pi / 2 - self.turn - ahead) % 360


def load(server: Server, traffic: Traffic) -> None:
    """Put everything into the city once."""
    chance = random.Random(7)
    bodies = [
        f'{{"id":"urn:ngsi-ld:AirQualityObserved:{number:05d}","type":"AirQualityObserved",'
        f'"location":{{"type":"GeoProperty","value":{{"type":"Point","coordinates":'
        f"[{chance.uniform(WEST, EAST):.6f},{chance.uniform(SOUTH, NORTH):.6f}]}}}},"
        f'"pm25":{{"type":"Property","value":{chance.uniform(3, 80):.1f}}}}}'
        for number in range(traffic.still)
    ]
    vehicles = _vehicles(traffic.moving, 0, 1)
    bodies += [one.moved() for one in vehicles]
    connection = _Connection(server.port, server.local_key())
    for start in range(0, len(bodies), 1_000):
        connection.write(bodies[start : start + 1_000])


def _vehicles(count: int, part: int, of: int) -> list[_Vehicle]:
    chance = random.Random(8)
    return [_Vehicle(number, chance) for number in range(count)][part::of]


class _Connection:
    def __init__(self, port: int, key: dict[str, str]) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = _HEADERS | key

    def write(self, bodies: list[str]) -> None:
        text = "[" + ",".join(bodies) + "]"
        path = f"{API}/entityOperations/upsert?options=update"
        self._http.request("POST", path, text.encode(), self._headers)
        answer = self._http.getresponse()
        said = answer.read()
        if answer.status not in (201, 204):
            raise SystemExit(f"the hub did not take a batch: {answer.status} {said[:300]!r}")


class Writer:
    """Keeps the vehicles moving in a process of its own, until it is left."""

    def __init__(self, server: Server, traffic: Traffic) -> None:
        context = multiprocessing.get_context("spawn")
        self._written: Synchronized[int] = context.Value("q", 0)
        key = server.local_key()
        self._process = context.Process(
            target=_drive, args=(server.port, key, traffic, self._written), daemon=True
        )

    @property
    def written(self) -> int:
        """Return how many changes were acknowledged so far."""
        return self._written.value

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _drive(port: int, key: dict[str, str], traffic: Traffic, written: Synchronized[int]) -> None:
    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        parts = [
            threads.submit(_drive_part, port, key, traffic, written, part)
            for part in range(_CONNECTIONS)
        ]
        for part in parts:
            part.result()


def _drive_part(
    port: int, key: dict[str, str], traffic: Traffic, written: Synchronized[int], part: int
) -> None:
    vehicles = _vehicles(traffic.moving, part, _CONNECTIONS)
    connection = _Connection(port, key)
    batches = [vehicles[at : at + _BATCH] for at in range(0, len(vehicles), _BATCH)]
    pause = 1 / traffic.updates_per_s / len(batches)
    due = time.perf_counter()
    while True:
        for batch in batches:
            connection.write([one.moved() for one in batch])
            with written.get_lock():
                written.value += len(batch)
            due = max(due + pause, time.perf_counter() - 1.0)
            time.sleep(max(0.0, due - time.perf_counter()))
