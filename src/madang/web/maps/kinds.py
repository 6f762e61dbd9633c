"""Which kinds of things there are on the map: types with a geometry, and what colours them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.model.entity import Document
from madang.web.maps import told
from madang.web.maps.still import of_types

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.store.protocol import Shape
    from madang.trust.view import View

MOST_TYPES: Final = 200
SAMPLE: Final = 100  # entities of a type that are looked at
MOST_CATEGORIES: Final = 12
_LONGEST_CATEGORY: Final = 60
_MOVING: Final = frozenset({"heading", "bearing"})
_PLAIN: Final = frozenset({*told.NAMES, told.ADDRESS, told.PLACE, "description", "source"})
_FORMS: Final = {
    "Point": "point", "MultiPoint": "point", "LineString": "line", "MultiLineString": "line",
    "Polygon": "polygon", "MultiPolygon": "polygon", "GeometryCollection": "mixed",
}  # fmt: skip


@dataclass(slots=True)
class _Quantity:
    numbers: list[float] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)
    unit: str | None = None

    def take(self, value: Any, unit: str | None) -> None:
        number = told.number_of(value)
        if number is not None:
            self.numbers.append(number)
            self.unit = self.unit or unit
        elif isinstance(value, bool):
            self.texts.add("true" if value else "false")
        elif isinstance(value, str) and len(value) <= _LONGEST_CATEGORY:
            self.texts.add(value)

    def told(self, name: str, sampled: int) -> dict[str, Any] | None:
        """Return it as JSON; None if nothing can be coloured by it."""
        if self.numbers:
            numbers = sorted(self.numbers)
            tail = len(numbers) // 20
            found: dict[str, Any] = {"name": name, "kind": "number"}
            found |= {"min": numbers[0], "max": numbers[-1]}
            found |= {"low": numbers[tail], "high": numbers[-1 - tail]}
            return found | ({"unit": self.unit} if self.unit else {})
        few = 0 < len(self.texts) <= MOST_CATEGORIES and (len(self.texts) < sampled or sampled < 3)
        if few:
            return {"name": name, "kind": "category", "values": sorted(self.texts)}
        return None


async def kinds(tenant: Tenant | View) -> tuple[list[dict[str, Any]], list[float] | None]:
    """Return the types that have a geometry, the most frequent first, and the box of them all.

    Values and box are of the first 100 entities of each type that this reader sees.
    """
    counts = _counts(await tenant.shapes())
    box = [180.0, 90.0, -180.0, -90.0]
    found = []
    for type, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_TYPES]:
        page = await tenant.query(replace(of_types([type]), limit=SAMPLE))
        documents = [orjson.loads(row.document) for row in page.rows]
        if (kind := _kind(type, count, documents, box)) is not None:
            found.append(kind)
    return found, box if box[0] <= box[2] else None


def _counts(shapes: Iterable[Shape]) -> dict[str, int]:
    found: dict[str, int] = {}
    for shape in shapes:
        if any("GeoProperty" in kinds for _, kinds in shape.attributes):
            for type in shape.types:
                found[type] = found.get(type, 0) + shape.count
    return found


def _kind(
    type: str, count: int, documents: list[Document], box: list[float]
) -> dict[str, Any] | None:
    forms: set[str] = set()
    quantities: dict[str, _Quantity] = {}
    is_moving = False
    for document in documents:
        geometry = told.geometry_of(document)
        if geometry is None:
            continue
        forms.add(_FORMS[geometry["type"]])
        for longitude, latitude in told.positions(geometry):
            box[0], box[1] = min(box[0], longitude), min(box[1], latitude)
            box[2], box[3] = max(box[2], longitude), max(box[3], latitude)
        is_moving = is_moving or _moves(document)
        for name, attribute in told.attributes(document):
            if (
                attribute["type"] in ("Property", "VocabProperty")
                and told.short(name) not in _PLAIN
            ):
                content = told.content(attribute)
                quantities.setdefault(name, _Quantity()).take(content, attribute.get("unitCode"))
    if not forms:
        return None
    told_of = [one.told(name, len(documents)) for name, one in quantities.items()]
    return {
        "type": type,
        "count": count,
        "geometry": forms.pop() if len(forms) == 1 else "mixed",
        "isMoving": is_moving,
        "attributes": [one for one in told_of if one is not None],
    }


def _moves(document: Document) -> bool:
    """Tell whether a thing says where it is as a measurement, or where it is heading."""
    return any(
        told.short(name) in _MOVING
        or (told.short(name) == told.PLACE and "observedAt" in attribute)
        for name, attribute in told.attributes(document)
    )
