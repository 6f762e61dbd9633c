"""``GET /live``: what is in view on the map, live, over a WebSocket.

A viewer says by a JSON text what it looks at, as often as that changes, and is told in binary
messages (:mod:`madang.web.live.frames`) what there is and what is new; ``{"seen": 12}`` says how
many of those it has taken up. Texts from here are JSON:
``{"pulse": …}`` while nothing happens, and problems. One with ``layer`` is about that layer alone;
after any other, the connection is closed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from madang.api.sockets import refuse
from madang.api.surface import Surface
from madang.model.errors import BadRequestData, NgsiError, Unauthorized
from madang.web.live.asked import read
from madang.web.live.live import Live

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.web.live.viewer import Viewer

_FRESH_S: Final = 1.0  # what may no longer be seen is told no longer after so much
_PULSE_S: Final = 15.0  # between two signs of life while nothing happens
_BETWEEN_LOOKS_S: Final = 0.05  # a map that is moved says so less often


def surfaces(hub: Hub) -> list[Surface]:
    """Return the route of the live map."""
    pages = _Pages(hub)
    summary = "The live map: positions in view as they change, over a WebSocket"
    return [
        Surface(
            "GET", "/live", _wants_upgrade, "readEntity", summary, "System", socket=pages.connected
        )
    ]


async def _wants_upgrade(request: Request) -> Response:
    """Tell who asks by HTTP that a WebSocket is wanted (RFC 9110 section 15.5.22)."""
    problem = BadRequestData("open a WebSocket here; GET /changes tells the same by HTTP").problem()
    return JSONResponse(
        {**problem, "status": 426}, 426, {"Upgrade": "websocket", "Connection": "Upgrade"}
    )


class _Pages:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._live = Live()

    async def connected(self, socket: WebSocket) -> None:
        try:
            viewer = self._live.join()
        except NgsiError as error:
            await refuse(socket, error)
            return
        telling = asyncio.create_task(_tell(socket, viewer))
        try:
            await self._hear(socket, viewer)
        except NgsiError as error:
            telling.cancel()
            await refuse(socket, error)
        except WebSocketDisconnect:
            pass
        finally:
            self._live.leave(viewer)
            telling.cancel()
            await asyncio.wait([telling])

    async def _hear(self, socket: WebSocket, viewer: Viewer) -> None:
        """Take what the viewer says until the connection ends.

        Raises:
            BadRequestData: it is nothing that a viewer says.
        """
        tenant = await self._hub.tenant(socket.state.tenant.name, create=False)
        while (event := await socket.receive())["type"] != "websocket.disconnect":
            text = event.get("text")
            if text is None:
                raise BadRequestData("a look is a text message, not a binary one")
            said = read(text)
            if isinstance(said, int):
                viewer.seen(said)
                continue
            self._live.look(viewer, said, socket.state.tenant, tenant)
            await asyncio.sleep(_BETWEEN_LOOKS_S)


async def _tell(socket: WebSocket, viewer: Viewer) -> None:
    """Send what there is to tell until the connection ends, or nothing more may be seen."""
    judged = told = time.monotonic()
    with suppress(WebSocketDisconnect, RuntimeError):  # it has gone
        while True:
            await viewer.wait()
            now = time.monotonic()
            if now - judged > _FRESH_S:
                if not await socket.state.holds():
                    await refuse(
                        socket, Unauthorized("what you may see has changed; connect again")
                    )
                    return
                judged = now
            for layer, problem in viewer.problems():
                await _text(socket, {"layer": layer, **problem.problem()})
            for message in viewer.messages():
                await socket.send({"type": "websocket.send", "bytes": message})
                told = now
            if now - told > _PULSE_S:
                await _text(socket, {"pulse": time.time() * 1000})
                told = now


async def _text(socket: WebSocket, told: dict[str, Any]) -> None:
    await socket.send_text(orjson.dumps(told).decode())
