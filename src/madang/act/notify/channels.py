"""The channels on which people are told something, each with what it needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from madang.hub.endpoint import parse as endpoint
from madang.model.errors import NgsiError

_LONGEST_URL = 2_000


class Part(BaseModel):
    """A part of a contact; nothing unknown is taken, and no error repeats what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Channel(Part):
    urgent_only: bool = False
    """Used only for what is urgent."""


class Email(_Channel):
    """E-mail, by the mail server of the settings."""

    kind: Literal["email"]
    address: str = Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}$")


class Sms(_Channel):
    """A text message, by the gateway of the settings."""

    kind: Literal["sms"]
    number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    """In the form of E.164: ``+821012345678``."""


class Web(_Channel):
    """What is sent to an address."""

    url: str = Field(max_length=_LONGEST_URL)
    inside: bool = False
    """An administrator has named it, so it may lie inside the city's own network."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        try:
            endpoint({"uri": value})
        except NgsiError as error:
            raise ValueError(error.detail.replace("notification.endpoint.uri", "url")) from None
        return value


class Signed(Web):
    """What is sent with a signature."""

    secret: str = Field("", max_length=200, pattern=r"^([\x21-\x7e]{16,})?$")
    """Signs what is sent; one is made if none is given."""

    @field_validator("url")
    @classmethod
    def _is_web(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        return value


class Webhook(Signed):
    """A JSON document that is posted to a program."""

    kind: Literal["webhook"]


class Cap(Signed):
    """A CAP 1.2 alert that is posted to an agency, which may answer with states."""

    kind: Literal["cap"]


class Mqtt(Web):
    """A message to a broker: ``mqtts://user:password@host/topic``."""

    kind: Literal["mqtt"]

    @field_validator("url")
    @classmethod
    def _is_broker(cls, value: str) -> str:
        if not value.startswith(("mqtt://", "mqtts://")):
            raise ValueError("url must begin with mqtt:// or mqtts://")
        return value


class Push(_Channel):
    """A message to a browser: what its PushSubscription tells (W3C Push API)."""

    kind: Literal["push"]
    endpoint: str = Field(max_length=_LONGEST_URL, pattern=r"^https?://[^\s]+$")
    p256dh: str = Field(pattern=r"^[A-Za-z0-9_-]{87,88}=*$")
    auth: str = Field(pattern=r"^[A-Za-z0-9_-]{22}=*$")
    inside: bool = False


Channel = Annotated[Email | Sms | Webhook | Cap | Mqtt | Push, Field(discriminator="kind")]
