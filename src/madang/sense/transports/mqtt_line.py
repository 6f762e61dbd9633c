"""A network connection that speaks MQTT: bytes to packets, back-pressure both ways.

What the packets mean is said by who inherits: the broker's connections and the client for external
brokers.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import cast

from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_packets import V311, Packet
from madang.sense.transports.mqtt_wire import MqttError


class Line(asyncio.Protocol, ABC):
    """Reads packets while there is room, and writes what is said in one turn together."""

    def __init__(self, decoder: Decoder) -> None:
        self.version = decoder.version or V311
        self.is_writable = True
        """Whether the other side takes what is sent to it."""
        self.is_ending = False
        self.loop = asyncio.get_running_loop()
        self.decoder = decoder
        self.heard = self.loop.time()
        """When something was last received."""
        self.is_held = False
        """Whether reading is stopped."""
        self.transport: asyncio.Transport
        self._is_working = False
        self._out: list[bytes] = []
        self._gone: asyncio.Future[None] | None = None

    # --- what who inherits says ---------------------------------------------------------------

    @property
    @abstractmethod
    def is_full(self) -> bool:
        """Whether nothing more should be read for now."""

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether reading may go on after it was stopped."""

    @abstractmethod
    def do(self, packet: Packet) -> None:
        """Do what a packet asks."""

    @abstractmethod
    def fail(self, error: MqttError) -> None:
        """End the connection: the other side has broken the protocol or may not go on."""

    # --- reading ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_ending = True
        self.is_writable = False
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.is_ending:
            return
        self.heard = self.loop.time()
        self.decoder.feed(data)
        self._work()

    def _work(self) -> None:
        """Do what has been received, until there is no more of it or too much is under way."""
        self._is_working = True
        try:
            while not self.is_ending:
                if self.is_full or not self.is_writable:
                    self.hold()
                    break
                packet = self.decoder.next()
                if packet is None:
                    break
                self.do(packet)
        except MqttError as error:
            self.fail(error)
        finally:
            self._is_working = False
        self.flush()

    def hold(self) -> None:
        """Stop reading: what comes waits in the buffers of TCP, and then at the other side."""
        if not self.is_held:
            self.is_held = True
            self.transport.pause_reading()

    def caught_up(self) -> None:
        """Send what has been said meanwhile, and read again if there is room."""
        self.flush()
        if self.is_held and self.is_writable and self.has_room and not self.is_ending:
            self.is_held = False
            self.heard = self.loop.time()
            self.transport.resume_reading()
            self._work()

    # --- writing ------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        self.is_writable = False

    def resume_writing(self) -> None:
        self.is_writable = True
        self.caught_up()

    def send(self, data: bytes) -> None:
        """Send bytes, together with others of the same turn."""
        if not self._out and not self._is_working:
            self.loop.call_soon(self.flush)
        self._out.append(data)

    def flush(self) -> None:
        if not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Close the connection when what was said has been sent."""
        self.is_ending = True
        self.flush()
        self.transport.close()

    async def part(self, longest_s: float) -> None:
        """Close the connection when the other side has all that was said, or after so long.

        A socket that is closed with something unread in it is reset, and what was sent last may
        never be seen: so the other side closes first, and until then what it sends is read.
        """
        self.is_ending = True
        self.flush()
        self._gone = self.loop.create_future()
        if not self.transport.is_closing():
            if self.transport.can_write_eof():
                self.transport.write_eof()
            if self.is_held:
                self.transport.resume_reading()
            await asyncio.wait([self._gone], timeout=longest_s)
        self.transport.close()

    def abort(self) -> None:
        """Close the connection without waiting for the other side to take what was sent."""
        self.transport.abort()
