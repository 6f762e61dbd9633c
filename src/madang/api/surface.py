"""A route of the ASGI side: what it does, and which action one must be allowed to take for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from madang.model.errors import NgsiError
from madang.trust.actions import EntityAction, SystemAction, TenantAction

Action = SystemAction | TenantAction | EntityAction

Handler = Callable[[Request], Awaitable[Response]]
"""Finds in ``request.state``: ``principal`` (Principal), ``address`` (str, of the client)."""

SocketHandler = Callable[[WebSocket], Awaitable[None]]
"""Finds the same in ``socket.state``, and ``holds``; the socket has been accepted."""


@dataclass(frozen=True, slots=True)
class Surface:
    """One method of one path. A path parameter is written ``{name}``, as in Starlette.

    The action is checked before the handler is called: a SystemAction for the process as a whole,
    any other in the tenant that the header ``NGSILD-Tenant`` names, which the handler then finds as
    ``request.state.tenant``, narrowed to what the principal may see.
    """

    method: str
    path: str
    handler: Handler
    action: Action
    summary: str
    tag: str
    credential: str = ""
    """Header that holds a key or token beside ``Authorization``, for clients of other platforms."""
    told: Callable[[NgsiError], Response] | None = None
    """Tells of an error in the way that such clients know; None: as a problem document."""
    socket: SocketHandler | None = None
    """Takes WebSocket connections to the path; the same action is asked for."""
