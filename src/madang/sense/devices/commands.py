"""The devices as those see them who carry out commands (:mod:`madang.act.commands.equipment`)."""

from __future__ import annotations

import time as clocks
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from madang.act.commands import words
from madang.act.commands.command import PREFIX as COMMAND
from madang.act.commands.equipment import Answer, Letter, Order, OutOfReach, Reached
from madang.model.entity import Document
from madang.sense.devices import commands_wire as wire
from madang.sense.devices.commands_form import ADDRESS, DEVICE, is_device_address
from madang.sense.devices.commands_http import Poster
from madang.sense.devices.device import PREFIX
from madang.services.city import Thing

if TYPE_CHECKING:
    from madang.sense.devices.device import Device
    from madang.sense.devices.profile import Profile
    from madang.sense.devices.registry import Devices
    from madang.sense.message import Answered
    from madang.sense.station import Station
    from madang.sense.transports.mqtt_broker import Broker
    from madang.sense.transports.mqtt_external import ExternalBrokers

DOWN: Final = "v1/devices/{device}/down"
"""Where a device of the open device specification hears commands."""
REF: Final = "refDevice"
"""Smart Data Models: the relationship of an entity to its device."""
MOST_PARTS: Final = 12
"""Parts of an id among which the name of a device is looked for."""
MOST_TOKENS: Final = 100_000

Told = Callable[[str, str, str, Answer], Awaitable[None]]
"""Takes tenant, id of the command, name of the device, and what it says."""


class Equipment:
    """Finds devices, writes to them and hands over.

    Args:
        station: opens what is kept of a tenant, by its name.
        broker: the embedded one.
        brokers: those of the city.
    """

    def __init__(
        self,
        station: Callable[[str], Awaitable[Station]],
        broker: Broker,
        brokers: ExternalBrokers,
    ) -> None:
        self.told: Told
        """Takes what devices say; set before messages come."""
        self._station = station
        self._broker = broker
        self._brokers = brokers
        self._poster = Poster()
        self._tokens: OrderedDict[tuple[str, str], str] = OrderedDict()
        """Ids of commands by tenant and the name under which the way knows them."""

    async def close(self) -> None:
        await self._poster.close()

    # --- finding ------------------------------------------------------------------------------

    async def reach(self, tenant: str, target: Document) -> Reached | None:
        devices = (await self._station(tenant)).devices
        device = device_of(devices, target)
        if device is None:
            return None
        profile = devices.profile(device.profile)
        rules = {} if profile is None else profile.commands
        about = str(target["id"])
        if about == device.id and profile is not None:
            about = profile.entity_ids(device.name)[0]
        return Reached(tenant, device.name, about, rules, device.state, device.speaks)

    # --- writing ------------------------------------------------------------------------------

    async def write(self, reached: Reached, order: Order) -> Letter:
        devices = (await self._station(reached.tenant)).devices
        device = devices.named(reached.name)
        profile = devices.profile(device.profile)
        if profile is None:
            raise wire.unwritable(f"device {device.name} has no profile")
        way = profile.downlink
        if way.url:
            url = _url(way.url, device, await devices.document(device))
            return self._letter(reached, order, url, wire.plain(order), is_web=True, bears_id=True)
        if fault := way.fault(profile.codec):
            raise wire.unwritable(fault)
        form = way.form(profile.codec)
        topic = way.topic.replace(DEVICE, device.name) or _topic(form, profile, device)
        if reached.tenant and not way.broker:
            topic = f"{reached.tenant}/{topic}"
        body, bears_id = await _body(form, profile, device, order)
        self._know(reached.tenant, order.id, wire.token(order.id))
        self._know(reached.tenant, order.id, f"{device.name}@{order.name}")
        return self._letter(reached, order, topic, body, place=way.broker, bears_id=bears_id)

    @staticmethod
    def _letter(
        reached: Reached,
        order: Order,
        address: str,
        body: bytes,
        *,
        place: str = "",
        is_web: bool = False,
        bears_id: bool,
    ) -> Letter:
        way: Any = "http" if is_web else "mqtt"
        return Letter(way, place, address, body, bears_id, order.until, order.id, reached.tenant)

    def _know(self, tenant: str, id: str, token: str) -> None:
        self._tokens[tenant, token] = id
        self._tokens.move_to_end((tenant, token))
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)

    # --- handing over -------------------------------------------------------------------------

    def check(self, letter: Letter) -> None:
        if letter.way == "http":
            return
        if letter.place:
            source = self._brokers.named(letter.place)
            if source is None or not source.connected:
                raise OutOfReach(words.no_broker(letter.place))
        elif not self._broker.is_heard(letter.address):
            raise OutOfReach(words.nobody_listens(letter.address))

    async def send(self, letter: Letter) -> Answer | None:
        self.check(letter)
        if letter.way == "http":
            return await self._poster.post(letter)
        if letter.place:
            source = self._brokers.named(letter.place)
            is_taken = source is not None and await source.publish(letter.address, letter.body)
            if not is_taken and letter.bears_id:  # else it may have arrived, and goes out once
                raise OutOfReach(words.no_broker(letter.place))
            return None
        left_s = max(1, int(letter.until / 1e6 - clocks.time()) + 1)
        await self._broker.publish(letter.address, letter.body, expires_s=left_s)
        return None

    # --- answers ------------------------------------------------------------------------------

    async def answered(self, tenant: str, device: str, said: Answered) -> None:
        """Take what a device, or the network that it is in, says about a command.

        Raises:
            ResourceNotFound: the device was not told this.
        """
        id = said.command
        if not id.startswith(COMMAND):
            id = self._tokens.get((tenant, id), "")
        if id:  # networks also tell of what others have sent
            await self.told(tenant, id, device, Answer(said.status, said.reason))


