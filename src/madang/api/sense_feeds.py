"""Feeds over HTTP: add, list, try, run, switch and remove what is fetched from publishers.

Trying and running take as long as a publisher takes, so their answers are lines of JSON: from time
to time ``{"progress": …}``, and at the end ``{"done": …}`` or ``{"failed": "why"}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from madang.api.bodies import flag, members, page, text
from madang.api.surface import Handler, Surface
from madang.model.errors import MadangError, NgsiError
from madang.sense.feeds.progress import Progress
from madang.trust.actions import TenantAction

if TYPE_CHECKING:
    from madang.sense.feeds.schedule import Feeds
    from madang.sense.sense import Sense

LINES = "application/x-ndjson"
_BEAT_S = 0.25


def surfaces(sense: Sense) -> list[Surface]:
    """Return what can be done about feeds."""
    pages = _Pages(sense.feeds)
    one = "/sense/feeds/{feed}"
    rows: list[tuple[str, str, Handler, TenantAction, str]] = [
        ("GET", "/sense/feeds", pages.list, "seeDevices", "Feeds and how they go"),
        ("POST", "/sense/feeds", pages.add, "manageDevices", "Add or replace a feed"),
        ("POST", "/sense/feeds/trials", pages.attempt, "manageDevices", "Try a feed"),
        ("GET", one, pages.get, "seeDevices", "A feed and its file"),
        ("PATCH", one, pages.switch, "manageDevices", "Switch a feed on or off"),
        ("DELETE", one, pages.remove, "manageDevices", "Remove a feed"),
        ("POST", f"{one}/readings", pages.run, "manageDevices", "Read a feed now"),
    ]
    return [
        Surface(method, path, handler, action, summary, "Devices")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    async def list(self, request: Request) -> Response:
        book = await self._feeds.book(_tenant(request))
        return page(request, list(book), lambda entry: entry.shown())

    async def get(self, request: Request) -> Response:
        book = await self._feeds.book(_tenant(request))
        return JSONResponse(book.get(_name(request)).shown(whole=True))

    async def add(self, request: Request) -> Response:
        body = await members(request, ("name", "text", "replace"), ("name", "text"))
        replace = "replace" in body and flag(body, "replace")
        name, content = text(body, "name"), text(body, "text")
        by = request.state.principal.id
        entry = await self._feeds.add(_tenant(request), name, content, by, replace)
        return JSONResponse(entry.shown(), 201)

    async def switch(self, request: Request) -> Response:
        body = await members(request, ("on",), ("on",))
        entry = await self._feeds.switch(_tenant(request), _name(request), flag(body, "on"))
        return JSONResponse(entry.shown())

    async def remove(self, request: Request) -> Response:
        await self._feeds.remove(_tenant(request), _name(request))
        return Response(status_code=204)

    async def run(self, request: Request) -> Response:
        async def work(progress: Progress) -> Any:
            found = await self._feeds.run(_tenant(request), _name(request), progress)
            return found.shown()

        return await _told(work)

    async def attempt(self, request: Request) -> Response:
        body = await members(request, ("name", "text", "kept"), ("name", "text"))
        name, content = text(body, "name"), text(body, "text")
        kept = "kept" in body and flag(body, "kept")

        async def work(progress: Progress) -> Any:
            trial = await self._feeds.attempt(_tenant(request), content, name, kept, progress)
            return trial.shown()

        return await _told(work)


async def _told(work: Callable[[Progress], Awaitable[Any]]) -> Response:
    """Return an answer that tells how far the work has got; an error at once has its status."""
    progress = Progress()
    task = asyncio.ensure_future(work(progress))
    await asyncio.wait({task}, timeout=_BEAT_S)
    if task.done() and isinstance(error := task.exception(), NgsiError):
        raise error

    async def lines() -> AsyncIterator[bytes]:
        try:
            while not task.done():
                yield _line("progress", progress.shown())
                await asyncio.wait({task}, timeout=_BEAT_S)
            try:
                yield _line("done", task.result())
            except MadangError as error:
                yield _line("failed", str(error))
        finally:
            task.cancel()  # who asked has gone; what was not finished is asked for again

    return StreamingResponse(lines(), media_type=LINES)


def _line(name: str, content: Any) -> bytes:
    return orjson.dumps({name: content}, option=orjson.OPT_APPEND_NEWLINE)


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")


def _name(request: Request) -> str:
    return str(request.path_params["feed"])
