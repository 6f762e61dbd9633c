"""Rows turned into entities as a mapping says. Pure functions over cells.

A mapping is compiled once into small functions, because a file has many rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from madang.model.errors import MadangError
from madang.sense.files import cells
from madang.sense.files.location import (
    BadCell,
    Builder,
    CellReader,
    Row,
    geometry,
    location_builder,
)
from madang.sense.files.mapping import ROW, Attribute, EntityPart, Observed, Skip, split_template
from madang.sense.files.mapping import Mapping as MappingFile
from madang.sense.files.notation import Number

Entity = dict[str, Any]

_VALUE_MEMBER = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
}


class Problem(NamedTuple):
    """What is wrong with a row, and in which column."""

    column: str
    reason: str


class RowError(MadangError):
    """A row cannot become entities; ``problems`` has all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.column}: {problem.reason}" for problem in problems))
        self.problems = problems


class RowMapper:
    """Makes entities of rows."""

    def __init__(self, mapping: MappingFile) -> None:
        self._nulls = frozenset(["", *mapping.read.null])
        self._number = mapping.read.number
        self._observed = _observed(mapping.observed, self._cell)
        self._skip = [self._rule(rule) for rule in mapping.skip]
        shared = {name: self._attribute(spec) for name, spec in mapping.attributes.items()}
        if mapping.location is not None:
            shared = {
                "location": location_builder(mapping.location, self._cell, self._number)
            } | shared
        self._parts = [self._part(part, shared) for part in mapping.entity]

    def entities(self, row: Row) -> list[Entity]:
        """Return the entities of a row; an empty list if it is to be skipped.

        Raises:
            RowError: a cell does not hold what the mapping expects; the row makes nothing.
        """
        problems: list[Problem] = []
        try:
            if any(rule(row) for rule in self._skip):
                return []
            observed = self._observed(row)
            made = [part(row, observed, problems) for part in self._parts]
        except BadCell as error:
            problems.append(Problem(error.column, str(error)))
        if problems:
            raise RowError(problems)
        return [entity for entity in made if entity is not None]

    def _cell(self, row: Row, column: str) -> Any:
        """Return a cell, or None if it is empty or holds a null marker."""
        cell = row.get(column)
        if cell is None:
            return None
        if isinstance(cell, str):
            cell = cell.strip()
            return None if cell in self._nulls else cell
        return None if cell != cell else cell  # NaN is how Parquet files say "missing"

    def _part(
        self, part: EntityPart, shared: dict[str, Builder]
    ) -> Callable[[Row, str | None, list[Problem]], Entity | None]:
        own = {name: self._attribute(spec) for name, spec in part.attributes.items()}
        builders = list((shared | own).items())
        skip = [self._rule(rule) for rule in part.skip]
        make_id = _text_maker(part.id, self._cell, cells.uri_part)

        def make(row: Row, observed: str | None, problems: list[Problem]) -> Entity | None:
            if any(rule(row) for rule in skip):
                return None
            identifier = make_id(row)
            if identifier is None:
                raise BadCell(_first_column(part.id), "is empty, but the entity's id needs it")
            entity: Entity = {"id": identifier, "type": part.type}
            for name, build in builders:
                try:
                    attribute = build(row, observed)
                except BadCell as error:
                    problems.append(Problem(error.column, str(error)))
                else:
                    if attribute is not None:
                        entity[name] = attribute
            return entity

        return make

    def _attribute(self, spec: Attribute) -> Builder:
        frame: dict[str, Any] = {"type": spec.type}
        member = _VALUE_MEMBER[spec.type]
        after = {} if spec.unit is None else {"unitCode": spec.unit}
        if spec.value is not None:
            return _constant(frame | {member: _in_language(spec, spec.value)} | after, spec)
        value_of = self._value_maker(spec)
        is_observed = spec.observed is not False

        def build(row: Row, observed: str | None) -> Any:
            value = value_of(row)
            if value is None:
                return None
            attribute = frame | {member: value}
            if after:
                attribute.update(after)
            if is_observed and observed is not None:
                attribute["observedAt"] = observed
            return attribute

        return build

    def _value_maker(self, spec: Attribute) -> Callable[[Row], Any]:
        if spec.members:
            return _members_maker(spec.members, self._cell)
        if spec.template is not None:
            escape = cells.uri_part if spec.type == "Relationship" else cells.text
            make = _text_maker(spec.template, self._cell, escape)
            return lambda row: _in_language(spec, make(row))
        column = spec.column or ""
        convert = _conversion(spec, self._number)

        def value_of(row: Row) -> Any:
            cell = self._cell(row, column)
            if cell is None:
                return None
            try:
                return convert(cell)
            except ValueError as error:
                raise BadCell(column, str(error)) from None

        return value_of

    def _rule(self, rule: Skip) -> Callable[[Row], bool]:
        def matches(row: Row) -> bool:
            found = (self._cell(row, column) for column in rule.columns)
            return all(_skips(rule, cell, self._number) for cell in found)

        return matches


