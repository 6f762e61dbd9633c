"""A hub for tests of the command line that answers as it is told and remembers what it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class FakeHub:
    """Takes batches; ``answers`` decides what it says to the next ones."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.requests: list[web.Request] = []
        self.answers: list[web.Response] = []
        self.events = b""
        self.url = ""

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def upsert(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        batch = json.loads(await request.read())
        await asyncio.sleep(0)  # as long as another lane needs to overtake
        if self.answers:
            answer = self.answers.pop(0)
            if answer.status not in (201, 204, 207):
                return answer
            self.batches.append(batch)
            return answer
        self.batches.append(batch)
        return web.Response(status=204)

    async def changes(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for start in range(0, len(self.events), 7):  # pieces that end anywhere
            await answer.write(self.events[start : start + 7])
        return answer


@asynccontextmanager
async def fake_hub() -> AsyncIterator[FakeHub]:
    """Run a fake hub on a free port."""
    hub = FakeHub()
    application = web.Application(client_max_size=32 * 1024 * 1024)
    application.router.add_get("/health", hub.health)
    application.router.add_get("/changes", hub.changes)
    application.router.add_post("/ngsi-ld/v1/entityOperations/upsert", hub.upsert)
    server = TestServer(application)
    await server.start_server()
    hub.url = str(server.make_url("")).rstrip("/")
    try:
        yield hub
    finally:
        await server.close()
