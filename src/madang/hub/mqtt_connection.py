"""A connection to an MQTT broker that only publishes: paho's protocol on the event loop.

Whoever publishes learns at once when the connection goes, instead of waiting for all of its time.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from madang.hub.hosts import Bounds

PROTOCOLS = {"mqtt3.1.1": MQTTProtocolVersion.MQTTv311, "mqtt5.0": MQTTProtocolVersion.MQTTv5}

KEEPALIVE_S = 30
TICK_S = 1.0  # between two looks after pings
CONNECT_S = 5.0
IN_FLIGHT = 200  # messages the broker may hold without having confirmed them

_Socket = socket.socket | ssl.SSLSocket | Any


class Account(NamedTuple):
    """What publishers must have in common to share a connection."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    version: str
    bounds: Bounds | None = None
    """Where the broker may be; None is anywhere."""


class ConnectionLost(OSError):
    """The broker is not there, does not want us, or went away."""


class _Client(Client):
    """Paho's client, which connects only to addresses within the bounds it is given."""

    bounds: Bounds | None = None

    def _create_socket_connection(self) -> socket.socket:
        if self.bounds is None:
            return super()._create_socket_connection()
        return self.bounds.connect(self._host, self._port, self._connect_timeout)


class Connection:
    """Connects once, when it is made; once it is lost it stays so."""

    def __init__(self, account: Account) -> None:
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._pending: dict[int, asyncio.Future[None]] = {}
        self._tick: asyncio.TimerHandle | None = None
        self.lost = False
        self.used = self._loop.time()
        self._client = self._new_client(account)
        self._connecting = self._loop.create_task(self._connect(account))

    def _new_client(self, account: Account) -> Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            protocol=PROTOCOLS[account.version],
            reconnect_on_failure=False,
        )
        client.bounds = account.bounds
        client.username_pw_set(account.user, account.password)
        if account.tls:
            client.tls_set_context(ssl.create_default_context())
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_socket_register_write
        client.on_socket_unregister_write = self._on_socket_unregister_write
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    async def _connect(self, account: Account) -> None:
        try:
            # Looking up the name, connecting and the TLS handshake block, so a thread does them.
            await self._loop.run_in_executor(
                None, self._client.connect, account.host, account.port, KEEPALIVE_S
            )
        except (OSError, ValueError) as error:
            self._lose(f"{error}")

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Return when the broker has the message, or with QoS 0 when it is on its way.

        Raises:
            ConnectionLost: there is no connection, or it went meanwhile.
        """
        self.used = self._loop.time()
        if not self._opened.done():
            await asyncio.shield(self._opened)
        if self.lost:
            raise ConnectionLost("the connection was lost")
        info = self._client.publish(topic, payload, qos)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE):
            raise ConnectionLost(f"the message could not be sent: {info.rc.name}")
        confirmed = self._pending[info.mid] = self._loop.create_future()
        try:
            await confirmed
        finally:
            self._pending.pop(info.mid, None)

    def close(self) -> None:
        """Say good-bye and close the socket."""
        self._lose("the connection was closed")
        self._say_goodbye()

    def _lose(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = True
        if self._tick is not None:
            self._tick.cancel()
        if not self._opened.done():
            self._opened.set_exception(ConnectionLost(reason))
            self._opened.exception()  # whoever waited may have given up already
        for confirmed in self._pending.values():
            if not confirmed.done():
                confirmed.set_exception(ConnectionLost(reason))
        self._loop.call_soon(self._say_goodbye)  # not now: paho's callbacks hold its lock

    def _say_goodbye(self) -> None:
        if self._client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._client.loop_write()  # paho closes the socket once the farewell is written

    # --- what paho tells; the first two may come from the connecting thread --------------------

    def _on_socket_open(self, client: Client, userdata: Any, sock: _Socket) -> None:
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _on_socket_register_write(self, client: Client, userdata: Any, sock: _Socket) -> None:
        self._loop.call_soon_threadsafe(self._watch_write, sock)

    def _watch(self, sock: _Socket) -> None:
        if self.lost:  # closed while the thread was still connecting
            self._say_goodbye()
        elif sock.fileno() >= 0:
            self._loop.add_reader(sock.fileno(), self._read, sock)
            self._tick = self._loop.call_later(TICK_S, self._look_after)

    def _read(self, sock: _Socket) -> None:
        self._client.loop_read()
        # TLS may have more at hand, of which the socket itself knows nothing.
        while isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending():
            self._client.loop_read()

    def _watch_write(self, sock: _Socket) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._client.loop_write)

    def _look_after(self) -> None:
        self._tick = self._loop.call_later(TICK_S, self._look_after)
        self._client.loop_misc()

    def _on_socket_close(self, client: Client, userdata: Any, sock: _Socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())

    def _on_socket_unregister_write(self, client: Client, userdata: Any, sock: _Socket) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock.fileno())

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._lose(f"the broker refused the connection: {reason}")
        elif not self._opened.done():
            self._opened.set_result(None)

    def _on_disconnect(
        self,
        client: Client,
        userdata: Any,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._lose(f"the connection was lost: {reason}")

    def _on_publish(
        self,
        client: Client,
        userdata: Any,
        mid: int,
        reason: ReasonCode,
        properties: Properties,
    ) -> None:
        confirmed = self._pending.get(mid)
        if confirmed is None or confirmed.done():
            return
        if reason.is_failure:
            confirmed.set_exception(ConnectionLost(f"the broker refused the message: {reason}"))
        else:
            confirmed.set_result(None)
