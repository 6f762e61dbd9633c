"""Where notifications go: the ``endpoint`` of a subscription, checked and taken apart.

Source: ETSI GS CIM 009 clauses 5.2.15 (Endpoint), 5.2.22 (KeyValuePair), 6.3.8 and 7.2 (HTTP and
MQTT notification bindings).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from madang.hub.hosts import Bounds, is_named, out_of_bounds
from madang.model.errors import BadRequestData, Forbidden
from madang.model.names import shown

Accept = Literal["application/json", "application/ld+json", "application/geo+json"]

_ACCEPTED: dict[str, Accept] = {
    "application/json": "application/json",
    "application/ld+json": "application/ld+json",
    "application/geo+json": "application/geo+json",
}
_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
BUS = "nats:bus"
"""The servers of NATS by which several hubs share a city; it is its own name as a host."""
LONGEST_ID = 250
"""Characters of a subscription to it, whose id is a part of a line of NATS's protocol: of 4,096 at
most, with up to twelve for a character."""
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# These say how the message is framed, so a subscriber cannot set them.
_OWN_HEADERS = frozenset(
    ("connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding")
)
# These say who sends what for whom, so they are the hub's to say.
_HUB_HEADERS = frozenset({
    "content-encoding", "expect", "forwarded", "keep-alive", "link", "ngsild-tenant",
    "proxy-authorization", "proxy-connection", "upgrade", "via", "x-forwarded-for",
    "x-forwarded-host",
})  # fmt: skip
_ORDERS = "nats-"  # what NATS does with a message, such as to remove all that were before it
_QOS: dict[str, Literal[0, 1, 2]] = {"0": 0, "1": 1, "2": 2}
_MQTT_VERSIONS = ("mqtt3.1.1", "mqtt5.0")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked endpoint."""

    uri: str
    scheme: str
    host: str
    port: int
    accept: Accept = "application/json"
    receiver_info: tuple[tuple[str, str], ...] = ()
    notifier_info: tuple[tuple[str, str], ...] = ()
    timeout: float | None = None  # [s]
    cooldown: float = 0.0  # [s]
    user: str | None = None
    password: str | None = None
    topic: str = ""
    qos: Literal[0, 1, 2] = 0
    mqtt_version: str = "mqtt5.0"
    inside: bool = True
    """Whether it may lie inside the city's own network: the hub itself or an administrator named
    it. Elsewhere :class:`madang.hub.hosts.Bounds` hold."""

    @property
    def context_in_header(self) -> bool:
        """Whether a GeoJSON notification names its @context in the Link header (clause 6.3.8)."""
        pairs = (*self.receiver_info, *self.notifier_info)
        return any(
            key.lower() == "prefer" and value.replace(" ", "") == "body=json"
            for key, value in pairs
        )


def parse(given: Any, inside: bool = True) -> Endpoint:
    """Return the endpoint that a subscription names.

    Args:
        given: its JSON.
        inside: see :class:`Endpoint`.

    Raises:
        BadRequestData: it is not well-formed.
    """
    if not isinstance(given, dict):
        raise BadRequestData("notification.endpoint must be an object with a uri")
    parts = _address(given.get("uri"))
    receiver = _pairs(given, "receiverInfo")
    notifier = _pairs(given, "notifierInfo")
    _check_headers(receiver)
    mqtt = parts.scheme.startswith("mqtt")
    settings = {key.lower(): value for key, value in notifier}
    return Endpoint(
        uri=given["uri"],
        scheme=parts.scheme,
        host=parts.hostname or BUS,
        port=parts.port or _PORTS.get(parts.scheme, 0),
        accept=_accept(given.get("accept", "application/json")),
        receiver_info=receiver,
        notifier_info=notifier,
        timeout=_milliseconds(given, "timeout"),
        cooldown=_milliseconds(given, "cooldown") or 0.0,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        topic=_topic(parts) if mqtt else "",
        qos=_qos(settings.get("mqtt-qos", "0")) if mqtt else 0,
        mqtt_version=_version(settings.get("mqtt-version", "mqtt5.0")) if mqtt else "mqtt5.0",
        inside=inside,
    )


def permitted(endpoint: Endpoint, allowed: Sequence[str]) -> bool:
    """Return whether notifications may go there.

    ``allowed`` holds patterns of :func:`madang.hub.hosts.is_named`, or ``*`` for every host.
    """
    return "*" in allowed or is_named(endpoint.host, tuple(allowed))


