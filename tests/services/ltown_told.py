"""L-TOWN as the city tells the water service: its network as entities, its sensors as changes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from madang.hub.feed import Event
from madang.model.entity import Entity
from madang.query.tree import Query
from madang.services.city import Thing
from madang.services.ground import Kept
from madang.services.past import Past
from madang.services.run import Run
from madang.services.water.service import service
from tests.services.ltown import INLETS, PUMP, TANK, Play

LON, LAT, DEGREE_M = 33.0, 34.7, 111_320.0
URN = "urn:ngsi-ld"
MAIN, HIGH = f"{URN}:WaterDistrict:main", f"{URN}:WaterDistrict:high"
HALF_HOUR = timedelta(minutes=30)
HIGH_SENSORS = ("n1", "n4", "n31")  # those of area C; the others are of A and B


def lines(data: Path, section: str) -> list[list[str]]:
    """Return the values of a section of the network file."""
    text = (data / "epanet/L-TOWN.inp").read_text().split(f"[{section}]")[1].split("\n[")[0]
    return [one for line in text.splitlines() if (one := line.partition(";")[0].split())]


def _whole(type: str, id: str, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"{URN}:{type}:{id}", "type": type}
    for name, value in values.items():
        if name in ("startsAt", "endsAt", "inflow", "outflow", "storage", "sensors"):
            found[name] = {"type": "Relationship", "object": value}
        elif name == "location":
            found[name] = {"type": "GeoProperty", "value": value}
        else:
            found[name] = {"type": "Property", "value": value}
    return found


def network(data: Path) -> list[dict[str, Any]]:
    """Return the network as entities of the Smart Data Models, as the file has it."""
    points = {
        name: {"type": "Point", "coordinates": [LON + float(x) / DEGREE_M / 0.822,
                                                LAT + float(y) / DEGREE_M]}
        for name, x, y in lines(data, "COORDINATES")
    }  # fmt: skip
    demands: dict[str, float] = {}
    for name, value, *_ in lines(data, "DEMANDS"):
        demands[name] = demands.get(name, 0.0) + float(value)
    types = dict.fromkeys(points, "Junction")
    types |= {one[0]: "Tank" for one in lines(data, "TANKS")}
    types |= {one[0]: "Reservoir" for one in lines(data, "RESERVOIRS")}
    urn = {name: f"{URN}:{type}:{name}" for name, type in types.items()}
    found = [
        _whole("Junction", one[0], elevation=float(one[1]), demand=demands.get(one[0], 0.0),
               location=points[one[0]])
        for one in lines(data, "JUNCTIONS")
    ]  # fmt: skip
    found += [
        _whole("Tank", one[0], elevation=float(one[1]), diameter=float(one[5]), level=3.0)
        for one in lines(data, "TANKS")
    ]
    found += [_whole("Reservoir", one[0], head=float(one[1])) for one in lines(data, "RESERVOIRS")]
    found += [
        _whole("Pipe", name, startsAt=urn[a], endsAt=urn[b], length=float(length),
               diameter=float(diameter), roughness=float(rough))
        for name, a, b, length, diameter, rough, *_ in lines(data, "PIPES")
    ]  # fmt: skip
    found += [_whole("Pump", PUMP, startsAt=urn[one[1]], endsAt=urn[one[2]])
              for one in lines(data, "PUMPS")]  # fmt: skip
    found += [_whole("Valve", one[0], startsAt=urn[one[1]], endsAt=urn[one[2]],
                     setting=float(one[5])) for one in lines(data, "VALVES")]  # fmt: skip
    return found


def districts(sensors: Sequence[str]) -> list[dict[str, Any]]:
    """Return the districts: areas A and B behind the inlets, and C behind the pump."""
    pump, tank = f"{URN}:Pump:{PUMP}", f"{URN}:Tank:{TANK}"
    main = [f"{URN}:Junction:{one}" for one in sensors if one not in HIGH_SENSORS]
    return [
        _whole("WaterDistrict", "main", name="Main zone", outflow=pump, sensors=main,
               inflow=[f"{URN}:Pipe:{one}" for one in INLETS]),
        _whole("WaterDistrict", "high", name="High zone", inflow=pump, storage=tank,
               sensors=[f"{URN}:Junction:{one}" for one in HIGH_SENSORS]),
    ]  # fmt: skip


class Found(NamedTuple):
    """A leak as the service has told it, first and last."""

    name: str
    told: int  # [us since 1970]
    first: Thing
    last: Thing


class Quick(Past):
    """A city in memory that looks for the entities of a type only once, but for districts."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, list[Entity]] = {}

    async def query(self, query: Query) -> list[Entity]:
        key = str(query)
        if "WaterDistrict" in key:
            return [one for id, one in sorted(self.entities.items()) if ":WaterDistrict:" in id]
        if key not in self._known:
            self._known[key] = await super().query(query)
        return self._known[key]


