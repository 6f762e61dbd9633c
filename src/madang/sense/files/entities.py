"""Entities of a file, ready to be sent: reading, mapping and reporting in one stream."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Cells
from itertools import chain, islice
from typing import Any, NamedTuple

import orjson

from madang.model.names import is_uri
from madang.sense.files.grid import Record
from madang.sense.files.look import SAMPLE_ROWS, is_ngsi_ld, look_of, row_of
from madang.sense.files.mapping import GEOMETRY, Mapping, check_columns
from madang.sense.files.rows import RowError, RowMapper
from madang.sense.files.source import Source, is_feature

NOTHING: Cells[str, Any] = {}


class Loadable(NamedTuple):
    """One entity as JSON text."""

    row: int
    id: str
    body: bytes
    has_context: bool
    """It brings its own @context, so it must travel as JSON-LD (clause 6.3.5)."""


class Failure(NamedTuple):
    """Why a row, or one entity of it, was not loaded."""

    row: int
    column: str
    reason: str
    values: Cells[str, Any] = NOTHING
    """The cells of the row, as far as they could be read."""


class EntityReader:
    """Makes the entities of a file, with a mapping, a guess, or as they stand in the file."""

    def __init__(self, source: Source, mapping: Mapping | None, type_name: str | None) -> None:
        """Open the stream of rows.

        Args:
            source: the file.
            mapping: how rows become entities; None looks at the first rows.
            type_name: entity type for rows that do not say theirs.

        Raises:
            MappingError: the mapping reads a column that the file has not.
            FileError: the beginning of the file cannot be read.
        """
        self.rows = 0
        self.skipped = 0
        self._type = type_name
        self._is_table = source.is_table
        records = source.records()
        sample = list(islice(records, SAMPLE_ROWS))
        self._records = chain(sample, records)
        self.mapping: Mapping | None = None
        """The one that is used; None if the file holds entities."""
        if mapping is not None or not is_ngsi_ld(source, sample):
            self.mapping = _fitting(source, mapping, sample, type_name)
            self._mapper = RowMapper(self.mapping)

    def __iter__(self) -> Iterator[Loadable | Failure]:
        for record in self._records:
            self.rows += 1
            if record.problem:
                yield Failure(record.row, "", record.problem)
            elif not record.values and self._is_table:
                self.skipped += 1  # a note below the table
            elif self.mapping is None:
                yield self._entity(record)
            else:
                yield from self._mapped(record)

    def _mapped(self, record: Record) -> Iterator[Loadable | Failure]:
        try:
            entities = self._mapper.entities(row_of(record))
        except RowError as error:
            for column, reason in error.problems:
                yield Failure(record.row, column, reason, record.values)
            return
        self.skipped += not entities
        for entity in entities:
            yield _loadable(record.row, entity)

    def _entity(self, record: Record) -> Loadable | Failure:
        entity = record.values
        if is_feature(entity):
            entity = _entity_of_feature(entity)
        identifier = entity.get("id", entity.get("@id"))
        if not isinstance(identifier, str) or not is_uri(identifier):
            return Failure(record.row, "id", "an entity needs an id that is a URI")
        if "type" not in entity and "@type" not in entity:
            if self._type is None:
                return Failure(record.row, "type", "an entity needs a type; --type gives one")
            entity = entity | {"type": self._type}
        return _loadable(record.row, entity)


def _loadable(row: int, entity: dict[str, Any]) -> Loadable | Failure:
    identifier = str(entity.get("id", entity.get("@id")))
    if not is_uri(identifier):
        return Failure(row, "id", f"{identifier!r} is no URI")
    try:
        return Loadable(row, identifier, orjson.dumps(entity), "@context" in entity)
    except TypeError as error:  # a lone surrogate, a number of more than 64 bits
        return Failure(row, "", f"holds what cannot be written as UTF-8 JSON: {error}")


def _fitting(
    source: Source, mapping: Mapping | None, sample: list[Record], type_name: str | None
) -> Mapping:
    """Return the mapping, checked against the columns there are, or a guess."""
    look = look_of(source, sample)
    if mapping is None:
        return look.guess(type_name)
    if look.rows and source.is_table:
        check_columns(mapping, look.columns)
    return mapping


def _entity_of_feature(feature: dict[str, Any]) -> dict[str, Any]:
    """Return the entity of an NGSI-LD feature (clause 4.5.16)."""
    properties = feature.get("properties") or {}
    place = feature[GEOMETRY]
    located = {"location": {"type": "GeoProperty", "value": place}} if place else {}
    context = {"@context": feature["@context"]} if "@context" in feature else {}
    return {"id": feature.get("id")} | located | properties | context
