"""One message on its way through the intake: what is to be written, and what cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from madang.lake.questions import Instance
from madang.lake.told import row
from madang.model.attributes import instances
from madang.model.entity import path_of
from madang.model.errors import BadRequestData, Forbidden, NgsiError, ResourceNotFound
from madang.model.evolution_input import Given
from madang.model.merge import LATE
from madang.model.normalize import Normalized
from madang.model.state import Outcome
from madang.sense.message import Message, Reason, Rejected

if TYPE_CHECKING:
    from madang.hub.operations import Observe
    from madang.sense.devices.device import Device
    from madang.sense.devices.profile import Profile
    from madang.sense.station import Station


class Fault(NamedTuple):
    """Why something of a message was not used."""

    reason: Reason
    detail: str
    device: str = ""
    place: int = 0
    """Of the reading that it is about."""


class Work:
    """What one message comes to."""

    __slots__ = ("devices", "faults", "message", "operations", "places", "station")

    def __init__(self, station: Station, message: Message) -> None:
        self.station = station
        self.message = message
        self.operations: list[Observe] = []
        self.places: list[int] = []
        """Which reading of the message each operation writes."""
        self.devices: list[Device | None] = []
        """The device that each operation is of."""
        self.faults: list[Fault] = []

    def owns(self, device: Device, profile: Profile | None) -> bool:
        """Tell whether the sender may speak for a device: another device may not."""
        principal = self.message.principal
        if principal.kind != "device" or device.id in principal.entities:
            return True
        ids = () if profile is None else profile.entity_ids(device.name)
        return not principal.entities.isdisjoint(ids)


def check_own(work: Work, device: Device, profile: Profile | None) -> None:
    """Refuse a device that speaks for another one.

    Raises:
        Rejected: the key is of a device, and none of this one's entities is its own.
    """
    if not work.owns(device, profile):
        who = work.message.principal.name
        raise Rejected(
            "forbidden",
            f"the key {who!r} is a device's and does not name {device.id} among its entities, so it"
            f" cannot speak for {device.name}",
        )


def speaking(device: Device | None, named: str) -> Device:
    """Return a device if it is known and in use.

    Raises:
        Rejected: it is not, or there is none of that name.
    """
    if device is None:
        raise Rejected(
            "unknownDevice",
            f"no device is named {named[:100]!r}, nor has it as alias; register it with"
            " `madang device add`, then replay this message",
        )
    if not device.speaks:
        raise Rejected(
            "forbidden", f"device {device.name} is {device.state}, so what it sends is not taken"
        )
    return device


def fault_of(error: NgsiError, work: Work, at: int) -> Fault:
    """Return why one operation was refused; raise the error if it may go better later."""
    if not isinstance(error, Forbidden | BadRequestData | ResourceNotFound):
        raise error
    device = work.devices[at]
    reason: Reason = "badEntity" if isinstance(error, BadRequestData) else "forbidden"
    named = "" if device is None else device.name
    return Fault(reason, error.detail or str(error), named, work.places[at])


def sender_of(work: Work, fault: Fault) -> str:
    """Return who a dead letter is counted for; nobody can fill the room of somebody else."""
    message, devices = work.message, work.station.devices
    named = fault.device or message.device
    if fault.reason == "forbidden":
        return message.principal.id
    if message.principal.kind == "device":
        device = devices.find(named) if named else None
        if device is None or not work.owns(device, devices.profile(device.profile)):
            return message.principal.id
    return named


def past_of(content: Normalized, outcome: Outcome, received: int) -> list[Instance]:
    """Return the values of a reading that are older than the state, as history keeps them."""
    after = outcome.entity
    if after is None:
        return []
    types = after.document["type"]
    late = {path for path, why in outcome.not_updated if why == LATE}
    return [
        row(
            content.document["id"],
            tuple(types) if isinstance(types, list) else (types,),
            Given(name, instance["type"], instance, False),
            received,
        )
        for name in content.names
        for instance in instances(content.document[name])
        if path_of(name, instance) in late
    ]
