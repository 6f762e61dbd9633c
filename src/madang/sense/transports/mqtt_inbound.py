"""The messages of one connection on their way into the hub.

Each is begun when it arrives and acknowledged when it is durable, both in their order. At most
:data:`MOST` are under way; then the connection is not read any more, so that TCP itself makes the
client wait. What the hub refuses for the moment is tried again, in its order, after the time that
the hub says; nobody else's connection notices.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from madang.model.errors import NgsiError, Overloaded, TooManyRequests
from madang.sense.message import Message
from madang.sense.transports.mqtt_packets import PUBACK, PUBREC, V5, Ack, Publish, Will, encode
from madang.sense.transports.mqtt_relay import Relayed
from madang.sense.transports.mqtt_wire import NONE, Code

if TYPE_CHECKING:
    from madang.sense.transports.mqtt_access import Access, Address
    from madang.sense.transports.mqtt_connection import Connection

log = structlog.get_logger("madang.mqtt")

MOST = 100
"""Messages of one connection under way; MQTT 5.0 clients are told (Receive Maximum)."""
FEW = MOST // 2
"""As many or fewer, and the connection is read again."""
MOST_BYTES = 64 * 1024 * 1024
"""What may be under way of all connections together; beyond, each has one message at a time."""


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


def message_of(packet: Publish | Will, access: Access, address: Address) -> Message:
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
    )


class _OnItsWay:
    """A message that is not acknowledged yet."""

    __slots__ = ("message", "packet", "refusal", "repeats", "size", "task")

    def __init__(
        self,
        packet: Publish,
        message: Message | None = None,
        task: asyncio.Task[Any] | None = None,
        refusal: str = "",
        repeats: bool = False,
    ) -> None:
        self.packet = packet
        self.message = message
        """What the hub is given; None if it only goes to subscribers."""
        self.task = task
        self.refusal = refusal
        """Why it may not be published."""
        self.repeats = repeats
        """Whether it is a message of QoS 2 that came before."""
        self.size = len(packet.payload) + 200


class Inbound:
    """Takes what one connection publishes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._broker = connection.broker
        self._loop = asyncio.get_running_loop()
        self._ways: deque[_OnItsWay] = deque()
        self._retry: asyncio.TimerHandle | None = None
        self._is_over = False

    def __len__(self) -> int:
        return len(self._ways)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read for now."""
        few = 0 if self._broker.figures.under_way_bytes > MOST_BYTES else MOST - 1
        return len(self._ways) > few or self._retry is not None

    @property
    def has_room(self) -> bool:
        """Whether reading may go on after it was stopped."""
        few = 0 if self._broker.figures.under_way_bytes > MOST_BYTES else FEW
        return len(self._ways) <= few and self._retry is None

    def take(self, packet: Publish, address: Address) -> None:
        """Begin with a message that may be published."""
        message = None
        if address.is_up and (packet.payload or not packet.retain):
            message = message_of(packet, self._connection.access, address)
        incoming = self._connection.session.incoming
        if packet.qos == 2 and packet.id in incoming:
            self._add(_OnItsWay(packet, message, incoming[packet.id], repeats=True))
            return
        task = self._begin(packet, message)
        if packet.qos == 2:
            incoming[packet.id] = task
        self._add(_OnItsWay(packet, message, task))

    def refuse(self, packet: Publish, why: str) -> None:
        """Answer that a message may not be published, in its turn."""
        self._add(_OnItsWay(packet, refusal=why))

    def _begin(self, packet: Publish, message: Message | None) -> asyncio.Task[Any] | None:
        if packet.retain:
            return self._loop.create_task(self._take_and_keep(packet, message))
        if message is None:
            return None
        return self._loop.create_task(self._broker.intake.take(message))

    async def _take_and_keep(self, packet: Publish, message: Message | None) -> Taken | None:
        taken = None if message is None else await self._broker.intake.take(message)
        if taken is None or taken.reason != "forbidden":
            await self._broker.keep(Relayed.of(packet))
        return taken

    def _add(self, way: _OnItsWay) -> None:
        self._ways.append(way)
        figures = self._broker.figures
        figures.under_way += 1
        figures.under_way_bytes += way.size
        if way.task is not None:
            way.task.add_done_callback(self._go_on)
        elif len(self._ways) == 1:
            self._settle_first(None)

    # --- the way back ---------------------------------------------------------------------------

    def _go_on(self, _task: object = None) -> None:
        """Acknowledge what is durable, up to the first that is not."""
        while self._ways:
            way = self._ways[0]
            if way.task is None:
                self._settle_first(None)
                continue
            if not way.task.done():
                break
            error = _error(way.task)
            if error is None:
                self._settle_first(way.task.result())
            elif isinstance(error, TooManyRequests | Overloaded) and not self._is_over:
                self._wait(error)
                break
            else:
                self._fail_first(error)
        self._connection.caught_up()

    def _pop(self) -> _OnItsWay:
        way = self._ways.popleft()
        figures = self._broker.figures
        figures.under_way -= 1
        figures.under_way_bytes -= way.size
        return way

    def _settle_first(self, taken: Taken | None) -> None:
        way = self._pop()
        packet = way.packet
        if way.refusal:
            self._connection.refuse(packet, way.refusal)
            return
        code, detail = Code.SUCCESS, ""
        if taken is not None and taken.letter is not None:
            code = REASONS.get(taken.reason, Code.IMPLEMENTATION_SPECIFIC)
            detail = taken.detail
        if code != Code.NOT_AUTHORIZED and not way.repeats:
            self._broker.relay(Relayed.of(packet), self._connection.session)
        if packet.qos == 2 and self._connection.version == V5 and code >= Code.UNSPECIFIED:
            self._connection.session.incoming.pop(packet.id, None)  # the exchange ends here
        self.acknowledge(packet, code, detail)

    def acknowledge(self, packet: Publish, code: Code, detail: str = "") -> None:
        """Answer a message, after all that came before it have been answered."""
        self._broker.figures.acknowledged += 1
        if packet.qos == 0:
            return
        kind = PUBACK if packet.qos == 1 else PUBREC
        connection = self._connection
        if connection.version == V5 and code:
            properties = {"reason": detail[:1000]} if detail and connection.explains else NONE
            connection.send(encode(Ack(kind, packet.id, code, properties), V5))
        else:
            connection.send(bytes((kind << 4, 2)) + packet.id.to_bytes(2, "big"))

    def _fail_first(self, error: BaseException) -> None:
        """Do not acknowledge: the client has the message still, and sends it again."""
        way = self._pop()
        incoming = self._connection.session.incoming
        if way.packet.qos == 2 and incoming.get(way.packet.id) is way.task:
            del incoming[way.packet.id]
        if self._is_over:
            return
        if isinstance(error, NgsiError) and error.status < 500:
            self._connection.refuse(way.packet, str(error))
            return
        log.error("mqtt.message_failed", topic=way.packet.topic, error=repr(error))
        self._connection.end(Code.UNSPECIFIED, "the message could not be stored; send it again")

    # --- what the hub refused for the moment ----------------------------------------------------

    def _wait(self, error: TooManyRequests | Overloaded) -> None:
        if self._retry is None:
            wait_s = getattr(error, "retry_after_s", 1)
            self._retry = self._loop.call_later(wait_s, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        incoming = self._connection.session.incoming
        for way in self._ways:
            task, packet = way.task, way.packet
            if task is None or not task.done():
                continue
            if isinstance(_error(task), TooManyRequests | Overloaded):
                begun = incoming.get(packet.id) if packet.qos == 2 else None
                if begun is None or begun is task:
                    begun = self._begin(packet, way.message)
                if packet.qos == 2:
                    incoming[packet.id] = begun
                if begun is not None:
                    begun.add_done_callback(self._go_on)
                way.task = begun

    def lost(self) -> None:
        """Let what is under way end without an answer; the connection is gone."""
        self._is_over = True
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._go_on()

    async def finish(self, longest_s: float) -> None:
        """Wait until everything under way is durable and answered, but not longer than so."""
        until = self._loop.time() + longest_s
        while self._ways and self._loop.time() < until:
            waiting = [way.task for way in self._ways if way.task is not None]
            await asyncio.wait(waiting, timeout=until - self._loop.time())
            await asyncio.sleep(0.05 if self._retry is not None else 0)


def _error(task: asyncio.Task[Any]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()
