"""Devices over HTTP: the registry, keys, import from a table, labels, and registering oneself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from madang.api.bodies import flag, members, page, part, text
from madang.api.surface import Handler, Surface
from madang.model import time
from madang.model.errors import BadRequestData, Forbidden, InvalidRequest, NgsiError
from madang.sense.devices import form, labels, table
from madang.sense.devices.keyring import Keyring
from madang.sense.devices.labels import MOST_ON_SHEET, Label
from madang.sense.quality.limits import QUALITY
from madang.trust.keys import OVERLAP_S

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.devices.device import Device
    from madang.sense.devices.registry import Devices
    from madang.trust.actions import TenantAction
    from madang.trust.keys import Keys
    from madang.trust.view import View

_NO_STORE: Final = {"Cache-Control": "no-store"}
_TAG: Final = "Devices"
_AT_ONCE: Final = 500
"""Rows of a table that are registered in one go."""
MOST_WITH_KEYS: Final = 5_000
"""Rows of a table of which each gets a key: making one takes about a millisecond."""

_Row = tuple[str, str, Handler, "TenantAction", str]


class HasDevices(Protocol):
    """What is asked of a :class:`madang.sense.station.Station`."""

    devices: Devices


class Stations(Protocol):
    """What is asked of :class:`madang.sense.sense.Sense`."""

    async def station(self, tenant: str) -> HasDevices: ...


def surfaces(sense: Stations, keys: Keys, url: str) -> list[Surface]:
    """Return the routes of devices.

    Args:
        sense: knows the devices of each tenant.
        keys: all keys.
        url: address of this hub, for labels.
    """
    one = _Pages(sense, keys, url)
    rows: list[_Row] = [
        ("GET", "/devices", one.devices, "seeDevices", "List devices"),
        ("POST", "/devices", one.add, "manageDevices", "Register a device"),
        ("POST", "/devices/import", one.take_table, "manageDevices", "Register devices of a table"),
        ("GET", "/devices/labels", one.sheet, "seeDevices", "A sheet of labels to print"),
        ("GET", "/devices/provisioning", one.grants, "manageDevices",
         "List keys that let devices register themselves"),
        ("POST", "/devices/provisioning", one.grant, "manageDevices",
         "Make a key that lets devices register themselves"),
        ("DELETE", "/devices/provisioning/{key}", one.withdraw, "manageDevices",
         "End such a key"),
        ("POST", "/devices/register", one.register, "observe", "Register oneself, as a device"),
        ("GET", "/devices/{device}", one.device, "seeDevices", "Show a device and how it is"),
        ("PATCH", "/devices/{device}", one.change, "manageDevices", "Change a device"),
        ("DELETE", "/devices/{device}", one.remove, "manageDevices", "Remove a device and its key"),
        ("POST", "/devices/{device}/key", one.rotate, "manageDevices",
         "Give a device a key, or its key a new secret"),
        ("DELETE", "/devices/{device}/key", one.revoke, "manageDevices", "End the key of a device"),
        ("GET", "/devices/{device}/label", one.label, "seeDevices", "A label with a QR code"),
    ]  # fmt: skip
    return [
        Surface(method, path, handler, action, summary, _TAG)
        for method, path, handler, action, summary in rows
    ]


class _Pages:
    def __init__(self, sense: Stations, keys: Keys, url: str) -> None:
        self._sense = sense
        self._keys = keys
        self._url = url

    async def _devices(self, request: Request) -> Devices:
        return (await self._sense.station(request.state.tenant.name)).devices

    def _keyring(self, request: Request, devices: Devices) -> Keyring:
        return Keyring(self._keys, request.state.tenant.name, devices)

    # --- the registry -------------------------------------------------------------------------

    async def devices(self, request: Request) -> Response:
        devices, tenant = await self._devices(request), request.state.tenant
        some, headers = part(request, _chosen(request, devices))
        told = [_listed(one, devices) | await _vitals(tenant, one, devices) for one in some]
        return JSONResponse(told, headers=headers)

    async def add(self, request: Request) -> Response:
        body = await members(request, (*form.KNOWN, "key"))
        with_key = "key" in body and flag(body, "key")
        body.pop("key", None)
        devices = await self._devices(request)
        new = form.read(body, is_new=True)
        device = await devices.add(new.name, new.attributes, request.state.tenant.write)
        key = await self._keyring(request, devices).make(device, _by(request)) if with_key else None
        shown = await self._shown(request, device) | ({"key": key} if key else {})
        headers = _NO_STORE | {"Location": f"/devices/{device.name}"}
        return JSONResponse(shown, 201, headers)

    async def device(self, request: Request) -> Response:
        return JSONResponse(await self._shown(request, await self._named(request)))

    async def change(self, request: Request) -> Response:
        body = await members(request, form.KNOWN)
        device = await self._named(request)
        wanted = form.read(body, is_new=False)
        if wanted.name not in ("", device.name):
            raise BadRequestData(
                "the name of a device cannot be changed; give it another as alias, or register it"
                " anew"
            )
        devices = await self._devices(request)
        device = await devices.change(
            device.name, wanted.attributes, wanted.removed, request.state.tenant.write
        )
        await self._keyring(request, devices).fit(device, _by(request))
        return JSONResponse(await self._shown(request, device))

    async def remove(self, request: Request) -> Response:
        devices, device = await self._devices(request), await self._named(request)
        keyring = self._keyring(request, devices)
        if keyring.of(device) is not None:
            await keyring.revoke(device, _by(request))
        await devices.remove(device.name, request.state.tenant.write)
        return Response(status_code=204)

    async def _named(self, request: Request) -> Device:
        return (await self._devices(request)).named(request.path_params["device"])

    async def _shown(self, request: Request, device: Device) -> dict[str, Any]:
        devices = await self._devices(request)
        shown = form.written(await devices.document(device)) | _health(device, devices)
        key = self._keyring(request, devices).of(device)
        shown |= await _vitals(request.state.tenant, device, devices)
        shown["keyId"] = None if key is None else key.id
        shown["labelUrl"] = labels.address(self._url, device.name)
        return shown

    # --- keys ---------------------------------------------------------------------------------

    async def rotate(self, request: Request) -> Response:
        body = await members(request, ("overlap_s",))
        overlap = body.get("overlap_s", OVERLAP_S)
        if isinstance(overlap, bool) or not isinstance(overlap, int):
            raise BadRequestData("overlap_s must be a whole number of seconds")
        devices, device = await self._devices(request), await self._named(request)
        key = await self._keyring(request, devices).rotate(device, _by(request), overlap)
        return JSONResponse({"device": device.name, "key": key}, headers=_NO_STORE)

    async def revoke(self, request: Request) -> Response:
        devices, device = await self._devices(request), await self._named(request)
        await self._keyring(request, devices).revoke(device, _by(request))
        return Response(status_code=204)

    async def grants(self, request: Request) -> Response:
        devices = await self._devices(request)
        return page(request, devices.provisioning.grants, lambda grant: {
            "key": grant.principal.partition(":")[2],
            "profile": grant.profile,
            "left": grant.left,
        })  # fmt: skip

    async def grant(self, request: Request) -> Response:
        body = await members(request, ("profile", "count", "name"), ("profile", "count"))
        name, count = text(body, "profile"), body["count"]
        if isinstance(count, bool) or not isinstance(count, int):
            raise BadRequestData("count must be a whole number of devices")
        devices = await self._devices(request)
        profile = devices.shelf.named(name)
        title = text(body, "name") if "name" in body else f"provisioning of {name}"
        devices.provisioning.check(count)
        key, credential = await self._keyring(request, devices).provisioning(
            title, profile, _by(request)
        )
        await devices.provisioning.grant(key.principal_id, name, count)
        made = {"id": key.id, "profile": name, "left": count, "key": credential}
        return JSONResponse(made, 201, _NO_STORE)

    async def withdraw(self, request: Request) -> Response:
        key = self._keys.named(request.path_params["key"])
        devices = await self._devices(request)
        if devices.provisioning.find(key.principal_id) is None:
            raise Forbidden(f"key {key.id} lets no devices register; `madang key revoke` ends it")
        await self._keys.revoke(key, _by(request))
        await devices.provisioning.withdraw(key.principal_id)
        return Response(status_code=204)

    async def register(self, request: Request) -> Response:
        body = await members(
            request, ("serialNumber", "firmwareVersion", "hardwareVersion"), ("serialNumber",)
        )
        devices = await self._devices(request)
        grant = devices.provisioning.find(_by(request))
        if grant is None:
            raise Forbidden(
                "this key lets no devices register; `madang device provision` makes one that does"
            )
        new = form.read({**body, "profile": grant.profile}, is_new=True)
        devices.check_new(new.name, new.attributes)
        await devices.provisioning.use(grant)
        device = await devices.add(new.name, new.attributes)
        key = await self._keyring(request, devices).make(device, _by(request))
        return JSONResponse({"device": device.name, "key": key}, 201, _NO_STORE)

    # --- tables -------------------------------------------------------------------------------

    async def take_table(self, request: Request) -> Response:
        """``POST /devices/import``: a table in, a line of JSON for each row out."""
        given = request.query_params
        fixed = {member: given[member] for member in form.MEMBERS if member in given}
        content, columns = await request.body(), _columns(given.get("columns", ""))
        rows = await asyncio.to_thread(lambda: list(table.rows(content, columns, fixed)))
        with_keys = given.get("keys") == "true"
        if with_keys and len(rows) > MOST_WITH_KEYS:
            raise BadRequestData(
                f"{MOST_WITH_KEYS:,} devices can be given keys at a time, not {len(rows):,};"
                " cut the table in parts"
            )
        answers = self._taken(request, await self._devices(request), rows, with_keys)
        return StreamingResponse(answers, media_type="application/x-ndjson", headers=_NO_STORE)

    async def _taken(
        self, request: Request, devices: Devices, rows: list[table.Row], with_keys: bool
    ) -> AsyncIterator[bytes]:
        keyring = self._keyring(request, devices)
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            wanted = [(row.form.name, row.form.attributes) for row in some if row.form is not None]
            try:
                made = iter(await devices.add_all(wanted, request.state.tenant.write))
            except NgsiError as error:  # too busy: what is left was not done
                made = iter([error] * len(wanted))
            for row in some:
                result = next(made) if row.form is not None else BadRequestData(row.problem)
                told: dict[str, Any] = {"row": row.number}
                if isinstance(result, NgsiError):
                    told["error"] = result.detail or result.title
                else:
                    told["device"] = result.name
                    if with_keys:
                        told["key"] = await keyring.make(result, _by(request))
                yield orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)

    # --- labels -------------------------------------------------------------------------------

    async def label(self, request: Request) -> Response:
        label = self._label(await self._named(request))
        kind = request.query_params.get("format", "svg")
        if kind not in ("svg", "png"):
            raise InvalidRequest(f"format must be svg or png, not {kind[:20]!r}")
        if kind == "png":
            return Response(labels.png(label), media_type="image/png")
        return Response(labels.svg(label), media_type="image/svg+xml")

    async def sheet(self, request: Request) -> Response:
        found = _chosen(request, await self._devices(request))
        if len(found) > MOST_ON_SHEET:
            raise BadRequestData(
                f"a sheet holds {MOST_ON_SHEET:,} labels, and {len(found):,} devices are meant;"
                " choose with q, profile or owner"
            )
        return HTMLResponse(labels.sheet([self._label(device) for device in found]))

    def _label(self, device: Device) -> Label:
        title = device.aliases[0] if device.aliases else device.profile
        return Label(labels.address(self._url, device.name), device.name, title)


async def _vitals(tenant: Tenant | View, device: Device, devices: Devices) -> dict[str, Any]:
    """Return its entities, how good their values are, and its battery, as far as one may see."""
    profile = devices.profile(device.profile)
    ids = [] if profile is None else list(profile.entity_ids(device.name))
    row = await tenant.get(device.id)
    battery = {} if row is None else orjson.loads(row.document).get("batteryLevel", {})
    return {
        "entities": ids,
        "quality": await _flags(tenant, ids),
        "battery": battery.get("value") if isinstance(battery, dict) else None,
    }


async def _flags(tenant: Tenant | View, ids: Sequence[str]) -> dict[str, int]:
    """Return how many of the present values of entities have each quality flag."""
    found: Counter[str] = Counter()
    for id in ids:
        row = await tenant.get(id)
        for attribute in () if row is None else orjson.loads(row.document).values():
            if isinstance(attribute, dict) and QUALITY in attribute:
                found[str(attribute[QUALITY].get("value"))] += 1
    return dict(found)


def _by(request: Request) -> str:
    principal_id: str = request.state.principal.id
    return principal_id


def _chosen(request: Request, devices: Devices) -> list[Device]:
    """Return the devices that the parameters of a request choose, in the order of names."""
    given = request.query_params
    wanted, silent = given.get("q", "").casefold(), given.get("silent")
    return [
        device
        for device in devices
        if given.get("profile") in (None, device.profile)
        and given.get("owner") in (None, device.owner)
        and given.get("state") in (None, device.state)
        and (silent is None or (silent == "true") == device.silent)
        and (not wanted or any(wanted in n.casefold() for n in (device.name, *device.aliases)))
    ]


def _listed(device: Device, devices: Devices) -> dict[str, Any]:
    return {
        "device": device.name,
        "profile": device.profile,
        "alias": list(device.aliases),
        "owner": device.owner,
        "deviceState": device.state,
        "location": device.location,
    } | _health(device, devices)


def _health(device: Device, devices: Devices) -> dict[str, Any]:
    return {
        "lastHeard": None if device.heard is None else time.render(device.heard),
        "silent": device.silent,
        "expectedEvery": devices.interval(device),
    }


def _columns(text: str) -> dict[str, str]:
    """Return which column holds each member: ``serialNumber=Serial,latitude=Lat``."""
    found = {}
    for pair in filter(None, text.split(",")):
        member, equals, heading = pair.partition("=")
        if not equals:
            raise BadRequestData(
                f"columns must be pairs such as serialNumber=Serial, not {pair[:60]!r}"
            )
        found[member.strip()] = heading.strip()
    return found
