"""What a table is taken for: shown, asked about, remembered."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from madang.sense.files import edit, remembered
from madang.sense.files.look import Look, look_at
from madang.sense.files.mapping import ROW, Mapping, MappingError
from madang.sense.files.sample import is_missing
from madang.sense.files.source import FileError
from madang.sense.files.toml_text import written

_EXAMPLES = 3
_LONGEST_EXAMPLE = 18
_HELP = (
    "[b]Enter[/] takes it   [b]number[/] changes a column   [b]t[/] type   [b]i[/] id   "
    "[b]z[/] time zone   [b]l[/] leave the file out"
)


class Left(Exception):
    """Somebody decided to leave a file out."""


class Guide:
    """Finds the mapping of each file that was given none."""

    def __init__(
        self, console: Console, data: Path, type_name: str | None, asks: bool = True
    ) -> None:
        """Prepare.

        Args:
            console: where the guess is shown and questions are asked.
            data: the data folder, in which accepted mappings are kept.
            type_name: entity type, if the caller said it.
            asks: whether somebody may be asked; nobody is where there is no terminal.
        """
        self._console = console
        self._data = data
        self._type = type_name
        self._asks = asks and console.is_terminal and sys.stdin.isatty()
        self._shown: set[str] = set()

    def mappings(self, path: Path) -> Iterator[Mapping | None]:
        """Yield the mapping for a file: None if it needs none, nothing if it is left out.

        Raises:
            MappingError: a remembered mapping was changed and is none any more.
        """
        try:
            look = look_at(path)
        except FileError:  # told by whoever loads it, with the file's place in the whole
            look = None
        if look is None:
            yield None
            return
        known = None if self._type else remembered.find(self._data, look.columns)
        if known is not None:
            self._say(f"{look.path.name}: as accepted before, see {known[0]}")
            yield known[1]
            return
        mapping = look.guess(self._type)
        if not self._asks:
            self._show_once(look, mapping)
            yield mapping
            return
        try:
            mapping = Conversation(self._console, look, mapping).accepted()
        except Left:
            self._say(f"{look.path.name} is left out")
            return
        place = remembered.keep(self._data, look.columns, mapping)
        self._say(f"remembered for files with this header: {place}")
        yield mapping

    def _show_once(self, look: Look, mapping: Mapping) -> None:
        mark = remembered.fingerprint(look.columns)
        if mark not in self._shown:
            self._shown.add(mark)
            show(self._console, look, mapping)

    def _say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)


def print_guess(paths: list[Path], type_name: str | None, console: Console) -> None:
    """Show what files are taken for, and the mapping as TOML, and load nothing.

    Raises:
        FileError: one cannot be read.
    """
    for path in paths:
        look = look_at(path)
        if look is None:
            console.print(f"{escape(path.name)}: entities as they are, no mapping is needed")
            continue
        mapping = look.guess(type_name)
        show(console, look, mapping)
        console.print(escape(written(mapping)), highlight=False, soft_wrap=True)


def show(console: Console, look: Look, mapping: Mapping) -> None:
    """Print what a file is taken for, a line a column."""
    part = mapping.entity[0]
    console.print(
        f"[b]{escape(look.path.name)}[/] ({_layout(look, mapping)}): entities of type"
        f" [b]{escape(str(part.type))}[/] with the id {escape(part.id)}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("#", "column", "is taken for", "unit", "examples"):
        table.add_column(title, overflow="fold" if title != "examples" else "ellipsis")
    for number, column in enumerate(look.columns, start=1):
        meaning, unit = _meaning(mapping, column)
        cells = (str(number), column, meaning, unit, _examples(look, column))
        table.add_row(*map(escape, cells))
    console.print(table)


def _layout(look: Look, mapping: Mapping) -> str:
    seen = look.seen
    marks = {"\t": "tab"}
    parts = [
        f"sheet {seen.sheet}" if seen.sheet else "",
        seen.encoding or "",
        f"cells separated by {marks.get(seen.separator, seen.separator)}" if seen.separator else "",
        f"header in row {seen.header}" if seen.header and seen.header > 1 else "",
        "decimal comma" if mapping.read.decimal == "," else "",
    ]
    return ", ".join(part for part in parts if part) or f"{len(look.columns)} columns"


def _meaning(mapping: Mapping, column: str) -> tuple[str, str]:
    """Return what a column is taken for, in words, and its unit."""
    found, unit = [], ""
    if edit.id_column(mapping) == column:
        found.append("id")
    when, place = mapping.observed, mapping.location
    if when is not None and column in (when.columns or []):
        zone = when.zone or "UTC"
        found.append(f"time of measuring ({when.format or 'ISO 8601'}, {zone} unless it says)")
    if place is not None and column in (place.longitude, place.latitude, place.geometry):
        way = "longitude" if column == place.longitude else "latitude"
        way = {"longitude": "easting", "latitude": "northing"}[way] if place.crs else way
        way = "geometry" if column == place.geometry else way
        found.append(f"location ({way}{f', {place.crs}' if place.crs else ''})")
    for name, attribute in mapping.attributes.items():
        if column in edit.columns_of(attribute):
            scaled = f", × {attribute.scale:g}" if attribute.is_scaled else ""
            kind = attribute.resolved_kind or "as it is"
            found.append(f"{name} ({kind}{scaled})")
            unit = attribute.unit or ""
    return ", ".join(found) or "nothing", unit


def _examples(look: Look, column: str) -> str:
    found: dict[str, None] = {}
    for row in look.rows:
        cell = row.get(column)
        if not is_missing(cell):
            found[str(cell).strip()[:_LONGEST_EXAMPLE]] = None
        if len(found) == _EXAMPLES:
            break
    return " · ".join(found)


class Conversation:
    """Asks somebody at a terminal about a guess."""

    def __init__(self, console: Console, look: Look, mapping: Mapping) -> None:
        self._console = console
        self._look = look
        self._mapping = mapping

    def accepted(self) -> Mapping:
        """Return the mapping as it is accepted.

        Raises:
            Left: the file is to be left out.
        """
        show(self._console, self._look, self._mapping)
        while True:
            self._console.print(_HELP, highlight=False)
            answer = self._ask("Take it", "yes").casefold()
            if answer in ("yes", "y", "a"):
                return self._mapping
            if answer in ("l", "n", "no", "q"):
                raise Left
            try:
                self._change(answer)
            except MappingError as error:
                self._console.print(f"[red]✗[/] {escape(str(error))}", highlight=False)
            else:
                show(self._console, self._look, self._mapping)

    def _change(self, answer: str) -> None:
        mapping = self._mapping
        if answer == "t":
            wanted = self._ask("Entity type", str(mapping.entity[0].type))
            self._mapping = edit.with_type(mapping, wanted)
        elif answer == "i":
            number = self._ask("Number of the column of the id, 0 for one entity a row", "0")
            self._mapping = edit.with_id(mapping, ROW if number == "0" else self._column(number))
        elif answer == "z":
            zone = mapping.observed.zone if mapping.observed else ""
            self._mapping = edit.with_zone(mapping, self._ask("Time zone", zone or "UTC"))
        else:
            self._mapping = self._with_column(self._column(answer))

    def _column(self, answer: str) -> str:
        columns = self._look.columns
        if not answer.isdigit() or not 1 <= int(answer) <= len(columns):
            raise MappingError(f"{answer!r} is none of the choices, nor a number of a column")
        return columns[int(answer) - 1]

    def _with_column(self, column: str) -> Mapping:
        """Ask for the name and unit of the attribute that a column makes."""
        mapping = self._mapping
        names = [n for n, a in mapping.attributes.items() if column in edit.columns_of(a)]
        if not names:
            raise MappingError(f"{column} makes no attribute; edit the mapping to change that")
        name = names[0]
        wanted = self._ask("Attribute name, - to leave the column out", name)
        if wanted == "-":
            return edit.without(mapping, name)
        mapping = edit.renamed(mapping, name, wanted)
        unit = self._ask("Unit code, - for none", mapping.attributes[wanted].unit or "-")
        return edit.changed(mapping, wanted, unit=None if unit == "-" else unit.upper())

    def _ask(self, question: str, usual: str) -> str:
        try:
            answer = self._console.input(f"[b]{question}[/] [dim]({escape(usual)})[/]: ").strip()
        except EOFError:
            raise Left from None
        return answer or usual
