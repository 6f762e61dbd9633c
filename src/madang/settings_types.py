"""Types of the settings that are more than a number or a word: lists, and tables of tables.

A table has names of the city's own choosing, such as ``[mqtt_brokers.water]``.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

DAY_S = 86_400.0

Role = Literal["all", "api", "worker", "sense"]
"""Of one of several hubs: which work it takes on that one does for all."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a listener on ``host``."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(value: object) -> object:
    """Let a list be written as text with commas, as an environment variable must."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _address(text: str, port: int) -> tuple[str, int]:
    """Return host and port that a text names, the host empty if it names none.

    >>> _address("mqtt-1:1884", 1883), _address("::1", 1883)
    (('mqtt-1', 1884), ('::1', 1883))
    """
    if text.count(":") > 1 and "[" not in text:  # an address of IPv6 without a port
        return text, port
    found = urlsplit(f"//{text}")
    return found.hostname or "", found.port or port


def _parsed(value: object) -> object:
    """Let a table be written as JSON, as an environment variable must."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('should be JSON, such as {"city": {"issuer": …}}') from None


Hosts = Annotated[list[str], BeforeValidator(_split)]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$")]
Origins = Annotated[list[Origin], BeforeValidator(_split)]


class OpenIdProvider(BaseModel):
    """One provider that people may sign in with, written as ``[openid.<name>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: str = Field(pattern=r"^https?://[^\s?#]+$")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = SecretStr("")
    title: str = ""
    """What the button says; empty is the name of the table."""
    roles_claim: str = ""
    """The claim that has the groups or roles, such as ``groups`` or ``realm_access.roles``."""
    roles: dict[str, str] = {}
    """Role here by value of that claim."""
    link_verified_email: bool = False
    """Whether an e-mail address that the provider has verified may find an account by its name."""

    @model_validator(mode="after")
    def _only_encrypted(self) -> Self:
        address = urlsplit(self.issuer)
        if address.scheme == "http" and not is_loopback(address.hostname or ""):
            raise ValueError("issuer must begin with https:// (http:// only on this machine)")
        return self


Providers = Annotated[dict[str, OpenIdProvider], BeforeValidator(_parsed)]


class FeedKey(BaseModel):
    """A key that a publisher has given the city, written as ``[feed_keys.<name>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    key: SecretStr = Field(min_length=1)
    hosts: Hosts = Field(min_length=1)
    """Names of the hosts that it may be sent to; ``*.example.org`` is all below."""


FeedKeys = Annotated[dict[str, FeedKey], BeforeValidator(_parsed)]


class EdgeRule(BaseModel):
    """What of one type of entities leaves an edge node, written as ``[edge_rules.<type>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strip: list[str] = []
    """Attributes that do not leave."""
    aggregate: dict[str, Annotated[float, Field(ge=1, le=DAY_S)]] = {}
    """Attributes of which only the mean, minimum and maximum leave, and over how long. [s]"""


EdgeRules = Annotated[dict[str, EdgeRule], BeforeValidator(_parsed)]


class MqttBroker(BaseModel):
    """A broker that messages are taken from, written as ``[mqtt_brokers.<name>]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Hosts = Field(min_length=1, max_length=20)
    """Where it is. Servers of a cluster are several, each with its port if it has another one."""
    port: int | None = Field(None, ge=1, le=65535)
    """None is 1883, and with TLS 8883."""
    tls: bool = False
    ca: Path | None = None
    """Certificates (PEM) that its own must be signed by; None are those the system trusts."""
    username: str = ""
    password: SecretStr = SecretStr("")
    topics: list[str] = Field(min_length=1, max_length=100)
    """Filters; a level may be ``{device}``, which is any and names the device."""
    codec: str = ""
    """How messages are written; empty: as their topic or the profile of their device says."""
    tenant: str = ""

    @model_validator(mode="after")
    def _has_addresses(self) -> Self:
        try:
            has_names = all(name for name, _ in self.addresses)
        except ValueError:  # a port is no number
            has_names = False
        if not has_names:
            raise ValueError("host must be names or addresses, such as mqtt-1,mqtt-2:1884")
        return self

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each server."""
        usual = self.port or (8883 if self.tls else 1883)
        return [_address(host, usual) for host in self.host]


MqttBrokers = Annotated[dict[str, MqttBroker], BeforeValidator(_parsed)]


class MailServer(BaseModel):
    """Where mail is handed over, written as ``[mail]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = Field("", max_length=255)
    password: SecretStr = SecretStr("")
    sender: str = Field(pattern=r"^([^<>@\r\n]*<)?[^<>@\s]+@[A-Za-z0-9.-]+>?$", max_length=255)
    """Who it comes from: ``Control room <madang@city.example>``."""

    @model_validator(mode="after")
    def _password_travels_encrypted(self) -> Self:
        if self.security == "none" and self.user and not is_loopback(self.host):
            raise ValueError('security must be "starttls" or "tls" if there is a user')
        return self


Mail = Annotated[MailServer | None, BeforeValidator(_parsed)]


class SmsGateway(BaseModel):
    """Who sends text messages, by one HTTP request each, written as ``[sms]``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=2000)
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")], SecretStr] = {}
    content_type: str = Field(default="application/json", pattern=r"^[a-z]+/[a-z0-9.+-]+$")
    body: str = Field(default='{"to": "{to}", "text": "{text}"}', min_length=1, max_length=8000)
    """With ``{to}``, ``{text}`` and ``{id}`` where the values go."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        address = urlsplit(self.url)
        if address.scheme == "http" and not is_loopback(address.hostname or ""):
            raise ValueError("url must begin with https:// (http:// only on this machine)")
        if "{to}" not in self.body or "{text}" not in self.body:
            raise ValueError("body must hold {to} and {text}, where number and text go")
        return self


Sms = Annotated[SmsGateway | None, BeforeValidator(_parsed)]
