"""Where notifications go: the ``endpoint`` of a subscription, checked and taken apart.

Source: ETSI GS CIM 009 clauses 5.2.15 (Endpoint), 5.2.22 (KeyValuePair), 6.3.8 and 7.2 (HTTP and
MQTT notification bindings).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from madang.model.errors import BadRequestData
from madang.model.names import shown

Accept = Literal["application/json", "application/ld+json", "application/geo+json"]

_ACCEPTED: dict[str, Accept] = {
    "application/json": "application/json",
    "application/ld+json": "application/ld+json",
    "application/geo+json": "application/geo+json",
}
_PORTS = {"http": 80, "https": 443, "mqtt": 1883, "mqtts": 8883}
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# These say how the message is framed, so a subscriber cannot set them.
_OWN_HEADERS = frozenset(
    ("connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding")
)
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

    @property
    def context_in_header(self) -> bool:
        """Whether a GeoJSON notification names its @context in the Link header (clause 6.3.8)."""
        pairs = (*self.receiver_info, *self.notifier_info)
        return any(
            key.lower() == "prefer" and value.replace(" ", "") == "body=json"
            for key, value in pairs
        )


def parse(given: Any) -> Endpoint:
    """Return the endpoint that a subscription names, or raise BadRequestData."""
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
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
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
    )


def permitted(endpoint: Endpoint, allowed: Sequence[str]) -> bool:
    """Return whether notifications may go there.

    ``allowed`` holds host names, patterns such as ``*.seoul.go.kr``, addresses, networks such as
    ``10.0.0.0/8`` (which cover addresses only, not names), or ``*`` for every host.
    """
    return "*" in allowed or _permitted(endpoint.host, tuple(allowed))


@lru_cache(maxsize=4096)
def _permitted(host: str, allowed: tuple[str, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return any(fnmatchcase(host, pattern.lower()) for pattern in allowed)
    for pattern in allowed:
        try:
            if address in ip_network(pattern, strict=False):
                return True
        except ValueError:
            continue  # a name or a pattern of names
    return False


def _address(uri: object) -> SplitResult:
    expected = "notification.endpoint.uri must be an http, https, mqtt or mqtts URI with a host"
    if not isinstance(uri, str) or any(c <= " " or c in '<>"\x7f' for c in uri):
        raise BadRequestData(f"{expected}, not {shown(uri)}")
    try:
        parts = urlsplit(uri)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
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
