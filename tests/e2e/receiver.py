"""A subscriber for end-to-end tests: a real HTTP endpoint that is not always well."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal, Self, cast

import httptools
import orjson

Mood = Literal["well", "failing", "cutting", "gone"]
"""Answers 200; answers 503; takes the notification and hangs up; hangs up at once."""


class Receiver:
    """Keeps the notifications it was sent, in the order they came."""

    def __init__(self) -> None:
        self.mood: Mood = "well"
        self.taken: list[dict[str, Any]] = []
        self.times: list[float] = []
        """When each of them came, by the monotonic clock. [s]"""
        self._server: asyncio.Server | None = None
        self.uri = ""
        self.open: set[asyncio.Transport] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.uri = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/notify"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.mood = "gone"
        for transport in self.open:  # a hub keeps its connections for the next notification
            transport.abort()
        await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One connection of a notifier."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._receiver.open.add(self._transport)
        self._parser = httptools.HttpRequestParser(self)
        if self._receiver.mood == "gone":
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._receiver.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._receiver.mood == "gone":
            self._transport.abort()
            return
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        mood = self._receiver.mood
        if mood in ("well", "cutting"):
            self._receiver.times.append(time.monotonic())
            self._receiver.taken.append(orjson.loads(body))
        if mood == "cutting":
            self._transport.abort()
        else:
            status = b"200 OK" if mood == "well" else b"503 Service Unavailable"
            self._transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\n\r\n" % status)
