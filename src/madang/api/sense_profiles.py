"""Profiles of devices over HTTP: what the fields of their messages mean, as TOML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import page
from madang.api.surface import Surface
from madang.model.errors import InvalidRequest

if TYPE_CHECKING:
    from madang.api.sense_devices import Stations
    from madang.sense.devices.registry import Devices

_TAG: Final = "Devices"
_TOML: Final = "application/toml"


def surfaces(sense: Stations) -> list[Surface]:
    """Return the routes of profiles."""
    one = _Pages(sense)
    return [
        Surface("GET", "/profiles", one.profiles, "seeDevices", "List profiles of devices", _TAG),
        Surface("GET", "/profiles/{name}", one.profile, "seeDevices", "Show a profile", _TAG),
        Surface("PUT", "/profiles/{name}", one.put, "manageDevices", "Keep a profile", _TAG),
        Surface(
            "DELETE", "/profiles/{name}", one.remove, "manageDevices", "Remove a profile", _TAG
        ),
    ]


class _Pages:
    def __init__(self, sense: Stations) -> None:
        self._sense = sense

    async def _devices(self, request: Request) -> Devices:
        return (await self._sense.station(request.state.tenant.name)).devices

    async def profiles(self, request: Request) -> Response:
        devices = await self._devices(request)
        return page(request, devices.shelf.names, lambda name: _told(name, devices))

    async def profile(self, request: Request) -> Response:
        """``GET /profiles/{name}``: the TOML text; as JSON also what else is known of it."""
        devices, name = await self._devices(request), request.path_params["name"]
        content = devices.shelf.text(name)
        if request.headers.get("accept", "").startswith("application/json"):
            return JSONResponse(_told(name, devices) | {"text": content})
        return Response(content, media_type=_TOML)

    async def put(self, request: Request) -> Response:
        devices, name = await self._devices(request), request.path_params["name"]
        try:
            content = (await request.body()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidRequest("the body must be TOML in UTF-8") from None
        is_new = devices.profile(name) is None
        await devices.shelf.put(name, content)
        return Response(status_code=201 if is_new else 204)

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
    }
