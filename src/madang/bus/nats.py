"""Word between hubs over NATS: published after each commit, heard by all others.

A word that is lost does no harm: who hears of a later one, or looks at the counters in the
database, finds it missing. So words are not kept, and commits go on while all servers are away.
What the changes are is told by :mod:`madang.bus.stream`, and what subscriptions are told by
:mod:`madang.bus.notifications`, over the same connection.
Why: docs/decisions/0021-several-hubs.md.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from madang.bus.notifications import Notifications
from madang.bus.stream import MOST_REPLICAS, Servers, Stream

log = structlog.get_logger("madang.bus")

MOST_WAITING = 10_000  # words that wait to be sent; older ones are left out
RETRY_S = 1.0
_NODE = "Madang-Node"


class Bus:
    """Carries words among the hubs of one place.

    Args:
        servers: addresses as ``nats://user@host:port``, parted by commas.
        password: of the user; empty is none.
        place: what the hubs of one database have in common, and no others.
        heard: is given each word of another hub.
    """

    def __init__(
        self, servers: str, password: str, place: str, heard: Callable[[bytes], None]
    ) -> None:
        self._servers = servers.split(",")
        # Without a password NATS takes what stands before the @ for a token.
        self._user = urlsplit(self._servers[0]).username if password else None
        self._password = password or None
        replicas = min(len(self._servers), MOST_REPLICAS)
        self._streams = Servers(lambda: self._client, replicas, place)
        self._subject = f"madang.{place}.commit"
        self._heard = heard
        self.node = secrets.token_hex(6)
        """The name of this hub among them."""
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._ready = asyncio.Event()
        self._client: Client | None = None
        self._is_away = False
        self._sending: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect; words wait until that is done."""
        self._sending = asyncio.get_running_loop().create_task(self._send())

    @property
    def is_connected(self) -> bool:
        """Whether a server is reached now."""
        return self._client is not None and self._client.is_connected

    def stream(self, tenant: str) -> Stream:
        """Return the stream of a tenant's changes."""
        return Stream(self._streams, tenant)

    def notifications(self, tenant: str) -> Notifications:
        """Return the stream of a tenant's notifications."""
        return Notifications(self._streams, tenant)

    def tell(self, word: bytes) -> None:
        """Tell all other hubs."""
        self._waiting.append(word)
        self._ready.set()

    async def _send(self) -> None:
        self._client = await self._connected()
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting:
                word = self._waiting.popleft()
                # Fails if too much waits for a server that is away: the counters tell the others.
                with suppress(Error, OSError):
                    await self._client.publish(self._subject, word, headers={_NODE: self.node})

    async def _connected(self) -> Client:
        """Connect, however long that takes; from then on the client does so itself."""
        while True:
            try:
                client = await nats.connect(
                    self._servers,
                    user=self._user,
                    password=self._password,
                    name=f"madang {self.node}",
                    connect_timeout=2,
                    reconnect_time_wait=0.2,
                    max_reconnect_attempts=-1,
                    ping_interval=2,
                    max_outstanding_pings=2,
                    error_cb=self._failed,
                    reconnected_cb=self._back,
                )
                await client.subscribe(self._subject, cb=self._take)
            except (Error, OSError) as error:
                await self._failed(error)
                await asyncio.sleep(RETRY_S)
                continue
            await self._back()
            return client

    async def _failed(self, error: Exception) -> None:
        """Say once that no server is reached; it is told of every attempt."""
        if not self._is_away:
            log.warning("bus.away", error=str(error) or repr(error))
        self._is_away = True

    async def _back(self) -> None:
        self._is_away = False
        log.info("bus.connected")

    async def _take(self, message: Msg) -> None:
        if (message.headers or {}).get(_NODE) != self.node:
            self._heard(message.data)

    async def close(self) -> None:
        """Part with the servers."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
        if self._client is not None:
            with suppress(Error, OSError):
                await self._client.close()
