"""Ordering of entities: ``orderBy``, ``orderFrom``, ``orderGeometry``, ``collation``.

Source: ETSI GS CIM 009 clauses 4.23 and 5.2.43 (OrderingParams). Values of different kinds are
ordered number < text < object < array < Boolean < Time < Date < DateTime < null; an entity without
the value comes last, whether the order ascends or descends. Of several instances (clause 4.5.5) the
default one counts, else the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf
from typing import Any

import orjson

from madang.model.attributes import ENTITY_MEMBERS, VALUE_MEMBER
from madang.model.context import Names
from madang.model.entity import Attribute, Entity, Stamp, path_of
from madang.model.errors import BadRequestData
from madang.query import collation as collations
from madang.query import geo
from madang.query.evaluate import RAW_MEMBERS, TIMES, leads_nowhere, matches, modified
from madang.query.literals import instant, is_date, time_of_day
from madang.query.q import split
from madang.query.reader import Reader
from madang.query.tree import Order, Path

MOST = 16
"""How many values one order may look at."""

_PATH = re.compile(r"[^\s\"'()\[\]{};|,<>=!~\\^`]+")
_MEMBERS = re.compile(r"[^\[\]\"]+")
_WORD = re.compile(r"[a-z\-]+")
_WORDS = ("asc", "desc", "dist-asc", "dist-desc")

_NUMBER, _TEXT, _OBJECT, _ARRAY, _BOOLEAN, _TIME, _DATE, _DATE_TIME, _NULL = range(9)
_ABSENT = object()

Rank = tuple[int, Any]


def parse(
    order_by: str | Sequence[str],
    names: Names,
    *,
    coordinates: object = None,
    geometry: object = None,
) -> tuple[Order, ...]:
    """Return the order that these parameters mean.

    Args:
        order_by: items with commas between them, or the array of a JSON body.
        names: the @context of the request.
        coordinates: ``orderFrom``, as JSON text or as JSON.
        geometry: ``orderGeometry``: the kind of geometry of the coordinates, a Point if not given.

    Raises:
        BadRequestData: they do not make an order.
    """
    if not isinstance(order_by, str):
        order_by = ",".join(_item(item) for item in order_by)
    origin = None
    if coordinates is not None:
        origin = geo.reference("Point" if geometry is None else geometry, coordinates)
    elif geometry is not None:
        raise BadRequestData("orderGeometry needs orderFrom beside it")
    reader = Reader(order_by, "orderBy")
    orders = [_order(reader, names, origin)]
    while reader.take(","):
        orders.append(_order(reader, names, origin))
    if reader.position < len(order_by):
        reader.fail("',' or the end")
    if len(orders) > MOST:
        raise BadRequestData(f"orderBy names {len(orders)} values; at most {MOST} are possible")
    return tuple(orders)


def from_object(value: object, names: Names) -> tuple[tuple[Order, ...], str | None]:
    """Return the order and the collation of a JSON body (``ordering``).

    Raises:
        BadRequestData: it is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get("orderBy"), list):
        raise BadRequestData("ordering must be an object with an array orderBy")
    coordinates, geometry = value.get("coordinates"), value.get("geometry")
    if coordinates is not None and not isinstance(coordinates, list):
        raise BadRequestData("coordinates must be an array such as [127.0,37.5]")
    if geometry is not None and not isinstance(geometry, str):
        raise BadRequestData("geometry must be the name of a kind of geometry")
    tag = value.get("collation")
    orders = parse(value["orderBy"], names, coordinates=coordinates, geometry=geometry)
    return orders, None if tag is None else collations.parse(tag)


def sort_key(
    entity: Entity, orders: tuple[Order, ...], collation: str | None = None
) -> tuple[Any, ...]:
    """Return what an entity is sorted by among others of the same query."""
    return tuple(_key(entity, order, collation is not None) for order in orders)


