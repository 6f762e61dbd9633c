"""A publisher of open data, played by a small HTTP server, and how a feed reads from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
from aiohttp import web

from madang.sense.feeds.declaration import parse
from madang.sense.feeds.fetch import Fetch, Fetcher
from madang.sense.feeds.kept import Kept
from madang.sense.feeds.kinds import Bad, kind_of
from madang.settings import Settings

Answer = web.Response | bytes | str | dict[str, Any] | list[Any]
Page = Answer | Callable[[web.Request], Answer]


class Publisher:
    """Answers with what is put into ``pages``; remembers what it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[web.Request] = []
        self.url = ""
        self.slow: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        """Answers everything instead, in its own time."""

    @property
    def paths(self) -> list[str]:
        """Return what was asked for, in order."""
        return [request.path_qs for request in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if self.slow is not None:
            return await self.slow(request)
        page = self.pages.get(request.path_qs, self.pages.get(request.path))
        if page is None:
            return web.Response(status=404)
        found = page(request) if callable(page) else page
        if isinstance(found, web.StreamResponse):
            return found
        body = found if isinstance(found, bytes) else b""
        if isinstance(found, str):
            body = found.encode()
        elif isinstance(found, (dict, list)):
            body = orjson.dumps(found)
        tag = f'"{hash(body)}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=body, headers={"ETag": tag})


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    """Run a publisher on this machine."""
    publisher = Publisher()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", publisher.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    publisher.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield publisher
    finally:
        await runner.cleanup()


def settings(**changed: Any) -> Settings:
    """Return settings by which the publisher on this machine may be asked, and quickly."""
    usual = {"feed_hosts": ["*", "127.0.0.1"], "feed_pause_s": 0.001}
    return Settings.model_validate(usual | changed)


class Found(NamedTuple):
    """What a reading of a feed brought."""

    entities: dict[str, dict[str, Any]]
    bad: list[Bad]
    notes: dict[str, Any]

    def value(self, id: str, name: str) -> Any:
        return self.entities[id][name]["value"]


async def read(
    publisher: Publisher,
    folder: Path,
    text: str,
    notes: dict[str, Any] | None = None,
    **changed: Any,
) -> Found:
    """Read a feed once, as the schedule does, and keep its answers."""
    fetcher = Fetcher(settings(**changed))
    feed = parse(text.replace("{url}", publisher.url), "test")
    fetch = Fetch(fetcher, feed, Kept(folder / "kept"), notes)
    found = Found({}, [], fetch.notes)
    try:
        async for one in cast("Any", kind_of(feed.declaration.kind).read(feed, fetch)):
            if isinstance(one, Bad):
                found.bad.append(one)
            else:
                found.entities[one.entity["id"]] = one.entity
        await fetch.settle()
    finally:
        await fetcher.close()
    return found


HEAD = """
every = "5min"
provider = "The Publisher"
licence = "CC-BY-4.0"
"""
