"""What stands still, as GeoJSON: streets, buildings, zones, whatever has a geometry.

Made once for all who see the same of it and kept until something of it changes, for it is large
and hardly ever does.
Source: RFC 7946 (GeoJSON); heights after the Smart Data Models' Building.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from madang.model.entity import Document
from madang.query.reach import Reach
from madang.query.tree import HasType, Or, Query, Selector
from madang.trust.view import View
from madang.web.maps import told

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.store.protocol import Row
    from madang.web.maps.watch import Watch

MOST: Final = 50_000  # features of one answer; beyond, tiles are the better way
KEPT_BYTES: Final = 64 * 1024 * 1024
FLOOR_M: Final = 3.2  # of one storey, where only their number is known [m]
_KINDS: Final = ("category", "roadClass")
_DIGITS: Final = 7  # of a degree: about a centimetre


@dataclass(frozen=True, slots=True)
class Still:
    """A FeatureCollection as it is sent."""

    body: bytes
    packed: bytes
    """The same, gzip."""
    tag: str
    """Strong validator of the content (RFC 9110 section 8.8.3)."""
    is_cut: bool
    """There are more features than were put in."""


Key = tuple[str, tuple[str, ...], Reach | None]


class StillCache:
    """Answers that are still good, the latest used last."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[Key, tuple[tuple[int, ...], Still]] = OrderedDict()
        self._most = most_bytes
        self._bytes = 0

    async def of(self, tenant: Tenant | View, watch: Watch, types: tuple[str, ...]) -> Still:
        """Return what entities of these types show to this reader."""
        reach = tenant.sight.reach if isinstance(tenant, View) else None
        key = (tenant.name, types, reach)
        generation = watch.generation(types)
        found = self._kept.get(key)
        if found is not None and found[0] == generation:
            self._kept.move_to_end(key)
            return found[1]
        made = await still(tenant, types)
        if not _is_personal(reach, types):  # a reading of what is personal is recorded each time
            self._keep(key, generation, made)
        return made

    def _keep(self, key: Key, generation: tuple[int, ...], made: Still) -> None:
        old = self._kept.pop(key, None)
        self._kept[key] = (generation, made)
        self._bytes += _size(made) - (_size(old[1]) if old else 0)
        while self._bytes > self._most and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._bytes -= _size(dropped)


def _size(one: Still) -> int:
    return len(one.body) + len(one.packed)


def _is_personal(reach: Reach | None, types: tuple[str, ...]) -> bool:
    """Tell whether consent, or the record of readings, plays a part in what is shown of them."""
    if reach is None:
        return False
    rules = (*reach.personal, *(one for one in reach.hidden if one.subject is not None))
    return any(not one.types or not one.types.isdisjoint(types) for one in rules)


def of_types(types: Iterable[str]) -> Query:
    """Return the query for entities of one of these types."""
    names = [HasType(name) for name in types]
    return Query(selectors=(Selector(types=names[0] if len(names) == 1 else Or(tuple(names))),))


async def still(tenant: Tenant | View, types: tuple[str, ...], most: int = MOST) -> Still:
    """Make the collection of a reader's entities of some types that have a geometry."""
    features: list[bytes] = []
    box = [180.0, 90.0, -180.0, -90.0]
    is_cut = False
    async for rows in tenant.stream(of_types(types)):
        features += await asyncio.to_thread(_features, rows, box)
        if len(features) > most:
            is_cut = True
            del features[most:]
            break
    head: dict[str, Any] = {"type": "FeatureCollection"}
    if features:
        head["bbox"] = [round(one, _DIGITS) for one in box]
    if is_cut:
        head["cut"] = f"only the first {most:,} are here; ask for fewer types, or use tiles"
    opening = orjson.dumps(head)[:-1] + b',"features":['
    return await asyncio.to_thread(_sealed, opening + b",".join(features) + b"]}", is_cut)


def _sealed(body: bytes, is_cut: bool) -> Still:
    tag = hashlib.blake2b(body, digest_size=12).hexdigest()
    return Still(body, gzip.compress(body, 6, mtime=0), f'"{tag}"', is_cut)


def _features(rows: list[Row], box: list[float]) -> list[bytes]:
    """Return rows as Features, and widen the box by them."""
    found = []
    for row in rows:
        document = orjson.loads(row.document)
        geometry = told.geometry_of(document)
        if geometry is None:
            continue
        for longitude, latitude in told.positions(geometry):
            box[0], box[1] = min(box[0], longitude), min(box[1], latitude)
            box[2], box[3] = max(box[2], longitude), max(box[3], latitude)
        properties = properties_of(document)
        feature = {
            "type": "Feature", "id": document["id"], "geometry": geometry, "properties": properties,
        }  # fmt: skip
        found.append(orjson.dumps(feature))
    return found


def properties_of(document: Document) -> dict[str, Any]:
    """Return what the map draws a thing by: id, type, name (also by language), height, kind."""
    found: dict[str, Any] = {"id": document["id"], "type": told.types_of(document)[0]}
    names = told.named(document)
    if names:
        found["name"] = names.get("") or names.get("en") or next(iter(names.values()))
    found |= {f"name:{language}": name for language, name in names.items() if language}
    values = {told.short(name): told.content(one) for name, one in told.attributes(document)}
    height, floors = (told.number_of(values.get(name)) for name in ("height", "floorsAboveGround"))
    if height is None and floors is not None:
        height = floors * FLOOR_M
    if height is not None:
        found["height"] = round(height, 1)
    kind = next((values[name] for name in _KINDS if name in values), None)
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if isinstance(kind, str):
        found["kind"] = kind
    return found