def check(
    endpoint: Endpoint,
    subscription: str,
    allowed: Sequence[str],
    bounds: Bounds,
    schemes: Collection[str],
) -> None:
    """Check what is asked of an endpoint that somebody names now, beyond its form.

    Args:
        endpoint: it.
        subscription: id of the one that it is of.
        allowed: see :func:`permitted`.
        bounds: where it may be, if who names it must not have all hosts notified.
        schemes: what this hub can send by.

    Raises:
        BadRequestData: its host is not notified, its subscription's id is too long for the bus, or
            its headers are not a subscriber's to set.
        Forbidden: it lies inside, and who names it may not have that notified.
    """
    if endpoint.scheme not in schemes:
        raise BadRequestData(
            f"notification.endpoint.uri: {endpoint.uri} is for hubs that have the setting bus"
        )
    if endpoint.uri == BUS and len(subscription) > LONGEST_ID:
        raise BadRequestData(
            f"the id of a subscription to {BUS} may have {LONGEST_ID} characters at most"
        )
    if not permitted(endpoint, allowed):
        raise BadRequestData(f"notification.endpoint.uri: this hub does not notify {endpoint.host}")
    admits = bounds.trusts if endpoint.uri == BUS else bounds.admits
    if not endpoint.inside and not admits(endpoint.host):
        raise Forbidden(f"notification.endpoint.uri: {out_of_bounds(endpoint.host)}")
    for key, _ in endpoint.receiver_info:
        if not is_subscribers(key):
            raise BadRequestData(f"{shown(key)} in receiverInfo is set by the hub itself")
        if key.lower() == "authorization" and endpoint.user is not None:
            raise BadRequestData(
                "notification.endpoint has a user in its uri and Authorization in receiverInfo;"
                " give one of them"
            )


def is_subscribers(key: str) -> bool:
    """Return whether a header is a subscriber's to set, as far as what it means goes."""
    name = key.lower()
    return name not in _HUB_HEADERS and not name.startswith(_ORDERS)


def _address(uri: object) -> SplitResult:
    expected = (
        f"notification.endpoint.uri must be an http, https, mqtt or mqtts URI with a host, or {BUS}"
    )
    if not isinstance(uri, str) or any(c <= " " or c in '<>"\x7f' for c in uri):
        raise BadRequestData(f"{expected}, not {shown(uri)}")
    try:
        parts = urlsplit(uri)
        named = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        known = named or uri == BUS
    except ValueError:  # a port that is no number, a broken IPv6 address
        known = False
    if not known:
        raise BadRequestData(f"{expected}, not {shown(uri)}")
    return parts


def _accept(given: object) -> Accept:
    if isinstance(given, str) and given in _ACCEPTED:
        return _ACCEPTED[given]
    raise BadRequestData(
        f"notification.endpoint.accept must be one of {', '.join(_ACCEPTED)}, not {shown(given)}"
    )


def _pairs(endpoint: dict[str, Any], member: str) -> tuple[tuple[str, str], ...]:
    given = endpoint.get(member)
    if given is None:
        return ()
    where = f"notification.endpoint.{member}"
    if not isinstance(given, list) or not given:
        raise BadRequestData(f"{where} must be a non-empty array of objects with key and value")
    pairs = []
    for pair in given:
        if not isinstance(pair, dict):
            raise BadRequestData(f"{where} must hold objects with key and value")
        key, value = pair.get("key"), pair.get("value")
        if not isinstance(key, str) or not isinstance(value, str):
            raise BadRequestData(f"key and value in {where} must both be strings")
        pairs.append((key, value))
    return tuple(pairs)


def _check_headers(pairs: tuple[tuple[str, str], ...]) -> None:
    for key, value in pairs:
        if not _HEADER_NAME.fullmatch(key) or key.lower() in _OWN_HEADERS:
            raise BadRequestData(f"{shown(key)} in receiverInfo cannot be sent as a header")
        if not _HEADER_VALUE.fullmatch(value):
            raise BadRequestData(f"the value of {key} in receiverInfo has control characters")


def _milliseconds(endpoint: dict[str, Any], member: str) -> float | None:
    given = endpoint.get(member)
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < 1e9:
        raise BadRequestData(
            f"notification.endpoint.{member} must be a number of milliseconds above 0"
        )
    return given / 1000


def _topic(parts: SplitResult) -> str:
    topic = unquote(parts.path[1:])
    if not topic or any(c in topic for c in "#+\x00"):
        raise BadRequestData(
            "the path of an mqtt endpoint must be a topic, without the wildcards + and #"
        )
    if len(topic.encode("utf-8", "surrogatepass")) > 65_535:
        raise BadRequestData("the topic of an mqtt endpoint is too long")
    return topic


def _qos(given: str) -> Literal[0, 1, 2]:
    if given in _QOS:
        return _QOS[given]
    raise BadRequestData(f"MQTT-QoS in notifierInfo must be 0, 1 or 2, not {shown(given)}")


def _version(given: str) -> str:
    if given in _MQTT_VERSIONS:
        return given
    raise BadRequestData(
        f"MQTT-Version in notifierInfo must be mqtt3.1.1 or mqtt5.0, not {shown(given)}"
    )
