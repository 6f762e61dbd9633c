"""The quality of data over HTTP: by provider and day, and what other limits would have flagged."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.surface import Surface
from madang.lake.questions import Series
from madang.model import time
from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.names import shown
from madang.query.tree import Query, Selector
from madang.sense.quality.daily import assessed, publish
from madang.sense.quality.report import Assessment, today, yesterday
from madang.sense.quality.trial import limits_of, tried

if TYPE_CHECKING:
    from madang.sense.sense import Sense
    from madang.sense.station import Station

_TAG = "Devices"
_KNOWN = {"day", "provider"}
_TRIAL = ("entity", "attribute", "limits", "since", "until")
_DAY: Final = 86_400_000_000
USUAL: Final = 30 * _DAY
MOST: Final = 31 * _DAY
"""What limits are tried on at once: a sensor that reports every second has 2.7 million values."""


def surfaces(sense: Sense) -> list[Surface]:
    """Return what is asked of the quality of data."""
    pages = _Pages(sense)
    path = "/sense/quality"
    return [
        Surface("GET", path, pages.show, "seeDevices", "Data quality of a day, by provider", _TAG),
        Surface(
            "POST",
            path,
            pages.publish,
            "manageDevices",
            "Work out the data quality of a day anew and publish it as entities",
            _TAG,
        ),
        Surface(
            "POST",
            f"{path}/trial",
            pages.trial,
            "readHistory",
            "What other limits would have flagged of what a sensor measured",
            _TAG,
        ),
    ]


class _Pages:
    def __init__(self, sense: Sense) -> None:
        self._sense = sense
        self._turn = asyncio.Lock()  # one at a time: the day of a large city takes a minute

    async def show(self, request: Request) -> Response:
        """Answer with a list; ``day`` is yesterday if left out, ``provider`` is all."""
        station, day = await self._asked(request)
        async with self._turn:
            return self._answer(request, await assessed(station, day))

    async def publish(self, request: Request) -> Response:
        station, day = await self._asked(request)
        async with self._turn:
            return self._answer(request, await publish(station, day))

    async def trial(self, request: Request) -> Response:
        tenant = request.state.tenant
        asked = _trial_of(await request.body())
        entity, attribute = _text(asked, "entity"), _text(asked, "attribute")
        limits = limits_of(asked.get("limits"))
        until = _instant(asked, "until", tenant.clock.now())
        since = _instant(asked, "since", until - USUAL)
        if not 0 < until - since <= MOST:
            raise BadRequestData(f"since must be before until, by at most {MOST // _DAY} days")
        query = Query(selectors=(Selector(ids=(entity,)),))
        series = Series((attribute,), query=query, start=since, end=until)
        async with self._turn:
            frame = await tenant.history.frame(series)
            return JSONResponse(await asyncio.to_thread(tried, frame, attribute, limits))

    async def _asked(self, request: Request) -> tuple[Station, date]:
        if unknown := set(request.query_params) - _KNOWN:
            raise InvalidRequest(
                f"there is no parameter {shown(min(unknown))}; there are day and provider"
            )
        station = await self._sense.station(request.state.tenant.name)
        now = station.tenant.clock.now()
        text = request.query_params.get("day")
        return station, yesterday(now) if text is None else _day(text, today(now))

    @staticmethod
    def _answer(request: Request, found: list[Assessment]) -> Response:
        wanted = request.query_params.get("provider")
        return JSONResponse(
            [one.told() for one in found if wanted is None or one.provider == wanted]
        )


def _day(text: str, latest: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise BadRequestData(f"day must be a day such as 2027-01-31, not {shown(text)}") from None
    if day > latest:
        raise BadRequestData(f"day is {day}, which has not come yet (UTC)")
    return day


def _trial_of(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise BadRequestData("the body must be an object with entity, attribute and limits")
    if unknown := given.keys() - set(_TRIAL):
        raise BadRequestData(f"there is no member {shown(min(unknown))}; there are {_TRIAL}")
    return given


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequestData(f"{name} must be a text, not {shown(value)}")
    return value


def _instant(asked: dict[str, Any], name: str, otherwise: int) -> int:
    return time.parse(time.checked(asked[name], name)) if name in asked else otherwise
