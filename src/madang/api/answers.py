"""From rows to answers: representation, @context and media type of what entity reads return."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson

from madang.api.call import Call
from madang.api.http import Response
from madang.api.negotiation import GEO_JSON, JSON, LD_JSON, accepted, preferences
from madang.model import geojson, linked
from madang.model.context import Context
from madang.model.core_context import CORE_URL
from madang.model.entity import Entity
from madang.model.linked import Join
from madang.model.representation import Body, is_identity, renderer
from madang.model.version import downgrade
from madang.model.view import View
from madang.store.protocol import Row
from madang.store.rows import entity_of

Headers = list[tuple[str, str]]


@lru_cache(maxsize=1024)
def headers(media: str, context: Context) -> tuple[tuple[str, str], ...]:
    """Return the headers that name the media type and, for plain JSON, the @context."""
    if media == JSON and context.link is not None:
        return ("content-type", media), ("link", context.link)
    return (("content-type", media),)


def answer(
    call: Call, content: Any, context: Context, more: Sequence[tuple[str, str]] = ()
) -> Response:
    """Return 200 with ``content`` as JSON or JSON-LD, whichever the client prefers."""
    media = accepted(call.request.headers.get("accept"))
    if media == LD_JSON:
        content = _with_context(content, context)
    return Response(200, orjson.dumps(content), [*headers(media, context), *more])


def _with_context(content: Any, context: Context) -> Any:
    """Return an object, or each object of an array, with the ``@context`` it is written in."""
    source = CORE_URL if context.source is None else context.source
    if isinstance(content, list):
        return [{**item, "@context": source} for item in content]
    return {**content, "@context": source}


async def one(
    call: Call, row: Row, view: View, context: Context, join: Join | None
) -> Response | None:
    """Return 200 with one entity; None if the projection leaves nothing of it."""
    media = accepted(call.request.headers.get("accept"), True)
    prefer = call.request.headers.get("prefer")
    if media == JSON and prefer is None and join is None and is_identity(view, context):
        return Response(200, row.document, headers(media, context))
    rendered = await _rendered(call, [row], view, context, join)
    if not rendered:
        return None
    if join is not None and join.flat and len(rendered) > 1:
        return _response(call, rendered, view, context, media)
    return _response(call, rendered[0], view, context, media)


async def many(
    call: Call,
    rows: list[Row],
    view: View,
    context: Context,
    join: Join | None,
    more: Headers,
) -> Response:
    """Return 200 with a page of entities."""
    media = accepted(call.request.headers.get("accept"), True)
    rendered = await _rendered(call, rows, view, context, join)
    response = _response(call, rendered, view, context, media)
    response.headers = [*response.headers, *more]
    return response


async def _rendered(
    call: Call, rows: list[Row], view: View, context: Context, join: Join | None
) -> list[tuple[Entity, Body]]:
    entities = [entity_of(row) for row in rows]
    if join is None:
        work = renderer(view, context).entity
        pairs = [(entity, work(entity)) for entity in entities]
        return [(entity, body) for entity, body in pairs if body is not None]
    known: dict[str, Entity | None] = {}
    while absent := linked.missing(entities, known, view, join):
        found = await call.tenant.entities(sorted(absent))
        known |= {id: found.get(id) for id in absent}
    if join.flat:
        return linked.flat(entities, known, view, context, join)
    pairs = [(e, linked.inline(e, known, view, context, join)) for e in entities]
    return [(entity, body) for entity, body in pairs if body is not None]


def _response(
    call: Call,
    rendered: tuple[Entity, Body] | list[tuple[Entity, Body]],
    view: View,
    context: Context,
    media: str,
) -> Response:
    """Write out one rendered entity, or several."""
    wishes = preferences(call.request.headers.get("prefer"))
    single = isinstance(rendered, tuple)
    pairs = [rendered] if isinstance(rendered, tuple) else rendered
    bodies = [body for _, body in pairs]
    status = 200
    applied: Headers = []
    if wishes.applied is not None:
        applied = [("Preference-Applied", wishes.applied)]
    if wishes.version is not None and view.format == "normalized":
        older = [downgrade(body, wishes.version) for body in bodies]
        if any(new is not body for new, body in zip(older, bodies, strict=True)):
            status, bodies = 203, older
    content: Any
    if media == GEO_JSON:
        features = [
            geojson.feature(entity, body, view)
            for (entity, _), body in zip(pairs, bodies, strict=True)
        ]
        content = features[0] if single else geojson.collection(features)
        if wishes.plain_body:
            link = () if context.link is None else (("link", context.link),)
            return Response(
                status, orjson.dumps(content), [("content-type", GEO_JSON), *link, *applied]
            )
        content = _with_context(content, context)
    else:
        content = bodies[0] if single else bodies
        if media == LD_JSON:
            content = _with_context(content, context)
    return Response(status, orjson.dumps(content), [*headers(media, context), *applied])
