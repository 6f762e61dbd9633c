"""Files as tables of many rows at once, for history.

Text is cut into blocks of whole rows that Polars reads; a block with anything unusual in it (rows
of another width, broken quotes, bytes that are no text) goes row by row, as everywhere else.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from madang.sense.files.encoding import guess_encoding
from madang.sense.files.entities import Failure
from madang.sense.files.grid import Grid, NoHeader, Record
from madang.sense.files.mapping import ROW
from madang.sense.files.separator import guess_separator
from madang.sense.files.source import FileError, Source, open_bytes

if TYPE_CHECKING:
    import polars as pl

ROWS = 100_000  # of what is read row by row
BLOCK = 16 * 1024 * 1024  # [bytes]
_HEAD = 1 << 16
_LONGEST_ROW = 64 * 1024 * 1024  # [bytes]

Tell = Callable[[Failure], None]


def tables(source: Source, failed: Tell) -> Iterator[pl.DataFrame]:
    """Yield the rows of a file as tables, with their numbers in the column ``#``.

    Raises:
        FileError: the rest of the file cannot be read.
    """
    if source.format == "parquet":
        yield from _parquet(source)
    elif source.format == "csv":
        try:
            yield from _Text(source, failed).tables()
        except (OSError, EOFError, csv.Error, UnicodeError) as error:
            raise FileError(f"{source.path} cannot be read any further: {error}") from error
        except NoHeader as error:
            raise FileError(f"{source.path} {error}") from error
    else:
        yield from _of_records(source.records(), failed)


def _parquet(source: Source) -> Iterator[pl.DataFrame]:
    import polars as pl

    start = 1
    try:
        frame = pl.scan_parquet(source.path)
        for batch in frame.collect_batches(chunk_size=ROWS, maintain_order=True):
            yield batch.with_row_index(ROW, start).with_columns(pl.col(ROW).cast(pl.Int64))
            start += batch.height
    except pl.exceptions.PolarsError as error:
        raise FileError(f"{source.path} is no readable Parquet file: {error}") from error


def _of_records(records: Iterator[Record], failed: Tell) -> Iterator[pl.DataFrame]:
    """Yield tables of texts made of records one by one."""
    import polars as pl

    while some := list(islice(records, ROWS)):
        for record in some:
            if record.problem:
                failed(Failure(record.row, "", record.problem))
        good = [record for record in some if record.values]
        if good:
            names = list(good[0].values)
            cells = zip(*(map(_as_text, record.values.values()) for record in good), strict=True)
            columns: dict[str, Any] = dict(zip(names, cells, strict=True))
            table = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.String))
            yield table.with_columns(pl.Series(ROW, [record.row for record in good], pl.Int64))


def _as_text(cell: Any) -> str | None:
    return cell if cell is None or isinstance(cell, str) else str(cell)


class _Text:
    """A text table read in blocks."""

    def __init__(self, source: Source, failed: Tell) -> None:
        self._stream = open_bytes(source)
        sample = self._stream.peek(BLOCK)
        encoding = source.reading.encoding or guess_encoding(sample)
        self._decode = codecs.getincrementaldecoder(encoding)("surrogateescape").decode
        self._is_utf8 = encoding == "utf-8"
        self._reading = source.reading
        self._failed = failed
        self._rest = b""
        self._row = 0  # the last that was read
        csv.field_size_limit(_LONGEST_ROW)

    def tables(self) -> Iterator[pl.DataFrame]:
        head = self._block(_HEAD)
        text = head.decode("utf-8", "surrogateescape")
        self._separator = self._reading.separator or guess_separator(text)
        self._grid = Grid(self._lines(text), self._reading.header)
        yield from _of_records(self._grid.records(), self._failed)
        while block := self._block(BLOCK):
            table = None if self._grid.after_blank else self._at_once(block)
            if table is not None:
                yield table
                continue
            lines = self._lines(block.decode("utf-8", "surrogateescape"))
            yield from _of_records(self._grid.records(lines), self._failed)

    def _lines(self, text: str) -> Iterator[tuple[int, Sequence[str]]]:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=self._separator):
            self._row += 1
            yield self._row, cells

    def _block(self, size: int) -> bytes:
        """Return the next rows as UTF-8, cut behind a row; nothing at the end."""
        block = self._rest
        while True:
            chunk = self._stream.read(size)
            more = chunk if self._is_utf8 else _utf8(self._decode(chunk, final=not chunk))
            block += more
            if not chunk:
                self._rest = b""
                return block
            cut = _end_of_rows(block)
            if cut:
                self._rest = block[cut:]
                return block[:cut]
            if len(block) > _LONGEST_ROW:
                raise csv.Error(f"a row has more than {_LONGEST_ROW >> 20} MiB; is a quote open?")

    def _at_once(self, block: bytes) -> pl.DataFrame | None:
        """Return a block as a table; None if there is anything unusual in it."""
        import polars as pl

        mark = self._separator.encode()
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        if not block.endswith(b"\n"):
            block += b"\n"
        bare = _without_quoted(block, mark) if b'"' in block else block
        names = self._grid.names
        rows = bare.count(b"\n")
        blank = mark * (len(names) - 1) + b"\n"
        if block.startswith(blank) or b"\n" + blank in block:
            return None
        is_even = bare.count(mark) == (len(names) - 1) * rows
        if not is_even or b'"' in bare or b"\r" in bare or b"\n\n" in bare or bare[:1] == b"\n":
            return None
        try:
            table = pl.read_csv(
                block,
                has_header=False,
                schema=dict.fromkeys(names, pl.String),
                separator=self._separator,
            )
        except pl.exceptions.PolarsError:
            return None
        if table.height != rows:
            return None
        start = self._row + 1
        self._row += rows
        return table.with_columns(pl.int_range(start, start + rows, dtype=pl.Int64).alias(ROW))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _end_of_rows(block: bytes) -> int:
    """Return the length of the whole rows of a block: up to a line end outside of quotes."""
    cut = block.rfind(b"\n") + 1
    while cut and block.count(b'"', 0, cut) % 2:
        cut = block.rfind(b"\n", 0, cut - 1) + 1
    return cut


def _without_quoted(block: bytes, mark: bytes) -> bytes:
    """Return a block without its quoted cells; a quote that is left is not one around a cell."""
    sign = re.escape(mark)
    quoted = re.compile(rb"(^|[\n" + sign + rb'])"(?:[^"]|"")*"(?=[\n' + sign + rb"])")
    return quoted.sub(rb"\1", quoted.sub(rb"\1", block))
