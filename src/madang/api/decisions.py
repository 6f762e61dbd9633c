"""Decisions of services over HTTP: reading them, and taking one back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.decisions import PREFIX, Wanted, shown
from madang.api.bodies import number
from madang.api.surface import Surface
from madang.model.errors import BadRequestData
from madang.trust.events import Event

if TYPE_CHECKING:
    from madang.act.decisions import Decisions
    from madang.hub.hub import Hub
    from madang.trust.events import Recorder

_ONE: Final = "/decisions/{decision}"
_MOST: Final = 1000


def surfaces(decisions: Decisions, hub: Hub, recorder: Recorder) -> list[Surface]:
    """Return what can be done about decisions."""
    pages = _Pages(decisions, hub, recorder)
    return [
        Surface("GET", "/decisions", pages.list, "readEntity", "Decisions, the latest first",
                "Decisions"),
        Surface("GET", _ONE, pages.get, "readEntity", "A decision and what came of it",
                "Decisions"),
        Surface("POST", f"{_ONE}/undo", pages.undo, "manageServices", "Take a decision back",
                "Decisions"),
    ]  # fmt: skip


class _Pages:
    def __init__(self, decisions: Decisions, hub: Hub, recorder: Recorder) -> None:
        self._decisions = decisions
        self._hub = hub
        self._recorder = recorder

    async def list(self, request: Request) -> Response:
        """Return decisions; ``service``, ``entity``, ``limit`` and ``offset`` narrow them."""
        limit = number(request, "limit", 100)
        if not 0 < limit <= _MOST:
            raise BadRequestData(f"limit must be 1 to {_MOST}, not {limit}")
        asked = request.query_params
        wanted = Wanted(
            asked.get("service", ""), asked.get("entity", ""), limit, number(request, "offset", 0)
        )
        found, count = await self._decisions.page(request.state.tenant, wanted)
        headers = {"NGSILD-Results-Count": str(count)}
        return JSONResponse([shown(one) for one in found], headers=headers)

    async def get(self, request: Request) -> Response:
        return JSONResponse(shown(await self._decisions.get(request.state.tenant, _id(request))))

    async def undo(self, request: Request) -> Response:
        state, id = request.state, _id(request)
        tenant = await self._hub.tenant(state.tenant.name, create=False)
        found = await self._decisions.undo(tenant, state.tenant, id, state.principal.id)
        await self._recorder.record(
            Event(
                "command",
                state.principal.id,
                "decisionUndone",
                tenant=tenant.name,
                targets=(id, *(found["undo"] or {})),
                address=state.address,
            )
        )
        return JSONResponse(shown(found))


def _id(request: Request) -> str:
    id = str(request.path_params["decision"])
    return id if id.startswith(PREFIX) else PREFIX + id
