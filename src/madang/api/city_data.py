"""Pages of the city's data: what there is, how to get it, and every single thing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from madang.api.bodies import number
from madang.api.surface import Handler, Surface
from madang.hub.records import RECORDS
from madang.model.context import CORE
from madang.model.errors import ResourceNotFound
from madang.model.geojson import feature
from madang.model.representation import renderer
from madang.model.view import View as Format
from madang.query.tree import HasType, Query, Selector
from madang.store.rows import entity_of
from madang.web.dashboards import present, units
from madang.web.dashboards.catalogue import Kind, columns_of
from madang.web.dashboards.course import course_of
from madang.web.dashboards.guidelines import applying
from madang.web.dashboards.reading import plain
from madang.web.dashboards.show import Show

if TYPE_CHECKING:
    from madang.api.site import Site
    from madang.model.entity import Entity
    from madang.trust.gate import Gate
    from madang.web.dashboards.facts import Facts, Look

_TAG: Final = "Pages"
ROWS: Final = 20  # on a page of a data set
MOST_COLUMNS: Final = 6
MOST_COURSES: Final = 8
FORMATS: Final = {"csv": "text/csv; charset=utf-8", "geojson": "application/geo+json"}
_SIMPLE: Final = Format(format="simplified")
_HIDDEN: Final = frozenset({"location", "name"})


class CityData:
    """The pages at one address."""

    def __init__(self, site: Site, facts: Facts, gate: Gate) -> None:
        self._site = site
        self._facts = facts
        self._gate = gate

    def surfaces(self) -> list[Surface]:
        rows: list[tuple[str, Handler, str]] = [
            ("/city/data", self.index, "What data there is, for all"),
            ("/city/data/{type:path}", self.show, "A data set, for all"),
            ("/city/download/{format}/{type:path}", self.download, "A data set as CSV or GeoJSON"),
            ("/city/things/{id:path}", self.thing, "One thing of the city, for all"),
        ]
        return [
            Surface("GET", path, handler, "seePages", summary, _TAG)
            for path, handler, summary in rows
        ]

    async def index(self, request: Request) -> Response:
        kinds = await self._facts.kinds(self._look(request))
        return self._site.answer(
            request, "city_data.html", kinds=kinds, show=self._show(request), data=_data
        )

    async def show(self, request: Request) -> Response:
        kind, look = await self._kind(request)
        found = await self._facts.entities(look, kind.type)
        columns = columns_of(kind, found)
        pages = max(1, math.ceil(kind.count / ROWS))
        chosen = min(max(number(request, "page", 1), 1), pages)
        rows = found[(chosen - 1) * ROWS : chosen * ROWS]
        shown = sorted(
            (one for one in columns if one.name not in _HIDDEN), key=lambda one: one.unit is None
        )[:MOST_COLUMNS]
        licences = {_licence(one) for one in found[:1000]} - {""}
        newest = max((one.newest for one in columns if one.newest), default=None)
        show = self._show(request)
        has_history = self._gate.may(request.state.principal, "readHistory", self._name(request))
        return self._site.answer(
            request,
            "city_dataset.html",
            kind=kind,
            columns=columns,
            shown=shown,
            rows=[(one, present.name_of(one), _cells(one, shown)) for one in rows],
            page=chosen,
            pages=pages,
            newest=newest,
            licences=sorted(licences),
            has_history=has_history,
            links=_links(kind.type),
            data=_data,
            sign=units.sign,
            show=show,
            about=self._described(request, kind, show, newest, sorted(licences)),
        )

    async def download(self, request: Request) -> Response:
        """Stream all entities of a type."""
        form = request.path_params["format"]
        if form not in FORMATS:
            raise ResourceNotFound(f"data sets come as {' or '.join(FORMATS)}")
        kind, look = await self._kind(request)
        assert look.seen is not None  # or there would be no data set
        query = Query((Selector(types=HasType(kind.type)),))
        rows = look.seen.stream(query)
        content = _csv(rows, kind) if form == "csv" else _geojson(rows)
        name = "".join(one if one.isalnum() else "-" for one in kind.type)[-60:]
        headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
        return StreamingResponse(content, 200, headers, FORMATS[form])

    async def thing(self, request: Request) -> Response:
        id = str(request.path_params["id"])
        look = self._look(request)
        row = None if look.seen is None else await look.seen.get(id)
        entity = None if row is None else entity_of(row)
        if entity is None or look.seen is None or not RECORDS.keys().isdisjoint(entity.types):
            raise ResourceNotFound(f"there is no thing {id[:200]!r} that you may see")
        numbers = [
            value
            for name in entity.document
            if name not in _HIDDEN and (value := _measured(entity, name)) is not None
        ]
        names = [name for name, _ in numbers][:MOST_COURSES]
        now = look.seen.clock.now()
        courses = await course_of(look.seen, id, tuple(names), now) if names else {}
        where = present.place(entity)
        return self._site.answer(
            request,
            "city_thing.html",
            entity=entity,
            name=present.name_of(entity),
            numbers=[_number(entity, name, value, courses) for name, value in numbers],
            others=_others(entity, {name for name, _ in numbers}),
            where=where,
            map=None if where is None else _here(entity, where),
            ground=[] if where is None else await self._facts.ground(look),
            data=_data,
            show=self._show(request),
        )

    # --- parts ----------------------------------------------------------------------------------

    async def _kind(self, request: Request) -> tuple[Kind, Look]:
        """Return the type that the path names.

        Raises:
            ResourceNotFound: nothing of it may be seen.
        """
        type, look = str(request.path_params["type"]), self._look(request)
        for kind in await self._facts.kinds(look):
            if kind.type == type:
                return kind, look
        raise ResourceNotFound(f"there is no data set {type[:200]!r} that you may see")

    def _described(
        self,
        request: Request,
        kind: Kind,
        show: Show,
        newest: int | None,
        licences: list[str],
    ) -> str:
        """Return the data set as schema.org describes it, in JSON-LD that HTML can hold.

        Source: https://schema.org/Dataset, as search engines for data sets read it.
        """
        base = self._site.url
        links = _links(kind.type)
        told: dict[str, Any] = {
            "@context": "https://schema.org/",
            "@type": "Dataset",
            "name": show.type(kind.type),
            "alternateName": kind.type,
            "description": show.about(kind.type, kind.count),
            "url": base + _data(kind.type),
            "inLanguage": self._site.texts(request).language,
            "isAccessibleForFree": True,
            "variableMeasured": sorted(set(kind.attributes) - _HIDDEN),
            "distribution": [
                {"@type": "DataDownload", "encodingFormat": media, "contentUrl": base + links[name]}
                for name, media in (
                    ("csv", "text/csv"), ("geojson", "application/geo+json"),
                    ("ngsi", "application/json"),
                )
            ],
        }  # fmt: skip
        if newest:
            told["dateModified"] = present.rendered(newest)
        if licences:
            told["license"] = licences[0]
        # Nothing in the data can end the script element.
        return orjson.dumps(told).decode().replace("<", "\\u003c")

    def _name(self, request: Request) -> str:
        return request.headers.get("NGSILD-Tenant", "")

    def _look(self, request: Request) -> Look:
        state = request.state
        return self._facts.look(state.principal, self._name(request), state.address)

    def _show(self, request: Request) -> Show:
        return Show(self._site.texts(request), self._facts.now, self._site.pages.url)


def _data(type: str) -> str:
    """Return the path of a data set."""
    return f"/city/data/{quote(type, safe='')}"


def _links(type: str) -> dict[str, str]:
    """Return the paths by which a data set is got."""
    named = quote(type, safe="")
    return {
        "ngsi": f"/ngsi-ld/v1/entities?type={named}&limit=100",
        "csv": f"/city/download/csv/{named}",
        "geojson": f"/city/download/geojson/{named}",
        "history": f"/history/export?type={named}&format=csv",
    }


def _cells(entity: Entity, shown: list[Any]) -> list[Any]:
    return [
        None
        if (found := present.first(entity, one.name)) is None
        else {
            "value": plain(present.content(entity, one.name)),
            "unit": units.sign(found.get("unitCode")),
        }
        for one in shown
    ]


def _licence(entity: Entity) -> str:
    found = present.content(entity, "license")
    return found[:200] if isinstance(found, str) else ""


def _measured(entity: Entity, name: str) -> tuple[str, present.Value] | None:
    found = present.value(entity, name)
    return None if found is None else (name, found)


def _number(
    entity: Entity, name: str, value: present.Value, courses: dict[str, Any]
) -> dict[str, Any]:
    judged = [
        one.judge(value.number)
        for type in entity.types
        for one in applying(type, name, value.unit)
        if one.over == "now"
    ]
    return {
        "name": name,
        "value": value.number,
        "unit": units.sign(value.unit),
        "at": value.at,
        "period": "day",
        "course": [[point.at, point.value] for point in courses.get(name, ())],
        "judgements": judged[:1],
    }


def _others(entity: Entity, numbers: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return what else is known of an entity."""
    found = []
    for name in entity.document:
        part = None if name in numbers or name in _HIDDEN else present.first(entity, name)
        if part is not None:
            value = plain(present.content(entity, name))
            found.append((name, {"value": value, "unit": units.sign(part.get("unitCode"))}))
    return found


