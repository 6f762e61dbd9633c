"""``[downlink]`` of a profile: on which way its devices are commanded, and how that is written."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from madang.sense.transports.mqtt_topics import check_topic
from madang.sense.transports.mqtt_wire import MqttError

Form = Literal["json", "tts", "chirpstack", "sparkplug", "ultralight"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)
DEVICE: Final = "{device}"
ADDRESS: Final = "{ipAddress}"
"""In a URL: the attribute of the device of that name."""
_NEEDS_APPLICATION: Final = frozenset(["tts", "chirpstack", "ultralight"])
_LEVEL = re.compile(r"[^+#\x00/]+")


class Downlink(BaseModel):
    """The way to a device."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    codec: Literal["", "json", "tts", "chirpstack", "sparkplug", "ultralight"] = ""
    """How commands are written; empty: as the codec of the profile has it, or else ``json``."""
    application: str = Field(default="", max_length=128)
    """Of the network server (``app1@city`` of The Things Stack, the id of ChirpStack), or the
    API key of Ultralight: a level of the topic."""
    topic: str = Field(default="", max_length=400)
    """A topic of one's own, with ``{device}`` for the name of the device."""
    broker: str = Field(default="", max_length=64)
    """Which of the brokers in the settings; empty: the one of Madang."""
    url: str = Field(default="", max_length=1000)
    """HTTP: where to post, with ``{device}`` or ``{ipAddress}``; the device says in its answer."""
    port: int = Field(default=1, ge=1, le=223)
    """LoRaWAN: the FPort, if the script does not give one."""
    confirmed: bool = True
    """LoRaWAN: the device acknowledges the frame."""

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, topic: str) -> str:
        try:
            check_topic(topic.replace(DEVICE, "x"))
        except MqttError as error:
            raise ValueError(str(error)) from None
        if topic and (DEVICE not in topic or any(mark in topic for mark in "+#\x00")):
            raise ValueError("must have {device} in it, and neither + nor #")
        return topic

    @field_validator("application")
    @classmethod
    def _is_level(cls, level: str) -> str:
        if level and not _LEVEL.fullmatch(level):
            raise ValueError("is one level of a topic, without / + and #")
        return level

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url.replace(ADDRESS, "192.0.2.1").replace(DEVICE, "x"))
            is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            is_web = False
        if not is_web:
            raise ValueError("must be a URL such as http://{ipAddress}/commands")
        if DEVICE in url.split("/")[2]:
            raise ValueError(
                "{device} may stand in the path only; the host is {ipAddress} or fixed"
            )
        return url

    @model_validator(mode="after")
    def _is_one_way(self) -> Downlink:
        if self.url and (self.topic or self.broker or self.application or self.codec):
            raise ValueError("url is the way by HTTP: leave topic, broker, application, codec out")
        return self

    def form(self, uplink: str) -> Form:
        """Return how commands are written, by the codec of the profile."""
        return next((name for name in FORMS if name == (self.codec or uplink)), "json")

    def fault(self, uplink: str) -> str:
        """Return what is missing for commands to be sent; empty if nothing is."""
        form = self.form(uplink)
        if self.url or self.topic or self.application or form not in _NEEDS_APPLICATION:
            return ""
        return f"commands by {form} need downlink.application, the level of the topic that names it"


def is_device_address(text: object) -> bool:
    """Tell whether a text is the address of a device: one that is not this machine's own or that
    of a cloud's metadata, which who may write the device could point to."""
    try:
        address = ip_address(str(text))
    except ValueError:
        return False
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )
