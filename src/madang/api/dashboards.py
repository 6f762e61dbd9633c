"""Dashboards over HTTP: kept, looked at, removed; and the facts that their tiles show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import members, page
from madang.api.surface import Action, Handler, Surface
from madang.model import time
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.web.dashboards.book import TEMPLATES, Book, Kept, shipped
from madang.web.dashboards.tiles import NAME, body, tiles

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.trust.gate import Gate
    from madang.web.dashboards.facts import Facts

_TAG: Final = "Dashboards"
RESERVED: Final = frozenset({"facts", "templates"})


class Dashboards:
    """Handlers; also finds dashboards for pages."""

    def __init__(self, hub: Hub, gate: Gate, facts: Facts) -> None:
        self._hub = hub
        self._gate = gate
        self._facts = facts

    def surfaces(self) -> list[Surface]:
        one = "/dashboards/{name}"
        rows: list[tuple[str, str, Handler, Action, str]] = [
            ("GET", "/dashboards", self.list, "enter", "Dashboards that one may see"),
            ("GET", "/dashboards/templates", self.templates, "enter", "Dashboards to begin with"),
            ("POST", "/dashboards/facts", self.tried, "keepDashboards", "What tiles would show"),
            ("GET", one, self.get, "enter", "A dashboard"),
            ("GET", one + "/facts", self.told, "enter", "What a dashboard shows at present"),
            ("PUT", one, self.put, "keepDashboards", "Check and keep a dashboard"),
            ("DELETE", one, self.remove, "keepDashboards", "Remove a dashboard"),
        ]
        return [
            Surface(method, path, handler, action, summary, _TAG)
            for method, path, handler, action, summary in rows
        ]

    async def book(self, request: Request) -> Book:
        """Return the dashboards as who asks may see and change them."""
        name, who = _tenant(request), request.state.principal
        tenant = await self._hub.tenant(name, create=False)
        return Book(tenant, who, self._gate.may(who, "manageDashboards", name))

    async def list(self, request: Request) -> Response:
        book = await self.book(request)
        return page(request, await book.all(), lambda one: _line(one, book))

    async def templates(self, request: Request) -> Response:
        found = [
            {"name": name, **body(shipped(name).content), "visibility": "private"}
            for name in TEMPLATES
        ]
        return JSONResponse(found)

    async def get(self, request: Request) -> Response:
        book = await self.book(request)
        one = await book.get(_name(request))
        return JSONResponse(_line(one, book) | {"content": body(one.content)})

    async def put(self, request: Request) -> Response:
        """Keep a dashboard; with ``revision``, only if nobody has changed it since."""
        name = _name(request)
        given = await members(request, ("content", "revision"), ("content",))
        revision = given.get("revision")
        if revision is not None and type(revision) is not int:
            raise BadRequestData(
                "revision must be the number that the dashboard had when it was read"
            )
        book = await self.book(request)
        one = await book.put(name, given["content"], revision)
        status = 201 if one.revision == 1 else 200
        return JSONResponse(_line(one, book) | {"content": body(one.content)}, status)

    async def remove(self, request: Request) -> Response:
        await (await self.book(request)).remove(_name(request))
        return Response(status_code=204)

    async def told(self, request: Request) -> Response:
        one = await (await self.book(request)).get(_name(request))
        look = self._facts.look(request.state.principal, _tenant(request), request.state.address)
        return JSONResponse({"tiles": await self._facts.of(one.content.tiles, look)})

    async def tried(self, request: Request) -> Response:
        """Answer with what tiles would show that are not kept yet."""
        given = await members(request, ("tiles",), ("tiles",))
        look = self._facts.look(request.state.principal, _tenant(request), request.state.address)
        return JSONResponse({"tiles": await self._facts.of(tiles(given["tiles"]), look)})


def _line(one: Kept, book: Book) -> dict[str, Any]:
    """Return what a list tells of a dashboard."""
    return {
        "name": one.name,
        "title": one.content.title.model_dump(),
        "visibility": one.content.visibility,
        "tiles": len(one.content.tiles),
        "owner": one.owner_name,
        "modifiedAt": time.render(one.modified) if one.modified else None,
        "revision": one.revision,
        "mayChange": book.may_change(one),
    }


def _name(request: Request) -> str:
    name = str(request.path_params["name"])
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise BadRequestData(
            f"{shown(name)} is no name such as air-in-winter: up to 40 small letters, digits and"
            f" hyphens, and none of {', '.join(sorted(RESERVED))}"
        )
    return name


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")
