"""Notifications over the city's own NATS: a message for each entity, in a stream that keeps a day.

The binding is Madang's own, since the standard has none: the body is the notification as over HTTP,
and its headers are those of clause 6.3.8. A notification of several entities becomes as many
messages, so that programs can share them by entity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from madang.bus.notifications import Told, TooLarge
from madang.bus.stream import StreamAway
from madang.hub.delivery_http import headers
from madang.hub.endpoint import Endpoint
from madang.hub.hosts import Bounds, out_of_bounds
from madang.hub.message import Message, Refused, SendFailed

if TYPE_CHECKING:
    from madang.bus.nats import Bus


class NatsSender:
    """Puts notifications on the stream of their tenant.

    Args:
        bus: the connection to NATS.
        timeout_s: how long it may take to say that it has one. [s]
        bounds: whether others than administrators may have it notified.
    """

    def __init__(self, bus: Bus, timeout_s: float, bounds: Bounds) -> None:
        self._bus = bus
        self._timeout_s = timeout_s
        self._bounds = bounds

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Put one notification there.

        Raises:
            Refused: it tells of an entity that no message can hold.
            SendFailed: NATS is away, or does not say in time that it has all of it.
        """
        if not endpoint.inside and not self._bounds.trusts(endpoint.host):
            raise SendFailed(out_of_bounds(endpoint.host))
        notification = orjson.loads(message.body)
        try:
            await self._bus.notifications(tenant).put(
                notification["subscriptionId"],
                notification["id"],
                _by_entity(notification, message.body),
                headers(endpoint, message.content_type, message.link, tenant),
                endpoint.timeout or self._timeout_s,
            )
        except TooLarge as error:
            raise Refused(str(error)) from error
        except StreamAway as error:
            raise SendFailed(f"NATS: {error}") from error

    async def close(self) -> None:
        """Nothing: the connection is the bus's own."""


def _by_entity(notification: dict[str, Any], body: bytes) -> list[Told]:
    """Return a notification for each of its entities, or the one that there is as it is."""
    data = notification["data"]
    entities = data if isinstance(data, list) else data["features"]
    if len(entities) == 1:
        return [Told(entities[0]["id"], body)]
    return [
        Told(entity["id"], orjson.dumps({**notification, "data": _alone(data, entity)}))
        for entity in entities
    ]


def _alone(data: Any, entity: dict[str, Any]) -> Any:
    return [entity] if isinstance(data, list) else {**data, "features": [entity]}
