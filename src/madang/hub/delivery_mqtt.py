"""Notifications over MQTT: one connection for each broker, account and protocol version.

Source: ETSI GS CIM 009 clause 7.2 (MQTT notification binding).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from functools import lru_cache
from typing import NamedTuple

import aiomqtt
import orjson

from madang.hub.endpoint import Endpoint
from madang.hub.message import Message, SendFailed
from madang.model.context import link_header

_PROTOCOLS = {"mqtt3.1.1": aiomqtt.ProtocolVersion.V311, "mqtt5.0": aiomqtt.ProtocolVersion.V5}
_KEEPALIVE_S = 30
_IN_FLIGHT = 200  # unacknowledged messages the broker may hold for us
_IDLE_S = 300.0  # an unused connection is closed after this long
_ABANDON_S = 0.1  # for the last words to a broker that has not answered

# The library warns of every ten waiting acknowledgements; many subscribers are no fault.
_quiet = logging.getLogger("madang.mqtt.client")
_quiet.setLevel(logging.CRITICAL)


class _Account(NamedTuple):
    """What subscriptions must have in common to share a connection."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    version: str


class MqttSender:
    """Publishes notifications, connecting and reconnecting as needed."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._connections: dict[_Account, _Connection] = {}

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Publish one notification.

        Raises:
            SendFailed: the broker cannot be reached or does not confirm in time.
        """
        account = _Account(
            endpoint.host,
            endpoint.port,
            endpoint.scheme == "mqtts",
            endpoint.user,
            endpoint.password,
            endpoint.mqtt_version,
        )
        connection = self._connections.get(account)
        if connection is None:
            connection = self._connections[account] = _Connection(account)
        wait_s = endpoint.timeout or self._timeout_s
        metadata = _metadata(endpoint, message.content_type, message.link, tenant)
        payload = b'{"metadata":' + metadata + b',"body":' + message.body + b"}"
        try:
            async with asyncio.timeout(wait_s):
                await connection.publish(endpoint.topic, payload, endpoint.qos)
        except TimeoutError as error:
            raise SendFailed(f"the MQTT broker did not confirm in {wait_s:g} s") from error
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise SendFailed(f"MQTT: {error}") from error

    async def close(self) -> None:
        """Disconnect from every broker."""
        connections, self._connections = list(self._connections.values()), {}
        await asyncio.gather(*(connection.close() for connection in connections))


class _Connection:
    """One connection, kept by a task for as long as it works and is used."""

    def __init__(self, account: _Account) -> None:
        self._account = account
        self._task: asyncio.Task[None] | None = None
        self._client: asyncio.Future[aiomqtt.Client] | None = None
        self._lost: asyncio.Future[None] | None = None
        self._used = 0.0

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        loop = asyncio.get_running_loop()
        self._used = loop.time()
        if self._client is None or self._lost is None:
            self._client, self._lost = loop.create_future(), loop.create_future()
            self._task = loop.create_task(self._keep(self._client, self._lost))
        client = await asyncio.shield(self._client)
        # When the connection goes, the library lets publishers wait for all their time.
        sending = loop.create_task(client.publish(topic, payload, qos))
        try:
            await asyncio.wait((sending, self._lost), return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise aiomqtt.MqttError("the connection was lost")
            await sending
        finally:
            sending.cancel()

    async def _keep(
        self, opened: asyncio.Future[aiomqtt.Client], lost: asyncio.Future[None]
    ) -> None:
        client = self._new_client()
        try:
            async with client:
                opened.set_result(client)
                await self._until_lost_or_idle(client)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            if not opened.done():
                opened.set_exception(error)
        finally:
            if not opened.done():
                opened.set_exception(aiomqtt.MqttError("the connection was closed"))
            lost.set_result(None)
            self._client = self._lost = None
            if opened.exception() is not None:  # asked here because nobody else may
                await _abandon(client)

    def _new_client(self) -> aiomqtt.Client:
        account = self._account
        client = aiomqtt.Client(
            account.host,
            account.port,
            username=account.user,
            password=account.password,
            protocol=_PROTOCOLS[account.version],
            tls_context=ssl.create_default_context() if account.tls else None,
            keepalive=_KEEPALIVE_S,
            max_inflight_messages=_IN_FLIGHT,
            logger=_quiet,
        )
        client.pending_calls_threshold = _IN_FLIGHT
        return client

    async def _until_lost_or_idle(self, client: aiomqtt.Client) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._used + _IDLE_S - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    # Nothing is subscribed to: this only ends by raising, when the broker goes.
                    async for _ in client.messages:
                        continue

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


async def _abandon(client: aiomqtt.Client) -> None:
    """Close a connection that the broker never acknowledged; the library leaves it open."""
    with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
        async with asyncio.timeout(_ABANDON_S):
            await client.__aexit__(None, None, None)


@lru_cache(maxsize=4096)
def _metadata(endpoint: Endpoint, content_type: str, link: str | None, tenant: str) -> bytes:
    metadata = {"Content-Type": content_type}
    if link is not None:
        metadata["Link"] = link_header(link)
    if tenant:
        metadata["NGSILD-Tenant"] = tenant
    metadata.update(endpoint.receiver_info)
    return orjson.dumps(metadata)
