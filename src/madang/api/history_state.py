"""The city at an instant, and what differs between two: queries as usual, as of a time.

The parameters are those of Query Entities (ETSI GS CIM 009 clause 6.4.3.2), and ``at``, or ``from``
and ``to``. What counts is when things were observed: a value that arrived late is there from its
``observedAt`` on. Entities come in the order of their ids.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madang.api import answers
from madang.api import http as plain
from madang.api.call import Call
from madang.api.negotiation import GEO_JSON, accepted
from madang.api.selection import Search, search
from madang.model import time
from madang.model.context import Context
from madang.model.errors import BadRequestData
from madang.model.representation import Body, renderer
from madang.query.tree import Query
from madang.trust.hiding import row_of

if TYPE_CHECKING:
    from madang.lake.protocol import Readable
    from madang.lake.questions import Difference
    from madang.settings import Settings

_STAMPS: Final = frozenset({"createdAt", "modifiedAt", "@context"})


class StatePages:
    """Handlers of what was at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def state(self, request: Request) -> Response:
        """``GET /history/state``."""
        call, (at,) = self._asked(request, ("at",))
        geojson = accepted(request.headers.get("accept"), True) == GEO_JSON
        context = await call.context()
        asked = self._search(call, context, geojson)
        history, query = request.state.tenant.history, asked.query
        found, count, more = await history.read(lambda lake: lake.states(query, at))
        told = [("History-More", "true" if more else "false")]
        if count is not None:
            told.append(("NGSILD-Results-Count", str(count)))
        rows = [row_of(entity) for entity in found]
        return _starlette(await answers.many(call, rows, asked.view, context, None, told))

    async def diff(self, request: Request) -> Response:
        """``GET /history/diff``."""
        call, (since, until) = self._asked(request, ("from", "to"))
        if since >= until:
            raise BadRequestData("from must be before to")
        context = await call.context()
        asked = self._search(call, context, False)
        history, query = request.state.tenant.history, asked.query
        found, more = await history.read(lambda lake: _page(lake, query, since, until))
        content = {
            "from": time.render(since),
            "to": time.render(until),
            **_told(found, asked, context),
            "more": more,
        }
        return Response(orjson.dumps(content), media_type="application/json")

    def _asked(self, request: Request, names: tuple[str, ...]) -> tuple[Call, list[int]]:
        """Return the call without the parameters that name times, and the times."""
        given = request.query_params
        times = [_instant(given.get(name), name) for name in names]
        parts = request.url.query.split("&")
        rest = [part for part in parts if part and part.partition("=")[0] not in names]
        if "local" not in given:
            rest.append("local=true")  # history asks nobody else, so a query cannot be too wide
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = plain.Request(request.method, request.url.path, "&".join(rest), headers, b"")
        return Call(asked, request.state.tenant, self._settings), times

    def _search(self, call: Call, context: Context, geojson: bool) -> Search:
        asked = search(call.request.query, context, geojson, self._settings.max_page)
        if asked.join is not None:
            raise BadRequestData("join has no meaning in history; leave it out")
        if asked.query.order:
            raise BadRequestData("history comes in the order of ids; leave orderBy out")
        return asked


def _instant(text: str | None, name: str) -> int:
    if text is None:
        raise BadRequestData(f"{name} is missing; it is a DateTime such as 2026-01-31T12:00:00Z")
    return time.parse(time.checked(text, name))


def _starlette(answer: plain.Response) -> Response:
    response = Response(answer.body, answer.status)
    for name, value in answer.headers:
        response.headers.append(name, value)
    return response


# --- differences --------------------------------------------------------------------------------


def _page(lake: Readable, query: Query, since: int, until: int) -> tuple[list[Difference], bool]:
    """Return a page of what differs, and whether there is more."""
    end = query.offset + query.limit
    found = list(islice(lake.differences(query, since, until), end + 1))
    return found[query.offset : end], len(found) > end


def _told(found: list[Difference], asked: Search, context: Context) -> dict[str, Any]:
    """Return differences as JSON: what came, what went, and what changed, before and after."""
    show = renderer(asked.view, context).entity
    created: list[Body] = []
    deleted: list[Body] = []
    changed: list[Body] = []
    for _, before, after in found:
        old = None if before is None else show(before)
        new = None if after is None else show(after)
        if old is None and new is not None:
            created.append(new)
        elif new is None and old is not None:
            deleted.append(old)
        elif old is not None and new is not None and (change := _changed(old, new)):
            changed.append(change)
    return {"created": created, "deleted": deleted, "changed": changed}


def _changed(old: Body, new: Body) -> Body | None:
    names = [*old, *(name for name in new if name not in old)]
    differing = {
        name: {"before": old.get(name), "after": new.get(name)}
        for name in names
        if name not in _STAMPS and old.get(name) != new.get(name)
    }
    if not differing:
        return None
    return {"id": new["id"], "type": new["type"], "attributes": differing}
