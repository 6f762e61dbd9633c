"""Pages of incidents: what everybody may know, and the report to print. They need no scripts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.incidents.incident import Incident, said
from madang.act.incidents.report import public, report
from madang.act.incidents.requests import find, listed, notices
from madang.api.bodies import number
from madang.api.surface import Surface
from madang.model import time
from madang.model.errors import ResourceNotFound

if TYPE_CHECKING:
    from madang.api.site import Site
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant

ON_PAGE = 50  # incidents
SHOWN_US = 7 * 86_400 * 1_000_000
"""How long an incident that is over is still listed."""
_TAG = "Incidents"
_HTML = "text/html"


class IncidentPages:
    """The pages at one address."""

    def __init__(self, site: Site, hub: Hub) -> None:
        self._site = site
        self._hub = hub

    def surfaces(self) -> list[Surface]:
        one = "/city/incidents/{incident}"
        return [
            Surface(
                "GET", "/city/incidents", self.list, "seePages", "What is going on, for all", _TAG
            ),
            Surface("GET", one, self.show, "seePages", "An incident, for all", _TAG),
            Surface(
                "GET",
                "/incidents/{incident}/report",
                self.report,
                "seeIncidents",
                "The report of an incident, to print or as JSON",
                _TAG,
            ),
        ]

    async def list(self, request: Request) -> Response:
        """Show what is going on, and what was over in the last week."""
        tenant = await self._tenant(request)
        start = number(request, "offset", 0)
        found, count = await listed(tenant, "", ON_PAGE, start, only_public=True)
        now = tenant.clock.now()
        shown = [public(one) for one in found if _is_recent(one, now)]
        if not _wants_page(request):
            return JSONResponse(shown)
        return self._site.answer(
            request,
            "city_incidents.html",
            incidents=shown,
            said=said,
            instant=time.parse,
            following=start + ON_PAGE if count > start + ON_PAGE and shown else 0,
        )

    async def show(self, request: Request) -> Response:
        told = public(await self._public(request))
        if not _wants_page(request):
            return JSONResponse(told)
        return self._site.answer(
            request, "city_incident.html", one=told, said=said, instant=time.parse
        )

    async def _public(self, request: Request) -> Incident:
        """Return an incident; one that is not public is as if it did not exist."""
        name = _name(request)
        with suppress(ResourceNotFound):
            incident = await find(await self._tenant(request), name)
            if incident["public"]:
                return incident
        raise ResourceNotFound(f"there is no public incident {name[:80]!r}")

    async def report(self, request: Request) -> Response:
        tenant = await self._tenant(request)
        incident = await find(tenant, _name(request))
        told: dict[str, Any] = report(incident, await notices(tenant, incident))
        if not _wants_page(request):
            return JSONResponse(told)
        return self._site.answer(
            request, "incident_report.html", one=told, said=said, instant=time.parse
        )

    async def _tenant(self, request: Request) -> Tenant:
        return await self._hub.tenant(request.headers.get("NGSILD-Tenant", ""), create=False)


def _wants_page(request: Request) -> bool:
    return _HTML in request.headers.get("accept", "")


def _is_recent(incident: Incident, now: int) -> bool:
    over = incident["ended"] or incident["resolved"]
    return not over or now - time.parse(over) < SHOWN_US


def _name(request: Request) -> str:
    return str(request.path_params["incident"])
