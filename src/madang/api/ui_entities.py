"""What pages need to know of entities beside NGSI-LD: counts, one's rights, the last changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import number
from madang.api.surface import Surface
from madang.hub.records import record_of
from madang.lake.questions import Instance, Wanted
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.model.names import check_uri
from madang.query.tree import Query, Selector
from madang.store.rows import entity_of
from madang.trust.principal import PUBLIC
from madang.trust.view import View

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.trust.gate import Gate

_TAG: Final = "Control room"
LINKS: Final = frozenset(("Relationship", "ListRelationship"))
_USUAL: Final = 50
_MOST: Final = 200
"""Changes in an answer."""


def surfaces(gate: Gate, hub: Hub) -> list[Surface]:
    """Return the routes.

    Args:
        gate: knows what the public sees.
        hub: opens tenants for it.
    """

    async def rights(request: Request) -> Response:
        """``{update, delete, public}`` of ``entity``.

        The first two are false for what Madang alone writes. ``public`` names the attributes that
        everybody sees; it is null if nobody sees the entity without signing in.
        """
        id, tenant = _entity(request), request.state.tenant
        row = await tenant.get(id)
        if row is None:
            raise ResourceNotFound(f"there is no entity {id[:200]}")
        is_record = record_of(None, entity_of(row)) != ""
        is_whole = not isinstance(tenant, View)  # seen by who may do everything
        told: dict[str, Any] = {
            "update": not is_record and (is_whole or await tenant.writes(id)),
            "delete": not is_record and (is_whole or await tenant.deletes(id)),
            "public": None,
        }
        if gate.may(PUBLIC, "readEntity", tenant.name):
            whole = await hub.tenant(tenant.name, create=False)
            shown = await gate.seen(PUBLIC, whole, "", request.state.address).get(id)
            if shown is not None:
                names = entity_of(shown).document.keys() - {"id", "type", "scope"}
                told["public"] = sorted(map(CORE.compact, names))
        return JSONResponse(told)

    return [
        Surface("GET", "/ui/types", types, "readEntity", "How many entities of each type", _TAG),
        Surface(
            "GET", "/ui/pulse", pulse, "readEntity", "How far the city's changes have come", _TAG
        ),
        Surface("GET", "/ui/rights", rights, "readEntity", "What one may do to an entity", _TAG),
        Surface(
            "GET", "/ui/changes", changes, "readHistory", "The last changes of an entity", _TAG
        ),
    ]


async def types(request: Request) -> Response:
    """``[{type, count, relations}]`` by name; an entity of two types counts in both."""
    counts: Counter[str] = Counter()
    relations: defaultdict[str, set[str]] = defaultdict(set)
    for shape in await request.state.tenant.shapes():
        links = {CORE.compact(name) for name, kinds in shape.attributes if LINKS & set(kinds)}
        for kind in map(CORE.compact, shape.types):
            counts[kind] += shape.count
            relations[kind] |= links
    return JSONResponse(
        [
            {"type": kind, "count": count, "relations": sorted(relations[kind])}
            for kind, count in sorted(counts.items())
        ]
    )


async def pulse(request: Request) -> Response:
    """``{position, at}``: the number of the last change; two of them tell how fast they come."""
    tenant = request.state.tenant
    return JSONResponse(
        {"position": tenant.history.last, "at": time.render(tenant.clock.now())},
        headers={"Cache-Control": "no-store"},
    )


async def changes(request: Request) -> Response:
    """Return the last writes of ``entity``, the latest first: when, by which service, and what.

    ``by`` is null where history does not know: it was no service. What persons write is in the
    audit log.
    """
    id, limit = _entity(request), number(request, "limit", _USUAL)
    if not 0 < limit <= _MOST:
        raise BadRequestData(f"limit must be 1 to {_MOST}, not {limit}")
    # One more of each attribute, so that the oldest change has its value before.
    wanted = Wanted(Query((Selector(ids=(id,)),)), last_n=limit + 1)
    page = await request.state.tenant.history.read(lambda lake: lake.pasts(wanted))
    instances = page.entities[0].instances if page.entities else []
    return JSONResponse(_told(instances)[:limit])


def _entity(request: Request) -> str:
    id = request.query_params.get("entity", "")
    check_uri(id, "entity")
    return id


def _told(instances: Sequence[Instance]) -> list[dict[str, Any]]:
    """Return instances as the writes that they came with, the latest first."""
    before: dict[str, Any] = {}
    for _, series in groupby(instances, key=lambda one: (one.attribute, one.dataset)):
        in_order = sorted(series, key=lambda one: (one.created, one.seq))
        for older, newer in pairwise(in_order):
            before[newer.id] = None if older.deleted else older.value
    latest = sorted(instances, key=lambda one: (one.created, one.seq), reverse=True)
    return [
        {
            "at": time.render(at),
            "by": next((one.trace for one in group if one.trace), None),
            "attributes": [_change(one, before) for one in group],
        }
        for (at, _), group in (
            (key, list(some))
            for key, some in groupby(latest, key=lambda one: (one.created, one.seq))
        )
    ]


def _change(one: Instance, before: dict[str, Any]) -> dict[str, Any]:
    told = {
        "name": CORE.compact(one.attribute),
        "datasetId": one.dataset,
        "unitCode": one.unit,
        "before": before.get(one.id),
        "value": None if one.deleted else one.value,
        "deleted": one.deleted,
    }
    return {name: value for name, value in told.items() if value is not None}
