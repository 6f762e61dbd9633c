"""Pages of the city that everybody may read: the city now, its map, dashboards that are shared.

They are made on the server and need no scripts. Each shows what its reader may see: without a
session that is what the city has published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from madang.api.bodies import number
from madang.api.control_room import POLICY
from madang.api.surface import Handler, Surface
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.web.dashboards.book import CITY
from madang.web.dashboards.show import Show
from madang.web.dashboards.tiles import MapTile, NumberTile

if TYPE_CHECKING:
    from madang.api.dashboards import Dashboards
    from madang.api.site import Site
    from madang.web.assets import Assets
    from madang.web.dashboards.book import Kept
    from madang.web.dashboards.facts import Facts, Look
    from madang.web.dashboards.reading import Fact

_TAG: Final = "Pages"
_SCRIPT: Final = "src/public/main.ts"
_IN_SHORT: Final = 3  # facts on the start page
_TRIED: Final = 8  # tiles that are asked for them
_WALL_S: Final = (10, 3600)  # [s]
_MOST_NEXT: Final = 20
_ROWS: Final = 50  # of the table beside the map


class CityPages:
    """The pages at one address.

    Args:
        assets: the built front end, for what scripts can add.
    """

    def __init__(self, site: Site, dashboards: Dashboards, facts: Facts, assets: Assets) -> None:
        self._site = site
        self._dashboards = dashboards
        self._facts = facts
        self._script = assets.entry(_SCRIPT)

    def surfaces(self) -> list[Surface]:
        rows: list[tuple[str, Handler, str]] = [
            ("/city", self.city, "The city now, for all"),
            ("/city/map", self.map, "The city on a map, for all"),
            ("/city/map/places", self.places, "What the map shows, as GeoJSON"),
            ("/city/dashboards/{name}", self.dashboard, "A dashboard, as a page"),
        ]
        return [
            Surface("GET", path, handler, "seePages", summary, _TAG)
            for path, handler, summary in rows
        ]

    # --- dashboards -----------------------------------------------------------------------------

    async def city(self, request: Request) -> Response:
        return await self._page(request, CITY)

    async def dashboard(self, request: Request) -> Response:
        return await self._page(request, str(request.path_params["name"])[:100])

    async def _page(self, request: Request, name: str) -> Response:
        kept = await (await self._dashboards.book(request)).get(name)
        facts = await self._facts.of(kept.content.tiles, self._look(request))
        wall = request.query_params.get("wall", "") not in ("", "0")
        page = self._site.answer(
            request,
            "city_dashboard.html",
            kept=kept,
            tiles=list(zip(kept.content.tiles, facts, strict=True)),
            show=self._show(request),
            wall=wall,
            script=self._script,
            scripted=wall,
        )
        if wall:
            page.headers["Refresh"] = self._next(request, kept)
        return page

    def _next(self, request: Request, kept: Kept) -> str:
        """Return what to show after this on the wall, and when.

        Raises:
            BadRequestData: the parameters are wrong.
        """
        low, high = _WALL_S
        every = number(request, "every", 60)
        if not low <= every <= high:
            raise BadRequestData(f"every must be {low} to {high} seconds, not {every}")
        names = [name for name in request.query_params.get("next", "").split(",") if name]
        if len(names) > _MOST_NEXT or any(len(name) > 40 for name in names):
            raise BadRequestData(f"next names at most {_MOST_NEXT} dashboards, with commas between")
        path = f"/city/dashboards/{kept.name}"
        following = ""
        if names:
            path = f"/city/dashboards/{quote(names[0], safe='')}"
            following = f"&next={quote(','.join([*names[1:], kept.name]), safe=',')}"
        return f"{every}; url={self._site.pages.root}{path}?wall=1&every={every}{following}"

    async def in_short(self, request: Request) -> list[dict[str, Any]]:
        """Return a few numbers of the page of the city, as the start page shows them."""
        kept = await (await self._dashboards.book(request)).get(CITY)
        tiles = [
            tile.model_copy(update={"by": "", "width": 4, "height": 1})
            for tile in kept.content.tiles
            if isinstance(tile, NumberTile)
        ][:_TRIED]
        facts = await self._facts.of(tiles, self._look(request))
        found = [
            {"tile": tile, "fact": fact, "show": self._show(request)}
            for tile, fact in zip(tiles, facts, strict=True)
            if "value" in fact
        ]
        return found[:_IN_SHORT]

    # --- the map --------------------------------------------------------------------------------

    async def map(self, request: Request) -> Response:
        look, show = self._look(request), self._show(request)
        kinds = [one for one in await self._facts.kinds(look) if one.is_placed]
        chosen = request.query_params.get("type", "")
        kind = next((one for one in kinds if one.type == chosen), kinds[0] if kinds else None)
        if chosen and (kind is None or kind.type != chosen):
            raise ResourceNotFound(
                f"nothing of the type {chosen[:100]!r} is published with a place"
            )
        fact: Fact = {"missing": "type"}
        ground: list[tuple[str, dict[str, Any]]] = []
        if kind is not None:
            (fact,) = await self._facts.of([_tile(kind.type, kind.measured)], look)
            ground = await self._facts.ground(look)
        page = self._site.answer(
            request,
            "city_map.html",
            kinds=kinds,
            kind=kind,
            fact=fact,
            ground=ground,
            show=show,
            rows=_ROWS,
            script=self._script,
        )
        page.headers["Content-Security-Policy"] = POLICY  # the map draws pictures of its own
        return page

    async def places(self, request: Request) -> Response:
        """Answer with what the map shows of a type, for scripts."""
        type, attribute = (request.query_params.get(one, "")[:200] for one in ("type", "attribute"))
        if not type:
            raise BadRequestData("type is missing; it names the entities that are wanted")
        (fact,) = await self._facts.of([_tile(type, attribute)], self._look(request))
        show = self._show(request)
        features = [
            {
                "type": "Feature",
                "id": one["id"],
                "geometry": {"type": "Point", "coordinates": [one["lon"], one["lat"]]},
                "properties": {
                    "name": show.words(one["name"]),
                    "value": one["value"],
                    "unit": fact["unit"],
                    "kind": one["kind"],
                },
            }
            for one in fact.get("places", ())
        ]
        return JSONResponse(
            {"type": "FeatureCollection", "features": features}, media_type="application/geo+json"
        )

    # --- parts ----------------------------------------------------------------------------------

    def _look(self, request: Request) -> Look:
        name = request.headers.get("NGSILD-Tenant", "")
        return self._facts.look(request.state.principal, name, request.state.address)

    def _show(self, request: Request) -> Show:
        site = self._site
        return Show(site.texts(request), self._facts.now, site.pages.url)


def _tile(type: str, attribute: str) -> MapTile:
    told = {"kind": "map", "title": {"en": "Map"}, "type": type, "attribute": attribute}
    return MapTile.model_validate(told)
