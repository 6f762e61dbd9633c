"""The catalogue of city services: a page that anybody may read, and the same as JSON.

Whether this city has what a service needs is told as far as who reads may see entities of those
types, or may see how services go; so is whether a service is on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.site import Site
from madang.api.surface import Surface
from madang.services.catalogue import catalogue

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.services.services import Services
    from madang.trust.gate import Gate


class CataloguePages:
    """The catalogue of the services that are installed."""

    def __init__(self, site: Site, services: Services, gate: Gate, hub: Hub) -> None:
        self._site = site
        self._services = services
        self._gate = gate
        self._hub = hub

    def surfaces(self) -> list[Surface]:
        rows = [
            ("/catalogue", self.page, "The catalogue of city services, to read", "Pages"),
            ("/catalogue/services", self.told, "The catalogue of city services", "Services"),
        ]
        return [
            Surface("GET", path, handler, "seePages", summary, tag)
            for path, handler, summary, tag in rows
        ]

    async def page(self, request: Request) -> Response:
        """Answer with the page; of the default tenant, as browsers name none."""
        found = await self._found(request, "")
        return self._site.answer(request, "catalogue.html", categories=found)

    async def told(self, request: Request) -> Response:
        name = request.headers.get("NGSILD-Tenant", "")
        return JSONResponse({"categories": await self._found(request, name)})

    async def _found(self, request: Request, name: str) -> list[dict[str, Any]]:
        principal, gate = request.state.principal, self._gate
        tenant = self._hub.open.get(name)
        knows = tenant is not None and gate.may(principal, "seeServices", name)
        types: set[str] = set()
        states: dict[str, str] = {}
        if tenant is not None and (knows or gate.may(principal, "readEntity", name)):
            address = request.state.address
            seen = tenant if knows else gate.seen(principal, tenant, "", address)
            types = {one for shape in await seen.shapes() for one in shape.types}
        if knows:
            states = {one.service.name: one.state for one in await self._services.list(name)}

        def here(type: str) -> bool | None:
            if type in types or (type == "*" and types):
                return True
            return False if knows else None

        return catalogue(
            self._services.catalogue.values(), here, lambda service: states.get(service.name)
        )
