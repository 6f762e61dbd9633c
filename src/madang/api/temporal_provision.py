"""The past of entities, written: told afterwards, corrected, forgotten (clauses 5.6.11-5.6.16).

What is told of an entity that nobody knew makes the current entity too, of the newest instance of
each attribute; what is told later changes history only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from madang.api.call import Call
from madang.api.entities import apply
from madang.api.http import Response
from madang.api.parameters import ALLOWED, check_known
from madang.api.router import UnsupportedMethod
from madang.api.selection import write
from madang.api.temporal_rows import attribute_of, changed, current, retyped
from madang.hub.operations import Create
from madang.lake.protocol import Correctable, Readable
from madang.lake.questions import HeldBack, Wanted
from madang.lake.told import row
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, Conflict, InvalidRequest, ResourceNotFound
from madang.model.evolution_input import Evolution, Given, evolution, part
from madang.model.names import check_name, check_uri
from madang.model.normalize import entity as normalized
from madang.query.tree import Query, Selector

PATH = "/ngsi-ld/v1/temporal/entities"

T = TypeVar("T")


async def create(call: Call) -> Response:
    """``POST /temporal/entities``: 201 if nothing was known of the entity, else 204."""
    raw, context = await call.input("upsertTemporal")
    _check_not_empty(raw)
    told = evolution(raw, context)
    id = str(told.id)
    now = call.tenant.clock.now()
    known = await _types(call, id, now)
    if known is not None:
        await _add(call, id, known, told.types, told.given, now)
        return Response(204)
    left = await _begun(call, id, told, now)
    await _add(call, id, (), told.types, left, now)
    return Response(201, b"", [("location", f"{PATH}/{quote(id, safe=':/?#[]@!$&*+,;=')}")])


async def append(call: Call, id: str) -> Response:
    """``POST /temporal/entities/{id}/attrs``."""
    check_uri(id, "the entity id")
    raw, context = await call.input("appendTemporalAttributes")
    _check_not_empty(raw)
    told = evolution(raw, context, entity_id=id, fragment=True)
    now = call.tenant.clock.now()
    known = await _types(call, id, now)
    if known is None:
        raise ResourceNotFound(f"there is no history of entity {id}; POST {PATH} begins one")
    await _add(call, id, known, told.types, told.given, now)
    return Response(204)


async def delete(call: Call, id: str) -> Response:
    """``DELETE /temporal/entities/{id}``: forget all of its history."""
    check_uri(id, "the entity id")
    check_known(call.request.query, ALLOWED["deleteTemporal"])
    if not await _change(call, lambda lake: lake.remove(id)):
        raise ResourceNotFound(f"there is no history of entity {id}")
    return Response(204)


async def delete_attribute(call: Call, id: str, name: str) -> Response:
    """``DELETE /temporal/entities/{id}/attrs/{attribute}``."""
    check_uri(id, "the entity id")
    check_name(name, "the attribute name")
    context = await call.context()
    wanted = write("deleteTemporalAttribute", call.request.query, context)
    attribute = attribute_of(context.expand(name))
    datasets = None if wanted.delete_all else (wanted.dataset,)
    if not await _change(call, lambda lake: lake.remove(id, attribute, datasets=datasets)):
        which = "" if wanted.delete_all else f" with datasetId {wanted.dataset or '@none'}"
        raise ResourceNotFound(f"there is no history of attribute {name}{which} of entity {id}")
    return Response(204)


async def delete_instance(call: Call, id: str, name: str, instance: str) -> Response:
    """``DELETE /temporal/entities/{id}/attrs/{attribute}/{instanceId}``."""
    _check_path(id, name, instance)
    context = await call.context()
    check_known(call.request.query, ALLOWED["deleteTemporalInstance"])
    attribute = attribute_of(context.expand(name))
    if not await _change(call, lambda lake: lake.remove(id, attribute, instance=instance)):
        raise _missing(id, name, instance)
    return Response(204)


async def update_instance(call: Call, id: str, name: str, instance: str) -> Response:
    """``PATCH /temporal/entities/{id}/attrs/{attribute}/{instanceId}``."""
    if not name:  # /attrs//{instanceId} is the path of no resource that can be changed
        raise UnsupportedMethod(("DELETE",))
    _check_path(id, name, instance)
    raw, context = await call.input("updateTemporalInstance")
    attribute = attribute_of(context.expand(name))
    fragment = part(raw, attribute, context)
    now = call.tenant.clock.now()

    def change(lake: Correctable) -> bool:
        old = lake.instance(id, attribute, instance)
        if old is None:
            return False
        return lake.change(id, attribute, instance, changed(old, fragment, now))

    if not await _change(call, change):
        raise _missing(id, name, instance)
    return Response(204)


# --- what is known, what is told -----------------------------------------------------------------


def _check_not_empty(raw: Any) -> None:
    if type(raw) is dict and raw.keys() <= {"@context"}:
        raise InvalidRequest("the body is empty; attributes with instances were expected")


def _check_path(id: str, name: str, instance: str) -> None:
    check_uri(id, "the entity id")
    check_name(name, "the attribute name")
    check_uri(instance, "the instanceId")


def _missing(id: str, name: str, instance: str) -> ResourceNotFound:
    return ResourceNotFound(f"attribute {name} of entity {id} has no instance {instance}")


def _of(id: str) -> Query:
    return Query(selectors=(Selector(ids=(id,)),))


async def _types(call: Call, id: str, now: int) -> tuple[str, ...] | None:
    """Return the types of an entity that has a history, even without an attribute."""

    def types(lake: Readable) -> tuple[str, ...] | None:
        found = lake.pasts(Wanted(_of(id), last_n=1)).entities
        if found:
            return found[0].types
        entity = lake.state(id, now)
        return None if entity is None else tuple(entity.types)

    return await call.tenant.history.read(types)


async def _begun(call: Call, id: str, told: Evolution, now: int) -> list[Given]:
    """Make the current entity, if there is none; return what history does not get by that."""
    document, left = current(id, told, now)
    try:
        await apply(call, Create(id, normalized(document, CORE)))
    except AlreadyExists:  # its history was forgotten, it itself was not
        return told.given
    return left


async def _add(
    call: Call,
    id: str,
    known: tuple[str, ...],
    more: tuple[str, ...],
    given: Sequence[Given],
    now: int,
) -> None:
    """Add instances to a history; types that are new are added to those of the entity."""
    types = tuple(dict.fromkeys((*known, *more)))
    rows = [row(id, types, one, now) for one in given]
    if known and types != known:
        rows.append(retyped(id, types, now))
    if rows:
        await _change(call, lambda lake: lake.add(rows))


async def _change(call: Call, order: Callable[[Correctable], T]) -> T:
    try:
        return await call.tenant.history.change(order)
    except HeldBack as error:
        raise Conflict(str(error)) from error
