"""How long history is kept, over HTTP: policies and legal holds of a tenant, read and set whole."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from madang.lake.rules import dump, parse

_JSON = "application/json"


async def show(request: Request) -> Response:
    """``GET /history/rules``."""
    return Response(dump(request.state.tenant.history.rules), media_type=_JSON)


async def replace(request: Request) -> Response:
    """``PUT /history/rules``: in place of those before; in force when this is answered."""
    await request.state.tenant.history.set_rules(parse(await request.body()))
    return Response(status_code=204)
