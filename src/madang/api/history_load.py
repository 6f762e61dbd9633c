"""Loading history in bulk over HTTP: Parquet files of instances, straight into the lake.

Nothing else hears of it: no subscription, no service, and no current entity changes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.model.errors import BadRequestData

MEDIA = "application/vnd.apache.parquet"


class LoadPages:
    """The handler of bulk loads.

    Args:
        folder: the data folder; files wait in it until they are in the lake.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "lake" / "arriving"

    async def load(self, request: Request) -> Response:
        """``POST /history/instances``."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != MEDIA:
            raise BadRequestData(f"the body must be {MEDIA}, not {kind or 'of no stated type'}")
        tenant = request.state.tenant
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            file = Path(folder) / "instances.parquet"
            with file.open("wb") as stream:
                async for chunk in request.stream():
                    stream.write(chunk)
            try:
                count = await tenant.history.load(file, tenant.clock.now())
            except ValueError as error:
                raise BadRequestData(str(error)) from None
        return JSONResponse({"loaded": count})