def _here(entity: Entity, where: tuple[float, float]) -> dict[str, Any]:
    one = {"id": entity.id, "name": present.name_of(entity), "lon": where[0], "lat": where[1]}
    return {"unit": "", "places": [{**one, "value": None, "kind": None}]}


# --- downloads ------------------------------------------------------------------------------------


async def _csv(rows: AsyncIterator[Any], kind: Kind) -> AsyncIterator[str]:
    names = sorted(set(kind.attributes) - {"location"})
    yield _line(["id", "type", "longitude", "latitude", *names])
    async for chunk in rows:
        lines = []
        for entity in map(entity_of, chunk):
            where = present.place(entity) or ("", "")
            cells = [_cell(present.content(entity, name)) for name in names]
            lines.append(_line([entity.id, " ".join(entity.types), *where, *cells]))
        yield "".join(lines)


def _cell(content: Any) -> Any:
    if content is None or isinstance(content, int | float):
        return "" if content is None else content
    text = content if isinstance(content, str) else orjson.dumps(content).decode()
    # A spreadsheet must not take somebody's text for a formula (OWASP, CSV injection).
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _line(cells: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


async def _geojson(rows: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    shape = renderer(_SIMPLE, CORE)
    yield b'{"type":"FeatureCollection","features":['
    before = b""
    async for chunk in rows:
        found = [
            orjson.dumps(feature(entity, body, _SIMPLE))
            for entity in map(entity_of, chunk)
            if (body := shape.entity(entity)) is not None
        ]
        if found:
            yield before + b",".join(found)
            before = b","
    yield b"]}"
