"""Tidy tables over history for analysts: one for each entity type, one of all instances.

A row of a type's table is an entity at a time, with a column for each attribute. Where somebody may
not see all, the tables are made of what they may see: rows are left out by type, id and scope, and
columns where an attribute is hidden. A rule that asks for more than that cannot be told in a table,
so what it is about is left out as a whole, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from madang.lake import window
from madang.lake.questions import Kind
from madang.lake.seen import Untold, judged
from madang.query.decide import decided, rest_of
from madang.query.reach import HiddenNames, Reach
from madang.query.tree import InScope

HISTORY = "history"
MOST_COLUMNS = 1_000  # of one table; data with more uses values as names
Form = Literal["number", "text", "boolean", "json", "longitude", "latitude"]

SQL_TYPES: dict[Form, str] = {
    "number": "DOUBLE",
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "json": "VARCHAR",
    "longitude": "DOUBLE",
    "latitude": "DOUBLE",
}
_COORDINATES: tuple[Literal["longitude", "latitude"], ...] = ("longitude", "latitude")
_PICKED: dict[Form, str] = {
    "number": "number",
    "text": "text",
    "boolean": "CAST(json AS BOOLEAN)",
    "json": "coalesce(json, to_json(text), CAST(number AS VARCHAR))",
    "longitude": "longitude",
    "latitude": "latitude",
}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    """Of SQL."""
    about: str
    unit: str = ""
    """UN/CEFACT common codes, joined by commas if there are several."""
    attribute: str = ""
    form: Form = "text"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    about: str
    columns: tuple[Column, ...]
    sql: str
    """What makes it of the table ``lake.instance`` and those of :attr:`Tables.scopes`."""


@dataclass(slots=True)
class Tables:
    """All that one reader may ask."""

    tables: list[Table] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What is not there though it may be in reach, one sentence each."""
    scopes: list[InScope] = field(default_factory=list)
    """Number n needs a table ``temp.reach_n`` of ``who``, ``since``, ``until``."""

    def named(self, name: str) -> Table | None:
        """Return a table by its name, whatever the case of its letters."""
        wanted = name.lower()
        return next((table for table in self.tables if table.name.lower() == wanted), None)


_BASE = (
    Column("entity", "VARCHAR", "id of the entity"),
    Column("time", "TIMESTAMP", "when it was observed, else recorded (UTC)"),
)
_HISTORY = (
    Column("entity", "VARCHAR", "id of the entity"),
    Column("type", "VARCHAR", "its entity types at that time, joined by blanks"),
    Column("attribute", "VARCHAR", "name of the attribute; type and scope are the entity's own"),
    Column("dataset", "VARCHAR", "datasetId, of attributes with several instances at a time"),
    Column("kind", "VARCHAR", "Property, Relationship and so on"),
    Column("time", "TIMESTAMP", "when it was observed, else recorded (UTC)"),
    Column("observed", "BOOLEAN", "there is an observedAt, and it is time"),
    Column("number", "DOUBLE", "the value, if it is a number"),
    Column("text", "VARCHAR", "the value, if it is a text, or a relationship's object"),
    Column("json", "VARCHAR", "any other value, as JSON"),
    Column("unit", "VARCHAR", "unitCode"),
    Column("longitude", "DOUBLE", "of a point", "DD"),
    Column("latitude", "DOUBLE", "of a point", "DD"),
    Column("deleted", "BOOLEAN", "this says that the attribute was deleted"),
    Column("created", "TIMESTAMP", "when it was recorded (UTC)"),
)


def tables(kinds: Sequence[Kind], reach: Reach) -> Tables:
    """Return the tables of what somebody may see."""
    found = Tables()
    texts = sorted({kind.type for kind in kinds})
    rules = {text: rule for text in texts if (rule := _rule(text, reach, found)) is not None}
    hidden = {text: _hidden(text, kinds, reach, found) for text in rules}
    seen = [k for k in kinds if k.type in rules and k.attribute not in hidden[k.type]]
    found.tables.append(_history(rules, hidden, reach))
    types = sorted({name for text in rules for name in text.split(" ")})
    taken = {HISTORY}
    for name, title in zip(types, _short(types), strict=True):
        of_type = [kind for kind in seen if name in kind.type.split(" ")]
        found.tables.append(_wide(_free(title, taken), name, of_type, rules))
    return found


# --- who may see what ---------------------------------------------------------------------------


def _rule(text: str, reach: Reach, found: Tables) -> str | None:
    """Return which rows of entities with these types are seen, as SQL; None if none is."""
    if reach.condition is None:
        return "true"
    types = text.split(" ")
    known = decided(reach.condition, types)
    if known is not None:
        return "true" if known else None
    rest = rest_of(reach.condition, lambda item: decided(item, types))
    try:
        return judged(rest, found.scopes)
    except Untold:
        found.left_out.append(
            f"{', '.join(types)}: what you may see of it depends on values or places, which tables"
            " cannot tell; the temporal API answers"
        )
        return None


