"""A message on its way to subscribers, and the retained messages."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.sense.transports import mqtt_wire as wire
from madang.sense.transports.mqtt_access import address_of
from madang.sense.transports.mqtt_packets import V5, Publish, Will, publish_parts
from madang.sense.transports.mqtt_topics import matches
from madang.sense.transports.mqtt_wire import NONE, Properties

if TYPE_CHECKING:
    from collections.abc import Iterator

    from madang.hub.tenant import Tenant

_PASSED_ON = ("payload_format", "content_type", "response_topic", "correlation_data",
              "user_properties")  # fmt: skip


class Relayed:
    """A message for any number of subscribers, of either version."""

    __slots__ = ("_parts", "expires", "payload", "properties", "qos", "retain", "size", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        retain: bool = False,
        properties: Properties = NONE,
        expires: float | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.properties = properties
        self.expires = expires
        """When nobody wants it any more. [s since 1970]"""
        self.size = len(topic) + len(payload) + 200  # as it weighs in queues, about
        self._parts: dict[tuple[int, int, bool], tuple[bytes, bytes]] = {}

    @classmethod
    def of(cls, packet: Publish | Will) -> Relayed:
        """Return a message as it was published."""
        properties = packet.properties
        if not properties:
            return cls(packet.topic, packet.payload, packet.qos, packet.retain)
        lasts = properties.get("message_expiry")
        kept = {name: properties[name] for name in _PASSED_ON if name in properties}
        expires = None if lasts is None else time.time() + lasts
        return cls(packet.topic, packet.payload, packet.qos, packet.retain, kept, expires)

    @property
    def is_over(self) -> bool:
        return self.expires is not None and self.expires <= time.time()

    def wire(self, version: int, qos: int, retain: bool, id: int, dup: bool = False) -> bytes:
        """Return the PUBLISH for one subscriber."""
        if dup or self.expires is not None:
            before, after = self._made(version, qos, retain, dup)
        else:
            found = self._parts.get((version, qos, retain))
            if found is None:
                found = self._parts[version, qos, retain] = self._made(version, qos, retain, False)
            before, after = found
        return before + (wire.number(id, 2) if qos else b"") + after

    def _made(self, version: int, qos: int, retain: bool, dup: bool) -> tuple[bytes, bytes]:
        properties = self.properties if version == V5 else NONE
        if version == V5 and self.expires is not None:
            left = max(0, round(self.expires - time.time()))
            properties = {**properties, "message_expiry": left}
        packet = Publish(self.topic, self.payload, qos, retain, dup, 0, properties)
        return publish_parts(packet, version)


PREFIX: Final = "mqtt-retained:"
MOST = 10_000
"""Topics that may have a retained message."""
MOST_BYTES = 32 * 1024 * 1024
MOST_OF_DEVICE = 32
"""Topics of one device that may have one."""


class Retained:
    """The last message of each topic that was published to be kept; durable.

    In memory, and as items of the default tenant's store.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._messages: dict[str, Relayed] = {}
        self._of_devices: Counter[tuple[str, str]] = Counter()
        """How many are of each device, by tenant and name."""
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    async def start(self) -> None:
        """Take up what was kept."""
        for id, body in await self._tenant.store.items("sense"):
            if not id.startswith(PREFIX):
                continue
            message = _restored(id.removeprefix(PREFIX), orjson.loads(body))
            if message.is_over:
                await self._tenant.writer.keep("sense", id, None)
            else:
                self._put(message)

    async def keep(self, message: Relayed) -> bool:
        """Keep a message, or with an empty one forget what was kept; return when that is durable.

        Returns:
            Whether there was room for it.
        """
        known = self._messages.get(message.topic)
        if not message.payload:
            if known is not None:
                self._drop(known)
                await self._tenant.writer.keep("sense", PREFIX + message.topic, None)
            return True
        owner = address_of(message.topic)[:2]
        is_full = len(self._messages) >= MOST or self._of_devices[owner] >= MOST_OF_DEVICE
        if known is None and is_full:
            return False
        if self.bytes + message.size - (known.size if known else 0) > MOST_BYTES:
            return False
        self._put(message)
        await self._tenant.writer.keep("sense", PREFIX + message.topic, _kept(message))
        return True

    def _put(self, message: Relayed) -> None:
        known = self._messages.get(message.topic)
        if known is not None:
            self._drop(known)
        self._messages[message.topic] = message
        self.bytes += message.size
        self._count(message, 1)

    def _drop(self, message: Relayed) -> None:
        del self._messages[message.topic]
        self.bytes -= message.size
        self._count(message, -1)

    def _count(self, message: Relayed, by: int) -> None:
        tenant, device, *_ = address_of(message.topic)
        if device:
            self._of_devices[tenant, device] += by
            if not self._of_devices[tenant, device]:
                del self._of_devices[tenant, device]

    def matching(self, filter: str) -> Iterator[Relayed]:
        """Yield what a new subscription gets."""
        if "+" not in filter and "#" not in filter:
            found = [self._messages[filter]] if filter in self._messages else []
        else:
            found = [one for one in self._messages.values() if matches(filter, one.topic)]
        yield from (one for one in found if not one.is_over)


def _kept(message: Relayed) -> bytes:
    properties: dict[str, Any] = dict(message.properties)
    if "correlation_data" in properties:
        properties["correlation_data"] = b64encode(properties["correlation_data"]).decode()
    body = {"payload": b64encode(message.payload).decode(), "qos": message.qos}
    if properties:
        body["properties"] = properties
    if message.expires is not None:
        body["expires"] = message.expires
    return orjson.dumps(body)


def _restored(topic: str, body: dict[str, Any]) -> Relayed:
    properties: dict[str, Any] = body.get("properties", {})
    if "correlation_data" in properties:
        properties["correlation_data"] = b64decode(properties["correlation_data"])
    payload = b64decode(body["payload"])
    return Relayed(topic, payload, body["qos"], True, properties or NONE, body.get("expires"))
