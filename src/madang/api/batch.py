"""Many entities in one request; each succeeds or fails alone (clauses 5.6.7-5.6.10, 5.6.20)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from madang.api.call import Call
from madang.api.contexts import check_batch, is_ld_json, item_source
from madang.api.entities import batch_result
from madang.api.http import Response
from madang.api.negotiation import content_type
from madang.api.parameters import ALLOWED, check_known
from madang.api.selection import Write, write
from madang.hub.operations import Append, Create, Delete, Merge, Operation, Upsert
from madang.model.context import Context
from madang.model.errors import BadRequestData, NgsiError
from madang.model.names import check_uri
from madang.model.normalize import Normalized, entity
from madang.model.state import Outcome

Made = Callable[[Any, Context], Operation]


async def create(call: Call) -> Response:
    """``POST /entityOperations/create``."""
    await _wanted(call, "createBatch")

    def made(raw: Any, context: Context) -> Operation:
        content = entity(raw, context)
        return Create(content.document["id"], content)

    done, failed = await _run(call, made)
    if failed:
        return batch_result([id for id, _ in done], failed)
    return _ids(201, [id for id, _ in done])


async def upsert(call: Call) -> Response:
    """``POST /entityOperations/upsert``."""
    update = (await _wanted(call, "upsertBatch")).update

    def made(raw: Any, context: Context) -> Operation:
        content = entity(raw, context)
        return Upsert(content.document["id"], content, update)

    done, failed = await _run(call, made)
    if failed:
        return batch_result([id for id, _ in done], failed)
    created = list(dict.fromkeys(id for id, outcome in done if _is_new(outcome)))
    return _ids(201, created) if created else Response(204)


async def update(call: Call) -> Response:
    """``POST /entityOperations/update``: append to entities that are there."""
    overwrite = not (await _wanted(call, "updateBatch")).no_overwrite

    def made(raw: Any, context: Context) -> Operation:
        content = _identified(raw, context, nulls=True)
        return Append(content.document["id"], content, overwrite)

    done, failed = await _run(call, made)
    for id, outcome in done:
        if outcome.not_updated:
            reasons = "; ".join(f"{name}: {why}" for name, why in outcome.not_updated)
            failed.append((id, BadRequestData(reasons)))
    left = {id for id, _ in failed}
    if failed:
        return batch_result([id for id, _ in done if id not in left], failed)
    return Response(204)


async def merge(call: Call) -> Response:
    """``POST /entityOperations/merge``."""
    wanted = await _wanted(call, "mergeBatch")

    def made(raw: Any, context: Context) -> Operation:
        content = _identified(raw, context, merge=True, simplified=wanted.simplified)
        return Merge(content.document["id"], content, wanted.observed_at, wanted.lang)

    done, failed = await _run(call, made)
    return batch_result([id for id, _ in done], failed) if failed else Response(204)


async def delete(call: Call) -> Response:
    """``POST /entityOperations/delete``: the body is an array of ids."""
    await _wanted(call, "deleteBatch")
    items = _items(call)
    operations: list[Operation] = []
    failed: list[tuple[str, NgsiError]] = []
    for item in items:
        try:
            operations.append(Delete(check_uri(item, "each item of the array")))
        except NgsiError as error:
            failed.append((str(item), error))
    done = _sorted(operations, await call.tenant.write(operations), failed)
    return batch_result([id for id, _ in done], failed) if failed else Response(204)


async def _wanted(call: Call, operation: str) -> Write:
    content_type(call.request.headers.get("content-type"))
    check_known(call.request.query, ALLOWED[operation])
    return write(operation, call.request.query, await call.context())


def _items(call: Call) -> list[Any]:
    items = call.json()
    if type(items) is not list or not items:
        raise BadRequestData("the body must be an array with at least one item")
    if None in items:
        raise BadRequestData("an item of the array is null")
    return items


async def _run(
    call: Call, made: Made
) -> tuple[list[tuple[str, Outcome]], list[tuple[str, NgsiError]]]:
    """Make an operation of each item and have them done; return what succeeded and what failed."""
    check_batch(call.request)
    items = _items(call)
    shared = None if is_ld_json(call.request) else await call.context()
    operations: list[Operation] = []
    failed: list[tuple[str, NgsiError]] = []
    for item in items:
        id = item.get("id", "") if type(item) is dict else ""
        try:
            if shared is not None and type(item) is dict and "@context" not in item:
                context = shared
            else:
                context = await call.tenant.contexts.resolve(item_source(call.request, item))
            operations.append(made(item, context))
        except NgsiError as error:
            failed.append((str(id), error))
    done = _sorted(operations, await call.tenant.write(operations), failed) if operations else []
    return done, failed


def _sorted(
    operations: Sequence[Operation],
    results: Sequence[Outcome | NgsiError],
    failed: list[tuple[str, NgsiError]],
) -> list[tuple[str, Outcome]]:
    """Return ids and outcomes of what succeeded; add what did not to ``failed``."""
    done: list[tuple[str, Outcome]] = []
    for operation, result in zip(operations, results, strict=True):
        if isinstance(result, NgsiError):
            failed.append((operation.id, result))
        else:
            done.append((operation.id, result))
    return done


def _identified(
    raw: Any, context: Context, nulls: bool = False, merge: bool = False, simplified: bool = False
) -> Normalized:
    content = entity(raw, context, fragment=True, nulls=nulls, merge=merge, simplified=simplified)
    if "id" not in content.document:
        raise BadRequestData("id is missing; each item must name its entity")
    return content


def _is_new(outcome: Outcome) -> bool:
    made = outcome.entity
    return made is not None and made.created == made.modified


def _ids(status: int, ids: list[str]) -> Response:
    return Response(status, orjson.dumps(ids), [("content-type", "application/json")])
