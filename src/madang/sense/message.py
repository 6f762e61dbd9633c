"""What travels through ``sense``: a message, what a codec reads in it, what a profile makes of it.

``transport → Message → codec → Uplink | Told → profile → Reading → quality → hub``. One way only;
:mod:`madang.sense.intake` walks it. Times are microseconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from madang.model.errors import MadangError
from madang.sense.quality.limits import Limits
from madang.trust.principal import Principal

NOTHING: Mapping[str, Any] = {}

Reason = Literal[
    "badPayload",  # the codec cannot read it
    "unknownDevice",  # no device of that name is registered
    "noProfile",  # the device has no profile, so nobody knows what its fields mean
    "badValue",  # the profile cannot make a value of a field
    "badEntity",  # not a valid NGSI-LD entity
    "forbidden",  # the sender may not write this
    "tooLarge",
    "noCodec",  # nothing says how the message is written
    "badRow",  # of a file or a feed
    "unknownCommand",  # the device answers a command that it was not sent
]
"""Why a message ends among the dead letters."""


class Rejected(MadangError):
    """A message cannot be used as it is; it is kept as a dead letter with this reason."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


class Message(NamedTuple):
    """One message as a transport got it."""

    transport: str
    """``mqtt``, ``http``, ``websocket``; ``feed`` or ``file`` for what Madang fetched itself."""
    address: str
    """Topic, path of the URL, name of the feed or file."""
    body: bytes
    principal: Principal
    received: int
    tenant: str = ""
    codec: str = ""
    """Name of the codec; empty: the profile of the device says it."""
    device: str = ""
    """The device that the address names; empty if the body does."""
    origin: str = ""
    """Network address of the sender."""
    answer: Callable[[str, bytes], None] | None = None
    """Publishes a body to a topic where the message came from, for codecs whose convention lets the
    receiver ask something of the sender; None if the transport has no topics."""


class Uplink(NamedTuple):
    """What one device said of one moment, before its profile has given the fields a meaning."""

    device: str
    """Its name, or any of its aliases (serial number, DevEUI, Sentilo sensor)."""
    values: Mapping[str, Any] = NOTHING
    """The fields, as JSON has them."""
    observed: int | None = None
    """When it was measured, if the message says so. [us]"""
    payload: bytes | None = None
    """A binary payload that the decoder of the profile has to read (LoRaWAN)."""
    port: int = 0
    """The port of such a payload (FPort)."""
    radio: Mapping[str, Any] = NOTHING
    """How it came: ``rssi`` [dBm], ``snr`` [dB], ``gateway``, ``frameCounter`` …"""


class Told(NamedTuple):
    """An entity that the sender itself has put into NGSI-LD, with the attributes that changed."""

    entity: dict[str, Any]
    """In any representation that NGSI-LD accepts; it may bring its own ``@context``."""
    device: str = ""


class Answered(NamedTuple):
    """What a device, or the network that it is in, says about a command that it was sent."""

    device: str
    """As in :attr:`Uplink.device`."""
    command: str
    """Its id, or the name under which the network knows it."""
    status: Literal["acknowledged", "done", "failed"]
    reason: str = ""


Decoded = Uplink | Told | Answered


class Reading(NamedTuple):
    """An entity with new values, ready to be judged and written."""

    entity: dict[str, Any]
    """Normalized NGSI-LD, in terms of the core @context or URIs unless it brings its own."""
    limits: Mapping[str, Limits] = {}
    """What may be expected of its attributes, by name."""
    device: str = ""
    """The device or feed that it came from."""
    provider: str = ""
    """Who answers for its quality: the owner of the device, the publisher of the feed."""


class Codec(Protocol):
    """Reads one way of writing messages. Pure: knows neither devices nor hub."""

    name: str
    """As in topics (``…/up/senml``), profiles and URLs; lower case."""
    topics: Sequence[str]
    """MQTT topics of a convention of its own, such as ``v3/+/devices/{device}/up``; ``{device}``
    stands for one level that names the device, and ``+`` for any. Usually empty."""

    def decode(self, message: Message) -> list[Decoded]:
        """Return what is in a message, in its order.

        Raises:
            Rejected: it cannot be read; the text names the field and what was expected.
        """
