"""What commands need of the devices: to find one, to write a message to it and to hand that over.

:mod:`madang.sense.devices.commands` fulfils it; nothing else of ``act`` knows of transports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from madang.act.commands.rules import Rule
from madang.model.entity import Document
from madang.model.errors import MadangError
from madang.services.service import Text


class Reached(NamedTuple):
    """A device, and what it can be told to do."""

    tenant: str
    name: str
    """Of the device."""
    about: str
    """Id of the entity that a command is about, whichever of its ids it was given: the target, or
    if that is the device itself, the entity that the device is put up for."""
    rules: Mapping[str, Rule]
    state: str
    """Of its life cycle: ``active``, ``planned`` …"""
    is_in_use: bool


class Order(NamedTuple):
    """What a device is told."""

    id: str
    """The same however often it is told, so that the device knows what it has done already."""
    name: str
    parameters: Mapping[str, Any]
    until: int
    """When it must not be done any more. [us since 1970]"""
    rule: Rule


class Letter(NamedTuple):
    """A command as it goes to the device."""

    way: Literal["mqtt", "http"]
    place: str
    """Name of the broker in the settings; empty: the one of Madang."""
    address: str
    """Topic or URL."""
    body: bytes
    bears_id: bool
    """It carries the id of the command, so that a repetition does no harm."""
    until: int
    """When it is worth nothing any more. [us since 1970]"""
    id: str
    tenant: str

    def shown(self) -> dict[str, Any]:
        """Return it for people to read."""
        try:
            body = self.body.decode()
        except UnicodeDecodeError:
            body = self.body.hex(" ")
        told = {"way": self.way, "address": self.address, "body": body}
        return {**told, "broker": self.place} if self.place else told


Word = Literal["acknowledged", "done", "failed"]
"""What a device says about a command."""


class Answer(NamedTuple):
    """What a device has said about a command."""

    status: Word
    reason: str = ""


class OutOfReach(MadangError):
    """Nobody takes the message at present; a later try may go better."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


class Unwritable(MadangError):
    """The command cannot be written for the device; somebody must mend its profile."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


class Equipment(Protocol):
    """The devices of all tenants."""

    async def reach(self, tenant: str, target: Document) -> Reached | None:
        """Return the device by which a target is commanded, or None.

        Args:
            tenant: its name.
            target: the entity of the device itself, or one that it measures for or controls.
        """

    async def write(self, reached: Reached, order: Order) -> Letter:
        """Return a command as it goes to a device.

        Raises:
            Unwritable: the profile does not say how, or its script fails.
        """

    def check(self, letter: Letter) -> None:
        """Return if somebody would take a message now.

        Raises:
            OutOfReach: nobody does.
        """

    async def send(self, letter: Letter) -> Answer | None:
        """Hand a message over; return what the device says at once, None if it answers later.

        Raises:
            OutOfReach: nobody has taken it.
        """
