"""Programs of others that follow changes or notifications over NATS: one for each partition.

Each has a durable consumer, and says of each message that it has it. What one was told and could
not say so of is told again, so one may come twice.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Any

import nats
import orjson
from nats.aio.client import Client
from nats.errors import Error, TimeoutError
from nats.js.api import ConsumerConfig
from nats.js.client import JetStreamContext

from tests.e2e.nats_server import NatsServer

ONE_BY_ONE = ConsumerConfig(max_ack_pending=1, ack_wait=3)
"""Or what is told again comes after what follows it. [s]"""


class StreamReader:
    """Follows some partitions of the default tenant until it is left.

    Args:
        servers: of NATS.
        partitions: which are followed.
        subscription: whose notifications are, in place of all changes.
    """

    def __init__(
        self, servers: Sequence[NatsServer], partitions: Collection[int], subscription: str = ""
    ) -> None:
        self._subscription = subscription
        self.told: dict[int, list[dict[str, Any]]] = {one: [] for one in partitions}
        """What each has been told, in that order."""
        self.place = ""
        """What the hubs call theirs, once it is known."""
        self.times: dict[int, list[float]] = {one: [] for one in partitions}
        """When each was told something."""
        self._servers = servers
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._error: BaseException | None = None

    def __enter__(self) -> StreamReader:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def changes(self) -> list[dict[str, Any]]:
        """Return each change once, as it was told first, by its number."""
        once: dict[int, dict[str, Any]] = {}
        for told in self.told.values():
            for change in told:
                assert once.setdefault(change["position"], change) == change
        return [once[number] for number in sorted(once)]

    async def _run(self) -> None:
        try:
            client = await nats.connect(
                [server.url for server in self._servers], user="madang",
                password=self._servers[0].password, max_reconnect_attempts=-1,
                reconnect_time_wait=0.2, ping_interval=1, max_outstanding_pings=2,
                error_cb=_passed_over,
            )  # fmt: skip
            place = self.place = await _place(client)
            async with asyncio.TaskGroup() as group:
                for partition in self.told:
                    group.create_task(self._follow(client, place, partition))
            await client.close()
        except BaseException as error:
            self._error = error

    async def _follow(self, client: Client, place: str, partition: int) -> None:
        stream, subject = f"madang-{place}-default", f"madang.{place}.changes.default"
        if self._subscription:
            stream = f"madang-notifications-{place}-default"
            subject = f"madang.{place}.notifications.default.{self._subscription}"
        while not self._ending.is_set():
            try:
                consumer = await client.jetstream().pull_subscribe(
                    f"{subject}.{partition}", f"reader-{partition}", stream, ONE_BY_ONE
                )
                await self._take(consumer, partition)
            except (Error, OSError):  # its server may just be killed
                await asyncio.sleep(0.1)

    async def _take(self, consumer: JetStreamContext.PullSubscription, partition: int) -> None:
        while not self._ending.is_set():
            try:
                messages = await consumer.fetch(1, timeout=1)
            except TimeoutError:
                continue
            for message in messages:
                self.told[partition].append(orjson.loads(message.data))
                self.times[partition].append(time.monotonic())
                await message.ack_sync()


async def _place(client: Client) -> str:
    """Return what the hubs call the place, once the stream is there."""
    end = time.monotonic() + 20
    while True:
        try:
            for info in await client.jetstream().streams_info():
                match (info.config.name or "").split("-"):
                    case ["madang", place, "default"]:
                        return place
        except Error:
            pass
        assert time.monotonic() < end, "there is no stream of changes"
        await asyncio.sleep(0.1)


async def _passed_over(_: Exception) -> None:
    """A server that does not answer is not worth a trace: the client tries the next one."""
