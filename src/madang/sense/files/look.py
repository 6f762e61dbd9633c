"""A first look at a file: its columns and some rows, to guess or to find the mapping for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from madang.model.names import is_uri
from madang.sense.files.grid import Record
from madang.sense.files.guess import mapping_for
from madang.sense.files.location import Row
from madang.sense.files.mapping import ROW, Mapping, Reading
from madang.sense.files.sample import is_missing
from madang.sense.files.source import Source, flat_feature, is_feature, open_source

SAMPLE_ROWS = 1000
MOST_ROWS = 200_000
"""So many are looked at where the sample does not decide."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a table."""

    path: Path
    stem: str
    columns: list[str]
    rows: list[Row]
    seen: Reading
    """How the file is written."""
    reading: Reading
    """How it was opened."""

    def guess(self, type_name: str | None = None) -> Mapping:
        """Return a mapping made by looking."""
        separator = self.seen.separator or ""
        return mapping_for(
            self.stem, self.columns, self.rows, type_name, separator, self._whole_column
        )

    def _whole_column(self, column: str) -> Iterator[Any]:
        with open_source(self.path, self.reading) as again:
            for record in islice(again.records(), MOST_ROWS):
                if not is_missing(cell := record.values.get(column)):
                    yield cell


def look_at(path: Path, reading: Reading | None = None) -> Look | None:
    """Look at a file; None if it needs no mapping, or has no rows.

    Raises:
        FileError: it cannot be opened, or its beginning cannot be read.
    """
    with open_source(path, reading) as source:
        sample = list(islice(source.records(), SAMPLE_ROWS))
        look = look_of(source, sample)
        return look if look.rows and not is_ngsi_ld(source, sample) else None


def look_of(source: Source, sample: Sequence[Record]) -> Look:
    """Return what was seen in the first records of a source."""
    rows = [row_of(record) for record in sample if record.values]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != ROW))
    return Look(source.path, source.stem, columns, rows, source.seen, source.reading)


def is_ngsi_ld(source: Source, sample: Sequence[Record]) -> bool:
    """Return whether the items of a file are entities already, which need no mapping."""
    is_json = source.format in ("json", "lines")
    return is_json and not any(_is_plain_feature(record.values) for record in sample)


def row_of(record: Record) -> Row:
    """Return the cells of a record, with its number."""
    values = flat_feature(record.values) if is_feature(record.values) else record.values
    values[ROW] = record.row
    return values


def _is_plain_feature(values: dict[str, Any]) -> bool:
    """Return whether it is a feature of anybody's, not one that NGSI-LD made of an entity."""
    if not is_feature(values):
        return False
    properties = values.get("properties") or {}
    is_entity = isinstance(values.get("id"), str) and is_uri(values["id"])
    return not (is_entity and isinstance(properties.get("type"), (str, list)))
