"""A place for one device to connect to by MQTT, that sees how it sends and tries what it does.

It withholds one acknowledgement and later breaks the connection once, for a device must send again
and come back. Nothing is kept. Source: OASIS MQTT 3.1.1 and 5.0, sections 4.3 and 4.4.
"""

from __future__ import annotations

import asyncio
import time as clocks
from typing import Final

from madang.sense.devices.conformance import Sent
from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_line import Line
from madang.sense.transports.mqtt_packets import (
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    Ack,
    Connack,
    Connect,
    Disconnect,
    Granted,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
    encode,
)
from madang.sense.transports.mqtt_wire import MqttError

LARGEST: Final = 256 * 1024
"""Of a packet. [bytes]"""
WITHHELD: Final = 2
"""Which message is not acknowledged the first time."""
BROKEN: Final = 3
"""After which message the connection is broken."""
PATIENCE_S: Final = 10.0
"""How long a device may wait for the acknowledgement before its connection is broken. [s]"""
BACK_S: Final = 120.0
"""How long a device may take to connect again. [s]"""

Verdict = tuple[str, list[str]]
"""Number of a requirement, and what was wrong."""


class Listener:
    """Listens for one device.

    Args:
        wanted: how many different messages to wait for; at least four, to try all there is.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = max(wanted, BROKEN + 1)
        self.messages: list[Sent] = []
        self.done = asyncio.Event()
        self.connects: list[Connect] = []
        self.topics: list[str] = []
        self.withheld: bytes | None = None
        self.is_repeated = False
        self.broken: float | None = None
        self.back: float | None = None
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Begin to listen; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    def verdicts(self) -> list[Verdict]:
        """Return what was seen of the requirements about MQTT."""
        found: list[Verdict] = []
        if self.topics:
            wrong = sorted({topic for topic in self.topics if not _is_up(topic)})
            found.append(("M1", [f"it sent to {topic[:80]!r}" for topic in wrong]))
        if self.withheld is not None:
            told = "a message that was not acknowledged did not come again"
            found.append(("M4", [] if self.is_repeated else [told]))
        if self.broken is not None:
            late = self.back is None or self.back - self.broken > BACK_S
            found.append(("M5", ["it did not come back"] if late else []))
        if self.connects:
            found.append(("M6", self._without_key()))
            found.append(("M7", self._sessions()))
        return found

    def _without_key(self) -> list[str]:
        is_key = all((one.password or b"").startswith(b"mdg_") for one in self.connects)
        return [] if is_key else ["the password is no key (mdg_...)"]

    def _sessions(self) -> list[str]:
        ids = {one.client_id for one in self.connects}
        wrong = ["it asks for a clean session"] if any(one.clean for one in self.connects) else []
        return wrong + ([f"it came under {len(ids)} client ids"] if len(ids) > 1 else [])

    def connected(self, packet: Connect) -> bool:
        """Take note that the device has connected; return whether its session is still there."""
        is_known = any(one.client_id == packet.client_id for one in self.connects)
        self.connects.append(packet)
        if self.broken is not None and self.back is None:
            self.back = clocks.monotonic()
        return is_known and not packet.clean

    def take(self, packet: Publish) -> bool:
        """Take a message; return whether it is to be acknowledged."""
        if self.withheld == packet.payload:
            self.is_repeated = True
            self.withheld = packet.payload
            self._look()
            return True
        number = len(self.messages) + 1
        self.topics.append(packet.topic)
        self.messages.append(
            Sent(
                packet.payload,
                f"message {number}",
                clocks.time_ns() // 1000,
                packet.topic,
                packet.qos,
                packet.retain,
            )
        )
        self._look()
        if number == WITHHELD and packet.qos:
            self.withheld = packet.payload
            return False
        return True

    def breaks(self, *, is_late: bool) -> bool:
        """Return whether the connection is to be broken now.

        Args:
            is_late: the device has waited long for the acknowledgement that it does not get.
        """
        if self.broken is None and (is_late or len(self.messages) >= BROKEN):
            self.broken = clocks.monotonic()
            return True
        return False

    def _look(self) -> None:
        waits = self.withheld is not None and not self.is_repeated
        if len(self.messages) >= self.wanted and not waits and self.back is not None:
            self.done.set()


class _Connection(Line):
    """One connection of the device."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(Decoder(LARGEST))
        self._listener = listener

    @property
    def is_full(self) -> bool:
        return False

    @property
    def has_room(self) -> bool:
        return True

    def do(self, packet: Packet) -> None:
        version = self.decoder.version
        if isinstance(packet, Connect):
            is_present = self._listener.connected(packet)
            self.send(encode(Connack(is_present), version))
        elif isinstance(packet, Publish):
            self._publish(packet, version)
        elif isinstance(packet, Ack) and packet.kind == PUBREL:
            self.send(encode(Ack(PUBCOMP, packet.id), version))
        elif isinstance(packet, Subscribe):
            codes = tuple(min(one.qos, 1) for one in packet.wanted)
            self.send(encode(Granted(SUBACK, packet.id, codes), version))
        elif isinstance(packet, Unsubscribe):
            self.send(encode(Granted(UNSUBACK, packet.id), version))
        elif isinstance(packet, Ping):
            self.send(encode(Ping(PINGRESP), version))
        elif isinstance(packet, Disconnect):
            self.close()

    def _publish(self, packet: Publish, version: int) -> None:
        is_taken = self._listener.take(packet)
        if packet.qos and is_taken:
            kind = PUBACK if packet.qos == 1 else PUBREC
            self.send(encode(Ack(kind, packet.id), version))
        elif packet.qos:
            self.loop.call_later(PATIENCE_S, self._break, True)
        self._break(False)

    def _break(self, is_late: bool) -> None:
        if self._listener.breaks(is_late=is_late):
            self.close()

    def fail(self, error: MqttError) -> None:
        self.abort()


def _is_up(topic: str) -> bool:
    levels = topic.split("/")
    at = levels.index("v1") if "v1" in levels[:2] else -1
    rest = levels[at:]
    return at >= 0 and len(rest) in (4, 5) and rest[1] == "devices" and rest[3] == "up"
