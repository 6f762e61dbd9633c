"""Records of any make turned into entities: by the feed's mapping, or by looking at the first ones.

For kinds whose publishers offer tables of anything: what their columns mean, only the city knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from madang.model.names import is_uri
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import Unusable
from madang.sense.feeds.kinds import Bad
from madang.sense.files.guess import mapping_for, type_of
from madang.sense.files.mapping import GEOMETRY, ROW, Mapping
from madang.sense.files.rows import RowError, RowMapper
from madang.sense.files.source import flat_feature, is_feature
from madang.sense.message import Reading

SAMPLE = 1000  # records that a guess looks at
DEEPEST = 5
_MOST_COLUMNS = 2_000

Record = dict[str, Any]


async def readings(
    feed: Feed[Any], records: AsyncIterator[Record | Bad], type_name: str = ""
) -> AsyncIterator[Reading | Bad]:
    """Yield what records become.

    Without a mapping, entities in NGSI-LD are taken as they are, and others as a guess has it.

    Args:
        feed: has the mapping, if there is one.
        records: JSON objects; GeoJSON features too.
        type_name: entity type for a guess; empty makes one of the feed's name.

    Raises:
        Unusable: there is no mapping, and nothing in the records identifies them.
    """
    maker = None if feed.mapping is None else _Maker(feed, feed.mapping)
    waiting: list[Record] = []
    number = 0
    async for record in records:
        number += 1
        if isinstance(record, Bad):
            yield record
        elif maker is not None:
            for one in maker.made(number, record):
                yield one
        elif is_entity(record):
            yield feed.reading(record)
        else:
            waiting.append(record)
            if len(waiting) >= SAMPLE:
                maker = _guessed(feed, waiting, type_name)
                for one in maker.all(waiting):
                    yield one
                waiting.clear()
    if waiting:
        maker = _guessed(feed, waiting, type_name)
        for one in maker.all(waiting):
            yield one


def is_entity(record: Record) -> bool:
    """Return whether a record is an NGSI-LD entity already."""
    identifier, kind = record.get("id"), record.get("type")
    if not isinstance(identifier, str) or not is_uri(identifier) or kind is None:
        return False
    return not is_feature(record)


class _Maker:
    """Applies one mapping."""

    def __init__(self, feed: Feed[Any], mapping: Mapping) -> None:
        self._feed = feed
        self._mapper = RowMapper(mapping)

    def all(self, records: list[Record]) -> Iterator[Reading | Bad]:
        for number, record in enumerate(records, start=1):
            yield from self.made(number, record)

    def made(self, number: int, record: Record) -> Iterator[Reading | Bad]:
        row = flat(record)
        row[ROW] = number
        try:
            entities = self._mapper.entities(row)
        except RowError as error:
            yield Bad(record, f"record {number}: {error}")
            return
        for entity in entities:
            yield self._feed.reading(entity)


def _guessed(feed: Feed[Any], sample: list[Record], type_name: str) -> _Maker:
    rows = [flat(record) for record in sample]
    columns = list(dict.fromkeys(name for row in rows for name in row if _is_plain(row, name)))
    mapping = mapping_for(feed.name, columns, rows, type_name or type_of(feed.name))
    if "{#}" in mapping.entity[0].id:
        raise Unusable(
            f"none of the members {', '.join(columns[:20])} identifies a record; add a [mapping]"
            " to the feed that says how to make ids"
        )
    return _Maker(feed, mapping)


def _is_plain(row: Record, name: str) -> bool:
    return name == GEOMETRY or not isinstance(row[name], dict)


def flat(record: Record) -> Record:
    """Return a record as a row: a feature's properties, and inner members by their paths.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a': {'b': 1}, 'c': 2, 'a.b': 1}
    """
    row = flat_feature(record) if is_feature(record) else dict(record)
    for name, value in list(row.items()):
        if isinstance(value, dict) and name != GEOMETRY:
            _add(row, name, value, 1)
    return row


def _add(row: Record, path: str, value: dict[str, Any], depth: int) -> None:
    for name, inner in value.items():
        if len(row) >= _MOST_COLUMNS:
            return
        here = f"{path}.{name}"
        row.setdefault(here, inner)
        if isinstance(inner, dict) and depth < DEEPEST:
            _add(row, here, inner, depth + 1)


def at_path(content: Any, path: str, url: str) -> Any:
    """Return what lies at a path such as ``data.stations`` or ``result.0.rows`` in JSON.

    Raises:
        Unusable: there is nothing.
    """
    found = content
    for part in filter(None, path.split(".")):
        try:
            found = found[int(part)] if isinstance(found, list) else found[part]
        except (KeyError, IndexError, TypeError, ValueError):
            there = f"; there are {', '.join(list(found)[:20])}" if isinstance(found, dict) else ""
            raise Unusable(f"{url}: nothing is at {part!r} of the path {path!r}{there}") from None
    return found


def listed(found: Any, url: str, path: str = "") -> Iterator[Record | Bad]:
    """Yield the records of a JSON array; what is no object is bad."""
    if isinstance(found, dict):
        found = found["features"] if isinstance(found.get("features"), list) else [found]
    if not isinstance(found, list):
        where = f" at {path!r}" if path else ""
        raise Unusable(f"{url}: expected an array of records{where}, not {type(found).__name__}")
    for number, record in enumerate(found, start=1):
        yield record if isinstance(record, dict) else Bad(record, f"record {number} is no object")
