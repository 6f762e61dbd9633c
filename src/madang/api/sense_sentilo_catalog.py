"""The catalog of Sentilo clients: sensors and components, registered as devices and entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.hub.operations import Append, Create, Delete, Operation
from madang.model import normalize
from madang.model.context import CORE
from madang.model.errors import BadRequestData, InvalidRequest, NgsiError, ResourceNotFound
from madang.query.tree import HasType, Query, Selector
from madang.sense.devices.device import TYPE, id_of
from madang.sense.devices.keyring import Keyring
from madang.sense.sentilo import catalog
from madang.sense.sentilo.catalog import Record, Registered
from madang.sense.sentilo.kinds import kind_of
from madang.sense.sentilo.names import COMPONENT, SENSOR, checked, component_id, device_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.devices.registry import Devices
    from madang.sense.sense import Sense
    from madang.trust.gate import Gate
    from madang.trust.keys import Keys
    from madang.trust.view import View

_FILTERS: Final = ("type", "component", "componentType")

Held = dict[str, Record]
"""What is registered, by the id of its entity."""


class Catalog:
    """Handlers of ``/catalog``."""

    def __init__(self, sense: Sense, gate: Gate, keys: Keys) -> None:
        self._sense = sense
        self._gate = gate
        self._keys = keys

    async def list(self, request: Request) -> Response:
        """``GET /catalog`` and ``GET /catalog/{provider}``: those that may be seen."""
        given = request.query_params
        filters = [(name, given[name]) for name in _FILTERS if given.get(name)]
        provider = request.path_params.get("provider")
        if provider is not None:
            checked(provider, "the provider")
        sensors, components = await _held(request.state.tenant, provider)
        listed: dict[str, list[Record]] = {}
        for id, record in sorted(sensors.items()):
            owner = id.removeprefix(SENSOR).partition(".")[0]
            component = components.get(component_id(owner, record.get("component", "")), {})
            told = catalog.told(record, component)
            if not catalog.is_offline(record) and catalog.matches(told, filters):
                listed.setdefault(owner, []).append(told)
        may = self._gate.may(request.state.principal, "updateEntity", request.state.tenant.name)
        permission = "WRITE" if may else "READ"
        return JSONResponse(
            {
                "providers": [
                    {"provider": owner, "permission": permission, "sensors": told}
                    for owner, told in listed.items()
                ]
            }
        )

    async def create(self, request: Request) -> Response:
        """``POST /catalog/{provider}``: register sensors, all of them or none."""
        provider = checked(request.path_params["provider"], "the provider")
        wanted = catalog.sensors(await body_of(request))
        tenant = request.state.tenant
        devices = await self._devices(request)
        for one in wanted:
            if devices.find(device_of(provider, one.sensor)) is not None:
                raise BadRequestData(
                    f"sensor {one.sensor}: a sensor with the same id already exists"
                )
        names = [one.component.get("component") or one.sensor for one in wanted]
        components = await _records(tenant, {component_id(provider, name) for name in names})
        new: list[Operation] = []
        entities = []
        for name, one in zip(names, wanted, strict=True):
            id = component_id(provider, name)
            if id not in components:
                components[id] = {**one.component, "component": name}
                new.append(create(catalog.component_entity(provider, components[id])))
            record = {**one.record, "component": name}
            entities.append(catalog.sensor_entity(provider, record, components[id]))
        await _use_profiles(devices, [one.record for one in wanted])
        for entity in entities:
            devices.check_new(*_named(deepcopy(entity)))  # it keeps what it is given
        await write(tenant, new)
        for result in await devices.add_all([_named(one) for one in entities], tenant.write):
            if isinstance(result, NgsiError):
                raise result
        return Response()

    async def update(self, request: Request) -> Response:
        """``PUT /catalog/{provider}``: change some; with ``method=delete``, remove some."""
        provider = checked(request.path_params["provider"], "the provider")
        body = await body_of(request)
        if request.query_params.get("method") == "delete":
            await self._remove(request, provider, body)
            return Response()
        if "sensors" not in body and "components" not in body:
            raise BadRequestData("sensors or components must say what is to be changed")
        if "components" in body:
            await self._change_components(request, provider, catalog.components(body))
        if "sensors" in body:
            await self._change_sensors(request, provider, catalog.sensors(body))
        return Response()

    async def remove(self, request: Request) -> Response:
        """``DELETE /catalog/{provider}``: all its sensors and components."""
        provider = checked(request.path_params["provider"], "the provider")
        sensors, components = await _held(request.state.tenant, provider)
        await self._delete(request, [*sensors, *components])
        return Response()

    async def _remove(self, request: Request, provider: str, body: dict[str, Any]) -> None:
        """Remove the sensors or components that a body names; a component with its sensors."""
        member = "sensors" if "sensors" in body else "components"
        names = [checked(name, member) for name in catalog.items(body, member)]
        sensors, components = await _held(request.state.tenant, provider)
        if member == "sensors":
            ids = [id_of(device_of(provider, name)) for name in names]
            _check_known(ids, sensors)
        else:
            ids = [component_id(provider, name) for name in names]
            _check_known(ids, components)
            ids += [id for id, one in sensors.items() if one.get("component") in names]
        await self._delete(request, ids)

    async def _delete(self, request: Request, ids: Sequence[str]) -> None:
        """Delete sensors, with their keys, and components; what was measured stays."""
        tenant, devices = request.state.tenant, await self._devices(request)
        await write(tenant, [Delete(id) for id in ids if not id.startswith(SENSOR)])
        keyring = Keyring(self._keys, tenant.name, devices)
        for id in ids:
            if id.startswith(SENSOR):
                device = devices.named(id.removeprefix(SENSOR))
                await devices.remove(device.name, tenant.write)
                if keyring.of(device) is not None:
                    await keyring.revoke(device, request.state.principal.id)

    async def _change_components(
        self, request: Request, provider: str, changed: Sequence[Record]
    ) -> None:
        """Change components, and the place of their sensors."""
        sensors, held = await _held(request.state.tenant, provider)
        _check_known([component_id(provider, one["component"]) for one in changed], held)
        entities, moved = [], []
        for one in changed:
            id = component_id(provider, one["component"])
            record = held[id] = {**held[id], **one}
            entities.append(catalog.component_entity(provider, record))
            moved += [
                catalog.sensor_entity(provider, sensor, record)
                for sensor in sensors.values()
                if sensor.get("component") == one["component"]
            ]
        await write(request.state.tenant, [append(entity) for entity in entities])
        await self._change(request, moved)

    async def _change_sensors(
        self, request: Request, provider: str, changed: Sequence[Registered]
    ) -> None:
        """Change sensors; they stay with their components."""
        tenant = request.state.tenant
        ids = [id_of(device_of(provider, one.sensor)) for one in changed]
        held = await _records(tenant, ids)
        _check_known(ids, held)
        records = [{**held[id], **one.record} for id, one in zip(ids, changed, strict=True)]
        wanted = {component_id(provider, record["component"]) for record in records}
        components = await _records(tenant, wanted)
        _check_known(wanted, components)
        await _use_profiles(await self._devices(request), records)
        places = [components[component_id(provider, one["component"])] for one in records]
        await self._change(
            request,
            [
                catalog.sensor_entity(provider, record, place)
                for record, place in zip(records, places, strict=True)
            ],
        )

    async def _change(self, request: Request, entities: Sequence[dict[str, Any]]) -> None:
        devices = await self._devices(request)
        for entity in entities:
            name, attributes = _named(entity)
            gone = [known for known in ("location", "description") if known not in attributes]
            await devices.change(name, attributes, gone, request.state.tenant.write)

    async def _devices(self, request: Request) -> Devices:
        return (await self._sense.station(request.state.tenant.name)).devices


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object that a client of Sentilo sent.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"Bad request data: could not read JSON payload: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("Bad request data: the payload must be a JSON object")
    return body


async def write(tenant: Tenant | View, operations: Sequence[Operation]) -> None:
    """Write operations, or raise the error of the first that failed."""
    for result in await tenant.write(operations):
        if isinstance(result, NgsiError):
            raise result


def append(entity: dict[str, Any]) -> Operation:
    """Return the operation that gives an entity attributes, over those it has."""
    return Append(entity["id"], normalize.entity(entity, CORE))


def create(entity: dict[str, Any]) -> Operation:
    """Return the operation that creates an entity."""
    return Create(entity["id"], normalize.entity(entity, CORE))


async def _held(tenant: Tenant | View, provider: str | None) -> tuple[Held, Held]:
    """Return the sensors and the components of a provider, or of all."""
    found: list[Held] = []
    kinds = ((TYPE, SENSOR), (catalog.COMPONENT_TYPE, COMPONENT))
    for type, prefix in kinds:
        start = prefix if provider is None else f"{prefix}{provider}."
        selector = Selector(types=HasType(type), id_pattern=f"^{re.escape(start)}")
        held: Held = {}
        async for rows in tenant.stream(Query((selector,), attributes=(catalog.KEPT,))):
            held |= {row.id: catalog.kept(orjson.loads(row.document)) for row in rows}
        found.append(held)
    return found[0], found[1]


async def _records(tenant: Tenant | View, ids: Iterable[str]) -> Held:
    """Return what is registered under some ids, as far as it is."""
    entities = await tenant.entities(list(ids))
    records = {id: catalog.kept(entity.document) for id, entity in entities.items()}
    return {id: record for id, record in records.items() if record}


def _check_known(ids: Iterable[str], held: Held) -> None:
    missing = sorted(id.rpartition(":")[2] for id in ids if id not in held)
    if missing:
        raise ResourceNotFound(f"{missing[0]} is not in the catalog")


async def _use_profiles(devices: Devices, records: Iterable[Record]) -> None:
    """See to it that the profiles of sensors are there."""
    for kind in {kind_of(record) for record in records}:
        if devices.profile(kind.profile_name) is None:
            await devices.shelf.put(kind.profile_name, kind.profile)


def _named(entity: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a device and its attributes."""
    attributes = {name: one for name, one in entity.items() if name not in ("id", "type")}
    return entity["id"].removeprefix(SENSOR), attributes
