"""An edge node over HTTP: how far it has told the centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.surface import Surface

if TYPE_CHECKING:
    from madang.sense.edge.node import Edge


def surfaces(edge: Edge) -> list[Surface]:
    """Return what is asked of an edge node."""

    async def status(request: Request) -> Response:
        return JSONResponse(edge.status())

    return [
        Surface(
            "GET",
            "/sense/edge",
            status,
            "seeDevices",
            "How far this edge node has told its centre",
            "Devices",
        )
    ]
