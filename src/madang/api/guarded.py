"""Mounts surfaces behind the gate: who may not take a surface's action does not reach it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from madang.api.cookies import credential_of as session_of
from madang.api.cookies import refuse_forged, refuse_rebound
from madang.api.sockets import accept, is_ours, refuse, refuse_foreign, told_credential
from madang.model.errors import (
    NgsiError,
    Overloaded,
    PayloadTooLarge,
    TooManyRequests,
    Unauthorized,
)
from madang.trust.actions import SystemAction
from madang.trust.gate import bearer
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.api.surface import Handler, SocketHandler, Surface
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant
    from madang.trust.gate import Gate

MOST_BYTES = 1024 * 1024
"""Largest body of a request to a surface; the hub API has a limit of its own."""
LARGE = {"/history/instances": 128 * 1024 * 1024, "/devices/import": 16 * 1024 * 1024}
"""Paths with larger bodies: the first goes to the disk as it comes, the second is a table."""
_OF_THE_SYSTEM = frozenset(get_args(SystemAction))


def mounted(surfaces: Iterable[Surface], gate: Gate, hub: Hub) -> list[BaseRoute]:
    """Return Starlette routes for surfaces."""
    guard = _Guard(gate, hub)
    routes: list[BaseRoute] = []
    for surface in surfaces:
        routes.append(Route(surface.path, guard.around(surface), methods=[surface.method]))
        if surface.socket is not None:
            routes.append(WebSocketRoute(surface.path, guard.around_socket(surface)))
    return routes


class _Guard:
    def __init__(self, gate: Gate, hub: Hub) -> None:
        self._gate = gate
        self._hub = hub

    def around(self, surface: Surface) -> Handler:
        async def guarded(request: Request) -> Response:
            try:
                await self._let_in(request, surface)
                return await surface.handler(request)
            except NgsiError as error:
                if surface.told is None:
                    raise
                return surface.told(error)

        return guarded

    def around_socket(self, surface: Surface) -> SocketHandler:
        handler = surface.socket
        assert handler is not None

        async def guarded(socket: WebSocket) -> None:
            try:
                await self._let_in_socket(socket, surface)
            except NgsiError as error:
                await refuse(socket, error)
            except WebSocketDisconnect:
                return
            else:
                await handler(socket)

        return guarded

    async def _let_in(self, request: Request, surface: Surface) -> None:
        """Let in who asks, by a key, a token or the session of a cookie.

        Raises:
            Unauthorized, Forbidden: this principal may not.
            TooManyRequests: the limit is reached.
        """
        self._meet(request)
        credential = bearer(request.headers)
        if credential is None and surface.credential:
            credential = request.headers.get(surface.credential) or None
        if credential is None:
            credential = session_of(request)
            if credential is not None:
                refuse_forged(request)
            if credential is not None and not await self._gate.holds(
                credential, request.state.address
            ):
                credential = None  # the session has ended: the page to sign in must be reached
        await self._enter(request, surface, credential)

    async def _let_in_socket(self, socket: WebSocket, surface: Surface) -> None:
        """Let in who opens a connection, and accept it; raises as for a request."""
        self._meet(socket)
        refuse_foreign(socket)
        credential = bearer(socket.headers)
        if credential is None and is_ours(socket):
            credential = session_of(socket)
        if credential is None:
            try:
                await self._enter(socket, surface, None)
            except Unauthorized:
                await accept(socket)
                credential = await told_credential(socket)
        if credential is not None:
            await self._enter(socket, surface, credential)
        await accept(socket)

    def _meet(self, connection: HTTPConnection) -> None:
        """Put the address into the state, and refuse what came by a name that is not ours."""
        gate, state = self._gate, connection.state
        if gate.is_open:
            refuse_rebound(connection.headers.get("host"), state.origin)
        peer = connection.client.host if connection.client is not None else ""
        state.address = gate.address(peer, connection.headers)

    async def _enter(
        self, connection: HTTPConnection, surface: Surface, credential: str | None
    ) -> None:
        """Put principal and, for an action in a tenant, the tenant into the state.

        For answers without an end, ``holds`` tells whether that tenant still is what may be seen.
        """
        gate, state, now = self._gate, connection.state, time.perf_counter()
        state.principal = await gate.known(credential, state.address)
        gate.admit(state.principal, state.address, "pages", now)
        if surface.action in _OF_THE_SYSTEM:
            gate.allow(state.principal, surface.action, "", state.address)
            return
        name = connection.headers.get("NGSILD-Tenant", "")
        if not name and connection.scope["type"] == "websocket":  # pages can give it no headers
            name = connection.query_params.get("tenant", "")

        async def find() -> Tenant:
            return await self._hub.tenant(name, create=False)

        purpose = connection.headers.get("Purpose", "")
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
            except TooManyRequests:  # who asks too much may still be here
                return True
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
    elif isinstance(error, Overloaded):
        headers = {"Retry-After": "1"}
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
