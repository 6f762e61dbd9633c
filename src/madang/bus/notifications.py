"""Notifications of a tenant in NATS JetStream, for subscriptions whose endpoint is ``nats:bus``.

A message tells of one entity, on a subject that ends with the subscription and the partition of the
entity: programs that share a subscription by it are told of each entity in order, and who may read
the subject sees what the owner of the subscription may see, and no more.
Why: docs/decisions/0023-changes-on-jetstream.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NoStreamResponseError

from madang.bus.stream import (
    ANSWER_S,
    KEPT_S,
    MARGIN,
    Servers,
    answered,
    escaped,
    partition_of,
    token_of,
)
from madang.model.errors import MadangError

if TYPE_CHECKING:
    from nats.js.client import JetStreamContext

KEPT: Final = 65_536
"""Messages of a partition of a subscription; so one that tells of much takes no other's place."""
_MESSAGE_ID: Final = "Nats-Msg-Id"


class TooLarge(MadangError):
    """No message of NATS can be so large."""


class Told(NamedTuple):
    """What a notification tells of one entity."""

    entity: str
    body: bytes


class Notifications:
    """The stream of one tenant; it is made when the first message is put.

    Args:
        servers: where it is.
        tenant: its name.
    """

    def __init__(self, servers: Servers, tenant: str) -> None:
        self._servers = servers
        self.name = f"madang-notifications-{servers.place}-{token_of(tenant)}"
        self.subject = f"madang.{servers.place}.notifications.{token_of(tenant)}"
        """Of all messages, before the subscription and the partition, with a point between."""

    async def put(
        self,
        subscription: str,
        notification: str,
        told: Sequence[Told],
        headers: Mapping[str, str],
        wait_s: float = ANSWER_S,
    ) -> None:
        """Add what a notification tells; when it returns, most of the servers have all of it.

        JetStream leaves out what is put again within two minutes.

        Args:
            subscription: its id.
            notification: its id, the same when it is put again.
            told: of one entity each.
            headers: of each message.
            wait_s: how long the servers may take. [s]

        Raises:
            TooLarge: a body and its headers are larger than a message may be.
            StreamAway: some of it may not be there.
        """
        jetstream = self._servers.jetstream(wait_s)
        subject = f"{self.subject}.{escaped(subscription)}"
        messages = [
            (f"{subject}.{partition_of(one.entity)}", one.body,
             {**headers, _MESSAGE_ID: f"{notification} {escaped(one.entity)}"})
            for one in told
        ]  # fmt: skip
        # A server that is sent more closes the connection, which is everybody's.
        most = self._servers.connected().max_payload - MARGIN
        if max(len(body) + _size(headers) for _, body, headers in messages) > most:
            raise TooLarge(f"a message of NATS has {most:,} bytes at most, with its headers")
        async with answered():
            try:
                await _published(jetstream, messages)
            except NoStreamResponseError:
                await self._make(jetstream)
                await _published(jetstream, messages)

    async def _make(self, jetstream: JetStreamContext) -> None:
        """Make the stream; one that is there stays."""
        await jetstream.add_stream(
            StreamConfig(
                self.name,
                subjects=[f"{self.subject}.*.*"],
                retention=RetentionPolicy.LIMITS,
                storage=StorageType.FILE,
                max_age=KEPT_S,
                max_msgs_per_subject=KEPT,
                num_replicas=self._servers.replicas,
            )
        )


def _size(headers: Mapping[str, str]) -> int:
    """Return how many bytes headers take on the way."""
    return sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())


async def _published(
    jetstream: JetStreamContext, messages: Sequence[tuple[str, bytes, dict[str, str]]]
) -> None:
    """Publish messages at once, and wait until the servers have them all."""
    answers = await asyncio.gather(
        *(jetstream.publish(subject, body, headers=headers) for subject, body, headers in messages),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