def device_of(devices: Devices, target: Document) -> Device | None:
    """Return the device by which an entity is commanded: itself, the one that it names, or the one
    whose profile makes its id."""
    id = str(target["id"])
    if id.startswith(PREFIX):
        return devices.find(id.removeprefix(PREFIX))
    named = Thing(target)[REF]
    for one in named if isinstance(named, list) else [named]:
        if isinstance(one, str) and one.startswith(PREFIX):
            found = devices.find(one.removeprefix(PREFIX))
            if found is not None:
                return found
    parts = id.split(":")[:MOST_PARTS]
    for start in range(len(parts)):
        for end in range(len(parts), start, -1):
            device = devices.find(":".join(parts[start:end]))
            profile = None if device is None else devices.profile(device.profile)
            if device is not None and profile is not None and id in profile.entity_ids(device.name):
                return device
    return None


def _url(template: str, device: Device, document: Document) -> str:
    """Return where a device takes commands by HTTP."""
    url = template.replace(DEVICE, device.name)
    if ADDRESS not in url:
        return url
    given = Thing(document)[ADDRESS[1:-1]]
    address = given[0] if isinstance(given, list) and given else given
    if not is_device_address(address):
        raise wire.unwritable(
            f"device {device.name} needs an ipAddress in the city's network, not {address!r}"
        )
    return url.replace(ADDRESS, f"[{address}]" if ":" in address else address)


def _topic(form: str, profile: Profile, device: Device) -> str:
    """Return the topic that a convention has for commands to a device."""
    application = profile.downlink.application
    if form == "tts":
        return f"v3/{application}/devices/{wire.tts_id(device)}/down/push"
    if form == "chirpstack":
        return f"application/{application}/device/{_eui(device)}/command/down"
    if form == "sparkplug":
        return _sparkplug_topic(device)
    if form == "ultralight":
        return f"/{application}/{device.name}/cmd"
    return DOWN.replace(DEVICE, device.name)


def _eui(device: Device) -> str:
    found = wire.eui_of(device)
    if not found:
        raise wire.unwritable(f"device {device.name} needs its DevEUI as serialNumber or alias")
    return found


def _sparkplug_topic(device: Device) -> str:
    for alias in device.aliases:
        levels = alias.split("/")
        if len(levels) == 2:
            return f"spBv1.0/{levels[0]}/NCMD/{levels[1]}"
        if len(levels) == 3:
            return f"spBv1.0/{levels[0]}/DCMD/{levels[1]}/{levels[2]}"
    raise wire.unwritable(
        f"device {device.name} needs an alias <group>/<edge node>, or that and /<device>"
    )


async def _body(form: str, profile: Profile, device: Device, order: Order) -> tuple[bytes, bool]:
    """Return what is sent, and whether the device can tell by it that it comes again."""
    match form:
        case "tts":
            return await wire.tts(profile, order), False
        case "chirpstack":
            return await wire.chirpstack(profile, order, _eui(device)), False
        case "sparkplug":
            return wire.sparkplug(order, clocks.time_ns() // 1000), False
        case "ultralight":
            return wire.ultralight(device.name, order), False
        case _:
            return wire.plain(order), wire.bears_id(order)
