"""A web server for tests that takes whatever is posted, and keeps bodies with their headers."""

from __future__ import annotations

import base64
import os
from typing import Any, NamedTuple, Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Taken(NamedTuple):
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class WebTaker:
    """Answers with ``status``."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.status = 200
        application = web.Application()
        application.router.add_post("/{path:.*}", self._take)
        self._server = TestServer(application)

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.taken.append(Taken(request.path, headers, await request.read()))
        return web.Response(status=self.status)

    def at(self, path: str) -> str:
        """Return the address of a path."""
        return str(self._server.make_url(path))

    def on(self, path: str) -> list[Taken]:
        """Return what came to a path."""
        return [one for one in self.taken if one.path == path]

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._server.close()


def browser(taker: WebTaker) -> tuple[dict[str, Any], Any, bytes]:
    """Return a push subscription, and what a browser decrypts its messages with."""
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = os.urandom(16)

    def text(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    channel = {
        "kind": "push", "endpoint": taker.at("/push"), "p256dh": text(point), "auth": text(secret),
    }  # fmt: skip
    return channel, private, secret
