"""Entities one at a time, and queries over them (clauses 5.6.1-5.6.6, 5.6.17-5.6.21, 5.7.1-2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import orjson

from madang.api import answers
from madang.api.call import Call
from madang.api.http import Response
from madang.api.negotiation import GEO_JSON, JSON, accepted
from madang.api.parameters import page_links
from madang.api.selection import Search, body_search, purge, retrieval, search, write
from madang.hub.operations import Create, Delete, Keep, Merge, Operation, Replace, TypeGuard
from madang.hub.writer import Result
from madang.model.context import CORE, Context
from madang.model.core_context import iri_of
from madang.model.entity import Entity
from madang.model.errors import BadRequestData, InvalidRequest, NgsiError, ResourceNotFound
from madang.model.names import check_uri
from madang.model.normalize import entity as normalized
from madang.model.representation import is_identity
from madang.model.state import Outcome
from madang.query.evaluate import matches
from madang.query.tree import Condition, Query
from madang.store.rows import entity_of

PATH = "/ngsi-ld/v1/entities/"
_PLAIN = frozenset({"link", "prefer"})
"""Headers without which an entity is asked for just as it is stored."""


def guard(types: Condition | None) -> TypeGuard | None:
    """Return the test that ``?type=`` asks for, if it is there."""
    if types is None:
        return None

    def fits(entity: Entity) -> bool:
        return matches(types, entity)

    return fits


async def apply(call: Call, operation: Operation) -> Outcome:
    """Have one operation done; raise what it came to if that is an error."""
    result = (await call.tenant.write([operation]))[0]
    if isinstance(result, NgsiError):
        raise result
    return result


async def create(call: Call) -> Response:
    """``POST /entities``."""
    raw, context = await call.input("createEntity")
    if type(raw) is dict and raw.keys() <= {"@context"}:
        raise InvalidRequest("the body is empty; an entity was expected")
    content = normalized(raw, context)
    id = content.document["id"]
    await apply(call, Create(id, content))
    return Response(201, b"", [("location", PATH + id)])


async def retrieve(call: Call, id: str) -> Response:
    """``GET /entities/{id}``."""
    request = call.request
    media = accepted(request.headers.get("accept"), True)
    if media == JSON and not request.query and _PLAIN.isdisjoint(request.headers):
        row = await call.tenant.get(id)
        if row is not None:  # as it is stored is as it is asked for
            return Response(200, row.document, answers.headers(JSON, CORE))
    geo = media == GEO_JSON
    context = await call.context()
    check_uri(id, "the entity id")
    wanted = retrieval(request.query, context, geo)
    row = await call.tenant.get(id)
    if row is None or (wanted.types is not None and not matches(wanted.types, entity_of(row))):
        raise ResourceNotFound(f"there is no entity {id}")
    view = wanted.view
    if view.attrs and view.attrs.isdisjoint(entity_of(row).document):
        raise ResourceNotFound(f"entity {id} has none of the attributes asked for")
    found = await answers.one(call, row, view, context, wanted.join)
    if found is None:
        raise ResourceNotFound(f"the projection leaves nothing of entity {id}")
    return found


async def query(call: Call) -> Response:
    """``GET /entities``."""
    request = call.request
    geo = accepted(request.headers.get("accept"), True) == GEO_JSON
    context = await call.context()
    wanted = search(request.query, context, geo, call.settings.max_page)
    return await _page(call, wanted, context)


async def query_batch(call: Call) -> Response:
    """``POST /entityOperations/query``."""
    request = call.request
    geo = accepted(request.headers.get("accept"), True) == GEO_JSON
    body, context = await call.input("queryBatch")
    wanted = body_search(body, request.query, context, geo, call.settings.max_page)
    return await _page(call, wanted, context)


async def _page(call: Call, wanted: Search, context: Context) -> Response:
    request, asked = call.request, wanted.query
    as_stored = (
        wanted.join is None
        and is_identity(wanted.view, context)
        and "prefer" not in request.headers
        and accepted(request.headers.get("accept"), True) == JSON
    )
    if as_stored:
        texts = await call.tenant.documents(asked)
        more = page_headers(call, asked, texts.count, texts.more)
        body = f"[{','.join(texts.texts)}]".encode()
        named = answers.headers(JSON, context)
        return Response(200, body, [*named, *more] if more else named)
    page = await call.tenant.query(asked)
    more = page_headers(call, asked, page.count, page.more)
    return await answers.many(call, page.rows, wanted.view, context, wanted.join, more)


def page_headers(call: Call, asked: Query, count: int | None, more: bool) -> list[tuple[str, str]]:
    """Return the count and the links to the pages around this one (clauses 6.3.10, 6.3.13)."""
    found = [] if count is None else [("NGSILD-Results-Count", str(count))]
    if more or asked.offset:
        request = call.request
        links = page_links(request.path, request.query, asked.limit, asked.offset, more)
        found += [("link", link) for link in links]
    return found


async def replace(call: Call, id: str) -> Response:
    """``PUT /entities/{id}``."""
    check_uri(id, "the entity id")
    raw, context = await call.input("replaceEntity")
    wanted = write("replaceEntity", call.request.query, context)
    content = normalized(raw, context, entity_id=id)
    await apply(call, Replace(id, content, guard(wanted.types)))
    return Response(204)


async def merge(call: Call, id: str) -> Response:
    """``PATCH /entities/{id}``."""
    check_uri(id, "the entity id")
    raw, context = await call.input("mergeEntity")
    wanted = write("mergeEntity", call.request.query, context)
    content = normalized(raw, context, entity_id=id, merge=True, simplified=wanted.simplified)
    operation = Merge(id, content, wanted.observed_at, wanted.lang, guard(wanted.types))
    return partly(await apply(call, operation))


async def delete(call: Call, id: str) -> Response:
    """``DELETE /entities/{id}``."""
    check_uri(id, "the entity id")
    context = await call.context()
    wanted = write("deleteEntity", call.request.query, context)
    await apply(call, Delete(id, guard(wanted.types)))
    return Response(204)


async def purge_matching(call: Call) -> Response:
    """``DELETE /entities``: remove all that match, or some attributes of them."""
    context = await call.context()
    wanted = purge(call.request.query, context)
    failed: list[tuple[str, NgsiError]] = []
    done: list[str] = []
    async for rows in call.tenant.stream(wanted.query):
        if wanted.drop or wanted.keep:
            names = wanted.drop or wanted.keep
            work: Sequence[Operation] = [Keep(r.id, names, bool(wanted.drop)) for r in rows]
        else:
            work = [Delete(row.id) for row in rows]
        _sort(work, await call.tenant.write(work), done, failed)
    if failed:
        return batch_result(done, failed)
    return Response(204)


def _sort(
    work: Sequence[Operation],
    results: Sequence[Result],
    done: list[str],
    failed: list[tuple[str, NgsiError]],
) -> None:
    for operation, result in zip(work, results, strict=True):
        if not isinstance(result, NgsiError):
            done.append(operation.id)
        elif not isinstance(result, ResourceNotFound):  # gone meanwhile: what was asked for
            failed.append((operation.id, result))


async def refuse(call: Call) -> NoReturn:
    """``PUT`` and ``PATCH /entities``: an entity id is missing."""
    raise BadRequestData("the path lacks an entity id: /ngsi-ld/v1/entities/{id}")


def partly(outcome: Outcome) -> Response:
    """Return 204, or 207 if some attributes were left as they were (clause 5.2.18)."""
    if not outcome.not_updated:
        return Response(204)
    body = {
        "updated": [iri_of(name) for name in outcome.updated],
        "notUpdated": [
            {"attributeName": iri_of(name), "reason": reason}
            for name, reason in outcome.not_updated
        ],
    }
    return Response(207, orjson.dumps(body), [("content-type", "application/json")])


def batch_result(done: list[str], failed: list[tuple[str, NgsiError]]) -> Response:
    """Return 207 with a BatchOperationResult (clause 5.2.16)."""
    body = {
        "success": done,
        "errors": [{"entityId": id, "error": error.problem()} for id, error in failed],
    }
    return Response(207, orjson.dumps(body), [("content-type", "application/json")])
