"""The beginning of a WebSocket connection: who opens it, and how it is refused.

Programs send ``Authorization`` with the handshake. Pages cannot: those of this hub are let in by
the cookie of their session, which counts only if the browser names this hub as the page's origin,
for it is sent for any page. Where nothing else lets them in, the first message may be
``{"authorization": "Bearer ..."}``. A key is never part of the address, which ends up in logs.
Source: RFC 6455; OWASP WebSocket Security Cheat Sheet.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from madang.model.errors import Forbidden, NgsiError, Unauthorized
from madang.trust.gate import SIGN_IN, bearer

PATIENCE_S: Final = 10.0
"""How long a connection may take to say who it is."""
POLICY_VIOLATION: Final = 1008
_LONGEST: Final = 10_000  # [characters] of a first message


def refuse_foreign(socket: WebSocket) -> None:
    """Refuse a connection that the page of another site opens, unless the settings name it.

    Raises:
        Forbidden: it comes from such a page.
    """
    origin = socket.headers.get("origin")
    if origin is not None and not socket.state.shared and not is_ours(socket):
        raise Forbidden(
            f"this was opened by a page of another site, {origin[:80]!r}; `cors_origins` in the"
            " settings says which may"
        )


def is_ours(socket: WebSocket) -> bool:
    """Tell whether a page of this hub opens a connection."""
    origin = socket.headers.get("origin")
    if origin is None:
        return False
    host = socket.headers.get("host", "").lower()
    return origin == socket.state.origin or urlsplit(origin).netloc.lower() == host


async def accept(socket: WebSocket) -> None:
    """Accept a connection, if that has not been done."""
    if socket.application_state is WebSocketState.CONNECTING:
        await socket.accept()


async def told_credential(socket: WebSocket) -> str:
    """Return the credential in the first message of a connection.

    Raises:
        Unauthorized: there is none in it, or it does not come.
        WebSocketDisconnect: the connection ends.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            first = await socket.receive()
    except TimeoutError:
        raise Unauthorized(f"nothing said who this is within {PATIENCE_S:g} s: {SIGN_IN}") from None
    if first["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(first["code"])
    try:
        told = orjson.loads((first.get("text") or "")[:_LONGEST])
    except orjson.JSONDecodeError:
        told = None
    value = told.get("authorization") if isinstance(told, dict) else None
    credential = bearer({"authorization": value}) if isinstance(value, str) else None
    if credential is None:
        raise Unauthorized(
            'the first message must be {"authorization": "Bearer <key>"}, for the handshake had no'
            f" Authorization header: {SIGN_IN}"
        )
    return credential


async def refuse(socket: WebSocket, error: NgsiError) -> None:
    """Tell the problem as the last message of a connection, and close it."""
    with suppress(WebSocketDisconnect, RuntimeError):  # it may have gone meanwhile
        await accept(socket)
        await socket.send_text(orjson.dumps(error.problem()).decode())
        await socket.close(POLICY_VIOLATION, error.title)
