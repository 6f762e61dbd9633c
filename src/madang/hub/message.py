"""A notification ready to be sent, what can go wrong with it, and who sends it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from madang.hub.endpoint import Endpoint
from madang.model.errors import MadangError

DEFERRED = ""
"""The content type of a body that is completed only when it is sent (see hub/linked.py)."""


class Message(NamedTuple):
    """What is stored of a notification until it is sent: nothing else is needed to send it."""

    content_type: str
    link: str | None
    """URL of the @context, if it goes into the Link header."""
    body: bytes
    within: str = ""
    """Mark of the reach (:class:`madang.hub.subscription_sight.Sight`) it was made for; empty is
    everything."""


def pack(message: Message) -> bytes:
    """Return the message as the store keeps it: two lines, then the body."""
    kind = f"{message.content_type} {message.within}" if message.within else message.content_type
    return f"{kind}\n{message.link or ''}\n".encode() + message.body


def unpack(stored: bytes) -> Message:
    """Return the message that :func:`pack` packed."""
    kind, link, body = stored.split(b"\n", 2)
    content_type, _, within = kind.decode().partition(" ")
    return Message(content_type, link.decode() or None, body, within)


class SendFailed(MadangError):
    """The endpoint did not take a notification; it may later."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after  # [s], as the endpoint asked


class Refused(SendFailed):
    """The endpoint is well but does not want this one; others may still get through."""


class Sender(Protocol):
    """Carries messages over one protocol."""

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Return when the endpoint has the message; raise SendFailed if it has not."""

    async def close(self) -> None: ...
