"""Files as streams of rows: CSV, workbooks, Parquet, GeoJSON, NGSI-LD JSON and JSON lines.

Only workbooks are held in memory as a whole. Text may be compressed with gzip, and any but Parquet
may be the one table in a zip.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, Self, cast

import orjson

from madang.model.errors import MadangError
from madang.sense.files.encoding import guess_encoding
from madang.sense.files.grid import Grid, NoHeader, Record
from madang.sense.files.jsonstream import BrokenJson, json_items
from madang.sense.files.mapping import GEOMETRY, ID, Reading
from madang.sense.files.separator import guess_separator

Format = Literal["csv", "sheet", "parquet", "json", "lines"]

_SAMPLE_BYTES = 1 << 20
_PARQUET_ROWS = 10_000
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "sheet",
    ".xlsm": "sheet",
    ".xlsb": "sheet",
    ".xls": "sheet",
    ".ods": "sheet",
    ".parquet": "parquet",
    ".json": "json",
    ".jsonld": "json",
    ".geojson": "json",
    ".jsonl": "lines",
    ".ndjson": "lines",
}
_LONGEST_CELL = 16 * 1024 * 1024
_LARGEST_IN_ZIP = 1024 * 1024 * 1024  # [bytes] of a workbook, which must be held in memory
_WORKBOOKS = (b"PK", b"\xd0\xcf\x11\xe0")


class FileError(MadangError):
    """A file cannot be read, or not to its end."""


@dataclass
class Source:
    """An open file and where reading has got to."""

    path: Path
    format: Format
    raw: IO[bytes]
    reading: Reading = field(default_factory=Reading)
    member: str = ""
    """The name of the table within a zip."""
    seen: Reading = field(default_factory=Reading)
    """How the file is written, as far as it was found by looking; known once reading began."""
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
        return PurePosixPath(self.member or self.path.name).name.split(".", 1)[0]

    @property
    def is_table(self) -> bool:
        """Whether all rows have the same columns."""
        return self.format in ("csv", "sheet", "parquet")

    def records(self) -> Iterator[Record]:
        """Yield the rows; those that cannot be read come with a problem.

        Raises:
            FileError: the rest of the file cannot be read.
        """
        readers = {
            "csv": _csv, "sheet": _sheet, "parquet": _parquet, "json": _json, "lines": _lines,
        }  # fmt: skip
        try:
            yield from readers[self.format](self)
        except (
            OSError, EOFError, csv.Error, UnicodeError, zipfile.BadZipFile, zlib.error
        ) as error:  # fmt: skip
            raise FileError(f"{self.path} cannot be read any further: {error}") from error
        except NoHeader as error:
            raise FileError(f"{self.path} {error}") from error


def open_source(path: Path, reading: Reading | None = None) -> Source:
    """Open a file; its format is told by the ending of its name.

    Raises:
        FileError: there is no such file, or its ending is unknown.
    """
    endings = [ending.lower() for ending in path.suffixes if ending.lower() != ".gz"]
    is_zip = bool(endings) and endings[-1] == ".zip"
    kind = _FORMATS.get(endings[-1]) if endings else None
    if kind is None and not is_zip:
        raise FileError(
            f"{path}: the ending is unknown; expected {', '.join(_FORMATS)} "
            "(text also with .gz behind it), or .zip with one of them in it"
        )
    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        raise FileError(f"{path} cannot be opened: {error.strerror}") from error
    try:
        member = _only_table(path, raw) if is_zip else ""
        if member:
            kind = _FORMATS[PurePosixPath(member).suffix.lower()]
        source = Source(path, kind or "csv", raw, reading or Reading(), member)
        if source.format == "sheet":
            source.format = _checked_sheet(source)
    except BaseException:
        raw.close()
        raise
    return source


def _only_table(path: Path, raw: IO[bytes]) -> str:
    """Return the name of the one table in a zip."""
    try:
        with zipfile.ZipFile(raw) as packed:
            items = packed.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise FileError(f"{path} is no zip that can be read: {error}") from error
    names = [
        item.filename
        for item in items
        if PurePosixPath(item.filename).suffix.lower() in _FORMATS
        and not item.filename.startswith("__MACOSX/")
    ]
    tables = [name for name in names if not name.lower().endswith(".txt")] or names
    if len(tables) != 1:
        found = ", ".join(tables[:5]) + (" …" if len(tables) > 5 else "")
        raise FileError(
            f"{path} has {len(tables)} tables in it{': ' if tables else ''}{found}; "
            "expected one, unpack it and load the files you mean"
        )
    if tables[0].lower().endswith(".parquet"):
        raise FileError(f"{path} has Parquet in it, which is compressed already; unpack it first")
    return tables[0]


def _checked_sheet(source: Source) -> Format:
    """Return what a file really is that calls itself a workbook; many portals send text."""
    head = source.raw.read(4) if not source.member else b"PK"
    source.raw.seek(0)
    if head.startswith(_WORKBOOKS):
        return "sheet"
    if head.lstrip().startswith(b"<"):
        raise FileError(
            f"{source.path} is a web page or XML that calls itself a workbook; "
            "open it in a spreadsheet and save it as .xlsx or .csv"
        )
    return "csv"


def open_bytes(source: Source) -> io.BufferedReader:
    """Return the bytes of the file, decompressed."""
    if source.member:
        packed = zipfile.ZipFile(source.raw)
        source.keep(cast("IO[Any]", packed))
        try:
            unpacked: Any = packed.open(source.member)
        except (RuntimeError, NotImplementedError) as error:
            raise FileError(f"{source.path} cannot be unpacked: {error}") from error
    elif source.path.suffix.lower() == ".gz":
        unpacked = gzip.GzipFile(fileobj=source.raw, mode="rb")
    else:
        unpacked = source.raw
    stream = io.BufferedReader(unpacked, _SAMPLE_BYTES)
    source.keep(stream)
    return stream


def _text(source: Source) -> io.TextIOWrapper:
    stream = open_bytes(source)
    encoding = source.reading.encoding or guess_encoding(stream.peek(_SAMPLE_BYTES))
    # Bytes that are no text survive as lone surrogates, so that only their own row fails.
    try:
        text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
    except LookupError as error:
        raise FileError(f"{source.path}: there is no encoding {encoding!r}") from error
    source.keep(text)
    source.seen = source.seen.model_copy(update={"encoding": encoding})
    return text


def _csv(source: Source) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_CELL)
    stream = _text(source)
    head = list(_head(stream))
    separator = source.reading.separator or guess_separator("".join(head))
    lines = csv.reader(_chained(head, stream), delimiter=separator)
    grid = Grid(enumerate(lines, start=1), source.reading.header)
    _saw(source, separator=separator, header=grid.header)
    yield from grid.records()


def _head(stream: io.TextIOWrapper) -> Iterator[str]:
    """Yield the first lines, as far as they are needed to look at."""
    size = 0
    while size < 1 << 16 and (line := stream.readline(_LONGEST_CELL)):
        size += len(line)
        yield line


def _chained(head: list[str], stream: io.TextIOWrapper) -> Iterator[str]:
    yield from head
    yield from stream


def _saw(source: Source, **found: Any) -> None:
    source.seen = source.seen.model_copy(update=found)


def _sheet(source: Source) -> Iterator[Record]:
    from madang.sense.files.sheets import BadWorkbook, Workbook

    try:
        book = Workbook(_in_memory(source) if source.member else source.raw)
        name = book.choose(source.reading.sheet)
    except BadWorkbook as error:
        raise FileError(f"{source.path} {error}") from error
    grid = Grid(book.lines(name), source.reading.header)
    _saw(source, sheet=name, header=grid.header)
    yield from grid.records()


def _in_memory(source: Source) -> IO[bytes]:
    content = open_bytes(source).read(_LARGEST_IN_ZIP + 1)
    if len(content) > _LARGEST_IN_ZIP:
        raise FileError(f"{source.path}: the workbook in it is too large; unpack it first")
    return io.BytesIO(content)


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
    for row, line in enumerate(open_bytes(source), start=1):
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
