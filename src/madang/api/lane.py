"""The NGSI-LD lane: finds the route, the tenant and the answer, and never raises."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
import structlog

from madang.api.call import Call
from madang.api.cookies import credential_in, refuse_rebound
from madang.api.http import Fields, Request, Response
from madang.api.negotiation import BareStatus
from madang.api.router import Route, Router, UnsupportedMethod
from madang.api.security_headers import headers_of_data
from madang.model.errors import (
    InternalError,
    NgsiError,
    Overloaded,
    PayloadTooLarge,
    ResourceNotFound,
    TooManyRequests,
    Unauthorized,
)
from madang.trust.gate import bearer

if TYPE_CHECKING:
    from madang.api.metrics import Metrics
    from madang.api.security_headers import Cors
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.settings import Settings
    from madang.trust.gate import Door, Gate
    from madang.trust.view import View

log = structlog.get_logger("madang.http")

PREFIX = "/ngsi-ld/v1/"
_PROBLEM = ("content-type", "application/json")


def problem(error: NgsiError) -> Response:
    """Return the problem document of an error (clause 6.3.2)."""
    headers = [_PROBLEM]
    if isinstance(error, Overloaded):
        headers.append(("retry-after", "1"))
    elif isinstance(error, TooManyRequests):
        headers += [("retry-after", str(error.retry_after_s)), *error.headers]
    elif isinstance(error, Unauthorized):
        headers.append(("www-authenticate", 'Bearer realm="madang"'))
    return Response(error.status, orjson.dumps(error.problem()), headers)


class NgsiLane:
    """Answers everything below ``/ngsi-ld/v1/``. See :class:`madang.api.direct.Lane`."""

    prefix = PREFIX.encode()

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        router: Router,
        metrics: Metrics,
        gate: Gate,
        cors: Cors,
    ) -> None:
        self.max_body = settings.max_body_bytes
        self._url = settings.url
        self.always: Sequence[tuple[str, str]] = headers_of_data(self._url)
        self._hub = hub
        self._gate = gate
        self._cors = cors
        self._settings = settings
        self._router = router
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        began = time.perf_counter()
        path = "unknown"
        tenant_name = request.headers.get("ngsild-tenant", "")
        try:
            found = self._router.find(request.method, request.path)
            if found is None:
                raise ResourceNotFound(f"there is nothing at {request.path}")
            route, values = found
            path = route.path
            tenant: Tenant | View
            if self._gate.is_open:
                refuse_rebound(request.headers.get("host"), self._url)
                found_open = self._hub.open.get(tenant_name)
                tenant = found_open or await self._hub.tenant(tenant_name, route.makes_tenant)
            else:
                door: Door | None = getattr(request.headers, "door", None)
                if door is not None and door.is_open_for(route.actions, began):
                    tenant = door.tenant
                else:
                    tenant = await self._enter(request, route, tenant_name, began)
            response = await route.handler(Call(request, tenant, self._settings), *values)
        except NgsiError as error:
            response = problem(error)
        except BareStatus as refused:
            response = Response(refused.status)
        except UnsupportedMethod as error:
            granted = self._cors.preflight(request.method, request.headers)
            if granted is None:
                response = Response(405, b"", [("allow", ", ".join(error.allowed))])
            else:
                response = Response(204, b"", granted)
        except Exception:  # the outermost border: nobody above could answer
            log.exception("request.failed", method=request.method, path=request.path)
            response = problem(InternalError("the hub failed; the fault is in its log"))
        if tenant_name:
            response.headers = [*response.headers, ("NGSILD-Tenant", tenant_name)]
        if "origin" in request.headers and request.method != "OPTIONS":
            shared = self._cors.cors_headers(request.headers["origin"])
            response.headers = [*response.headers, *shared]
        self._metrics.request(request.method, path, response.status, time.perf_counter() - began)
        return response

    async def _enter(
        self, request: Request, route: Route, tenant_name: str, now: float
    ) -> Tenant | View:
        """Return the tenant as the one who asks may see it."""
        headers = request.headers
        address = self._gate.address(request.address, headers)
        credential = bearer(headers)
        if credential is None:
            credential = credential_in(request.method, headers, self._url)
            if credential is not None and not await self._gate.holds(credential, address):
                credential = None  # the session has ended; what is public can still be read

        async def find() -> Tenant:
            return await self._hub.tenant(tenant_name, create=route.makes_tenant)

        door = await self._gate.enter(
            headers.get("authorization"),
            credential,
            address,
            tenant_name,
            headers.get("purpose", ""),
            route.actions,
            find,
            now,
        )
        # Without this header it is the address, or a cookie, that tells who asks.
        if type(headers) is Fields and "authorization" in headers:
            headers.door = door
        return door.tenant

    def refuse(self, status: int, method: str) -> Response:
        """Return the answer to a request whose body is not read."""
        self._metrics.request(method, "refused", status, 0.0)
        if status == 413:
            return problem(PayloadTooLarge(f"a body may have {self.max_body:,} bytes at most"))
        return Response(status)
