"""Messages from a city's own MQTT brokers (Mosquitto, EMQX, NATS, The Things Stack ...).

The hub is a client with a session that the broker keeps: QoS 1, and a message is acknowledged when
it is durable here. What comes while the hub is away waits at the broker; what it does not know to
be acknowledged, it sends again. MQTT 3.1.1, which all of them speak.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import ssl
import time
from typing import TYPE_CHECKING

import structlog

from madang.model.errors import MadangError
from madang.sense.message import Message
from madang.sense.transports.mqtt_access import address_of
from madang.sense.transports.mqtt_client import CONNECT_S, KEEP_ALIVE_S, Connection
from madang.sense.transports.mqtt_outgoing import Outgoing
from madang.sense.transports.mqtt_packets import V311, Connect, Granted, Publish, Wanted, encode
from madang.sense.transports.mqtt_pipeline import Load
from madang.sense.transports.mqtt_topics import check_filter, matches
from madang.sense.transports.mqtt_wire import MqttError
from madang.trust.principal import Principal

if TYPE_CHECKING:
    from madang.sense.transports.mqtt_inbound import Takes
    from madang.settings import Settings
    from madang.settings_types import MqttBroker

log = structlog.get_logger("madang.mqtt")

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
DEVICE = "{device}"


def principal_of(name: str, tenant: str) -> Principal:
    """Return as whom messages of a broker are written: an app that may write every type."""
    every = frozenset({"*"})
    return Principal(
        f"service:mqtt:{name}", "app", f"MQTT broker {name}", frozenset({"app"}),
        frozenset({tenant}), reads=every, writes=every,
    )  # fmt: skip


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
        self._connection: Connection | None = None

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

        Each time to the next of its addresses, and the intervals are those between the rounds: that
        one server of a cluster is away costs no more than the shortest. A connection that has
        lasted longer than the hub waited for it counts as the first again: a broker that is
        restarted now and then is not left alone for a minute.
        """
        loop = asyncio.get_running_loop()
        wait_s = FIRST_WAIT_S
        told: set[str] = set()
        addresses = self._broker.addresses
        for turn in itertools.count(1):
            began = loop.time()
            why = await self._stay(*addresses[(turn - 1) % len(addresses)], context)
            if self.connected:
                told.clear()
            if why not in told:
                log.warning("mqtt.broker_lost", broker=self.name, reason=why)
                told.add(why)
            has_lasted = self.connected and loop.time() - began > wait_s
            self.connected = self.subscribed = False
            self.problem = why
            if has_lasted:
                wait_s = FIRST_WAIT_S
            ends_round = turn % len(addresses) == 0
            pause_s = wait_s if ends_round else FIRST_WAIT_S
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))
            if ends_round:
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _stay(self, host: str, port: int, context: ssl.SSLContext | None) -> str:
        """Connect and stay connected; return why that has ended."""
        try:
            async with asyncio.timeout(CONNECT_S):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self, self._intake), host, port, ssl=context
                )
        except OSError as error:
            return f"{host}:{port} cannot be reached: {error or 'no answer in time'}"
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
