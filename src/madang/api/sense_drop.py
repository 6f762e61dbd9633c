"""The drop folder over HTTP: what lies in it, and what became of the files before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.surface import Surface

if TYPE_CHECKING:
    from madang.sense.files.drop import Drop


def surfaces(drop: Drop) -> list[Surface]:
    """Return what can be asked about the drop folder."""

    async def status(request: Request) -> Response:
        return JSONResponse(await drop.status(request.state.tenant.name))

    summary = "The drop folder: files that wait, reports of the last ones"
    return [Surface("GET", "/sense/drop", status, "seeDevices", summary, "Devices")]
