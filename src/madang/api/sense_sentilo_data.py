"""Observations of Sentilo clients: published through the intake, read back from history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api import sense_sentilo_past as past
from madang.hub.operations import DeleteAttribute
from madang.lake.questions import Instance
from madang.model.errors import (
    BadRequestData,
    Forbidden,
    NgsiError,
    PayloadTooLarge,
    ResourceNotFound,
)
from madang.sense.codecs.sentilo import PREFIX
from madang.sense.message import Message
from madang.sense.sentilo import moments
from madang.sense.sentilo.names import checked, device_of

if TYPE_CHECKING:
    from madang.sense.devices.registry import Device, Devices
    from madang.sense.intake import Taken
    from madang.sense.sense import Sense

FIELD: Final = "value"
"""The field of the codec that profiles make an attribute of."""
_ERRORS: Final[dict[str, type[NgsiError]]] = {
    "unknownDevice": ResourceNotFound,
    "noProfile": ResourceNotFound,
    "forbidden": Forbidden,
    "tooLarge": PayloadTooLarge,
}


class Series(NamedTuple):
    """Where the observations of a sensor are in the hub."""

    sensor: str
    entity: str
    attribute: str


class Data:
    """Handlers of ``/data``."""

    def __init__(self, sense: Sense) -> None:
        self._sense = sense

    async def publish(self, request: Request) -> Response:
        """``PUT /data/{provider}``, with a sensor, with a sensor and a value."""
        state = request.state
        message = Message(
            transport="http",
            address=_address(request),
            body=await request.body(),
            principal=state.principal,
            received=state.tenant.clock.now(),
            tenant=state.tenant.name,
            codec="sentilo",
            device=_device(request),
            origin=state.address,
        )
        raise_for(await self._sense.intake.take(message))
        return Response()

    async def of_sensor(self, request: Request) -> Response:
        """``GET /data/{provider}/{sensor}``."""
        wanted = past.window(request.query_params)
        series = await self._series(request)
        found = await self._observations(request, series, wanted)
        return JSONResponse({"observations": found.get(series[0].sensor, [])})

    async def of_provider(self, request: Request) -> Response:
        """``GET /data/{provider}``."""
        wanted = past.window(request.query_params)
        found = await self._observations(request, await self._series(request), wanted)
        listed = [{"sensor": name, "observations": found[name]} for name in sorted(found)]
        return JSONResponse({"sensors": listed})

    async def remove(self, request: Request) -> Response:
        """``DELETE /data/{provider}``, with a sensor: the last observation of each.

        It leaves history; where it is the state, the attribute goes until the next one comes.
        """
        tenant = request.state.tenant
        for one in await self._series(request):
            found = await past.last(tenant, [one.entity], [one.attribute], past.window({}))
            for instance in found.get(one.entity, ()):
                await _forget(tenant, instance)
        return Response()

    async def _series(self, request: Request) -> list[Series]:
        """Return where the observations that a request is about are.

        Raises:
            ResourceNotFound: there is no such sensor, or nothing says what it measures.
        """
        devices = (await self._sense.station(request.state.tenant.name)).devices
        provider = checked(request.path_params["provider"], "the provider")
        if "sensor" not in request.path_params:
            return list(_of_provider(devices, provider))
        sensor = checked(request.path_params["sensor"], "the sensor")
        name = device_of(provider, sensor)
        device = devices.find(name)
        found = None if device is None else series_of(devices, device, sensor)
        if found is None:
            raise ResourceNotFound(f"there is no sensor {name} in the catalog")
        return [found]

    async def _observations(
        self, request: Request, series: list[Series], wanted: past.Window
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the observations by sensor, of those that have some."""
        ids = [one.entity for one in series]
        names = [one.attribute for one in series]
        found = await past.last(request.state.tenant, ids, [*names, "location"], wanted)
        shown = {one.sensor: _shown(found.get(one.entity, []), one) for one in series}
        return {sensor: observations for sensor, observations in shown.items() if observations}


def series_of(devices: Devices, device: Device, sensor: str, field: str = FIELD) -> Series | None:
    """Return where the observations of a sensor are, as its profile says; None if it does not.

    Args:
        field: the field of its messages that they are made of.
    """
    profile = devices.profile(device.profile)
    for part in () if profile is None else profile.parts:
        for name, attribute in part.attributes.items():
            if attribute.path == field and not attribute.target:
                return Series(sensor, part.id_for(device.name), name)
    return None


def sensors_of(devices: Devices, provider: str) -> Iterator[tuple[Device, str]]:
    """Yield the devices that are sensors of a provider, with their names there."""
    prefix = f"{provider}."
    for device in devices:
        for name in (device.name, *device.aliases):
            if name.startswith(prefix):
                yield device, name.removeprefix(prefix)
                break


def _of_provider(devices: Devices, provider: str) -> Iterator[Series]:
    for device, sensor in sensors_of(devices, provider):
        series = series_of(devices, device, sensor)
        if series is not None:
            yield series


def _shown(instances: list[Instance], series: Series) -> list[dict[str, Any]]:
    """Return the observations of a sensor, the newest first, each with the place it was made at."""
    places = {one.time: one.value for one in instances if one.attribute == "location"}
    found = []
    for one in instances:
        if one.attribute != series.attribute:
            continue
        place = places.get(one.time)
        is_point = isinstance(place, dict) and place.get("type") == "Point"
        where = {"location": moments.place(place["coordinates"])} if place and is_point else {}
        found.append({"value": past.text(one.value), **past.stamped(one), **where})
    return found


async def _forget(tenant: Any, last: Instance) -> None:
    """Remove an observation from history, and from the state if it is there."""
    await tenant.history.change(
        lambda lake: lake.remove(last.entity, last.attribute, instance=last.id)
    )
    row = await tenant.entities([last.entity])
    entity = row.get(last.entity)
    state = None if entity is None else entity.document.get(last.attribute)
    if isinstance(state, dict) and state.get("value") == last.value:
        for result in await tenant.write([DeleteAttribute(last.entity, last.attribute)]):
            if isinstance(result, NgsiError):
                raise result


def _address(request: Request) -> str:
    """Return the path as it was sent; a value in it may have any characters."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = raw.decode("ascii", "replace").partition("?")[0]
    return PREFIX + path.removeprefix(PREFIX)


def _device(request: Request) -> str:
    """Return the device that the path names; observations of one are taken in their order."""
    sensor = request.path_params.get("sensor")
    return "" if sensor is None else device_of(request.path_params["provider"], sensor)


def raise_for(taken: Taken) -> None:
    """Raise the error of a message that could not be used, or not all of it."""
    if taken.letter is None:
        return
    rest = f"; the other {taken.values} values were taken" if taken.values else ""
    kind = _ERRORS.get(taken.reason, BadRequestData)
    raise kind(f"{taken.detail} (kept as dead letter {taken.letter}{rest})")