class _Falling:
    """A key that sorts in descending order."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: _Falling) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Falling) and bool(self.key == other.key)

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up


def _item(item: object) -> str:
    if not isinstance(item, str):
        raise BadRequestData("orderBy must be an array of texts such as name;desc")
    return item


def _order(reader: Reader, names: Names, origin: str | None) -> Order:
    path = _path(reader, names)
    start = reader.position
    word = "asc"
    if reader.take(";"):
        word = reader.match(_WORD)
        if word not in _WORDS:
            reader.fail("asc, desc, dist-asc or dist-desc after ';'", start + 1)
    if not word.startswith("dist-"):
        return Order(path, word == "desc")
    if origin is None:
        reader.refuse("ordering by distance needs orderFrom, the place to measure from", start)
    return Order(path, word == "dist-desc", origin)


def _path(reader: Reader, names: Names) -> Path:
    start = reader.position
    text = reader.match(_PATH)
    if not text:
        reader.fail("the name of an attribute, or id, type, createdAt, modifiedAt")
    attribute, *subs = (names.expand(name) for name in split(text))
    if not reader.take("["):
        return Path(attribute, tuple(subs))
    members = reader.match(_MEMBERS).split(".")
    if not all(members):
        reader.fail("members such as [city] or [address.city]", start)
    reader.need("]")
    return Path(attribute, tuple(subs), tuple(members))


def _key(entity: Entity, order: Order, dictionary: bool) -> tuple[bool, Any]:
    """Return the key of one order: whether the value is absent, and the value's rank."""
    hidden = order.seen is not None and not matches(order.seen, entity)
    value = _ABSENT if hidden else _value(entity, order.path)
    if order.distance_from is not None:
        rank = _distance(order.distance_from, value)
    else:
        rank = None if value is _ABSENT else _rank(value, dictionary)
    if rank is None:
        return True, 0
    return False, _Falling(rank) if order.descending else rank


def _distance(origin: str, value: Any) -> Rank | None:
    if value.__class__ is not dict or "coordinates" not in value:
        return None
    metres = geo.distance_to(origin, value)
    return (0, metres) if metres < inf else None


def _value(entity: Entity, path: Path) -> Any:
    """Return the value that a path leads to; system times as DateTime ranks of their own."""
    if not path.subs and path.attribute in TIMES:
        created = path.attribute == "createdAt"
        return _Instant(entity.created if created else modified(entity, path))
    if not path.subs and path.attribute in ENTITY_MEMBERS:
        return entity.document.get(path.attribute, _ABSENT)
    if leads_nowhere(path):
        return _ABSENT
    names = (path.attribute, *path.subs)
    holder: Any = entity.document
    at = ""
    stamp: Stamp | None = None
    for position, name in enumerate(names):
        last = position == len(names) - 1
        if position and last and name in TIMES and stamp is not None:
            return _Instant(stamp.created if name == "createdAt" else stamp.modified)
        if position and last and name in RAW_MEMBERS:
            return holder.get(name, _ABSENT)
        holder = _default(holder.get(name))
        if holder is None:
            return _ABSENT
        at = path_of(name, holder, at)
        stamp = entity.stamp(at, stamp)
    member = VALUE_MEMBER[holder["type"]]
    return _inside(holder[member], path.members)


def _default(found: Any) -> Attribute | None:
    """Return the default instance of an attribute, else the first; None if there is none."""
    if isinstance(found, dict):
        return found
    if not isinstance(found, list):
        return None
    first: Attribute = found[0]
    return next((one for one in found if "datasetId" not in one), first)


def _inside(value: Any, members: tuple[str, ...]) -> Any:
    for member in members:
        if value.__class__ is not dict or member not in value:
            return _ABSENT
        value = value[member]
    return value


class _Instant(int):
    """A system time. [us since 1970]"""


def _rank(value: Any, dictionary: bool) -> Rank:
    """Return a key that orders values of all kinds."""
    if isinstance(value, dict) and "@value" in value:
        value = value["@value"]
    if isinstance(value, str):
        return _text_rank(value, dictionary)
    if isinstance(value, bool):
        return _BOOLEAN, value
    if isinstance(value, _Instant):
        return _DATE_TIME, int(value)
    if isinstance(value, int | float):
        return _NUMBER, value
    if isinstance(value, list):
        return _ARRAY, [_rank(item, dictionary) for item in value]
    if value is None:
        return _NULL, 0
    return _OBJECT, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _text_rank(text: str, dictionary: bool) -> Rank:
    moment = instant(text)
    if moment is not None:
        return _DATE_TIME, moment
    if is_date(text):
        return _DATE, text
    time = time_of_day(text)
    if time is not None:
        return _TIME, time
    return _TEXT, collations.key(text) if dictionary else text
