"""Edge nodes over HTTP: how far a node has told its centre, and what a centre says of its nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import members, page, text
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.sense.edge.centre import BEHIND
from madang.sense.edge.configuration import version

if TYPE_CHECKING:
    from madang.sense.edge.book import Book
    from madang.sense.edge.node import Edge
    from madang.trust.actions import TenantAction


def surfaces(edge: Edge) -> list[Surface]:
    """Return what is asked of an edge node, and of the centre of edge nodes."""
    pages, one = _Pages(edge), "/sense/edges/{name}"
    rows: list[tuple[str, str, Handler, TenantAction, str]] = [
        ("GET", "/sense/edge", pages.status, "seeDevices",
         "How far this edge node has told its centre"),
        ("GET", "/sense/edge/configuration", pages.own, "observe",
         "What this centre says of the edge node that asks"),
        ("GET", "/sense/edges", pages.list, "seeDevices", "Edge nodes that are configured here"),
        ("GET", one, pages.get, "seeDevices", "The configuration of an edge node"),
        ("PUT", one, pages.put, "manageDevices", "Configure an edge node"),
        ("DELETE", one, pages.remove, "manageDevices", "Remove the configuration of an edge node"),
    ]  # fmt: skip
    return [
        Surface(method, path, handler, action, summary, "Devices")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    async def status(self, request: Request) -> Response:
        return JSONResponse(self._edge.status())

    async def own(self, request: Request) -> Response:
        """The configuration of the key that asks; 304 if the node has it (RFC 9110, 13.1.2)."""
        has = _version(request.headers.get("If-None-Match", ""))
        key = request.state.principal.id.partition(":")[2]
        told = request.headers.get(BEHIND, "")
        behind = int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None
        body = (await self._book(request)).hand_out(key, has, behind)
        if body is None:
            raise ResourceNotFound(
                "nothing is said here of the edge node with this key; `madang edge configure` does"
            )
        now = version(body)
        headers = {"ETag": f'"{now}"', "Cache-Control": "private, no-cache"}
        if has == now:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def list(self, request: Request) -> Response:
        book = await self._book(request)
        return page(request, list(book), book.shown)

    async def get(self, request: Request) -> Response:
        book = await self._book(request)
        entry = book.get(_name(request))
        return JSONResponse(book.shown(entry) | {"text": entry.text})

    async def put(self, request: Request) -> Response:
        body = await members(request, ("key", "text"), ("key", "text"))
        book, name = await self._book(request), _name(request)
        if not isinstance(body["text"], str):
            raise BadRequestData("text must be a text, the configuration as TOML")
        by = request.state.principal.id
        is_new = await book.put(name, text(body, "key"), body["text"], by)
        return JSONResponse(book.shown(book.get(name)), 201 if is_new else 200)

    async def remove(self, request: Request) -> Response:
        await (await self._book(request)).remove(_name(request))
        return Response(status_code=204)

    async def _book(self, request: Request) -> Book:
        return await self._edge.books.of(request.state.tenant.name)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _version(tags: str) -> str:
    """Return the version in an If-None-Match; a proxy that compresses makes its tag a weak one."""
    return tags.strip().removeprefix("W/").strip('"')
