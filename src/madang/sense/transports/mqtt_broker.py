"""The embedded MQTT broker: its connections and sessions, and who gets which message.

What devices publish goes into the hub, and is acknowledged when it is durable there (see
:mod:`madang.sense.transports.mqtt_inbound`); then it goes to subscribers as well.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from typing import TYPE_CHECKING

import structlog

from madang.model.errors import MadangError, NgsiError, Overloaded, TooManyRequests
from madang.sense.transports.mqtt_connection import Connection
from madang.sense.transports.mqtt_inbound import message_of
from madang.sense.transports.mqtt_packets import V5, Connect, Publish, Wanted, Will
from madang.sense.transports.mqtt_pipeline import Load
from madang.sense.transports.mqtt_relay import Relayed, Retained
from madang.sense.transports.mqtt_sessions import (
    LONGEST_S,
    MOST_SUBSCRIPTIONS,
    Figures,
    Session,
)
from madang.sense.transports.mqtt_subscriptions import Receiver, Subscriptions
from madang.sense.transports.mqtt_topics import SHARE, check_topic
from madang.sense.transports.mqtt_wire import NONE, Code, MqttError

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.sense.transports.mqtt_access import Access, Address, Judge
    from madang.sense.transports.mqtt_inbound import Takes
    from madang.settings import Settings
    from madang.trust.principal import Principal

log = structlog.get_logger("madang.mqtt")

MOST_CONNECTIONS = 20_000
MOST_SESSIONS = 50_000
"""Of clients that are connected or asked for theirs to be kept."""
MOST_OF_DEVICE = 8
"""Sessions of the key of one device; beyond, its oldest one without a connection is forgotten."""
BACKLOG = 4_096
DRAIN_S = 10.0
"""How long messages under way have to end when the broker stops."""


class Broker:
    """Listens, and relays between its clients.

    Args:
        settings: where to listen, with which certificate, and how long a packet may be.
        gate: says who has a key and who may do what.
        intake: takes what devices publish.
        hub: its default tenant keeps the retained messages.
    """

    def __init__(self, settings: Settings, gate: Judge, intake: Takes, hub: Hub) -> None:
        self.gate = gate
        self.intake = intake
        self.figures = Figures()
        self.load = Load()
        self.most_bytes = settings.mqtt_max_packet_bytes
        self.retained: Retained
        """Taken up when the broker starts."""
        self._settings = settings
        self._hub = hub
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._sessions: dict[tuple[str, str], Session] = {}
        self._of_devices: dict[str, list[Session]] = {}
        """Those of devices, the oldest first, by the id of the principal."""
        self._subscriptions = Subscriptions()
        self._wills: set[asyncio.Task[None]] = set()

    # --- start and end ------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what is retained, and listen: with a certificate for MQTT over TLS only.

        Raises:
            MadangError: the port cannot be used; the text says what to do.
        """
        self.retained = Retained(await self._hub.tenant("", create=True))
        await self.retained.start()
        settings = self._settings
        context = None
        port, name = settings.mqtt_port, "mqtt_port"
        if settings.tls_certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
            port, name = settings.mqtt_tls_port, "mqtt_tls_port"
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), settings.host, port, ssl=context, backlog=BACKLOG
            )
        except OSError as error:
            raise MadangError(
                f"cannot listen for MQTT on {settings.host}:{port} ({error.strerror}); choose"
                f" another with the setting {name}, switch the broker off with mqtt_broker = false,"
                " or stop what uses the port"
            ) from error
        log.info("mqtt.listening", port=self.port, tls=context is not None)

    @property
    def is_listening(self) -> bool:
        """Whether devices can connect."""
        return self._server is not None

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        assert self._server is not None, "the broker has not been started"
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Take no more, finish and acknowledge what is under way, and say good-bye."""
        if self._server is None:
            return
        self._server.close()
        for session in self._sessions.values():
            _cancel(session)
        ending = [asyncio.ensure_future(one.stop(DRAIN_S)) for one in self._connections]
        if ending:
            await asyncio.wait(ending)
        if self._wills:
            await asyncio.wait(self._wills, timeout=DRAIN_S)
        for connection in [*self._connections]:
            connection.abort()
        await asyncio.sleep(0)
        for session in self._sessions.values():
            _cancel(session)
        self._server = None

    # --- connections and sessions -------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Take note of a connection, or end it if there are too many."""
        self._connections.add(connection)
        self.figures.connections = len(self._connections)
        if len(self._connections) > MOST_CONNECTIONS:
            detail = f"the broker has {MOST_CONNECTIONS:,} connections, which is all it takes"
            connection.end(Code.SERVER_UNAVAILABLE, detail)

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.figures.connections = len(self._connections)

    def enter(self, connection: Connection, client_id: str, packet: Connect) -> bool:
        """Give a connection its session; return whether there was one already.

        Raises:
            MqttError: there are too many sessions.
        """
        key = (connection.access.principal.id, client_id)
        session = self._sessions.get(key)
        if session is not None:
            if isinstance(session.peer, Connection):
                older = session.peer
                self.leave(older)
                older.end(Code.SESSION_TAKEN_OVER, "the same client has connected again")
            _cancel(session)
            session = self._sessions.get(key)  # unless it was not to be kept
        if session is not None and packet.clean:
            self._forget(session)
            session = None
        is_present = session is not None
        if session is None:
            if len(self._sessions) >= MOST_SESSIONS:
                detail = f"the broker has {MOST_SESSIONS:,} sessions, which is all it takes"
                raise MqttError(Code.QUOTA_EXCEEDED, detail)
            own = self._room_of(connection.access.principal)
            session = self._sessions[key] = Session(key, self.figures)
            own.append(session)
        session.lasts_s = _lasts_s(packet)
        session.reads = connection.access.reads
        connection.session = session
        self.figures.sessions = len(self._sessions)
        return is_present

    def _room_of(self, principal: Principal) -> list[Session]:
        """Return the sessions of a device, with room for one more.

        Raises:
            MqttError: it has too many connections.
        """
        if principal.kind != "device":
            return []
        own = self._of_devices.get(principal.id, [])
        if len(own) >= MOST_OF_DEVICE:
            idle = next((session for session in own if session.peer is None), None)
            if idle is None:
                detail = f"the key of a device may have {MOST_OF_DEVICE} connections at a time"
                raise MqttError(Code.QUOTA_EXCEEDED, detail)
            if idle.timer is not None:
                idle.timer.cancel()
            self._forget(idle)
        return self._of_devices.setdefault(principal.id, [])

    def leave(self, connection: Connection) -> None:
        """Keep or forget the session of a connection that is gone, and publish its will."""
        session = connection.session
        if session.peer is not connection:
            return
        session.peer = None
        will, connection.will = connection.will, None
        loop = asyncio.get_running_loop()
        if will is not None:
            delay_s = min(will.properties.get("will_delay", 0), session.lasts_s)
            args = (connection.access, will)
            if delay_s and self._server is not None:
                session.will_timer = loop.call_later(delay_s, self._send_will, *args)
            else:
                self._send_will(*args)
        if session.lasts_s <= 0:
            self._forget(session)
        else:
            session.timer = loop.call_later(session.lasts_s, self._forget, session)

    def _forget(self, session: Session) -> None:
        """End a session: its subscriptions and what waits for it are gone."""
        for filter in session.subscriptions:
            self._subscriptions.remove(session, filter)
        session.subscriptions.clear()
        for share, message in session.clear():
            if (instead := self._subscriptions.again(share, message)) is not None:
                _give(message, instead)
        session.timer = None
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        own = self._of_devices.get(session.key[0], [])
        if session in own:
            own.remove(session)
            if not own:
                del self._of_devices[session.key[0]]
        self.figures.sessions = len(self._sessions)

    def new_client_id(self) -> str:
        """Return an id for a client that brings none."""
        return f"madang-{secrets.token_hex(8)}"

    # --- wills --------------------------------------------------------------------------------

    def _send_will(self, access: Access, will: Will) -> None:
        task = asyncio.get_running_loop().create_task(self._publish_will(access, will))
        self._wills.add(task)
        task.add_done_callback(self._wills.discard)

    async def _publish_will(self, access: Access, will: Will) -> None:
        """Publish a will as its client would have done."""
        try:
            access.refresh(asyncio.get_running_loop().time())
            address = access.publish(will.topic)
            if address.is_up and will.payload:
                await self._take(access, address, will)
        except NgsiError as error:
            log.warning("mqtt.will_refused", topic=will.topic, reason=str(error))
            return
        message = Relayed.of(will)
        if will.retain:
            await self.keep(message)
        self.relay(message, None)

    async def _take(self, access: Access, address: Address, will: Will) -> None:
        message = message_of(will, access, address, self.tell)
        while True:
            try:
                await self.intake.take(message)
                return
            except (TooManyRequests, Overloaded) as error:
                await asyncio.sleep(getattr(error, "retry_after_s", 1))

    # --- messages to subscribers --------------------------------------------------------------

    def subscribe(self, session: Session, wanted: Wanted) -> bool:
        """Add a subscription; return whether the client did not have it already.

        Raises:
            MqttError: the client has too many.
        """
        is_new = wanted.filter not in session.subscriptions
        if is_new and len(session.subscriptions) >= MOST_SUBSCRIPTIONS:
            detail = f"a client may have {MOST_SUBSCRIPTIONS:,} subscriptions"
            raise MqttError(Code.QUOTA_EXCEEDED, detail)
        session.subscriptions[wanted.filter] = wanted
        self._subscriptions.add(session, wanted)
        return is_new

    def unsubscribe(self, session: Session, filter: str) -> bool:
        """Remove a subscription; return whether there was one."""
        if session.subscriptions.pop(filter, None) is None:
            return False
        self._subscriptions.remove(session, filter)
        return True

    def send_retained(self, session: Session, wanted: Wanted) -> None:
        """Send the retained messages that a new subscription gets; one that is shared gets none."""
        if wanted.filter.startswith(SHARE):
            return
        for message in self.retained.matching(wanted.filter):
            session.offer(message, min(wanted.qos, message.qos, 1), True)

    def relay(self, message: Relayed, sender: Session | None) -> None:
        """Give a message to all who have subscribed to it."""
        for receiver in self._subscriptions.receivers(message, sender):
            _give(message, receiver)

    async def keep(self, message: Relayed) -> None:
        """Retain a message; return when that is durable."""
        if not await self.retained.keep(message):
            log.warning("mqtt.not_retained", topic=message.topic, retained=len(self.retained))
        self.figures.retained = len(self.retained)

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish a message of the hub itself to who is there now: QoS 0, not retained."""
        self.relay(Relayed(topic, payload), None)

    def is_heard(self, topic: str) -> bool:
        """Tell whether somebody is connected who would get a message to a topic."""
        return self._subscriptions.is_heard(topic)

    async def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 1,
        retain: bool = False,
        expires_s: int | None = None,
    ) -> None:
        """Publish a message of the hub itself, such as a command; it is not taken in.

        Args:
            topic: where to.
            payload: of the message.
            qos: 0 or 1.
            retain: keep it for those who come later.
            expires_s: after which nobody wants it any more. [s]

        Raises:
            MqttError: the topic cannot be published to.
        """
        check_topic(topic)
        properties = NONE if expires_s is None else {"message_expiry": expires_s}
        message = Relayed.of(Publish(topic, payload, qos, retain, properties=properties))
        if retain:
            await self.keep(message)
        self.relay(message, None)


def _give(message: Relayed, to: Receiver) -> None:
    retain = message.retain and to.wanted.as_published
    to.session.offer(message, min(to.wanted.qos, message.qos, 1), retain, to.share)


def _cancel(session: Session) -> None:
    """Let neither the end of a session nor its will come: its client is back."""
    for timer in (session.timer, session.will_timer):
        if timer is not None:
            timer.cancel()
    session.timer = session.will_timer = None


def _lasts_s(packet: Connect) -> float:
    """Return how long the session is to be kept without a connection."""
    if packet.version == V5:
        return float(min(packet.properties.get("session_expiry", 0), LONGEST_S))
    return 0.0 if packet.clean else float(LONGEST_S)
