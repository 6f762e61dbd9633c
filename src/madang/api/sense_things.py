"""Observations of the OGC SensorThings API, created over HTTP. A Datastream is a device.

The id of a Datastream is the name or an alias of the device, that of an Observation says the device
and when it observed: ``d1@1769860800000``.

Source: OGC 18-088, SensorThings API 1.1, clauses 10.2 (create) and 12 (data array extension).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api import sense_sentilo_past as past
from madang.api.sense_sentilo_data import raise_for, series_of
from madang.api.surface import Surface
from madang.model import time
from madang.model.errors import BadRequestData, InvalidRequest, PayloadTooLarge, ResourceNotFound
from madang.model.names import shown
from madang.query.tree import Temporal
from madang.sense.codecs import table
from madang.sense.message import Message, Rejected, Uplink

if TYPE_CHECKING:
    from madang.sense.intake import Taken
    from madang.sense.sense import Sense

PATH: Final = "/v1.1"
CODEC: Final = "sensorthings"
FIELD: Final = "result"
MOST: Final = 10_000  # Observations of one request
_AT_ONCE: Final = 100
_MILLISECOND: Final = 1_000  # [us]
_COMPONENTS: Final = frozenset(
    {"phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters"}
)
_IGNORED: Final = frozenset({"id", "@iot.id", "FeatureOfInterest/id"})


def surfaces(sense: Sense, url: str) -> list[Surface]:
    """Return the routes of SensorThings.

    Args:
        sense: takes the Observations.
        url: the address under which others reach the hub.
    """
    things, tag = _Things(sense, url), "SensorThings"
    of_one = f"{PATH}/Datastreams({{datastream}})/Observations"
    all_of = f"{PATH}/Observations"
    return [
        Surface("POST", all_of, things.create, "observe", "Create an Observation", tag),
        Surface("POST", of_one, things.create, "observe", "Create one of a Datastream", tag),
        Surface(
            "POST",
            f"{PATH}/CreateObservations",
            things.create_many,
            "observe",
            "Create many at once (data array)",
            tag,
        ),
        Surface("GET", f"{all_of}({{id}})", things.get, "readHistory", "An Observation", tag),
    ]


class _Things:
    def __init__(self, sense: Sense, url: str) -> None:
        self._sense = sense
        self._root = url.rstrip("/") + PATH

    async def create(self, request: Request) -> Response:
        """``POST /v1.1/Observations`` and ``…/Datastreams({id})/Observations``."""
        named = request.path_params.get("datastream", "")
        message = _message(request, await request.body(), unquote(named).strip("'"))
        raise_for(await self._sense.intake.take(message))
        return Response(status_code=201, headers={"Location": self._location(message)})

    async def create_many(self, request: Request) -> Response:
        """``POST /v1.1/CreateObservations``: an array of groups, each of one Datastream.

        Answers 201 with a URL for each Observation, or ``error``, in their order.
        """
        messages = _messages(request, await request.body())
        answers: list[str] = []
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            taken = await asyncio.gather(*map(self._sense.intake.take, some))
            answers += map(self._told, some, taken)
        return JSONResponse(answers, 201)

    async def get(self, request: Request) -> Response:
        """``GET /v1.1/Observations({id})``: what history has of it."""
        text = unquote(request.path_params["id"]).strip("'")
        name, _, at = text.rpartition("@")
        if not (name and at.isascii() and at.isdigit() and len(at) < 16):
            raise BadRequestData(
                f"{shown(text)} is no id of an Observation, such as d1@1769860800000"
            )
        devices = (await self._sense.station(request.state.tenant.name)).devices
        device = devices.find(name)
        series = None if device is None else series_of(devices, device, name, FIELD)
        if series is None:
            raise ResourceNotFound(f"there is no Datastream {shown(name)} with results")
        instant = int(at) * _MILLISECOND
        moment = past.Window(Temporal("between", instant, instant + _MILLISECOND), 1)
        found = await past.last(request.state.tenant, [series.entity], [series.attribute], moment)
        for one in found.get(series.entity, ()):
            return JSONResponse(
                {
                    "@iot.id": text,
                    "@iot.selfLink": self._link(name, int(at)),
                    "phenomenonTime": time.render(one.time),
                    "resultTime": None,
                    "result": one.value,
                }
            )
        raise ResourceNotFound(f"there is no Observation {shown(text)}")

    def _told(self, message: Message, taken: Taken) -> str:
        return "error" if taken.reason else self._location(message)

    def _location(self, message: Message) -> str:
        """Return the URL of the Observation in a message that was taken."""
        try:
            (one,) = table.codec(CODEC).decode(message)
        except (Rejected, ValueError):  # cannot be, for it was taken
            return self._root
        assert isinstance(one, Uplink)
        at = message.received if one.observed is None else one.observed
        return self._link(one.device, at // _MILLISECOND)

    def _link(self, device: str, at: int) -> str:
        return f"{self._root}/Observations('{quote(device, safe='')}@{at}')"


def _message(request: Request, body: bytes, device: str) -> Message:
    state = request.state
    return Message(
        transport="http",
        address=request.url.path,
        body=body,
        principal=state.principal,
        received=state.tenant.clock.now(),
        tenant=state.tenant.name,
        codec=CODEC,
        device=device,
        origin=state.address,
    )


def _messages(request: Request, body: bytes) -> list[Message]:
    """Return a message for each Observation of a data array.

    Raises:
        InvalidRequest, BadRequestData: the body is not as it must be; nothing is taken.
    """
    try:
        groups = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(groups, list) or not groups:
        raise BadRequestData(
            "the body must be an array of objects with Datastream, components and dataArray"
        )
    found: list[Message] = []
    for place, group in enumerate(groups, 1):
        observations = _observations(group, f"group {place}: ")
        stream = group.get("Datastream")
        named = stream.get("@iot.id") if isinstance(stream, dict) else None
        device = str(named) if isinstance(named, str | int) else ""
        found += [_message(request, orjson.dumps(one), device) for one in observations]
        if len(found) > MOST:
            raise PayloadTooLarge(f"a request creates {MOST:,} Observations at most; send several")
    return found


def _observations(group: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(group, dict):
        raise BadRequestData(f"{where}an object was expected, not {shown(group)}")
    names, rows = group.get("components"), group.get("dataArray")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadRequestData(f"{where}components must be a list of names")
    unknown = set(names) - _COMPONENTS - _IGNORED
    if unknown or "result" not in names:
        raise BadRequestData(
            f"{where}components must have result, and may have {', '.join(sorted(_COMPONENTS))};"
            f" not {', '.join(sorted(unknown)) or 'only ' + ', '.join(names)}"
        )
    if not isinstance(rows, list):
        raise BadRequestData(f"{where}dataArray must be a list of lists")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(names):
            raise BadRequestData(
                f"{where}row {number} of dataArray must be a list of {len(names)} values"
            )
    stream = {"Datastream": group.get("Datastream")}
    return [
        {**stream, **{n: v for n, v in zip(names, row, strict=True) if n in _COMPONENTS}}
        for row in rows
    ]
