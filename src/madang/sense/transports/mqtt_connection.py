"""One connection of the embedded broker: from its bytes to packets, and what each of them asks.

Source: OASIS MQTT 3.1.1 and 5.0, chapters 3 and 4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from madang.model.errors import Forbidden, NgsiError, TooManyRequests, Unauthorized
from madang.sense.transports.mqtt_access import Access
from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_inbound import Inbound, Refused
from madang.sense.transports.mqtt_line import Line
from madang.sense.transports.mqtt_packets import (
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREL,
    SUBACK,
    UNSUBACK,
    V5,
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
    Unsubscribe,
    Wanted,
    Will,
    encode,
)
from madang.sense.transports.mqtt_pipeline import MOST, Pipeline
from madang.sense.transports.mqtt_sessions import LONGEST_S, WINDOW, Session
from madang.sense.transports.mqtt_topics import check_filter, check_topic, shared_of
from madang.sense.transports.mqtt_wire import (
    LARGEST_VARIABLE,
    NONE,
    Code,
    MqttError,
    Properties,
    malformed,
)

if TYPE_CHECKING:
    from madang.sense.transports.mqtt_broker import Broker

log = structlog.get_logger("madang.mqtt")

HELLO_S = 10.0
"""How long a client may take to send CONNECT."""
HELLO_BYTES = 16 * 1024
"""Bytes that CONNECT may have: before it, nobody knows who it is that fills the memory."""
PART_S = 1.0
"""How long a client may take to close its side when the broker stops."""
LINGER_S = 10.0
"""How long a client may take to read what was sent last."""
MOST_UNRELEASED = 10_000
"""Messages of QoS 2 that a client may leave unreleased; each takes some hundred bytes."""
KEEP_ALIVE_S = 600
"""Longest keep-alive that MQTT 5.0 clients are allowed; others are believed."""

_RETURN_CODES: dict[Code, int] = {
    Code.UNSUPPORTED_VERSION: 1,
    Code.CLIENT_ID_NOT_VALID: 2,
    Code.SERVER_UNAVAILABLE: 3,
    Code.QUOTA_EXCEEDED: 3,
    Code.RATE_EXCEEDED: 3,
    Code.BAD_CREDENTIALS: 4,
    Code.NOT_AUTHORIZED: 5,
}
"""Return codes of 3.1.1 for the reasons that it knows; for others it just closes."""


class Connection(Line):
    """Speaks with one client."""

    # Set by CONNECT, before which no other packet gets through.
    session: Session
    access: Access

    def __init__(self, broker: Broker) -> None:
        super().__init__(Decoder(HELLO_BYTES))
        self.broker = broker
        self.explains = True
        """Whether the client wants to be told reasons in words."""
        self.most = LARGEST_VARIABLE
        self.window = WINDOW
        self.will: Will | None = None
        self.client_id = ""
        self.pipeline = Pipeline(self, broker.load)
        self._is_known = False
        self._silence_s = 0.0
        self._timer = self.loop.call_later(HELLO_S, self._look)

    # --- what the event loop tells ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.broker.opened(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._is_known:
            self.session.pump()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._timer.cancel()
        self.broker.closed(self)
        if self._is_known:
            self._is_known = False
            self.broker.leave(self)
        self.pipeline.lost()

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone, so that nothing can be said any more."""
        return self.pipeline.is_over

    @property
    def is_full(self) -> bool:
        return self.pipeline.is_full

    @property
    def has_room(self) -> bool:
        return self.pipeline.has_room

    def hold(self) -> None:
        if not self.is_held:
            self.broker.figures.held += 1
        super().hold()

    def fail(self, error: MqttError) -> None:
        self.end(error.code, str(error))

    def _look(self) -> None:
        """End the connection if the client has been silent for too long."""
        if not self._is_known:
            self.end(Code.PROTOCOL_ERROR, f"no CONNECT came within {HELLO_S:g} s")
            return
        left = self.heard + self._silence_s - self.loop.time()
        if left <= 0 and not self.is_held:
            self.end(Code.KEEP_ALIVE_TIMEOUT, f"nothing came for {self._silence_s:g} s")
        else:
            self._timer = self.loop.call_later(max(left, 1.0), self._look)

    # --- the end ------------------------------------------------------------------------------

    def end(self, code: Code, why: str = "") -> None:
        """Tell the client why, as far as its version can, and close the connection."""
        if self.is_ending:
            return
        self.is_ending = True
        if why:
            log.info("mqtt.ended", client=self.client_id, code=f"0x{code:02x}", reason=why)
        properties: Properties = NONE
        if why and self.explains:
            properties = {"reason": why[:1000]}
        if self.version == V5:
            packet = Disconnect(code, properties)
            self.send(encode(packet if self._is_known else Connack(False, code, properties), V5))
        elif not self._is_known and code in _RETURN_CODES:
            self.send(encode(Connack(False, _RETURN_CODES[code]), V311))
        self.close()

    def may_see(self, topic: str) -> bool:
        """Tell whether the client may be sent a message; it goes if its key is no longer good."""
        try:
            self.access.refresh(self.loop.time())
        except NgsiError as error:
            self.end(Code.NOT_AUTHORIZED, str(error))
            return False
        return self.access.reads(topic)

    async def stop(self, longest_s: float) -> None:
        """Finish what is under way, then end the connection: the broker stops.

        No wills are published: the clients have not gone, the hub has.
        """
        self.will = None
        if self._is_known and not self.is_ending:
            self.hold()
            await self.pipeline.finish(longest_s)
            if self.version == V5:
                self.send(encode(Disconnect(Code.SERVER_SHUTTING_DOWN), V5))
            await self.part(PART_S)
        self.close()

    def close(self) -> None:
        super().close()
        self._timer.cancel()
        self._timer = self.loop.call_later(LINGER_S, self.abort)

    # --- packets ----------------------------------------------------------------------------------

    def do(self, packet: Packet) -> None:
        try:
            self._do(packet)
        except (Unauthorized, TooManyRequests) as error:  # the key is no longer good
            self.end(Code.NOT_AUTHORIZED, str(error))

    def _do(self, packet: Packet) -> None:
        if type(packet) is Publish and self._is_known:
            self._publish(packet)
        elif isinstance(packet, Connect) and not self._is_known:
            self._connect(packet)
        elif not self._is_known:
            raise MqttError(Code.PROTOCOL_ERROR, "the first packet must be CONNECT")
        else:
            self.access.refresh(self.loop.time())
            does = _DOES.get(type(packet))
            if does is None:
                name = type(packet).__name__.upper()
                raise MqttError(Code.PROTOCOL_ERROR, f"a client does not send {name} here")
            does(self, packet)

    def _connect(self, packet: Connect) -> None:
        self.version = packet.version
        self.explains = bool(packet.properties.get("request_problem_information", 1))
        self.client_id = packet.client_id[:100]
        try:
            self._admit(packet)
        except TooManyRequests as error:
            self.end(Code.RATE_EXCEEDED, str(error))
        except Unauthorized as error:
            self.broker.figures.refused += 1
            given = packet.password is not None
            self.end(Code.BAD_CREDENTIALS if given else Code.NOT_AUTHORIZED, str(error))
        except Forbidden as error:
            self.broker.figures.refused += 1
            self.end(Code.NOT_AUTHORIZED, str(error))

    def _admit(self, packet: Connect) -> None:
        self._check(packet)
        given = None if packet.password is None else packet.password.decode("ascii", "replace")
        peer = self.transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        self.access = Access(self.broker.gate, given, address, self.loop.time())
        if packet.will is not None:
            check_topic(packet.will.topic)
            self.access.publish(packet.will.topic)
        client_id = packet.client_id or self.broker.new_client_id()
        self.client_id = client_id[:100]
        self.will = packet.will
        self.most = packet.properties.get("maximum_packet_size", LARGEST_VARIABLE)
        self.window = min(WINDOW, packet.properties.get("receive_maximum", WINDOW))
        self.decoder.most = self.broker.most_bytes
        is_present = self.broker.enter(self, client_id, packet)
        self._is_known = True
        self._welcome(packet, client_id, is_present)
        self.session.resume(self)

    @staticmethod
    def _check(packet: Connect) -> None:
        if "authentication_method" in packet.properties:
            detail = "only a user name and a password are understood, no other authentication"
            raise MqttError(Code.BAD_AUTHENTICATION_METHOD, detail)
        if not packet.client_id and packet.version == V311 and not packet.clean:
            detail = "a session that is to be kept needs a client id"
            raise MqttError(Code.CLIENT_ID_NOT_VALID, detail)
        if len(packet.client_id) > 256:
            raise MqttError(Code.CLIENT_ID_NOT_VALID, "a client id has at most 256 characters")

    def _welcome(self, packet: Connect, client_id: str, is_present: bool) -> None:
        keep_alive = packet.keep_alive
        properties: dict[str, Any] = {}
        if self.version == V5:
            properties = {
                "receive_maximum": MOST,
                "maximum_packet_size": self.broker.most_bytes,
                "subscription_ids_available": 0,
            }
            if packet.properties.get("session_expiry", 0) > LONGEST_S:
                properties["session_expiry"] = LONGEST_S
            if not packet.client_id:
                properties["assigned_client_id"] = client_id
            if not 0 < keep_alive <= KEEP_ALIVE_S:
                keep_alive = properties["server_keep_alive"] = KEEP_ALIVE_S
        self.send(encode(Connack(is_present, 0, properties), self.version))
        self._timer.cancel()
        if keep_alive:
            self._silence_s = keep_alive * 1.5
            self._timer = self.loop.call_later(self._silence_s, self._look)

    def _publish(self, packet: Publish) -> None:
        self.broker.figures.received += 1
        self.access.refresh(self.loop.time())
        check_topic(packet.topic)
        if "topic_alias" in packet.properties:
            raise MqttError(Code.TOPIC_ALIAS_INVALID, "topic aliases are not used here")
        if packet.qos == 2 and len(self.session.incoming) >= MOST_UNRELEASED:
            detail = f"{MOST_UNRELEASED:,} messages of QoS 2 wait for their PUBREL"
            raise MqttError(Code.RECEIVE_MAXIMUM_EXCEEDED, detail)
        try:
            address = self.access.publish(packet.topic)
        except Forbidden as error:
            self.pipeline.add(Refused(self, packet, str(error)))
            return
        self.pipeline.add(Inbound(self, packet, address))

    def _ack(self, packet: Ack) -> None:
        if packet.kind == PUBACK:
            self.session.acknowledged(packet.id)
        elif packet.kind == PUBREL:
            known = packet.id in self.session.incoming
            self.session.incoming.pop(packet.id, None)
            code = Code.SUCCESS if known else Code.ID_NOT_FOUND
            self.send(encode(Ack(PUBCOMP, packet.id, code), self.version))
        else:
            raise MqttError(Code.PROTOCOL_ERROR, "nothing was sent to this client with QoS 2")

    def _subscribe(self, packet: Subscribe) -> None:
        if "subscription_identifier" in packet.properties:
            detail = "subscription identifiers are not used here"
            raise MqttError(Code.SUBSCRIPTION_IDS_NOT_SUPPORTED, detail)
        codes: list[int] = []
        greeted: list[Wanted] = []
        for wanted in packet.wanted:
            try:
                check_filter(wanted.filter)
                self.access.subscribe(shared_of(wanted.filter)[1])
                is_new = self.broker.subscribe(self.session, wanted)
                if wanted.retain_handling <= is_new:  # 0: always, 1: if new, 2: never
                    greeted.append(wanted)
                codes.append(min(wanted.qos, 1))
            except MqttError as error:
                codes.append(error.code)
            except Forbidden as error:
                log.info("mqtt.refused", client=self.client_id, reason=str(error))
                self.broker.figures.refused += 1
                codes.append(Code.NOT_AUTHORIZED)
        if self.version != V5:
            codes = [min(code, 0x80) for code in codes]
        self.send(encode(Granted(SUBACK, packet.id, tuple(codes)), self.version))
        for wanted in greeted:
            self.broker.send_retained(self.session, wanted)

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        done = [self.broker.unsubscribe(self.session, filter) for filter in packet.filters]
        codes = tuple(Code.SUCCESS if one else Code.NO_SUBSCRIPTION for one in done)
        answer = Granted(UNSUBACK, packet.id, codes if self.version == V5 else ())
        self.send(encode(answer, self.version))

    def _ping(self, packet: Ping) -> None:
        if packet.kind != PINGREQ:
            raise malformed("PINGRESP is for brokers to send")
        self.send(bytes((PINGRESP << 4, 0)))

    def _disconnect(self, packet: Disconnect) -> None:
        if packet.code != Code.DISCONNECT_WITH_WILL:
            self.will = None
        if "session_expiry" in packet.properties:
            if self.session.lasts_s == 0 and packet.properties["session_expiry"]:
                detail = "a session that was not to be kept cannot be kept after all"
                raise MqttError(Code.PROTOCOL_ERROR, detail)
            self.session.lasts_s = min(packet.properties["session_expiry"], LONGEST_S)
        self.close()


_DOES: dict[type, Callable[[Connection, Any], None]] = {
    Ack: Connection._ack,
    Subscribe: Connection._subscribe,
    Unsubscribe: Connection._unsubscribe,
    Ping: Connection._ping,
    Disconnect: Connection._disconnect,
}
