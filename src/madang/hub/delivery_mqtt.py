"""Notifications over MQTT: one connection for each broker, account and protocol version.

Source: ETSI GS CIM 009 clause 7.2 (MQTT notification binding).
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

import orjson

from madang.hub.endpoint import Endpoint, is_subscribers
from madang.hub.hosts import Bounds
from madang.hub.message import Message, SendFailed
from madang.hub.mqtt_connection import Account, Connection
from madang.model.context import link_header

IDLE_S = 300.0  # an unused connection is closed after this long


class MqttSender:
    """Publishes notifications, connecting and reconnecting as needed."""

    def __init__(self, timeout_s: float = 5.0, bounds: Bounds | None = None) -> None:
        self._timeout_s = timeout_s
        self._bounds = bounds or Bounds()
        self._connections: dict[Account, Connection] = {}
        self._tidying: asyncio.TimerHandle | None = None

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Publish one notification.

        Raises:
            SendFailed: the broker cannot be reached or does not confirm in time.
        """
        metadata = _metadata(endpoint, message.content_type, message.link, tenant)
        payload = b'{"metadata":' + metadata + b',"body":' + message.body + b"}"
        wait_s = endpoint.timeout or self._timeout_s
        try:
            async with asyncio.timeout(wait_s):
                await self._connection(endpoint).publish(endpoint.topic, payload, endpoint.qos)
        except TimeoutError as error:
            raise SendFailed(f"the MQTT broker did not confirm in {wait_s:g} s") from error
        except (OSError, ValueError) as error:
            raise SendFailed(f"MQTT: {error}") from error

    def _connection(self, endpoint: Endpoint) -> Connection:
        account = _account(endpoint, self._bounds)
        connection = self._connections.get(account)
        if connection is None or connection.lost:
            connection = self._connections[account] = Connection(account)
            if self._tidying is None:
                self._tidy_later()
        return connection

    def _tidy_later(self) -> None:
        self._tidying = asyncio.get_running_loop().call_later(IDLE_S, self._tidy)

    def _tidy(self) -> None:
        """Close connections that nobody uses any more."""
        before = asyncio.get_running_loop().time() - IDLE_S
        for account, connection in list(self._connections.items()):
            if connection.lost or connection.used <= before:
                connection.close()
                del self._connections[account]
        self._tidying = None
        if self._connections:
            self._tidy_later()

    async def close(self) -> None:
        """Disconnect from every broker."""
        if self._tidying is not None:
            self._tidying.cancel()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


@lru_cache(maxsize=4096)
def _account(endpoint: Endpoint, bounds: Bounds) -> Account:
    return Account(
        endpoint.host,
        endpoint.port,
        endpoint.scheme == "mqtts",
        endpoint.user,
        endpoint.password,
        endpoint.mqtt_version,
        None if endpoint.inside else bounds,
    )


@lru_cache(maxsize=4096)
def _metadata(endpoint: Endpoint, content_type: str, link: str | None, tenant: str) -> bytes:
    metadata = {"Content-Type": content_type}
    if link is not None:
        metadata["Link"] = link_header(link)
    if tenant:
        metadata["NGSILD-Tenant"] = tenant
    metadata.update(pair for pair in endpoint.receiver_info if is_subscribers(pair[0]))
    return orjson.dumps(metadata)
