"""Alerts and alarms of Sentilo clients. An alert is a SentiloAlert entity, its alarms an attribute.

Alerts that others raise (``EXTERNAL``) work; those that Sentilo itself would raise by a rule about
values (``INTERNAL``) are refused: Madang has quality limits in profiles and rules of its own.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api import sense_sentilo_past as past
from madang.api.sense_sentilo_catalog import append, body_of, create, write
from madang.hub.operations import Delete
from madang.hub.tenant import Tenant
from madang.model.errors import BadRequestData, NgsiError, ResourceNotFound
from madang.model.names import shown
from madang.query.tree import HasType, Query, Selector
from madang.sense.sentilo.catalog import KEPT, Record, items, kept
from madang.sense.sentilo.events import ALARM, event
from madang.sense.sentilo.names import alert_id, checked
from madang.trust.view import View

TYPE: Final = "SentiloAlert"
_KNOWN: Final = ("id", "name", "description", "entity", "type")
_FILTERS: Final = ("type", "trigger")
_LONGEST: Final = 2_000  # characters of a text


class NotOffered(NgsiError):
    """Sentilo can do this, Madang's API for its clients does not."""

    name, title, status = "OperationNotSupported", "This is not offered", 501


class Alerts:
    """Handlers of ``/catalog/alert`` and ``/alarm``."""

    async def list(self, request: Request) -> Response:
        """``GET /catalog/alert`` and ``…/{entity}``."""
        given = request.query_params
        entity = request.path_params.get("entity")
        listed = [
            record
            for record in (await _held(request.state.tenant)).values()
            if entity in (None, record.get("entity"))
            and all(record.get(name) == given[name] for name in _FILTERS if given.get(name))
        ]
        return JSONResponse({"alerts": listed})

    async def create(self, request: Request) -> Response:
        """``POST /catalog/alert/{entity}``."""
        records = await _records(request)
        held = await _held(request.state.tenant)
        for record in records:
            if alert_id(record["id"]) in held:
                raise BadRequestData(
                    f"Alert {record['id']} : alert with the same id already exists."
                )
        await write(request.state.tenant, [create(_entity(record)) for record in records])
        return Response()

    async def update(self, request: Request) -> Response:
        """``PUT /catalog/alert/{entity}``: change some; with ``method=delete``, remove some."""
        tenant = request.state.tenant
        held = await _held(tenant)
        if request.query_params.get("method") == "delete":
            names = items(await body_of(request), "alertsIds")
            ids = [alert_id(checked(name, "alertsIds")) for name in names]
            _check_known(ids, held)
            await write(tenant, [Delete(id) for id in ids])
            return Response()
        records = await _records(request)
        _check_known([alert_id(record["id"]) for record in records], held)
        changed = [{**held[alert_id(record["id"])], **record} for record in records]
        await write(tenant, [append(_entity(record)) for record in changed])
        return Response()

    async def remove(self, request: Request) -> Response:
        """``DELETE /catalog/alert/{entity}``: all of its alerts."""
        entity = checked(request.path_params["entity"], "the entity")
        held = await _held(request.state.tenant)
        own = [id for id, record in held.items() if record.get("entity") == entity]
        await write(request.state.tenant, [Delete(id) for id in own])
        return Response()

    async def publish(self, request: Request) -> Response:
        """``PUT /alarm/{alert}``."""
        tenant, id = request.state.tenant, _alert(request)
        message = (await body_of(request)).get("message")
        if message is None:
            raise BadRequestData("message is missing")
        _check_known([id], await _held(tenant))
        told = event(message, request.state.principal.name, tenant.clock.now())
        await write(tenant, [append({"id": id, "type": TYPE, ALARM: told})])
        return Response()

    async def last(self, request: Request) -> Response:
        """``GET /alarm/{alert}``."""
        tenant, id = request.state.tenant, _alert(request)
        wanted = past.window(request.query_params)
        found = await past.last(tenant, [id], [ALARM], wanted)
        alarms = [past.told(one, "message") for one in found.get(id, [])]
        return JSONResponse({"alarms": alarms})


def _alert(request: Request) -> str:
    return alert_id(checked(request.path_params["alert"], "the alert"))


async def _records(request: Request) -> list[Record]:
    """Return the alerts of a body, checked."""
    entity = checked(request.path_params["entity"], "the entity")
    found = []
    for place, item in enumerate(items(await body_of(request), "alerts"), 1):
        where = f"alert {place}: "
        if not isinstance(item, dict):
            raise BadRequestData(f"{where}a JSON object was expected, not {shown(item)}")
        checked(item.get("id"), f"{where}id")
        if item.get("type") == "INTERNAL":
            raise NotOffered(
                f"{where}internal alerts are not offered here; give the profile of the sensor"
                " limits (reference: profiles), or subscribe to its entity with a condition (q)"
            )
        if item.get("type") != "EXTERNAL":
            raise BadRequestData(f"{where}type must be EXTERNAL, not {shown(item.get('type'))}")
        for member in _KNOWN:
            given = item.get(member, "")
            if not isinstance(given, str) or len(given) > _LONGEST:
                raise BadRequestData(f"{where}{member} must be a text of {_LONGEST:,} characters")
        found.append({"entity": entity, **{m: item[m] for m in _KNOWN if m in item}})
    return found


def _entity(record: Record) -> dict[str, Any]:
    return {
        "id": alert_id(record["id"]),
        "type": TYPE,
        "name": {"type": "Property", "value": record.get("name") or record["id"]},
        KEPT: {"type": "JsonProperty", "json": record},
    }


async def _held(tenant: Tenant | View) -> dict[str, Record]:
    """Return all alerts by the id of their entity."""
    held: dict[str, Record] = {}
    query = Query((Selector(types=HasType(TYPE)),), attributes=(KEPT,))
    async for rows in tenant.stream(query):
        held |= {row.id: kept(orjson.loads(row.document)) for row in rows}
    return held


def _check_known(ids: list[str], held: dict[str, Record]) -> None:
    missing = [id for id in ids if id not in held]
    if missing:
        raise ResourceNotFound(f"there is no alert {missing[0].rpartition(':')[2]}")
