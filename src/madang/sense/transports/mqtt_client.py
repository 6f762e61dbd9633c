"""One connection of the hub to a city's own MQTT broker.

The broker is told that a message has arrived when that is durable here, in the order in which they
came, and sends no more than the hub has room for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_line import Line
from madang.sense.transports.mqtt_packets import (
    PINGREQ,
    PUBACK,
    V311,
    Ack,
    Connack,
    Disconnect,
    Granted,
    Packet,
    Ping,
    Publish,
    Subscribe,
    encode,
)
from madang.sense.transports.mqtt_pipeline import Pipeline, Way

if TYPE_CHECKING:
    from madang.sense.message import Message
    from madang.sense.transports.mqtt_external import Source
    from madang.sense.transports.mqtt_inbound import Takes
    from madang.sense.transports.mqtt_wire import MqttError

KEEP_ALIVE_S = 30
CONNECT_S = 10.0
DRAIN_S = 5.0
PART_S = 1.0
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take the client id",
    3: "it is not available",
    4: "user name or password are wrong",
    5: "the user may not connect",
}


class _Way(Way):
    """A message that the broker has sent and that is not acknowledged yet."""

    __slots__ = ("_connection", "_id", "_message")

    def __init__(self, connection: Connection, packet: Publish, message: Message) -> None:
        super().__init__(packet.payload)
        self._connection = connection
        self._id = packet.id  # 0 with QoS 0
        self._message = message
        self.task = self.begin()
        if self._id:
            connection.under_way[self._id] += 1

    def begin(self) -> asyncio.Task[Any]:
        connection = self._connection
        return connection.loop.create_task(connection.intake.take(self._message))

    def settle(self, result: object) -> None:
        if self._id:
            self._connection.taken(self._id)

    def fail(self, error: BaseException) -> None:
        """Do not acknowledge: the broker sends the message again on the next connection."""
        topic = self._message.address
        self._connection.lose(f"a message of {topic!r} could not be taken: {error}")


class Connection(Line):
    """One connection to a broker; ``ended`` is done when it is over."""

    def __init__(self, source: Source, intake: Takes) -> None:
        super().__init__(Decoder(source.most_bytes, V311))
        self.intake = intake
        self.ended: asyncio.Future[str] = self.loop.create_future()
        """Why, in the end."""
        self.is_welcome = False
        self.pipeline = Pipeline(self, source.load)
        self.under_way: Counter[int] = Counter()
        """How many messages have come under an id and are not durable yet."""
        self._source = source
        self._tick: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        return self.pipeline.is_full

    @property
    def has_room(self) -> bool:
        return self.pipeline.has_room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(encode(self._source.hello(), V311))
        self._tick = self.loop.call_later(CONNECT_S, self._look)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.lose(f"the connection was lost{f': {error}' if error else ''}{self._meanwhile()}")
        self.pipeline.lost()

    def _meanwhile(self) -> str:
        """Return what had been said to the broker: it may say no by ending the connection."""
        if not self.is_welcome:
            return " before the broker had let the hub in; NATS does so without a quorum"
        topics = ", ".join(self._source.outgoing.topics)
        return f" before the broker had acknowledged messages to {topics[:200]}" if topics else ""

    def lose(self, why: str) -> None:
        """End the connection."""
        if self._tick is not None:
            self._tick.cancel()
        if not self.ended.done():
            self.ended.set_result(why)
        if not self.is_ending:
            self.close()

    def fail(self, error: MqttError) -> None:
        self.lose(f"the broker has sent something that is no MQTT: {error}")

    def _look(self) -> None:
        silent_s = self.loop.time() - self.heard
        if not self.is_welcome:
            self.lose(f"the broker has not answered within {CONNECT_S:g} s")
        elif silent_s > 1.5 * KEEP_ALIVE_S and not self.is_held:
            self.lose(f"nothing has come for {silent_s:.0f} s, not even an answer to a ping")
        else:
            self.send(encode(Ping(PINGREQ), V311))
            self._tick = self.loop.call_later(KEEP_ALIVE_S / 2, self._look)

    def do(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            message = self._source.message(packet, self._peer())
            self.pipeline.add(_Way(self, packet, message))
        elif isinstance(packet, Connack):
            self._welcomed(packet)
        elif isinstance(packet, Granted):
            self._source.granted(packet)
        elif isinstance(packet, Ack) and packet.kind == PUBACK:
            self._source.outgoing.acknowledged(packet.id)

    def taken(self, id: int) -> None:
        """Acknowledge an id, once all that has come under it is durable.

        NATS sends a message again on the same connection, and gives the id to another one when it
        is acknowledged: a second acknowledgement would be of that one, which may not be durable.
        """
        self.under_way[id] -= 1
        if not self.under_way[id]:
            del self.under_way[id]
            self.send(encode(Ack(PUBACK, id), V311))

    def _peer(self) -> str:
        peer = self.transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    def _welcomed(self, packet: Connack) -> None:
        if packet.code:
            why = _REFUSALS.get(packet.code, f"return code {packet.code}")
            self.lose(f"the broker refuses the connection: {why}")
            return
        self.is_welcome = True
        self._source.welcomed()
        self.send(encode(Subscribe(1, self._source.wanted), V311))

    async def finish(self) -> None:
        """Read no more, acknowledge what is under way, and say good-bye."""
        self.hold()
        await self.pipeline.finish(DRAIN_S)
        self.send(encode(Disconnect(), V311))
        await self.part(PART_S)
        self.lose("the hub stops")
