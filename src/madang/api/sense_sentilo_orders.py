"""Orders of Sentilo clients. An order is the attribute ``order`` of the sensor's Device entity.

Subscribers follow changes of that attribute. A device whose profile has the command ``order`` is
told it as a command, with the parameter ``order``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.act.commands.commands import Asked
from madang.api import sense_sentilo_past as past
from madang.api.sense_sentilo_catalog import append, body_of, write
from madang.api.sense_sentilo_data import sensors_of
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.sense.devices.device import PREFIX, TYPE
from madang.sense.sentilo.events import ORDER, event
from madang.sense.sentilo.names import checked, device_of

if TYPE_CHECKING:
    from madang.act.commands.commands import Commands
    from madang.sense.sense import Sense


class Orders:
    """Handlers of ``/order``."""

    def __init__(self, sense: Sense, commands: Commands) -> None:
        self._sense = sense
        self._commands = commands

    async def publish(self, request: Request) -> Response:
        """``PUT /order/{provider}``, to all its sensors, and ``…/{sensor}``."""
        order = (await body_of(request)).get("order")
        if order is None:
            raise BadRequestData("order is missing")
        tenant, sender = request.state.tenant, request.state.principal.name
        at, sensors = tenant.clock.now(), await self._sensors(request)
        told = [{"id": id, "type": TYPE, ORDER: event(order, sender, at)} for id in sensors]
        await self._command(request, order, sensors)
        await write(tenant, [append(one) for one in told])
        return Response()

    async def _command(self, request: Request, order: Any, sensors: dict[str, str]) -> None:
        """Ask for the command of those sensors whose profile has one for orders."""
        name, who = request.state.tenant.name, request.state.principal.id
        devices = (await self._sense.station(name)).devices
        for id in sensors:
            device = devices.find(id.removeprefix(PREFIX))
            profile = None if device is None else devices.profile(device.profile)
            if profile is not None and ORDER in profile.commands:
                await self._commands.ask(name, Asked(who, id, ORDER, {ORDER: order}))

    async def of_sensor(self, request: Request) -> Response:
        """``GET /order/{provider}/{sensor}``."""
        found = await self._orders(request)
        return JSONResponse({"orders": next(iter(found.values()), [])})

    async def of_provider(self, request: Request) -> Response:
        """``GET /order/{provider}``."""
        found = await self._orders(request)
        listed = [{"sensor": name, "orders": found[name]} for name in sorted(found)]
        return JSONResponse({"sensors": listed})

    async def _orders(self, request: Request) -> dict[str, list[dict[str, Any]]]:
        """Return the last orders by sensor, of those that had some."""
        wanted = past.window(request.query_params)
        sensors = await self._sensors(request)
        found = await past.last(request.state.tenant, sensors, [ORDER], wanted)
        return {
            sensors[id]: [past.told(one, "order") for one in orders] for id, orders in found.items()
        }

    async def _sensors(self, request: Request) -> dict[str, str]:
        """Return the sensors that a request is about, by the id of their entity."""
        devices = (await self._sense.station(request.state.tenant.name)).devices
        provider = checked(request.path_params["provider"], "the provider")
        if "sensor" in request.path_params:
            sensor = checked(request.path_params["sensor"], "the sensor")
            device = devices.find(device_of(provider, sensor))
            found = {} if device is None else {device.id: sensor}
        else:
            found = {device.id: sensor for device, sensor in sensors_of(devices, provider)}
        if not found:
            raise ResourceNotFound(f"there is no such sensor of {provider} in the catalog")
        return found