def _hidden(text: str, kinds: Iterable[Kind], reach: Reach, found: Tables) -> frozenset[str]:
    """Return the attributes that are left out of entities with these types.

    Those that may be seen but are personal are, too: each reading of them must be put on record
    with the person it is about, which an aggregate does not tell.
    """
    types = text.split(" ")
    hidden, personal = (HiddenNames(some).of(types) for some in (reach.hidden, reach.personal))
    there = {kind.attribute for kind in kinds if kind.type == text}
    found.left_out += [
        f"{', '.join(types)}.{name}: it is personal, and each reading goes on record with"
        " the person it is about; the temporal API answers"
        for name in sorted((personal - hidden) & there)
    ]
    return hidden | personal


# --- tables -------------------------------------------------------------------------------------


def _history(rules: dict[str, str], hidden: dict[str, frozenset[str]], reach: Reach) -> Table:
    names = ", ".join(column.name for column in _HISTORY)
    where = "true"
    if not reach.is_whole or reach.personal:
        terms = [
            f"(type = {window.text(text)} AND {rule}{_without(hidden[text])})"
            for text, rule in rules.items()
        ]
        where = " OR ".join(terms) or "false"
    sql = f"SELECT {names} FROM lake.instance WHERE {where}"
    return Table(HISTORY, "every instance of every attribute", _HISTORY, sql)


def _without(names: frozenset[str]) -> str:
    return f" AND NOT {window.among('attribute', sorted(names))}" if names else ""


def _wide(title: str, name: str, kinds: Sequence[Kind], rules: dict[str, str]) -> Table:
    columns = _columns(kinds)
    picked = [
        f"arg_max({_PICKED[column.form]}, created)"
        f" FILTER (attribute = {window.text(column.attribute)}) AS {quoted(column.name)}"
        for column in columns
    ]
    by_rule: dict[str, list[str]] = {}
    for text in sorted({kind.type for kind in kinds}):
        by_rule.setdefault(rules[text], []).append(text)
    terms = [f"({window.among('type', t)} AND {rule})" for rule, t in by_rule.items()]
    attributes = sorted({column.attribute for column in columns})
    sql = (
        f"SELECT {', '.join(['entity', 'time', *picked])} FROM lake.instance"
        f" WHERE {window.among('attribute', attributes)} AND dataset IS NULL AND NOT deleted"
        f" AND ({' OR '.join(terms) or 'false'}) GROUP BY entity, time"
    )
    return Table(title, f"each {name} at each time", (*_BASE, *columns), sql)


def _columns(kinds: Sequence[Kind]) -> list[Column]:
    """Return a column for each attribute, three for a place."""
    attributes = sorted({kind.attribute for kind in kinds})[:MOST_COLUMNS]
    taken = {column.name for column in _BASE}
    found: list[Column] = []
    for name, short in zip(attributes, _short(attributes), strict=True):
        mine = [kind for kind in kinds if kind.attribute == name]
        forms: set[Form] = {kind.form for kind in mine}
        form: Form = forms.pop() if len(forms) == 1 else "json"
        unit = ", ".join(sorted({kind.unit for kind in mine if kind.unit}))
        about = ", ".join(sorted({kind.kind for kind in mine}))
        about += " as JSON" if form == "json" else ""
        title = _free(short, taken)
        found.append(Column(title, SQL_TYPES[form], about, unit, name, form))
        if any(kind.kind == "GeoProperty" for kind in mine):
            found += [
                _part(_free(f"{title}_{part}", taken), name, part, title) for part in _COORDINATES
            ]
    return found


def _part(title: str, attribute: str, form: Literal["longitude", "latitude"], of: str) -> Column:
    return Column(title, "DOUBLE", f"{form} of {of}, if it is a point", "DD", attribute, form)


def _short(names: Sequence[str]) -> list[str]:
    """Return names without the IRI they begin with, where that leaves no two alike."""
    shorter = [name.rstrip("/#").rsplit("/", 1)[-1].rsplit("#", 1)[-1] for name in names]
    lower = [name.lower() for name in (*names, *shorter)]
    return [
        short if short == name or lower.count(short.lower()) == 1 else name
        for name, short in zip(names, shorter, strict=True)
    ]


def _free(name: str, taken: set[str]) -> str:
    """Return a name that differs from those taken in more than case, and take it."""
    number, found = 2, name
    while found.lower() in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found.lower())
    return found


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'
