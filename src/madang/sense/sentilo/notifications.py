"""Notifications as subscribers of Sentilo know them: one request for each observation or order.

Source: Sentilo 2.0, API documentation, service "subscription".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from madang.hub.endpoint import Endpoint
from madang.hub.message import Message
from madang.model import time
from madang.sense.sentilo import moments
from madang.sense.sentilo.events import ALARM, ORDER, sender_of

BODY = "Body"
"""Key in the notifierInfo of a subscription: in whose form its notifications are."""
TOPIC = "Topic"
"""Key in the notifierInfo: what the client subscribed to."""
_KINDS = frozenset({"data", "order", "alarm"})
_NO_VALUES = frozenset({"location", "refDevice", "dataProvider"})


def bodies(message: Message, endpoint: Endpoint) -> list[bytes]:
    """Return the bodies that tell a subscriber what a notification of the hub tells."""
    topic = dict(endpoint.notifier_info).get(TOPIC, "")
    return [
        orjson.dumps(told)
        for entity in orjson.loads(message.body)["data"]
        for told in _told(entity, topic)
    ]


def _told(entity: dict[str, Any], topic: str) -> Iterator[dict[str, Any]]:
    own = entity["id"].rpartition(":")[2].partition(".")
    kind, *names = topic.removeprefix("/").split("/")
    if kind not in _KINDS or not all(names):  # anybody may choose this form, with any topic
        kind, names = "data", [own[0]]
    for name, attribute in entity.items():
        if name in _NO_VALUES or not isinstance(attribute, dict) or "value" not in attribute:
            continue
        if "observedAt" not in attribute or (name in (ORDER, ALARM)) is (kind == "data"):
            continue
        at = time.parse(attribute["observedAt"])
        told: dict[str, Any] = {
            "message": _text(attribute["value"]),
            "timestamp": moments.render(at),
            "topic": topic,
            "type": kind.upper(),
            "time": at // 1000,
            "publishedAt": at // 1000,
            "publisherTenant": "",
            "tenant": "",
        }
        if kind == "alarm":
            told |= {"alert": names[0] if names else own[0], "alertType": "EXTERNAL"}
        else:
            sensor = names[1] if len(names) > 1 else own[2]
            told |= {"provider": names[0] if names else own[0], "sensor": sensor}
        sender = sender_of(attribute) or (names[0] if names else "")
        told |= {"publisher": sender, "sender": sender}
        place = _place(entity.get("location"), attribute["observedAt"])
        if kind == "data" and place is not None:
            told["location"] = moments.place(place)
        yield told


def _place(location: Any, observed: str) -> Any:
    """Return the coordinates of the point where a value was observed, if that is told."""
    if not isinstance(location, dict) or location.get("observedAt") != observed:
        return None
    place = location.get("value")
    if not isinstance(place, dict) or place.get("type") != "Point":
        return None
    return place["coordinates"]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