def changes(play: Play, start: int) -> Iterator[tuple[int, list[Event]]]:
    """Yield times [us since 1970] and what the sensors tell then."""
    ids = [f"{URN}:Junction:{one}" for one in play.sensors[:-5]]
    ids += [f"{URN}:Pipe:{one}" for one in INLETS]
    ids += [f"{URN}:Pump:{PUMP}", f"{URN}:Tank:{TANK}"]
    names = ["pressure"] * (len(ids) - 4) + ["flow"] * 3 + ["level"]
    number = 0
    for row, values in enumerate(play.told.tolist()):
        now = start + (row + 1) * 1_800_000_000 - 1_000_000
        some = []
        for id, name, value in zip(ids, names, values, strict=False):
            number += 1
            type = id.split(":")[2]
            document = {"id": id, "type": type, name: {"type": "Property", "value": value}}
            some.append(Event(number, "updated", now, id, (type,), (name,), (), document))
        yield now, some


async def watched(data: Path, play: Play, **options: Any) -> list[Found]:
    """Let the service watch a play; return the leaks that it has told, in their order."""
    ground, start = Quick(), int(play.start.timestamp()) * 1_000_000
    for document in [*network(data), *districts(play.sensors[:-5])]:
        ground.write(document, start)
    run = Run(service, ground, service.given(options), Kept(0, start))
    first: dict[str, tuple[int, dict[str, Any]]] = {}
    for row, (now, events) in enumerate(changes(play, start)):
        consumed = {
            "id": HIGH,
            "type": "WaterDistrict",
            "consumption": {"type": "Property", "value": float(play.told[row, -1])},
        }
        ground.write(consumed, now)  # fmt: skip
        for event in events:
            await run.change(event)
        await run.until(now + 1_000_000)
        for effect in run.effects:
            ground.write(effect.document, now + 1_000_000, observe=True)
            if effect.document["type"] == "WaterLeak":
                first.setdefault(effect.document["id"], (now, effect.document))
        run.effects.clear()
        if row % 48 == 0:
            await asyncio.sleep(0)
    return [
        Found(id, now, Thing(document), Thing(ground.entities[id].document))
        for id, (now, document) in first.items()
    ]


class Streets:
    """How far it is along the pipes."""

    def __init__(self, data: Path) -> None:
        self._pipes = {one[0]: (one[1], one[2], float(one[3])) for one in lines(data, "PIPES")}
        self._next: dict[str, list[tuple[str, float]]] = {}
        for a, b, length in self._pipes.values():
            self._next.setdefault(a, []).append((b, length))
            self._next.setdefault(b, []).append((a, length))

    def metres(self, junction: str, pipe: str) -> float:
        """Return how far a junction is from the middle of a pipe; infinite if not connected."""
        a, b, length = self._pipes[pipe]
        known = {a: length / 2, b: length / 2}
        waiting = [(length / 2, a), (length / 2, b)]
        while waiting:
            far, node = heapq.heappop(waiting)
            if node == junction:
                return far
            for other, more in self._next[node]:
                if far + more < known.get(other, float("inf")):
                    known[other] = far + more
                    heapq.heappush(waiting, (far + more, other))
        return float("inf")
