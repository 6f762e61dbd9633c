"""Files as streams of rows: CSV, Parquet, GeoJSON, NGSI-LD JSON and JSON lines.

A file is never held in memory as a whole. Text may be compressed with gzip.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self, cast

import orjson

from madang.model.errors import MadangError
from madang.sense.files.jsonstream import BrokenJson, json_items
from madang.sense.files.mapping import GEOMETRY, ID, Reading

Format = Literal["csv", "parquet", "json", "lines"]

_SAMPLE_BYTES = 1 << 20
_SEPARATORS = ",;\t|"
_PARQUET_ROWS = 10_000
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonld": "json",
    ".geojson": "json",
    ".jsonl": "lines",
    ".ndjson": "lines",
}
_LONGEST_CELL = 16 * 1024 * 1024


class FileError(MadangError):
    """A file cannot be read, or not to its end."""


class Record(NamedTuple):
    """A row of a file, or why it cannot be read."""

    row: int
    """As a person counts: in CSV the header is row 1; elsewhere the first item is row 1."""
    values: dict[str, Any]
    problem: str = ""


@dataclass
class Source:
    """An open file and where reading has got to."""

    path: Path
    format: Format
    raw: IO[bytes]
    reading: Reading = field(default_factory=Reading)
    _streams: list[IO[Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in [*reversed(self._streams), self.raw]:
            stream.close()

    def keep(self, stream: IO[Any]) -> None:
        """Remember a stream over the file, to close it in time."""
        self._streams.append(stream)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def position(self) -> int:
        """How many bytes of the file have been read, before decompression."""
        return self.size if self.raw.closed else self.raw.tell()

    @property
    def stem(self) -> str:
        """The name of the file without its endings."""
        return self.path.name.split(".", 1)[0]

    def records(self) -> Iterator[Record]:
        """Yield the rows; those that cannot be read come with a problem.

        Raises:
            FileError: the rest of the file cannot be read.
        """
        readers = {"csv": _csv, "parquet": _parquet, "json": _json, "lines": _lines}
        try:
            yield from readers[self.format](self)
        except (OSError, EOFError, csv.Error, UnicodeError) as error:
            raise FileError(f"{self.path} cannot be read any further: {error}") from error


def open_source(path: Path, reading: Reading | None = None) -> Source:
    """Open a file; its format is told by the ending of its name.

    Raises:
        FileError: there is no such file, or its ending is unknown.
    """
    endings = [ending.lower() for ending in path.suffixes if ending.lower() != ".gz"]
    kind = _FORMATS.get(endings[-1]) if endings else None
    if kind is None:
        raise FileError(
            f"{path}: the ending is unknown; expected {', '.join(_FORMATS)} "
            "(text also with .gz behind it)"
        )
    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise FileError(f"{path} cannot be opened: {error.strerror}") from error
    return Source(path, kind, raw, reading or Reading())


def _bytes(source: Source) -> io.BufferedReader:
    """Return the bytes of the file, decompressed."""
    if source.path.suffix.lower() == ".gz":
        unpacked = gzip.GzipFile(fileobj=source.raw, mode="rb")
        stream = io.BufferedReader(cast("Any", unpacked), _SAMPLE_BYTES)
    else:
        stream = io.BufferedReader(cast("Any", source.raw), _SAMPLE_BYTES)
    source.keep(stream)
    return stream


def guess_encoding(sample: bytes) -> str:
    """Return the encoding of text: UTF-8 or -16 by its mark, else UTF-8, else CP949.

    >>> guess_encoding("시리얼".encode("cp949")), guess_encoding("시리얼".encode())
    ('cp949', 'utf-8')
    """
    if sample.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for encoding in ("utf-8", "cp949"):
        try:
            # The sample may end within a character, which is no fault of the encoding.
            codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        return encoding
    return "utf-8"


def guess_separator(header: str) -> str:
    """Return what separates the names in a header.

    >>> guess_separator('a;"b,c,d";e')
    ';'
    """
    outside = "".join(header.split('"')[::2])
    return max(_SEPARATORS, key=outside.count)


def _text(source: Source) -> IO[str]:
    stream = _bytes(source)
    encoding = source.reading.encoding or guess_encoding(stream.peek(_SAMPLE_BYTES))
    # Bytes that are no text survive as lone surrogates, so that only their own row fails.
    text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    source.keep(text)
    return text


def _csv(source: Source) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_CELL)
    stream = _text(source)
    first = stream.readline()
    if not first.strip():
        raise FileError(f"{source.path} has no header in its first line")
    separator = source.reading.separator or guess_separator(first)
    header = _header(next(csv.reader([first], delimiter=separator)))
    width = len(header)
    for row, cells in enumerate(csv.reader(stream, delimiter=separator), start=2):
        if len(cells) == width:
            yield Record(row, dict(zip(header, cells, strict=True)))
        elif cells:
            yield Record(row, {}, f"has {len(cells)} cells where the header has {width}")


def _header(names: list[str]) -> list[str]:
    """Give a name to columns without one and different names to columns of the same name."""
    found: list[str] = []
    for position, written in enumerate(names, start=1):
        name = base = written.strip() or f"column_{position}"
        again = 2
        while name in found:
            name, again = f"{base}_{again}", again + 1
        found.append(name)
    return found


def _parquet(source: Source) -> Iterator[Record]:
    import polars as pl  # half a second that only Parquet files need

    row = 0
    try:
        frame = pl.scan_parquet(source.path)
        for batch in frame.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            for row, values in enumerate(batch.iter_rows(named=True), start=row + 1):  # noqa: B020
                yield Record(row, values)
    except pl.exceptions.PolarsError as error:
        raise FileError(f"{source.path} is no readable Parquet file: {error}") from error


def _lines(source: Source) -> Iterator[Record]:
    for row, line in enumerate(_bytes(source), start=1):
        if not line.strip():
            continue
        try:
            yield _object(row, orjson.loads(line))
        except orjson.JSONDecodeError as error:
            yield Record(row, {}, f"is not valid JSON: {error}")


def _json(source: Source) -> Iterator[Record]:
    row = 0
    try:
        for row, item in enumerate(json_items(_text(source)), start=1):
            yield _object(row, item)
    except BrokenJson as error:
        # Where an item of an array ends cannot be told once it is broken.
        yield Record(row + 1, {}, f"{error}; nothing behind it can be read")


def _object(row: int, item: Any) -> Record:
    if not isinstance(item, dict):
        return Record(row, {}, "is no JSON object")
    return Record(row, item)


def is_feature(values: dict[str, Any]) -> bool:
    """Return whether a JSON object is a GeoJSON feature."""
    return values.get("type") == "Feature" and "geometry" in values


def flat_feature(values: dict[str, Any]) -> dict[str, Any]:
    """Return a feature as a row: its properties beside ``id`` and ``geometry``."""
    own = {ID: values[ID]} if ID in values else {}
    return own | (values.get("properties") or {}) | {GEOMETRY: values["geometry"]}
