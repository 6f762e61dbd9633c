"""What clients of the broker publish: into the hub, answered, and on to subscribers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from madang.model.errors import NgsiError
from madang.sense.message import Message
from madang.sense.transports.mqtt_packets import PUBACK, PUBREC, V5, Ack, Publish, Will, encode
from madang.sense.transports.mqtt_pipeline import Way
from madang.sense.transports.mqtt_relay import Relayed
from madang.sense.transports.mqtt_wire import NONE, Code

if TYPE_CHECKING:
    from madang.sense.transports.mqtt_access import Access, Address
    from madang.sense.transports.mqtt_connection import Connection

log = structlog.get_logger("madang.mqtt")


class Taken(Protocol):
    """What the intake says of a message (:class:`madang.sense.intake.Taken`)."""

    @property
    def letter(self) -> int | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...


class Takes(Protocol):
    """What is asked of the intake (:class:`madang.sense.intake.Intake`)."""

    def take(self, message: Message) -> Coroutine[Any, Any, Taken]:
        """Return when the message is durable.

        Raises:
            TooManyRequests, Overloaded: nothing was taken.
        """


REASONS: dict[str, Code] = {
    "forbidden": Code.NOT_AUTHORIZED,
    "badPayload": Code.PAYLOAD_INVALID,
    "badValue": Code.PAYLOAD_INVALID,
    "badEntity": Code.PAYLOAD_INVALID,
    "tooLarge": Code.QUOTA_EXCEEDED,
}
"""What MQTT 5.0 clients are told of a message that became a dead letter; else 0x83."""


def message_of(
    packet: Publish | Will,
    access: Access,
    address: Address,
    answer: Callable[[str, bytes], None],
) -> Message:
    """Return what the hub is given of a message that may be published."""
    return Message(
        "mqtt",
        packet.topic,
        packet.payload,
        access.principal,
        time.time_ns() // 1000,
        address.tenant,
        address.codec,
        address.device,
        access.address,
        answer,
    )


class Inbound(Way):
    """A message that a client has published and that is not acknowledged yet."""

    __slots__ = ("_connection", "_is_again", "_message", "_packet")

    def __init__(self, connection: Connection, packet: Publish, address: Address) -> None:
        super().__init__(packet.payload)
        self._connection = connection
        self._packet = packet
        self._message: Message | None = None
        """What the hub is given; None if it only goes to subscribers."""
        if address.is_up and (packet.payload or not packet.retain):
            self._message = message_of(packet, connection.access, address, connection.broker.tell)
        incoming = connection.session.incoming
        self._is_again = packet.qos == 2 and packet.id in incoming
        """Whether it is a message of QoS 2 that came before."""
        self.task = incoming[packet.id] if self._is_again else self._begun()

    def begin(self) -> asyncio.Task[Any] | None:
        if self._packet.qos == 2:
            begun = self._connection.session.incoming.get(self._packet.id)
            if begun is not None and begun is not self.task:
                return begun  # by the same message on an older connection
        return self._begun()

    def _begun(self) -> asyncio.Task[Any] | None:
        packet, message, broker = self._packet, self._message, self._connection.broker
        task: asyncio.Task[Any] | None = None
        if packet.retain:
            task = self._connection.loop.create_task(self._take_and_keep())
        elif message is not None:
            task = self._connection.loop.create_task(broker.intake.take(message))
        if packet.qos == 2:
            self._connection.session.incoming[packet.id] = task
        return task

    async def _take_and_keep(self) -> Taken | None:
        broker, message = self._connection.broker, self._message
        taken = None if message is None else await broker.intake.take(message)
        if taken is None or taken.reason != "forbidden":
            await broker.keep(Relayed.of(self._packet))
        return taken

    def settle(self, result: Taken | None) -> None:
        connection, packet = self._connection, self._packet
        code, detail = Code.SUCCESS, ""
        if result is not None and result.letter is not None:
            code = REASONS.get(result.reason, Code.IMPLEMENTATION_SPECIFIC)
            detail = result.detail
        if code != Code.NOT_AUTHORIZED and not self._is_again:
            connection.broker.relay(Relayed.of(packet), connection.session)
        acknowledge(connection, packet, code, detail)

    def fail(self, error: BaseException) -> None:
        """Do not acknowledge: the client has the message still, and sends it again."""
        connection, packet = self._connection, self._packet
        incoming = connection.session.incoming
        if packet.qos == 2 and incoming.get(packet.id) is self.task:
            del incoming[packet.id]
        if connection.is_lost:
            return
        if isinstance(error, NgsiError) and error.status < 500:
            refuse(connection, packet, str(error))
            return
        log.error("mqtt.message_failed", topic=packet.topic, error=repr(error))
        connection.end(Code.UNSPECIFIED, "the message could not be stored; send it again")


class Refused(Way):
    """A message that may not be published, which is said when its turn comes."""

    __slots__ = ("_connection", "_packet", "_why")

    def __init__(self, connection: Connection, packet: Publish, why: str) -> None:
        super().__init__(packet.payload)
        self._connection = connection
        self._packet = packet
        self._why = why

    def begin(self) -> None:
        """Nothing is waited for, so it is never refused for the moment."""

    def settle(self, result: None) -> None:
        refuse(self._connection, self._packet, self._why)

    def fail(self, error: BaseException) -> None:
        """Nothing is waited for that could fail."""


def acknowledge(connection: Connection, packet: Publish, code: Code, detail: str = "") -> None:
    """Answer a message that is durable, or with MQTT 5.0 one that is not wanted."""
    connection.broker.figures.acknowledged += 1
    if packet.qos == 0:
        return
    kind = PUBACK if packet.qos == 1 else PUBREC
    if connection.version != V5 or not code:
        connection.send(bytes((kind << 4, 2)) + packet.id.to_bytes(2, "big"))
        return
    if code >= Code.UNSPECIFIED:
        connection.session.incoming.pop(packet.id, None)  # an exchange of QoS 2 ends here
    properties = {"reason": detail[:1000]} if detail and connection.explains else NONE
    connection.send(encode(Ack(kind, packet.id, code, properties), V5))


def refuse(connection: Connection, packet: Publish, why: str) -> None:
    """Answer a message that may not be published.

    MQTT 3.1.1 has no way to say so but to close the connection: an acknowledgement would promise
    that the message is kept.
    """
    connection.broker.figures.refused += 1
    if connection.version != V5:
        connection.end(Code.NOT_AUTHORIZED, why)
        return
    log.info("mqtt.refused", client=connection.client_id, topic=packet.topic, reason=why)
    acknowledge(connection, packet, Code.NOT_AUTHORIZED, why)
