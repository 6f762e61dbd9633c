"""Attributes of one entity (clauses 5.6.2-5.6.5, 5.6.19)."""

from __future__ import annotations

from madang.api.call import Call
from madang.api.entities import apply, guard, partly
from madang.api.http import Response
from madang.api.selection import write
from madang.hub.operations import (
    Append,
    DeleteAttribute,
    PartialUpdate,
    ReplaceAttribute,
    Update,
)
from madang.model.names import check_name, check_uri
from madang.model.normalize import attribute, entity


async def append(call: Call, id: str) -> Response:
    """``POST /entities/{id}/attrs``."""
    check_uri(id, "the entity id")
    raw, context = await call.input("appendAttributes")
    wanted = write("appendAttributes", call.request.query, context)
    content = entity(raw, context, entity_id=id, fragment=True)
    operation = Append(id, content, not wanted.no_overwrite, guard(wanted.types))
    return partly(await apply(call, operation))


async def update(call: Call, id: str) -> Response:
    """``PATCH /entities/{id}/attrs``."""
    check_uri(id, "the entity id")
    raw, context = await call.input("updateAttributes")
    wanted = write("updateAttributes", call.request.query, context)
    content = entity(raw, context, entity_id=id, fragment=True, nulls=True)
    return partly(await apply(call, Update(id, content, guard(wanted.types))))


async def update_one(call: Call, id: str, name: str) -> Response:
    """``PATCH /entities/{id}/attrs/{attribute}``."""
    check_uri(id, "the entity id")
    check_name(name, "the attribute name")
    raw, context = await call.input("updateAttribute")
    wanted = write("updateAttribute", call.request.query, context)
    content = attribute(raw, context.expand(name), context, partial=True)
    await apply(call, PartialUpdate(id, content, guard(wanted.types)))
    return Response(204)


async def replace_one(call: Call, id: str, name: str) -> Response:
    """``PUT /entities/{id}/attrs/{attribute}``."""
    check_uri(id, "the entity id")
    check_name(name, "the attribute name")
    raw, context = await call.input("replaceAttribute")
    wanted = write("replaceAttribute", call.request.query, context)
    content = attribute(raw, context.expand(name), context)
    await apply(call, ReplaceAttribute(id, content, guard(wanted.types)))
    return Response(204)


async def delete_one(call: Call, id: str, name: str) -> Response:
    """``DELETE /entities/{id}/attrs/{attribute}``."""
    check_uri(id, "the entity id")
    check_name(name, "the attribute name")
    context = await call.context()
    wanted = write("deleteAttribute", call.request.query, context)
    operation = DeleteAttribute(
        id, context.expand(name), wanted.dataset, wanted.delete_all, guard(wanted.types)
    )
    await apply(call, operation)
    return Response(204)
