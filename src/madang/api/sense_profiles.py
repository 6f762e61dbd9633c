"""Profiles of devices over HTTP: what the fields of their messages mean, as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import members, page, text
from madang.api.surface import Surface
from madang.sense.devices.keyring import Keyring

if TYPE_CHECKING:
    from madang.api.sense_devices import Stations
    from madang.sense.devices.registry import Devices
    from madang.trust.keys import Keys

_TAG: Final = "Devices"


def surfaces(sense: Stations, keys: Keys) -> list[Surface]:
    """Return the routes of profiles.

    Args:
        sense: knows the profiles of each tenant.
        keys: all keys; those of devices follow what their profile makes them write.
    """
    one = _Pages(sense, keys)
    return [
        Surface("GET", "/profiles", one.profiles, "seeDevices", "List profiles of devices", _TAG),
        Surface("GET", "/profiles/{name}", one.profile, "seeDevices", "Show a profile", _TAG),
        Surface("PUT", "/profiles/{name}", one.put, "manageDevices", "Keep a profile", _TAG),
        Surface(
            "DELETE", "/profiles/{name}", one.remove, "manageDevices", "Remove a profile", _TAG
        ),
    ]


class _Pages:
    def __init__(self, sense: Stations, keys: Keys) -> None:
        self._sense = sense
        self._keys = keys

    async def _devices(self, request: Request) -> Devices:
        return (await self._sense.station(request.state.tenant.name)).devices

    async def profiles(self, request: Request) -> Response:
        devices = await self._devices(request)
        return page(request, devices.shelf.names, lambda name: _told(name, devices))

    async def profile(self, request: Request) -> Response:
        devices, name = await self._devices(request), request.path_params["name"]
        return JSONResponse(_told(name, devices) | {"text": devices.shelf.text(name)})

    async def put(self, request: Request) -> Response:
        content = text(await members(request, ("text",), ("text",)), "text")
        devices, name = await self._devices(request), request.path_params["name"]
        before = devices.profile(name)
        after = await devices.shelf.put(name, content)
        if before is not None and before.entity_ids("x") != after.entity_ids("x"):
            keyring = Keyring(self._keys, request.state.tenant.name, devices)
            await keyring.fit_all(devices.using(name), request.state.principal.id)
        return Response(status_code=201 if before is None else 204)

    async def remove(self, request: Request) -> Response:
        devices, name = await self._devices(request), request.path_params["name"]
        await devices.shelf.remove(name, len(devices.using(name)))
        return Response(status_code=204)


def _told(name: str, devices: Devices) -> dict[str, Any]:
    profile = devices.shelf.named(name)
    return {
        "name": name,
        "title": profile.title,
        "types": [part.type for part in profile.parts],
        "codec": profile.codec or "json",
        "interval_s": profile.interval_s,
        "origin": "madang" if devices.shelf.is_shipped(name) else "city",
        "devices": len(devices.using(name)),
        "entities": list(profile.entity_ids("{device}")),
    }
