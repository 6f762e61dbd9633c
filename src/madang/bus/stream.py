"""The changes of a tenant as a stream of NATS JetStream: one message each, with none left out.

The sequence number of a message tells which change it is: the stream began after the change that
its description names. Whoever puts messages says after which one, so two that do so at once
cannot mix theirs, and a message that was lost on the way stops those behind it. The subject ends
with the partition of the entity: consumers that share a stream by it are told of each entity in
order. The outbox and history are the truth; what a stream has lost is put into it again.
Why: docs/decisions/0023-changes-on-jetstream.md.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import orjson
from nats.errors import Error
from nats.js.api import ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError, ServiceUnavailableError

from madang.model.errors import MadangError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js.client import JetStreamContext

PARTITIONS: Final = 16
KEPT_S: Final = 86_400.0
KEPT: Final = 1_000_000
"""Messages; older ones make place, and history has them. A limit in bytes would be set aside on the
disk for each stream, so that some thirty tenants fill a small server."""
MOST_REPLICAS: Final = 3
ANSWER_S: Final = 2.0  # a stream without a leader says nothing; it has one again within ten seconds
_EXPECTED: Final = "Nats-Expected-Last-Sequence"
_BEGAN: Final = "changes after "
_AGAIN_S: Final = 0.2
MARGIN: Final = 1_024  # bytes of a message beside its body

Take = Callable[[bytes], None]
"""Is given the body of a change; see :meth:`Stream.put`."""


class StreamAway(MadangError):
    """JetStream does not answer, or has not taken what was put; nothing is known of the rest."""


def partition_of(id: str) -> int:
    """Return the partition of an entity, 0 to 15: CRC-32 of its id, as UTF-8."""
    return zlib.crc32(id.encode()) % PARTITIONS


def token_of(tenant: str) -> str:
    """Return a tenant's name as a part of a subject and of the name of a stream.

    >>> token_of(""), token_of("default"), token_of("new.town")
    ('default', '=64efault', 'new=2Etown')
    """
    return "=64efault" if tenant == "default" else escaped(tenant) or "default"


def escaped(text: str) -> str:
    """Return a text without what a subject cannot hold: each byte of it as ``=`` and two digits.

    Not with ``%``, as in an address: NATS 2.9 takes that in the name of a stream for a format, and
    nobody can say any more that he has a message.

    >>> escaped("urn:a b.c=1")
    'urn:a=20b=2Ec=3D1'
    """
    return quote(text, safe=":").replace(".", "%2E").replace("%", "=")


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers that keep the streams of one place."""

    client: Callable[[], Client | None]
    """Returns the connection to them, None while there is none."""
    replicas: int
    place: str
    """What the hubs of one database have in common."""

    def connected(self) -> Client:
        """Return the connection.

        Raises:
            StreamAway: there is none now.
        """
        client = self.client()
        if client is None or not client.is_connected:
            raise StreamAway("no NATS server is reached")
        return client

    def jetstream(self, wait_s: float = ANSWER_S) -> JetStreamContext:
        """Return JetStream, whose answers are waited for so long; see :meth:`connected`. [s]"""
        return self.connected().jetstream(timeout=wait_s)


class Stream:
    """The stream of one tenant; it may not be there yet.

    Args:
        servers: where it is.
        tenant: its name.
    """

    def __init__(self, servers: Servers, tenant: str) -> None:
        self._servers = servers
        self.name = f"madang-{servers.place}-{token_of(tenant)}"
        self.subject = f"madang.{servers.place}.changes.{token_of(tenant)}"
        """Of all messages, before the point and the partition."""
        self._began = 0
        """Number of the change before the first message."""

    async def reached(self) -> int | None:
        """Return the number of the last change in it; None if there is no such stream.

        Raises:
            StreamAway: nobody knows.
        """
        async with answered():
            try:
                info = await self._servers.jetstream().stream_info(self.name)
            except NotFoundError:
                return None
            self._began = int((info.config.description or "").removeprefix(_BEGAN))
            return self._began + info.state.last_seq

    async def begin(self, after: int) -> None:
        """Make the stream, empty, for the changes after a number; one that is there goes.

        Raises:
            StreamAway: it may not have been made.
        """
        async with answered():
            jetstream = self._servers.jetstream()
            with suppress(NotFoundError):
                await jetstream.delete_stream(self.name)
            await jetstream.add_stream(
                StreamConfig(
                    self.name,
                    description=f"{_BEGAN}{after}",
                    subjects=[f"{self.subject}.*"],
                    retention=RetentionPolicy.LIMITS,
                    storage=StorageType.FILE,
                    max_age=KEPT_S,
                    max_msgs=KEPT,
                    num_replicas=self._servers.replicas,
                )
            )
            self._began = after

    async def put(self, after: int, changes: Sequence[tuple[str, bytes]]) -> None:
        """Add messages; when it returns, most of the servers have them.

        Args:
            after: number of the change before the first of them, the last one in the stream.
            changes: entity id and body of each. One that is too large for a message, or that is
                not known any more, has an empty body.

        Raises:
            StreamAway: some of them may not be there; ask how far it has come.
        """
        async with answered():
            client = self._servers.connected()
            inbox = client.new_inbox()
            answers = await client.subscribe(inbox, max_msgs=1)
            last = after - self._began
            most = client.max_payload - MARGIN
            for place, (id, body) in enumerate(changes, 1):
                await client.publish(
                    f"{self.subject}.{partition_of(id)}",
                    body if len(body) <= most else b"",
                    inbox if place == len(changes) else "",
                    {_EXPECTED: str(last + place - 1)},
                )
            try:
                answer = await answers.next_msg(ANSWER_S)
            finally:
                with suppress(Error):
                    await answers.unsubscribe()
            # An empty one says that nobody listens to the subject: the stream is not there.
            told = orjson.loads(answer.data or b'{"error": "there is no stream"}')
            if told.get("seq") != last + len(changes):
                raise StreamAway(f"it has not taken them: {told.get('error', told)}")

    @asynccontextmanager
    async def followed(self, after: int, take: Take) -> AsyncGenerator[None, None]:
        """Be given each change after a number, in order, as long as this is open.

        Raises:
            StreamAway: it cannot be followed now.
        """
        if await self.reached() is None:
            raise StreamAway("there is no stream")

        async def given(message: Msg) -> None:
            take(message.data)

        async with answered():
            following = await self._servers.jetstream().subscribe(
                f"{self.subject}.*",
                stream=self.name,
                cb=given,
                ordered_consumer=True,
                config=ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=max(after - self._began + 1, 1),
                ),
                pending_msgs_limit=-1,
                pending_bytes_limit=-1,
            )  # fmt: skip
        try:
            yield
        finally:
            with suppress(Error, OSError, asyncio.TimeoutError):
                await following.unsubscribe()


async def end(task: asyncio.Task[None]) -> None:
    """End a task that talks to NATS.

    Before Python 3.12 its client loses a cancellation that comes together with an answer
    (``asyncio.wait_for``, python/cpython#86296), so it is told again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_S)


@asynccontextmanager
async def answered() -> AsyncGenerator[None, None]:
    """Turn what goes wrong with the servers into one error."""
    try:
        yield
    except ServiceUnavailableError as error:
        raise StreamAway(
            "JetStream does not answer; does every NATS server have `jetstream {}`?"
        ) from error
    except (Error, OSError, ValueError) as error:
        raise StreamAway(str(error) or repr(error)) from error
