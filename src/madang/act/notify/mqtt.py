"""Notices to MQTT brokers: one message at QoS 1, in the form of NGSI-LD notifications."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from madang.act.notify.channels import Mqtt
from madang.act.notify.contacts import Person
from madang.act.notify.message import Message
from madang.hub.delivery_mqtt import MqttSender
from madang.hub.endpoint import parse, permitted
from madang.hub.hosts import Bounds
from madang.hub.message import Message as Packed
from madang.hub.message import Refused

TIMEOUT_S = 15.0


class Brokers:
    """Publishes notices.

    Args:
        bounds: where brokers may lie that no administrator has named.
        allowed: hosts that the settings let be notified at all: patterns, or ``*``.
    """

    def __init__(self, bounds: Bounds, allowed: Sequence[str] = ("*",)) -> None:
        self._allowed = allowed
        self._sender = MqttSender(TIMEOUT_S, bounds)

    async def send(self, channel: Mqtt, message: Message, person: Person) -> None:
        """Publish one message; see :class:`madang.act.notify.message.Sender`."""
        quality = [{"key": "MQTT-QoS", "value": "1"}]
        endpoint = parse({"uri": channel.url, "notifierInfo": quality}, channel.inside)
        if not permitted(endpoint, self._allowed):
            host = endpoint.host
            raise Refused(f"this hub does not notify {host}; the setting notify_hosts names others")
        body = orjson.dumps(message.document())
        await self._sender.send(endpoint, Packed("application/json", None, body), message.tenant)

    async def close(self) -> None:
        """Disconnect."""
        await self._sender.close()
