"""City services over HTTP: which there are, how they go, switching and setting them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import flag, members, page
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData
from madang.trust.actions import TenantAction

if TYPE_CHECKING:
    from madang.services.services import Services


def surfaces(services: Services) -> list[Surface]:
    """Return what can be done about city services."""
    pages = _Pages(services)
    one = "/services/{service}"
    rows: list[tuple[str, str, Handler, TenantAction, str]] = [
        ("GET", "/services", pages.list, "seeServices", "City services and how they go"),
        ("GET", one, pages.get, "seeServices", "A service, its options and how it goes"),
        ("PATCH", one, pages.change, "manageServices", "Switch or set a service"),
        ("POST", f"{one}/resume", pages.resume, "manageServices", "Go on after a failure"),
    ]
    return [
        Surface(method, path, handler, action, summary, "Services")
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list(self, request: Request) -> Response:
        found = await self._services.list(_tenant(request))
        return page(request, found, lambda working: working.shown())

    async def get(self, request: Request) -> Response:
        working = await self._services.find(_tenant(request), _name(request))
        return JSONResponse(working.shown(whole=True))

    async def change(self, request: Request) -> Response:
        """Set options before switching, so that a service never works with those of before."""
        body = await members(request, ("on", "options"))
        if not body:
            raise BadRequestData("say what to change: on (true or false), options, or both")
        tenant, name = _tenant(request), _name(request)
        on = flag(body, "on") if "on" in body else None
        working = await self._services.find(tenant, name)
        if "options" in body:
            working = await self._services.set_options(tenant, name, _options(body))
        if on is not None:
            working = await self._services.switch(tenant, name, on)
        return JSONResponse(working.shown(whole=True))

    async def resume(self, request: Request) -> Response:
        body = await members(request, ("skip",))
        skip = "skip" in body and flag(body, "skip")
        working = await self._services.resume(_tenant(request), _name(request), skip)
        return JSONResponse(working.shown(whole=True))


def _options(body: dict[str, Any]) -> dict[str, Any]:
    values = body["options"]
    if not isinstance(values, dict):
        raise BadRequestData("options must be a JSON object of values by name")
    return values


def _tenant(request: Request) -> str:
    return request.headers.get("NGSILD-Tenant", "")


def _name(request: Request) -> str:
    return str(request.path_params["service"])
