"""Mounts surfaces behind the gate: who may not take a surface's action does not reach it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from madang.api.cookies import credential_of as session_of
from madang.api.cookies import refuse_forged, refuse_rebound
from madang.model.errors import NgsiError, PayloadTooLarge, TooManyRequests, Unauthorized
from madang.trust.actions import SystemAction
from madang.trust.gate import bearer
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.api.surface import Handler, Surface
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.trust.gate import Gate

MOST_BYTES = 1024 * 1024
"""Largest body of a request to a surface; the hub API has a limit of its own."""
LARGE = {"/history/instances": 128 * 1024 * 1024, "/devices/import": 16 * 1024 * 1024}
"""Paths with larger bodies: the first goes to the disk as it comes, the second is a table."""
_OF_THE_SYSTEM = frozenset(get_args(SystemAction))


def mounted(surfaces: Iterable[Surface], gate: Gate, hub: Hub) -> list[Route]:
    """Return Starlette routes for surfaces."""
    guard = _Guard(gate, hub)
    return [
        Route(surface.path, guard.around(surface), methods=[surface.method]) for surface in surfaces
    ]


class _Guard:
    def __init__(self, gate: Gate, hub: Hub) -> None:
        self._gate = gate
        self._hub = hub

    def around(self, surface: Surface) -> Handler:
        async def guarded(request: Request) -> Response:
            await self._let_in(request, surface)
            return await surface.handler(request)

        return guarded

    async def _let_in(self, request: Request, surface: Surface) -> None:
        """Put principal, address and, for an action in a tenant, the tenant into the state.

        For answers without an end, ``holds`` tells whether that tenant still is what may be seen.

        Raises:
            Unauthorized, Forbidden: this principal may not.
            TooManyRequests: the limit is reached.
        """
        gate, state, now = self._gate, request.state, time.perf_counter()
        if gate.is_open:
            refuse_rebound(request.headers.get("host"), request.state.origin)
        peer = request.client.host if request.client is not None else ""
        state.address = gate.address(peer, request.headers)
        credential = bearer(request.headers)
        if credential is None:
            credential = session_of(request)
            if credential is not None:
                refuse_forged(request)
            if credential is not None and not gate.holds(credential, state.address):
                credential = None  # the session has ended: the page to sign in must be reached
        state.principal = gate.principal(credential, state.address)
        gate.admit(state.principal, state.address, "pages", now)
        if surface.action in _OF_THE_SYSTEM:
            gate.allow(state.principal, surface.action, "", state.address)
            return
        name = request.headers.get("NGSILD-Tenant", "")

        async def find() -> Tenant:
            return await self._hub.tenant(name, create=False)

        purpose = request.headers.get("Purpose", "")
        action: Any = surface.action

        async def entered() -> Tenant | View:
            moment = time.perf_counter()
            door = await gate.enter(
                None, credential, state.address, name, purpose, (action,), find, moment
            )
            return door.tenant

        async def holds() -> bool:
            try:
                return sees_the_same(await entered(), state.tenant)
            except NgsiError:
                return False

        state.tenant = await entered()
        state.holds = holds


def sees_the_same(one: Tenant | View, other: Tenant | View) -> bool:
    """Tell whether two who look at a tenant see the same of it."""
    if isinstance(one, View) and isinstance(other, View):
        return one.sight.reach == other.sight.reach
    return one is other


async def problem(request: Request, error: Exception) -> Response:
    """Return the problem document of an error."""
    assert isinstance(error, NgsiError)
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequests):
        headers = {"Retry-After": str(error.retry_after_s), **dict(error.headers)}
    elif isinstance(error, Unauthorized):
        headers = {"WWW-Authenticate": 'Bearer realm="madang"'}
    return JSONResponse(error.problem(), error.status, headers)


class BodyLimit:
    """ASGI middleware that reads no more of a body than is allowed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, most = 0, LARGE.get(scope["path"], MOST_BYTES)

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise PayloadTooLarge(f"a body may have {most:,} bytes at most here")
            return message

        await self._app(scope, counted, send)
