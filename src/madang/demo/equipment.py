"""Devices of the demo city: registered, heard over MQTT like any other, and told what to do.

They speak with the hub's own broker, with the key of this machine. Some are silent, one has hardly
any battery left, one lamp is broken and one does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from random import Random
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from madang.demo import texts
from madang.demo.furniture import RATED_W
from madang.demo.told import Entity, value
from madang.sense.devices import form
from madang.sense.message import Message
from madang.trust.principal import LOCAL

if TYPE_CHECKING:
    from aiomqtt import Client

    from madang.api.parts import Parts
    from madang.demo.city import DemoCity
    from madang.sense.devices.registry import Devices

log = structlog.get_logger("madang.demo")

STATIONS: Final = 8
SPEAKING: Final = (1, 2, 3, 4, 6)
"""Stations that send; the others are silent."""
WEAK: Final = 6
"""The station whose battery is nearly empty."""
DARK: Final = 17
"""The lamp that stays dark whatever it is told."""
MUTE: Final = 31
"""The lamp that does what it is told and does not say so."""
_EVERY_S: Final = 60.0  # stations send so often
_AGAIN_S: Final = 600.0  # lamps send so often
_FIRST_S: Final = 0.1  # between two lamps that tell how they are at first
_RETRY_S: Final = 10.0


# --- the registry ---------------------------------------------------------------------------------


async def register(parts: Parts, city: DemoCity) -> None:
    """Register the devices that are not registered yet, and send what cannot be used."""
    devices = (await parts.sense.station("")).devices
    await devices.shelf.put("demo-cabinet", texts.file("cabinet"))
    wanted = [*_lamps(city), *_cabinets(city), *_stations(city)]
    await add(devices, wanted)
    for name, body in (
        ("demo-air-05", b'{"pm25": "n/a", "temperature": 19.4}'),
        ("demo-air-99", b'{"pm25": 23.1}'),
        ("demo-air-07", b"\x02\x7fpm25=31"),
    ):
        await _send(parts, name, body)


async def add(devices: Devices, wanted: list[dict[str, Any]]) -> None:
    """Register those of some devices that are not registered yet."""
    new = [form.read(one, is_new=True) for one in wanted if devices.find(one["device"]) is None]
    generated = {"source": value("generated")}
    await devices.add_all([(one.name, one.attributes | generated) for one in new])


async def _send(parts: Parts, name: str, body: bytes) -> None:
    """Send a message as the device would."""
    address, now = f"v1/devices/{name}/up", time.time_ns() // 1000
    await parts.sense.intake.take(Message("mqtt", address, body, LOCAL, now, "", device=name))


def place(entity: Entity) -> dict[str, float]:
    """Return where an entity is, as forms of devices have it."""
    longitude, latitude = entity["location"]["value"]["coordinates"]
    return {"longitude": longitude, "latitude": latitude}


def _device_of(entity: Entity) -> str:
    return str(entity["refDevice"]["object"]).rpartition(":")[2]


def _lamps(city: DemoCity) -> list[dict[str, Any]]:
    return [
        {
            "device": _device_of(light), "profile": "open-streetlight", "owner": ["도로과"],
            "serialNumber": f"SL-{2400 + number}", "firmwareVersion": "2.1.0", **place(light),
        }
        for number, light in enumerate(city.lights, 1)
    ]  # fmt: skip


def _cabinets(city: DemoCity) -> list[dict[str, Any]]:
    return [
        {"device": _device_of(one), "profile": "demo-cabinet", "owner": ["도로과"], **place(one)}
        for one in city.cabinets
    ]


def _stations(city: DemoCity) -> list[dict[str, Any]]:
    near = [one.entity for one in city.sensors][10 : 10 + STATIONS]
    return [
        {
            "device": f"demo-air-{number:02d}", "profile": "open-air-station", "owner": ["환경과"],
            "serialNumber": f"AQ-{100 + number}", "firmwareVersion": f"1.{number % 3}.0",
            "deviceState": "planned" if number == STATIONS else "active",
            "dateInstalled": "2026-03-02", **place(one),
        }
        for number, one in enumerate(near, 1)
    ]  # fmt: skip


def _quiet() -> logging.Logger:
    """Return what the MQTT client logs with: not each time that messages wait for one another."""
    logger = logging.getLogger("madang.demo.mqtt")
    logger.setLevel(logging.ERROR)
    return logger


async def _publish(client: Client, topic: str, body: bytes) -> None:
    """Publish, and wait until the broker has it.

    aiomqtt waits by ``asyncio.wait_for``, which before Python 3.12 loses a cancellation that comes
    together with the confirmation; a device would then go on for ever.
    """
    await client.publish(topic, body, qos=1)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


# --- what they do ---------------------------------------------------------------------------------


class Fleet:
    """All devices that speak, behind one connection.

    Args:
        parts: of the hub that they speak with.
        city: whose devices they are.
    """

    def __init__(self, parts: Parts, city: DemoCity, seed: int) -> None:
        self._parts = parts
        self._random = Random(seed)
        self._lamps = dict.fromkeys(map(_device_of, city.lights), 0.0)  # level by name
        self._obeying = [*self._lamps, *map(_device_of, city.cabinets)]

    async def run(self) -> None:
        """Connect, again and again, until cancelled; without a broker there is nothing to do."""
        import aiomqtt

        if not self._parts.sense.broker.is_listening or self._parts.settings.tls_certificate:
            log.warning("demo.no_devices", reason="they need the hub's own broker, without TLS")
            return
        while True:
            try:
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self._parts.sense.broker.port,
                    username="demo",
                    password=self._parts.trust.gate.local_key,
                    logger=_quiet(),
                ) as client:
                    await self._speak(client)
            except* aiomqtt.MqttError as errors:  # those of several tasks at once
                reason = str(errors.exceptions[0])
                log.warning("demo.devices_lost", reason=reason, retry_in_s=_RETRY_S)
            await asyncio.sleep(_RETRY_S)

    async def _speak(self, client: Client) -> None:
        await client.subscribe([(f"v1/devices/{name}/down", 1) for name in self._obeying])
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_lamps(client))
            group.create_task(self._tell_stations(client))
            async for message in client.messages:
                name = str(message.topic).split("/")[2]
                payload = message.payload
                if isinstance(payload, bytes):
                    group.create_task(self._obey(client, name, orjson.loads(payload)))

    async def _obey(self, client: Client, name: str, order: dict[str, Any]) -> None:
        """Do what a device is told, and say so."""
        await asyncio.sleep(self._random.uniform(0.2, 1.2))
        if name in self._lamps:
            self._lamps[name] = float(order.get("parameters", {}).get("level", 1.0))
            await self._tell(client, name, self._lamp(name))
        elif order.get("command") in ("blackout", "restore"):
            await self._tell(client, name, {"on": order["command"] == "restore"})
        if not name.endswith(f"-{MUTE:02d}"):
            body = orjson.dumps({"id": order["id"], "status": "done"})
            await _publish(client, f"v1/devices/{name}/ack", body)

    def _lamp(self, name: str) -> dict[str, Any]:
        level = 0.0 if name.endswith(f"-{DARK:02d}") else self._lamps[name]
        power = round(level * RATED_W * self._random.uniform(0.97, 1.03), 1)
        return {"on": level > 0, "illuminanceLevel": level, "activePower": power}

    async def _tell(self, client: Client, name: str, body: dict[str, Any]) -> None:
        await _publish(client, f"v1/devices/{name}/up", orjson.dumps(body))

    async def _tell_lamps(self, client: Client) -> None:
        pause_s = _FIRST_S
        while True:
            for name in self._lamps:
                await self._tell(client, name, self._lamp(name))
                await asyncio.sleep(pause_s)
            pause_s = _AGAIN_S / len(self._lamps)

    async def _tell_stations(self, client: Client) -> None:
        while True:
            for number in SPEAKING:
                battery = 0.06 if number == WEAK else 0.9 - number / 20
                body = {
                    "pm25": round(self._random.gauss(22, 2), 1),
                    "pm10": round(self._random.gauss(40, 3), 1),
                    "temperature": round(self._random.gauss(18, 0.3), 1),
                    "relativeHumidity": round(self._random.uniform(0.55, 0.6), 3),
                    "batteryLevel": battery,
                }
                await self._tell(client, f"demo-air-{number:02d}", body)
            await asyncio.sleep(_EVERY_S)
