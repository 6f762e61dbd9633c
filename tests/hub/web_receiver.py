"""A real web server that takes notifications, and a way to wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer


class Receiver:
    """A web server that remembers what it got and answers as it is told."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.headers: list[Any] = []
        self.answers: Callable[[int], int | tuple[int, dict[str, str]]] = lambda n: 200
        self.slow_s = 0.0
        self.asked = 0
        application = web.Application()
        application.router.add_post("/{path:.*}", self._take)
        self.server = TestServer(application)

    async def _take(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.asked += 1
        answer = self.answers(self.asked)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        await asyncio.sleep(self.slow_s)
        if status < 300:
            self.bodies.append(body)
            self.headers.append(request.headers)
        return web.Response(status=status, headers=headers, text="thanks")

    @property
    def numbers(self) -> list[int]:
        return [body["n"] for body in self.bodies]

    @property
    def uri(self) -> str:
        return str(self.server.make_url("/notify"))


async def until(reached: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not reached():  # noqa: ASYNC110 - a receiver has no event for it
            await asyncio.sleep(0.005)
