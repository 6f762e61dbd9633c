"""Search by name: whatever the reader may see, by parts of its name, title, address or id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from madang.api.map import types_of
from madang.api.parameters import check_known, text, whole
from madang.api.surface import Surface
from madang.model.errors import BadRequestData
from madang.web.maps import told
from madang.web.maps.names import LONGEST, matches, text_of, words_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Document
    from madang.trust.view import View
    from madang.web.maps.watch import Watches

MOST: Final = 50  # found things in one answer
LOOKED_AT: Final = 2_000  # things that fit by name, of which the reader may see fewer
_BATCH: Final = 100
_SHOWN: Final = frozenset({*told.NAMES, told.ADDRESS})


class SearchPages:
    """The handler of search.

    Args:
        watches: what is kept of the tenants, with the names of all entities.
    """

    def __init__(self, watches: Watches) -> None:
        self._watches = watches

    def surfaces(self) -> list[Surface]:
        summary = "Find entities by their names"
        return [Surface("GET", "/ui/search", self.find, "readEntity", summary, "Control room")]

    async def find(self, request: Request) -> Response:
        """A list of normalized entities with their names and a place, the best first."""
        given = check_known(request.url.query, frozenset({"words", "types", "limit"}))
        asked = text(given, "words") or ""
        if len(asked) > LONGEST:
            raise BadRequestData(f"words may have {LONGEST} characters, not {len(asked)}")
        words = words_of(asked)
        if not words:
            raise BadRequestData("words is missing; give a part of a name, an address or an id")
        limit, types = whole(given, "limit", 12, 1, MOST), types_of(given, "types")
        tenant = request.state.tenant
        names = await (await self._watches.of(tenant.name)).names()
        ids = names.find(words, types, LOOKED_AT)
        found = await _seen(tenant, ids, words, limit)
        return Response(orjson.dumps(found), media_type="application/json")


async def _seen(
    tenant: Tenant | View, ids: list[str], words: list[str], limit: int
) -> list[dict[str, Any]]:
    """Return those that the reader sees, and sees to have such a name."""
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), _BATCH):
        entities = await tenant.entities(ids[start : start + _BATCH])
        for entity in entities.values():
            # The index knows names that may be hidden from this reader: they find nothing.
            if matches(text_of(entity.document), words):
                found.append(_told(entity.document))
                if len(found) == limit:
                    return found
    return found


def _told(document: Document) -> dict[str, Any]:
    """Return what a list of found things shows: names, address, and a point to fly to."""
    body: dict[str, Any] = {"id": document["id"], "type": document["type"]}
    for name, attribute in told.attributes(document):
        if told.short(name) in _SHOWN:
            body[told.short(name)] = attribute
    geometry = told.geometry_of(document)
    point = None if geometry is None else told.point_of(geometry)
    if point is not None:
        value = {"type": "Point", "coordinates": point}
        body[told.PLACE] = {"type": "GeoProperty", "value": value}
    return body