def _conversion(spec: Attribute, number: Number) -> Callable[[Any], Any]:
    """Return what makes the attribute's value of a cell that is not empty."""
    convert = cells.converter(spec.resolved_kind, spec.format, cells.zone(spec.zone), number)
    if spec.words:
        return partial(_word, spec.words)
    if spec.type == "GeoProperty":
        return geometry
    if spec.is_scaled:
        return lambda cell: _scaled(convert(cell), spec.scale, spec.offset)
    if spec.type == "LanguageProperty":
        return lambda cell: _in_language(spec, cells.text(cell))
    if spec.type == "JsonProperty":
        return cells.from_json
    return convert


def _constant(attribute: dict[str, Any], spec: Attribute) -> Builder:
    if spec.observed is not True:
        return lambda row, observed: attribute
    return lambda row, observed: attribute | ({"observedAt": observed} if observed else {})


def _in_language(spec: Attribute, value: Any) -> Any:
    if value is None or spec.language is None:
        return value
    return {spec.language: value}


def _scaled(value: float, scale: float, offset: float) -> float:
    # Twelve digits hide what binary fractions add: 0.1 * 3 is 0.3 again.
    return float(f"{value * scale + offset:.12g}")


def _word(words: Mapping[str, Any], cell: Any) -> Any:
    word = cells.text(cell)
    if word not in words:
        raise ValueError(f"{word!r} is none of the words {', '.join(words)}")
    return words[word]


def _skips(rule: Skip, cell: Any, number: Number) -> bool:
    if cell is None:
        return rule.empty
    if rule.equals is not None and any(_equal(cell, wanted, number) for wanted in rule.equals):
        return True
    if rule.below is None and rule.above is None:
        return False
    try:
        value = number(cell)
    except ValueError:
        return False
    return (rule.below is not None and value < rule.below) or (
        rule.above is not None and value > rule.above
    )


def _equal(cell: Any, wanted: Any, number: Number) -> bool:
    if isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        try:
            return number(cell) == wanted
        except ValueError:
            return False
    return bool(cell == wanted)


def _first_column(template: str) -> str:
    _, columns = split_template(template)
    return columns[0] if columns else "id"


def _text_maker(
    template: str, cell_of: CellReader, escape: Callable[[object], str]
) -> Callable[[Row], str | None]:
    """Return what fills a template; its result is None if one of the cells is empty."""
    texts, columns = split_template(template)
    if not columns:
        return lambda row: template

    def fill(row: Row) -> str | None:
        pieces = [texts[0]]
        for column, after in zip(columns, texts[1:], strict=True):
            cell = row.get(ROW) if column == ROW else cell_of(row, column)
            if cell is None:
                return None
            try:
                pieces += escape(cell), after
            except UnicodeEncodeError:
                raise BadCell(column, "holds bytes that are no text") from None
        return "".join(pieces)

    return fill


def _members_maker(
    members: Mapping[str, str], cell_of: CellReader
) -> Callable[[Row], dict[str, str] | None]:
    """Return what makes an object of templates; a member with an empty cell is left out."""
    makers = {name: _text_maker(text, cell_of, cells.text) for name, text in members.items()}

    def make(row: Row) -> dict[str, str] | None:
        found = {name: maker(row) for name, maker in makers.items()}
        return {name: text for name, text in found.items() if text is not None} or None

    return make


def _observed(spec: Observed | None, cell_of: CellReader) -> Callable[[Row], str | None]:
    if spec is None:
        return lambda row: None
    where = cells.zone(spec.zone)
    if spec.columns is None:
        constant = cells.instant(spec.value, spec.format, where)
        return lambda row: constant
    columns, form = spec.columns, spec.format

    def read(row: Row) -> str:
        found = [cell_of(row, column) for column in columns]
        for column, cell in zip(columns, found, strict=True):
            if cell is None:
                raise BadCell(column, "is empty, but it tells when the row was measured")
        cell = found[0] if len(found) == 1 else " ".join(map(cells.text, found))
        try:
            return cells.instant(cell, form, where)
        except ValueError as error:
            raise BadCell(", ".join(columns), str(error)) from None

    return read
