"""What the live map asks: which kinds of things there are, what stands still, the past, tiles."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madang.api.parameters import check_known, items, text, whole
from madang.api.selection import search
from madang.api.surface import Surface
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import BadRequestData, Overloaded, ResourceNotFound
from madang.model.names import shown
from madang.web.maps import past
from madang.web.maps.kinds import kinds
from madang.web.maps.past import MOST_STEPS, Box, Film
from madang.web.maps.still import StillCache
from madang.web.maps.tiles import BaseMap

if TYPE_CHECKING:
    from madang.api.surface import Action, Handler
    from madang.settings import Settings
    from madang.web.maps.watch import Watches

MOST_TYPES: Final = 20  # in one request
FILMS_AT_ONCE: Final = 2  # each takes a core for some seconds at most
FILMS_WAITING: Final = 8
LONGEST_STEP_S: Final = 86_400
_TILE_AGE: Final = "private, max-age=86400"
_GEOJSON: Final = "application/geo+json"
_SECOND: Final = 1_000_000  # [us]


class MapPages:
    """Handlers of the live map.

    Args:
        watches: what is kept of the tenants.
    """

    def __init__(self, settings: Settings, watches: Watches) -> None:
        self._watches = watches
        self._still = StillCache()
        self._base = None if settings.basemap is None else BaseMap(settings.basemap)
        self._turns = asyncio.Semaphore(FILMS_AT_ONCE)
        self._waiting = 0

    def surfaces(self) -> list[Surface]:
        def surface(path: str, handler: Handler, action: Action, summary: str) -> Surface:
            return Surface("GET", path, handler, action, summary, "Map")

        return [
            surface("/map/types", self.types, "readEntity", "Kinds of things with a location"),
            surface("/map/base", self.base, "readEntity", "What stands still, as GeoJSON"),
            surface("/map/past", self.past, "readHistory", "Where things were, as a film"),
            surface("/map/tiles/{z}/{x}/{y}", self.tile, "readEntity", "A tile of the base map"),
        ]

    async def types(self, request: Request) -> Response:
        """``{types: […], bounds, basemap}``."""
        check_known(request.url.query, frozenset())
        found, bounds = await kinds(request.state.tenant)
        about = None if self._base is None else self._base.about()
        return packed(request, {"types": found, "bounds": bounds, "basemap": about})

    async def base(self, request: Request) -> Response:
        """A GeoJSON FeatureCollection (RFC 7946), with the member ``cut`` if it is not whole."""
        given = check_known(request.url.query, frozenset({"type"}))
        types = types_of(given)
        if not types:
            raise BadRequestData("type is missing; name one or more, such as type=Building")
        tenant = request.state.tenant
        watch = await self._watches.of(tenant.name)
        still = await self._still.of(tenant, watch, types)
        # Private: what is there depends on who asks. It is asked again each time, by its tag.
        headers = {
            "ETag": still.tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Accept-Encoding",
        }
        if still.tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(still.packed, 200, headers, _GEOJSON)
        return Response(still.body, 200, headers, _GEOJSON)

    async def past(self, request: Request) -> Response:
        """``{ids, names, positions, moving, paths, values, …}``: see the reference."""
        film = film_of(request.url.query)
        history = request.state.tenant.history
        if self._waiting >= FILMS_WAITING:
            raise Overloaded("too many films of the past are being made; try again in some seconds")
        self._waiting += 1
        try:
            async with self._turns:
                found = await history.read(lambda lake: past.read(lake, film))
        finally:
            self._waiting -= 1
        return await asyncio.to_thread(packed, request, found)

    async def tile(self, request: Request) -> Response:
        """A tile as the file has it; 204 where it has none."""
        if self._base is None:
            raise ResourceNotFound("this hub has no base map; the setting basemap names its file")
        zoom, column, row = (_number(request, name) for name in "zxy")
        headers = {"ETag": self._base.tag, "Cache-Control": _TILE_AGE}
        if self._base.tag in request.headers.get("if-none-match", ""):
            return Response(None, 304, headers)
        body = await asyncio.to_thread(self._base.tile, zoom, column, row)
        if body is None:
            return Response(None, 204, headers)
        if self._base.encoding:
            headers["Content-Encoding"] = self._base.encoding
        return Response(body, 200, headers, self._base.media_type)


def _number(request: Request, name: str) -> int:
    value = str(request.path_params[name])
    if not (value.isascii() and value.isdigit() and len(value) < 9):
        raise BadRequestData(
            f"{name} of a tile must be a whole number, as in /map/tiles/14/13971/6343, not"
            f" {shown(value)}"
        )
    return int(value)


def packed(request: Request, content: dict[str, Any]) -> Response:
    """Return JSON, compressed if the client takes gzip."""
    body = orjson.dumps(content)
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 1000:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 4)
    return Response(body, 200, headers, "application/json")


# --- what is asked ------------------------------------------------------------------------------


def types_of(given: Any, name: str = "type") -> tuple[str, ...]:
    """Return a list of entity types as canonical names, each once, in order."""
    found = items(given, name)
    if len(found) > MOST_TYPES:
        raise BadRequestData(f"{name} may name {MOST_TYPES} types at once, not {len(found)}")
    return tuple(sorted({CORE.expand(one) for one in found}))


_OF_FILM: Final = frozenset({"type", "q", "value", "start", "end", "step", "bounds"})


def film_of(query: str) -> Film:
    """Return the film that a query string asks for.

    Raises:
        BadRequestData: something is missing, or it would be too long.
    """
    given = check_known(query, _OF_FILM)
    if "type" not in given:
        raise BadRequestData("type is missing; name the type whose past is wanted, as type=Vehicle")
    start, end = (_instant(given.get(name), name) for name in ("start", "end"))
    step_s = whole(given, "step", 60, 1, LONGEST_STEP_S)
    if start >= end:
        raise BadRequestData("start must be before end")
    steps = -((start - end) // (step_s * _SECOND))
    if steps > MOST_STEPS:
        least = -((start - end) // (MOST_STEPS * _SECOND))
        raise BadRequestData(
            f"from start to end there are {steps:,} steps of {step_s} s, and a film may have"
            f" {MOST_STEPS}; take steps of at least {least} s, or a shorter time"
        )
    parts = [part for part in query.split("&") if part.partition("=")[0] in ("type", "q")]
    asked = search("&".join([*parts, "local=true"]), CORE, False, 1).query
    value = text(given, "value")
    return Film(
        query=replace(asked, order=()),
        start=start,
        step=step_s * _SECOND,
        steps=steps,
        value=CORE.expand(value) if value else None,
        bounds=bounds_of(text(given, "bounds")),
    )


def _instant(given: object, name: str) -> int:
    if given is None:
        raise BadRequestData(f"{name} is missing; it is a DateTime such as 2026-01-31T12:00:00Z")
    return time.parse(time.checked(given, name))


def bounds_of(given: str | None) -> Box | None:
    """Return a box that is given as ``west,south,east,north`` in degrees."""
    if given is None:
        return None
    try:
        west, south, east, north = (float(part) for part in given.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise BadRequestData(
            f"bounds must be west,south,east,north in degrees, as 126.9,37.5,127.1,37.6, not"
            f" {shown(given)}"
        )
    return west, south, east, north
