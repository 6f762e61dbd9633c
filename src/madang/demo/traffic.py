"""The traffic of the demo city: devices of a live twin, which runs in a process beside the hub.

Streets, signals, counters, cars and buses are SUMO's; they speak MQTT with the hub's own broker.
Until that drives, and where it cannot, buses and counters go on by the clock alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from madang.demo import equipment, texts
from madang.demo.city import batches
from madang.demo.told import Entity, id_of
from madang.demo.traffic_work import Making
from madang.services import failure, process, records
from madang.services.service import Text
from madang.twin.live.job import Job

if TYPE_CHECKING:
    from madang.demo.going_on import Town

log = structlog.get_logger("madang.demo")

_MODULE: Final = "madang.demo.traffic_work"
_PAUSES_S: Final = (5.0, 30.0, 300.0)  # after which it is begun again
_ALERT: Final = f"urn:ngsi-ld:{records.ALERT}:demo:traffic"
_COUNTER, _SIGNAL = "TrafficFlowObserved", "TrafficSignal"
_OF_THE_STREET: Final = (_SIGNAL, _COUNTER, "GtfsStop", "BikeLane")
_PROFILES: Final = {_SIGNAL: "demo-signal", _COUNTER: "demo-detector"}
_FLEET: Final = "demo-fleet"


class Traffic:
    """See the module.

    Args:
        town: whose traffic.
    """

    def __init__(self, town: Town) -> None:
        self._town = town
        self._failures = 0
        self._ending: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Let it drive, again and again, until cancelled."""
        parts = self._town.parts
        if not parts.sense.broker.is_listening or parts.settings.tls_certificate:
            log.warning("demo.no_traffic", reason="it needs the hub's own broker, without TLS")
            return
        while True:
            why = await self._drive()
            self._town.city.told_elsewhere = frozenset()
            pause_s = _PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)]
            self._failures += 1
            log.warning("demo.traffic_lost", reason=why, retry_in_s=pause_s)
            await self._alert(why)
            await asyncio.sleep(pause_s)

    async def _drive(self) -> str:
        """Make the scenario, register its devices and drive; return why that has ended."""
        town, made = self._town, list[str]()
        folder = town.parts.settings.data / "twin"
        folder.mkdir(parents=True, exist_ok=True)
        making = Making(folder, town.seed)
        counters = [one.entity for one in town.city.sensors if one.entity["type"] == _COUNTER]
        async with asyncio.TaskGroup() as group:
            work = process.work(_MODULE, making, folder, lambda told: made.append(told["scenario"]))
            ends = group.create_task(work)
            group.create_task(self._register(counters))
        if why := ends.result():
            return why
        scenario = Path(made[0])
        entities = await asyncio.to_thread(read, scenario)
        for some in batches(entities):
            await town.write(some)
        devices = [*(one for one in entities if one["type"] in _PROFILES), *counters]
        await self._register(devices)
        log.info("demo.traffic", signals=sum(one["type"] == _SIGNAL for one in entities))
        job = self._job(scenario, devices)
        return await process.work(_MODULE, job, scenario, self._told)

    async def _register(self, entities: Iterable[Entity]) -> None:
        devices = (await self._town.parts.sense.station("")).devices
        for name in ("signal", "detector"):
            await devices.shelf.put(f"demo-{name}", texts.file(name))
        wanted: list[dict[str, Any]] = [
            {
                "device": device_of(one), "profile": _PROFILES[one["type"]], "owner": ["교통과"],
                **equipment.place(one),
            }
            for one in entities
        ]  # fmt: skip
        wanted.append({"device": _FLEET, "owner": ["교통과"]})
        await equipment.add(devices, wanted)

    def _job(self, scenario: Path, entities: Iterable[Entity]) -> Job:
        parts, city = self._town.parts, self._town.city
        buses: dict[str, tuple[str, ...]] = {}
        for bus in city.buses:
            buses[bus.line.name] = (*buses.get(bus.line.name, ()), bus.fixed["id"])
        named = {type_: _named(entities, type_) for type_ in (_SIGNAL, _COUNTER)}
        return Job(
            scenario, parts.sense.broker.port, parts.trust.gate.local_key,
            named[_SIGNAL], named[_COUNTER], buses,
            id_of("Vehicle", "{kind}-{number}"), _FLEET, self._town.seed,
        )  # fmt: skip

    def _told(self, told: Mapping[str, Any]) -> None:
        """Leave to the street what it tells of."""
        city = self._town.city
        if not city.told_elsewhere:
            log.info("demo.traffic_live")
            city.drives.set()
            self._failures = 0
            ending = failure.end(self._town.tenant, _ALERT, self._now())
            self._ending = asyncio.get_running_loop().create_task(ending)
        counters = (one.entity["id"] for one in city.sensors if one.entity["type"] == _COUNTER)
        city.told_elsewhere = frozenset((*told["buses"], *counters))

    async def _alert(self, why: str) -> None:
        found = records.alert(
            "trafficLost",
            "medium",
            Text("The demo city has no traffic", "데모 도시의 교통 시뮬레이션이 멈췄습니다"),
            Text(
                f"{why} - buses go on by the clock; it is tried again",
                f"{why} - 버스는 시각표대로 계속 운행하며, 다시 시도하고 있습니다",
            ),
            [], None, self._now(), "service:demo",
        )  # fmt: skip
        await failure.put(self._town.tenant, _ALERT, found, self._now())

    def _now(self) -> int:
        return self._town.tenant.clock.now()


def read(scenario: Path) -> list[Entity]:
    """Return the entities of a scenario that the demo city has not by itself."""
    with (scenario / "entities.jsonl").open("rb") as lines:
        found: list[Entity] = [orjson.loads(line) for line in lines]
    for one in found:
        one.pop("refRoadSegment", None)  # the city's streets are drawn as it shows them
    return [one for one in found if one["type"] in _OF_THE_STREET]


def device_of(entity: Entity) -> str:
    """Return the name of the device of an entity, by which its profile makes the id.

    >>> device_of({"id": "urn:ngsi-ld:TrafficSignal:demo:c03r06"})
    'demo:c03r06'
    """
    return str(entity["id"]).split(":", 3)[3]


def _named(entities: Iterable[Entity], type_: str) -> dict[str, str]:
    """Return the names of devices of a type by what the street calls them."""
    some = [device_of(one) for one in entities if one["type"] == type_]
    return {device.rpartition(":")[2]: device for device in some}
