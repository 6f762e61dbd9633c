"""Messages from a city's own MQTT brokers (Mosquitto, EMQX, The Things Stack ...).

The hub is a client with a session that the broker keeps: QoS 1, and a message is acknowledged when
it is durable here. What comes while the hub is away waits at the broker; what it does not know to
be acknowledged, it sends again. MQTT 3.1.1, which all of them speak.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from typing import TYPE_CHECKING, Any

import structlog

from madang.model.errors import MadangError
from madang.sense.message import Message
from madang.sense.transports.mqtt_access import address_of
from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_line import Line
from madang.sense.transports.mqtt_outgoing import Outgoing
from madang.sense.transports.mqtt_packets import (
    PINGREQ,
    PUBACK,
    V311,
    Ack,
    Connack,
    Connect,
    Disconnect,
    Granted,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Wanted,
    encode,
)
from madang.sense.transports.mqtt_pipeline import Load, Pipeline, Way
from madang.sense.transports.mqtt_topics import check_filter, matches
from madang.sense.transports.mqtt_wire import MqttError
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.sense.transports.mqtt_inbound import Takes
    from madang.settings import Settings
    from madang.settings_types import MqttBroker

log = structlog.get_logger("madang.mqtt")

KEEP_ALIVE_S = 30
CONNECT_S = 10.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
DRAIN_S = 5.0
PART_S = 1.0
DEVICE = "{device}"
_REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not take the client id",
    3: "it is not available",
    4: "user name or password are wrong",
    5: "the user may not connect",
}


def principal_of(name: str, tenant: str) -> Principal:
    """Return as whom messages of a broker are written: an app that may write every type."""
    every = frozenset({"*"})
    return Principal(
        f"service:mqtt:{name}", "app", f"MQTT broker {name}", frozenset({"app"}),
        frozenset({tenant}), reads=every, writes=every,
    )  # fmt: skip


class _Way(Way):
    """A message that the broker has sent and that is not acknowledged yet."""

    __slots__ = ("_connection", "_id", "_message")

    def __init__(self, connection: _Connection, packet: Publish, message: Message) -> None:
        super().__init__(packet.payload)
        self._connection = connection
        self._id = packet.id  # 0 with QoS 0
        self._message = message
        self.task = self.begin()

    def begin(self) -> asyncio.Task[Any]:
        connection = self._connection
        return connection.loop.create_task(connection.intake.take(self._message))

    def settle(self, result: object) -> None:
        if self._id:
            self._connection.send(encode(Ack(PUBACK, self._id), V311))

    def fail(self, error: BaseException) -> None:
        """Do not acknowledge: the broker sends the message again on the next connection."""
        topic = self._message.address
        self._connection.lose(f"a message of {topic!r} could not be taken: {error}")


class _Connection(Line):
    """One connection to a broker; ``ended`` is done when it is over."""

    def __init__(self, source: Source, intake: Takes) -> None:
        super().__init__(Decoder(source.most_bytes, V311))
        self.intake = intake
        self.ended: asyncio.Future[str] = self.loop.create_future()
        """Why, in the end."""
        self.is_welcome = False
        self.pipeline = Pipeline(self, source.load)
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
        self.lose(f"the connection was lost{f': {error}' if error else ''}")
        self.pipeline.lost()

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


class Source:
    """One broker that messages are taken from, for as long as the hub runs.

    Args:
        name: of its table in the settings.
        broker: what the table says.
        settings: those of the hub.
        intake: takes the messages.

    Raises:
        MadangError: one of its topics is no filter.
    """

    def __init__(self, name: str, broker: MqttBroker, settings: Settings, intake: Takes) -> None:
        self.name = name
        self.most_bytes = settings.max_body_bytes
        self.load = Load()
        self.wanted = tuple(Wanted(topic.replace(DEVICE, "+"), 1) for topic in broker.topics)
        self.connected = False
        self.subscribed = False
        """Whether the broker has confirmed the topics."""
        self.received = 0
        self.outgoing = Outgoing()
        self.problem = ""
        """Why there is no connection."""
        for topic, wanted in zip(broker.topics, self.wanted, strict=True):
            _check(f"mqtt_brokers.{name}.topics: {topic!r}", wanted.filter)
        self._broker = broker
        self._intake = intake
        self._client_id = f"{settings.alias}-{name}"
        self._principal = principal_of(name, broker.tenant)
        self._named = [topic.split("/") for topic in broker.topics if DEVICE in topic.split("/")]
        self._task: asyncio.Task[None] | None = None
        self._connection: _Connection | None = None

    # --- what the connection asks -------------------------------------------------------------

    def hello(self) -> Connect:
        broker = self._broker
        secret = broker.password.get_secret_value().encode()
        return Connect(
            self._client_id,
            V311,
            clean=False,
            keep_alive=KEEP_ALIVE_S,
            user=broker.username or None,
            password=secret if broker.username else None,
        )

    def message(self, packet: Publish, origin: str) -> Message:
        """Return what the hub is given of a message."""
        self.received += 1
        address = address_of(packet.topic)
        return Message(
            "mqtt",
            packet.topic,
            packet.payload,
            self._principal,
            time.time_ns() // 1000,
            self._broker.tenant,
            self._broker.codec or address.codec,
            self._device(packet.topic) or address.device,
            origin,
            self.tell,
        )

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0, not retained, if the broker is there."""
        if self.connected and self._connection is not None:
            self._connection.send(encode(Publish(topic, payload), V311))

    async def publish(self, topic: str, payload: bytes) -> bool:
        """Publish with QoS 1, not retained; return whether the broker has it."""
        if not self.connected or self._connection is None:
            return False
        return await self.outgoing.publish(self._connection.send, topic, payload)

    def _device(self, topic: str) -> str:
        """Return the level of a topic that one of the settings' topics says is the device."""
        levels = topic.split("/")
        for named in self._named:
            filter = "/".join("+" if level == DEVICE else level for level in named)
            if matches(filter, topic):
                return levels[named.index(DEVICE)]
        return ""

    def granted(self, packet: Granted) -> None:
        """Say loudly which topics will not come, or could be lost on their way."""
        self.subscribed = True
        for wanted, code in zip(self.wanted, packet.codes, strict=False):
            if code >= 0x80:
                log.error("mqtt.topic_refused", broker=self.name, topic=wanted.filter)
            elif code == 0:
                log.warning("mqtt.not_acknowledged", broker=self.name, topic=wanted.filter)

    # --- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and stay so.

        Raises:
            MadangError: the certificates of the settings cannot be used.
        """
        context = self._tls()
        self._task = asyncio.get_running_loop().create_task(self._run(context))

    def _tls(self) -> ssl.SSLContext | None:
        broker = self._broker
        if not broker.tls:
            return None
        try:
            return ssl.create_default_context(cafile=broker.ca)
        except OSError as error:
            raise MadangError(
                f"mqtt_brokers.{self.name}.ca: {broker.ca} cannot be used ({error}); it must be a"
                " file of certificates (PEM)"
            ) from error

    async def close(self) -> None:
        """Acknowledge what is under way and leave; the broker keeps the session."""
        if self._task is None:
            return
        if self._connection is not None:
            await self._connection.finish()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def welcomed(self) -> None:
        """Take note that the broker lets the hub in."""
        self.connected, self.problem = True, ""
        log.info("mqtt.broker_connected", broker=self.name)

    async def _run(self, context: ssl.SSLContext | None) -> None:
        """Connect again and again, at longer and longer intervals while that does not last.

        A connection that has lasted longer than the hub waited for it counts as the first again: a
        broker that is restarted now and then is not left alone for a minute.
        """
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        while True:
            began = loop.time()
            why = await self._stay(context)
            if why != self.problem:
                log.warning("mqtt.broker_lost", broker=self.name, reason=why)
            has_lasted = self.connected and loop.time() - began > wait_s
            self.connected = self.subscribed = False
            self.problem = why
            if has_lasted:
                wait_s = FIRST_WAIT_S
            await asyncio.sleep(wait_s * random.uniform(0.75, 1.25))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _stay(self, context: ssl.SSLContext | None) -> str:
        """Connect and stay connected; return why that has ended."""
        broker = self._broker
        port = broker.port or (8883 if broker.tls else 1883)
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self, self._intake), broker.host, port, ssl=context
                )
        except OSError as error:
            return f"{broker.host}:{port} cannot be reached: {error or 'no answer in time'}"
        self._connection = connection
        try:
            return await connection.ended
        finally:
            self._connection = None
            self.outgoing.lost()


def _check(place: str, filter: str) -> None:
    try:
        check_filter(filter)
    except MqttError as error:
        raise MadangError(f"{place} cannot be subscribed to: {error}") from None


class ExternalBrokers:
    """All brokers that the settings name."""

    def __init__(self, settings: Settings, intake: Takes) -> None:
        self.sources = [
            Source(name, broker, settings, intake) for name, broker in settings.mqtt_brokers.items()
        ]

    def named(self, name: str) -> Source | None:
        """Return the broker of a name in the settings."""
        return next((source for source in self.sources if source.name == name), None)

    def start(self) -> None:
        """Connect to all of them, now or when they are there.

        Raises:
            MadangError: the settings of one cannot be used.
        """
        for source in self.sources:
            source.start()

    async def close(self) -> None:
        """Acknowledge what is under way and leave them."""
        await asyncio.gather(*(source.close() for source in self.sources))
