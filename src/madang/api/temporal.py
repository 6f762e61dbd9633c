"""The past of entities, read: one by its id, or those that match (clauses 5.7.3, 5.7.4).

What is asked of the lake, and all that is made of its answer, runs beside the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from madang.api import answers
from madang.api.call import Call
from madang.api.entities import page_headers
from madang.api.http import Response
from madang.api.negotiation import accepted
from madang.api.temporal_selection import History, body_search, retrieval, search
from madang.lake.protocol import Readable
from madang.lake.questions import Aggregate, Aggregates, Past, Wanted
from madang.model import evolution, time
from madang.model.context import Context
from madang.model.errors import ResourceNotFound
from madang.model.names import check_uri
from madang.model.representation import Body
from madang.query.evaluate import matches


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of histories, ready to be written out."""

    bodies: list[Body]
    count: int | None = None
    more: bool = False
    covered: tuple[int, int] | None = None
    """Start and end of the time that an answer covers which had to be cut."""


async def retrieve(call: Call, id: str) -> Response:
    """``GET /temporal/entities/{id}``."""
    accepted(call.request.headers.get("accept"))
    context = await call.context()
    check_uri(id, "the entity id")
    asked = retrieval(id, call.request.query, context, call.settings.max_instances)
    now = call.tenant.clock.now()
    shown = await call.tenant.history.read(lambda lake: _one(lake, id, asked, context, now))
    return _response(call, shown.bodies[0], shown, asked, context)


async def query(call: Call) -> Response:
    """``GET /temporal/entities``."""
    accepted(call.request.headers.get("accept"))
    context = await call.context()
    settings = call.settings
    asked = search(call.request.query, context, settings.max_page, settings.max_instances)
    return await _page(call, asked, context)


async def query_batch(call: Call) -> Response:
    """``POST /temporal/entityOperations/query``."""
    accepted(call.request.headers.get("accept"))
    body, context = await call.input("queryTemporalBatch")
    settings = call.settings
    given = call.request.query
    asked = body_search(body, given, context, settings.max_page, settings.max_instances)
    return await _page(call, asked, context)


async def _page(call: Call, asked: History, context: Context) -> Response:
    shown = await call.tenant.history.read(lambda lake: _many(lake, asked, context))
    more = page_headers(call, asked.wanted.query, shown.count, shown.more)
    return _response(call, shown.bodies, shown, asked, context, more)


def _response(
    call: Call,
    content: Any,
    shown: Shown,
    asked: History,
    context: Context,
    more: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return 200, or 206 with the time that is covered (clause 6.3.10)."""
    response = answers.answer(call, content, context, more)
    if shown.covered is not None:
        start, end = map(time.render, shown.covered)
        size = asked.wanted.last_n or "*"
        response.status = 206
        response.headers = [
            *response.headers, ("Content-Range", f"date-time {start}-{end}/{size}"),
        ]  # fmt: skip
    return response


# --- in the lake's thread --------------------------------------------------------------------


def _many(lake: Readable, asked: History, context: Context) -> Shown:
    """Return a page of histories as they are shown."""
    if asked.methods:
        return _aggregated(lake, asked, context)
    page = lake.pasts(asked.wanted)
    if page.cut is None:
        bodies = [_body(past, (), asked, context) for past in page.entities]
        return Shown([body for body in bodies if body], page.count, page.more)
    # What the cut left nothing of is listed all the same, with no instance.
    query = replace(asked.wanted.query, count=False)
    wanted = replace(asked.wanted, query=query, most=None, last_n=None)
    outlines = _by_entity(lake.aggregates(wanted, ("totalCount",), None))
    bodies = [_body(past, outlines.get(past.id, ()), asked, context) for past in page.entities]
    covered = _covered(page.cut, asked.wanted)
    return Shown([body for body in bodies if body], page.count, page.more, covered)


def _body(
    past: Past, outline: Sequence[evolution.Series], asked: History, context: Context
) -> Body | None:
    if asked.shape == "temporalValues":
        return evolution.simplified(past, asked.view, context, asked.by, outline)
    return evolution.normalized(past, asked.view, context, outline)


def _covered(cut: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """Return the time that is covered: from the window's own start, if it has one (6.3.10).

    With ``lastN`` that is the window's end, for time is covered backwards.
    """
    window = wanted.temporal
    start: int | None = None
    if window is not None and wanted.last_n is None:
        start = None if window.relation == "before" else window.time_at
    elif window is not None:
        start = {"before": window.time_at, "between": window.end_time_at}.get(window.relation)
    return cut[0] if start is None or start == time.LAST else start, cut[1]


def _aggregated(lake: Readable, asked: History, context: Context) -> Shown:
    page = lake.aggregates(asked.wanted, asked.methods, asked.every)
    bodies = [evolution.aggregated(rows, asked.view, context) for rows in _by_entity(page).values()]
    return Shown([body for body in bodies if body], page.count, page.more)


def _by_entity(page: Aggregates) -> dict[str, list[Aggregate]]:
    return {id: list(rows) for id, rows in groupby(page.rows, key=lambda row: row.entity)}


def _one(lake: Readable, id: str, asked: History, context: Context, now: int) -> Shown:
    """Return the history of one entity as it is shown, if need be without any instance.

    Raises:
        ResourceNotFound: there is none, or nothing of what is asked for.
    """
    shown = _many(lake, asked, context)
    if shown.bodies:
        return shown
    past = _without_window(lake, id, asked, now)
    if past is None:
        what = " of the attributes asked for" if asked.wanted.attributes else ""
        raise ResourceNotFound(f"there is no history{what} of entity {id}")
    body = _body(replace(past, instances=[]), (), asked, context)
    if body is None:
        raise ResourceNotFound(f"the projection leaves nothing of entity {id}")
    return Shown([body])


def _without_window(lake: Readable, id: str, asked: History, now: int) -> Past | None:
    """Return an entity of which the window holds no instance; None if there is no such history."""
    wanted = asked.wanted
    wider = replace(wanted, omitted=(), datasets=None, temporal=None, last_n=1, most=None)
    found = lake.pasts(wider).entities
    if found:
        return found[0]
    if wanted.attributes:
        return None
    entity = lake.state(id, now)  # it may never have had an attribute
    if entity is None:
        return None
    (selector,) = wanted.query.selectors
    if selector.types is not None and not matches(selector.types, entity):
        return None
    return Past(id, tuple(entity.types), [], entity.created, entity.modified, None)
