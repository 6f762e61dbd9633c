"""The five steps of an incident in a running demo city, played over HTTP and MQTT as anybody could.

A car crashes and falls silent; a citizen reports it; people, signs and vehicles near it are told;
the signals around follow what they see and evidence is kept; a responder gets its corridor. It was
not the first accident there, so a report and a work order follow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from madang.demo import streets, texts
from madang.demo.streets import Place
from madang.model.errors import MadangError
from madang.services.corridor.way import Stop, Way, read, stops

if TYPE_CHECKING:
    from aiomqtt import Client

API: Final = "/ngsi-ld/v1"
PACE: Final = 60 / 3.6  # of the responder [m/s]
CRUISE: Final = 13.0  # of the car [m/s]
BRAKING: Final = -8.5  # [m/s2]
NEAR_M: Final = 400.0
SLOWEST_S: Final = 60.0  # in which the broker answers
SERVICES: Final[dict[str, dict[str, Any]]] = {
    "incidents": {"time_zone": texts.ZONE},
    "road_incident": {"time_zone": texts.ZONE, "tell": "control-room"},
    "corridor": {"time_zone": texts.ZONE},
    "signals": {},
}

Say = Callable[[float, str], None]
"""Takes a line of the timeline: seconds since the crash, and what happened."""


class Hub(Protocol):
    """A hub that is asked in JSON."""

    async def get(self, path: str, parameters: dict[str, str] | None = None) -> Any: ...

    async def send(
        self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None
    ) -> Any: ...


class Failed(MadangError):
    """The story does not go on; the message says what did not happen."""


class Story:
    """One incident.

    Args:
        hub: of the city.
        host: where its broker is.
        port: of its broker.
        say: is told what happens.
    """

    def __init__(self, hub: Hub, host: str, port: int, say: Say) -> None:
        self._hub, self._host, self._port, self._say = hub, host, port, say
        self._run = f"{datetime.now(UTC):%H%M%S}"
        self._zero = time.monotonic()
        self._devices: list[str] = []
        self._signs: list[str] = []
        self.incident = ""
        """Id of the incident."""

    async def play(self) -> None:
        """Play it from its beginning to its end.

        Raises:
            Failed: something did not happen in time, or the broker is not there.
        """
        segments = await self._things("RoadSegment", 'roadClass=="primary"')
        place, way = streets.scene(segments)
        await self._prepare()
        await self._earlier(place)
        try:
            await self._act(place, way)
        finally:
            for name in self._devices:
                await self._hub.send("DELETE", f"/devices/{name}")

    async def _act(self, place: Place, way: list[Place]) -> None:
        import aiomqtt

        try:
            async with AsyncExitStack() as stack:
                car = await self._device(stack, "crash-car", "demo-car", place)
                helper = await self._device(stack, "rescue", "demo-car", way[0])
                for number, at in enumerate(streets.around(place, 150.0), 1):
                    await self._sign(stack, number, at)
                await self._crash(car, place)
                await self._reported(place)
                await self._told(place)
                await self._kept()
                await self._helped(helper, way)
                await self._mended()
        except aiomqtt.MqttError as error:
            raise Failed(
                f"the broker at {self._host}:{self._port} cannot be spoken with ({error}); name its"
                " port with --mqtt-port"
            ) from error

    def _tell(self, text: str) -> None:
        self._say(time.monotonic() - self._zero, text)

    # --- what must be there -------------------------------------------------------------------

    async def _prepare(self) -> None:
        for name in ("car", "sign"):
            await self._hub.send("PUT", f"/profiles/demo-{name}", {"text": texts.file(name)})
        for name, options in SERVICES.items():
            await self._hub.send("PATCH", f"/services/{name}", {"on": True, "options": options})
        await asyncio.sleep(2.0)  # services look each second whether they are on

    async def _earlier(self, place: Place) -> None:
        """Put two accidents on record that have happened there before: made up, as all here."""
        for number in (1, 2):
            body = {
                "title": {"en": f"Earlier accident {number}", "ko": f"이전 사고 {number}"},
                "category": "trafficAccident", "severity": "low", "location": _point(place),
            }  # fmt: skip
            made = await self._hub.send("POST", "/incidents", body)
            path = f"/incidents/{made['id']}"
            await self._hub.send("PATCH", path, {"status": "acknowledged"})
            await self._hub.send("PATCH", path, {"status": "closed"})
        self._tell("two earlier accidents at this place are on record (made up)")

    async def _device(
        self, stack: AsyncExitStack, kind: str, profile: str, place: Place
    ) -> tuple[str, Client]:
        """Register a device; return its name and its connection to the broker."""
        import aiomqtt

        name = f"demo-{kind}-{self._run}"
        body = {"device": name, "profile": profile, "key": True,
                "longitude": place[0], "latitude": place[1]}  # fmt: skip
        key = (await self._hub.send("POST", "/devices", body))["key"]
        self._devices.append(name)
        client = aiomqtt.Client(
            self._host, self._port, username=name, password=key, identifier=name,
            timeout=SLOWEST_S,
        )  # fmt: skip
        return name, await stack.enter_async_context(client)

    async def _sign(self, stack: AsyncExitStack, number: int, place: Place) -> None:
        name, client = await self._device(stack, f"sign-{number}", "demo-sign", place)
        await client.publish(f"v1/devices/{name}/up", orjson.dumps({"shows": ""}), qos=1)
        await client.subscribe(f"v1/devices/{name}/down", qos=1)
        task = asyncio.create_task(self._obey(name, client))
        stack.callback(task.cancel)

    async def _obey(self, name: str, client: Client) -> None:
        """Let a sign show what it is told."""
        async for message in client.messages:
            order = orjson.loads(bytes(message.payload))
            text = order.get("parameters", {}).get("text", {}).get("en", "")
            ack = orjson.dumps({"id": order["id"], "status": "done"})
            await client.publish(f"v1/devices/{name}/ack", ack, qos=1)
            await client.publish(f"v1/devices/{name}/up", orjson.dumps({"shows": text}), qos=1)
            if text:
                self._signs.append(name)
                self._tell(f"sign {name} shows: {text}")

    # --- the five steps -----------------------------------------------------------------------

    async def _crash(self, car: tuple[str, Client], place: Place) -> None:
        """A car drives, brakes as no driver does, and is silent from then on."""
        name, client = car
        for second in (3, 2, 1):
            at = streets.moved(place, -CRUISE * second)
            await _drive(client, name, at, CRUISE, 0.0)
            await asyncio.sleep(1.0)
        self._zero = time.monotonic()
        await _drive(client, name, place, 0.0, BRAKING)
        self._tell(f"1 {name} brakes with {-BRAKING} m/s² and falls silent in its lane")
        alert = f"urn:ngsi-ld:Alert:road_incident:urn%3Angsi-ld%3AVehicle%3A{name}"
        found = await self._until(lambda: self._incident_of(alert), 60.0, "no alert was raised")
        self.incident = found["id"]
        self._tell(f"  the city suspects a crash: incident {found['number']}, {found['severity']}")

    async def _incident_of(self, alert: str) -> Any:
        for one in await self._hub.get("/incidents", {"limit": "20"}):
            whole = await self._hub.get(f"/incidents/{one['id']}")
            if alert in whole["alerts"]:
                return whole
        return None

    async def _reported(self, place: Place) -> None:
        """A citizen tells of it; it is the same incident."""
        await self._hub.send("POST", f"{API}/entities", {
            "id": f"urn:ngsi-ld:Alert:citizen:{self._run}", "type": "Alert",
            "category": _value("trafficAccident"), "severity": _value("high"),
            "title": {"type": "LanguageProperty", "languageMap": {
                "en": "A car stands across the lane", "ko": "차량이 차로를 막고 서 있어요"}},
            "location": {"type": "GeoProperty", "value": _point(place)},
            "alertSource": _value("citizen"), "status": _value("open"),
        })  # fmt: skip
        self._tell("2 a citizen reports: A car stands across the lane")
        path = f"/incidents/{self.incident}"

        async def joined() -> Any:
            found = await self._hub.get(path)
            return found if found["reports"] >= 2 else None

        found = await self._until(joined, 20.0, "the report did not join the incident")
        await self._hub.send("PATCH", path, {"status": "acknowledged"})
        self._tell(f"  it joins incident {found['number']}: {found['reports']} reports;"
                   " the control room acknowledges it")  # fmt: skip

    async def _told(self, place: Place) -> None:
        """People, signs and vehicles near it are told, and signals follow what they see."""
        await self._until(self._warned, 30.0, "no sign was told")
        self._tell(f"3 {len(self._signs)} signs warn")
        hazard = f"{API}/entities/urn:ngsi-ld:RoadHazard:{self.incident.rpartition(':')[2]}"
        await self._until(lambda: self._maybe(hazard), 10.0, "there is no RoadHazard")
        near = await self._things("Vehicle", "", place)
        self._tell(f"  {len(near)} connected vehicles within {NEAR_M:.0f} m can hear of RoadHazard")
        notices = await self._things("Notice", f'about=="{self.incident}"')
        self._tell(f"  {len(notices)} notices to people: control room, playbook")
        signals = await self._things("TrafficSignal", "", place)
        led = sum(_of(one, "controlMode") == "control" for one in signals)
        self._tell(f"4 {led} of {len(signals)} signals around follow what their detectors see")

    async def _warned(self) -> Any:
        return self._signs or None

    async def _kept(self) -> None:
        """Evidence is gathered, and history holds it."""
        id = f"urn:ngsi-ld:IncidentEvidence:{self.incident.rpartition(':')[2]}"
        found = await self._until(
            lambda: self._maybe(f"{API}/entities/{id}"), 10.0, "no evidence was gathered"
        )
        seen = [one["id"] for one in _of(found, "seen") or []]
        rules = await self._hub.get("/history/rules")
        name = f"incident-{self.incident.rpartition(':')[2]}"
        hold = {"name": name, "reason": "evidence of an accident", "ids": [id, *seen][:100]}
        rules["holds"] = [one for one in rules["holds"] if one["name"] != name] + [hold]
        await self._hub.send("PUT", "/history/rules", rules)
        self._tell(f"  evidence: how {len(seen)} vehicles and signals were, 5 min before to 10 min"
                   " after; history holds it")  # fmt: skip

    async def _helped(self, helper: tuple[str, Client], line: list[Place]) -> None:
        """A responder drives there; it waits at red like anybody."""
        name, client = helper
        await _drive(client, name, line[0], 0.0, 0.0)
        kind = {"vehicleType": _value("ambulance"), "name": _value("Rescue 1")}
        await self._hub.send("POST", f"{API}/entities/urn:ngsi-ld:Vehicle:{name}/attrs", kind)
        way = Way(line)
        signals = await self._things("TrafficSignal", "")
        lanes = [one for s in signals for one in read(s["id"], _of(s, "stopLines"))]
        on_way = stops(way, lanes)
        run = f"urn:ngsi-ld:EmergencyRun:demo-{self._run}"
        await self._hub.send("POST", f"{API}/entities", {
            "id": run, "type": "EmergencyRun", "status": _value("underWay"),
            "name": _value("Rescue 1"),
            "refVehicle": {"type": "Relationship", "object": f"urn:ngsi-ld:Vehicle:{name}"},
            "refIncident": {"type": "Relationship", "object": self.incident},
            "plannedRoute": {"type": "GeoProperty", "value": {
                "type": "LineString", "coordinates": line}},
        })  # fmt: skip
        self._tell(f"5 Rescue 1 sets out: {way.metres / 1000:.1f} km, {len(on_way)} signals")
        began = time.monotonic()
        waited = await self._run_to(name, client, way, line, on_way)
        took = time.monotonic() - began
        self._tell(f"  Rescue 1 arrives after {took:.0f} s, {waited:.0f} s of them at red")
        text = {"en": "The lane is free.", "ko": "차로 개방."}
        await self._hub.send(
            "PATCH", f"/incidents/{self.incident}", {"status": "resolved", "text": text}
        )
        self._tell("  the control room resolves the incident; signals are given back")

    async def _run_to(
        self, name: str, client: Client, way: Way, line: list[Place], on_way: list[Stop]
    ) -> float:
        """Drive along a way; return how long it stood at red. [s]"""
        metres, waited = 0.0, 0.0
        while metres < way.metres:
            ahead = next((one for one in on_way if one.metres > metres + 1.0), None)
            free = way.metres if ahead is None else ahead.metres - 2.0
            if (
                ahead is not None
                and ahead.metres - metres < PACE + 5
                and await self._is_open(ahead)
            ):
                free = way.metres
            gone = min(PACE, max(0.0, free - metres), way.metres - metres)
            waited += gone < 1.0
            metres += gone
            await _drive(client, name, streets.at(line, metres), gone, 0.0)
            await asyncio.sleep(1.0)
        return waited

    async def _is_open(self, stop: Stop) -> bool:
        """Tell whether a signal shows green for one of the lanes."""
        signal = await self._hub.get(f"{API}/entities/{stop.signal}")
        layout, phase = _of(signal, "layout"), _of(signal, "currentPhase")
        if not isinstance(layout, dict) or not isinstance(phase, int):
            return True
        state = layout["phases"][phase][0]
        return any(
            state[link] in "Gg" and any(lane in stop.lanes for lane, _ in pairs)
            for link, pairs in enumerate(layout["links"])
        )

    async def _mended(self) -> None:
        """The third accident at the place has become a report and a work order."""
        id = f"urn:ngsi-ld:WorkOrder:{self.incident.rpartition(':')[2]}"
        found = await self._maybe(f"{API}/entities/{id}")
        if found is None:
            self._tell("  the place has its work order already")
        else:
            self._tell(f"  work order: {found['title']['languageMap']['en']}")

    # --- asking -------------------------------------------------------------------------------

    async def _maybe(self, path: str) -> Any:
        try:
            return await self._hub.get(path)
        except MadangError:
            return None

    async def _things(self, type_: str, where: str, near: Place | None = None) -> list[Any]:
        asked = {"type": type_, "limit": "1000"} | ({"q": where} if where else {})
        if near is not None:
            asked |= {"georel": f"near;maxDistance=={NEAR_M:.0f}", "geometry": "Point",
                      "coordinates": f"[{near[0]},{near[1]}]"}  # fmt: skip
        found: list[Any] = await self._hub.get(f"{API}/entities", asked)
        return found

    async def _until(
        self, check: Callable[[], Awaitable[Any]], seconds: float, problem: str
    ) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (found := await check()) is not None:
                return found
            await asyncio.sleep(0.5)
        raise Failed(f"{problem} within {seconds:.0f} s; `madang service list` shows what is on")


async def _drive(client: Client, name: str, at: Place, speed: float, acceleration: float) -> None:
    now = datetime.now(UTC) + timedelta(0)
    body = {"lon": at[0], "lat": at[1], "speed": round(speed * 3.6, 1),
            "acceleration": acceleration, "observedAt": now.isoformat()}  # fmt: skip
    await client.publish(f"v1/devices/{name}/up", orjson.dumps(body), qos=1)


def _value(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _point(place: Place) -> dict[str, Any]:
    return {"type": "Point", "coordinates": list(place)}


def _of(entity: dict[str, Any], name: str) -> Any:
    attribute = entity.get(name, {})
    return attribute.get("value", attribute.get("json"))
