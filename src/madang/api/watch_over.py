"""Searches for watch-over tags over HTTP: opened and closed by people whom the service names."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import members, text
from madang.api.surface import Surface
from madang.hub.operations import Append, Create
from madang.hub.records import Own
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Conflict, Forbidden, MadangError, ResourceNotFound
from madang.model.names import check_uri
from madang.model.normalize import entity as normalized
from madang.services.watch_over.search import BASES, CLOSING, REQUESTED
from madang.services.watch_over.tags import SEARCH, TAG, Care
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.operations import Operation
    from madang.services.services import Services
    from madang.services.working import Working

SERVICE = "watch_over"
SHORTEST, LONGEST = 10, 1_000  # characters of a reason


def surfaces(services: Services) -> list[Surface]:
    """Return what can be asked of the service."""
    pages = _Pages(services)
    where, tag = "/watch-over/searches", "Services"
    return [
        Surface(
            "POST", where, pages.open, "seeServices", "Open a search for a watch-over tag", tag
        ),
        Surface("DELETE", f"{where}/{{search}}", pages.close, "seeServices", "Close a search", tag),
    ]


class _Pages:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def open(self, request: Request) -> Response:
        known = ("tag", "reason", "legalBasis", "hours")
        body = await members(request, known, ("tag", "reason", "legalBasis"))
        working = await self._working(request)
        options = _options(working)
        reason, basis = text(body, "reason"), body["legalBasis"]
        if not SHORTEST <= len(reason) <= LONGEST:
            raise BadRequestData(f"reason must have {SHORTEST} to {LONGEST:,} characters")
        if basis not in BASES:
            raise BadRequestData(f"legalBasis must be one of {', '.join(BASES)}")
        hours = body.get("hours", options.search_hours)
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 < hours <= (
            options.search_hours
        ):  # fmt: skip
            raise BadRequestData(f"hours must be a number up to {options.search_hours}")
        tag = check_uri(text(body, "tag"), "tag")
        row = await working.tenant.get(tag)
        if row is None or TAG not in entity_of(row).types:
            raise ResourceNotFound(f"there is no {TAG} {tag}")
        id = f"urn:ngsi-ld:{SEARCH}:{secrets.token_hex(8)}"
        document = {
            "id": id,
            "type": SEARCH,
            "refTag": {"type": "Relationship", "object": tag},
            "reason": {"type": "Property", "value": reason},
            "legalBasis": {"type": "Property", "value": basis},
            "hours": {"type": "Property", "value": hours, "unitCode": "HUR"},
            "requestedBy": {"type": "Property", "value": request.state.principal.id},
            "status": {"type": "Property", "value": REQUESTED},
        }
        await _write(working, Create(id, normalized(document, CORE)))
        return JSONResponse({"id": id, "tag": tag, "hours": hours}, 201)

    async def close(self, request: Request) -> Response:
        working = await self._working(request)
        id = str(request.path_params["search"])
        row = await working.tenant.get(id)
        if row is None or SEARCH not in entity_of(row).types:
            raise ResourceNotFound(f"there is no search {id[:200]}")
        who = {"type": "Property", "value": request.state.principal.id}
        status = {"type": "Property", "value": CLOSING}
        document = {"id": id, "type": SEARCH, "closedBy": who, "status": status}
        await _write(working, Append(id, normalized(document, CORE)))
        return Response(status_code=204)

    async def _working(self, request: Request) -> Working:
        """Return the service, if it is on and names who asks.

        Raises:
            Conflict: it is off.
            Forbidden: it does not name them.
        """
        tenant = request.headers.get("NGSILD-Tenant", "")
        working = await self._services.find(tenant, SERVICE)
        if not working.is_on:
            raise Conflict(f"the service {SERVICE} is off; `madang service on {SERVICE}`")
        who = request.state.principal
        if who.id not in _options(working).searchers:
            raise Forbidden(
                f"{who.name} may not open or close searches; an administrator names who may:"
                f" `madang service set {SERVICE} 'searchers=[\"{who.id}\"]'`"
            )
        return working


def _options(working: Working) -> Care:
    options: Any = working.options
    assert isinstance(options, Care)
    return options


async def _write(working: Working, operation: Operation) -> None:
    for result in await working.tenant.write([Own(operation)]):
        if isinstance(result, MadangError):
            raise result
