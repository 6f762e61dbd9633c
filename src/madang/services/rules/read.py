"""Reads rules from TOML or JSON, and says what is wrong with them: which rule, field and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final, get_args

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from madang.model.names import shown
from madang.services.rules.rule import Rule

MOST_RULES: Final = 5_000
MOST_BYTES: Final = 5_000_000  # of all rules of a tenant
NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
TAKEN: Final = frozenset({"check", "schema", "try"})

_AT: Final = re.compile(r" \(at line (\d+), column \d+\)$")
_HEADER: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_\"'.\- ]+?)\s*=")
_WANTED: Final = {
    "title": 'a text, or one in both languages: {en = "…", ko = "…"}',
    "text": 'a text, or one in both languages: {en = "…", ko = "…"}',
    "on": "true or false",
    "urgent": "true or false",
    "ids": "a list of ids",
    "above": 'a number, or another attribute such as {attribute = "limit"}',
    "below": 'a number, or another attribute such as {attribute = "limit"}',
    "is": "a text, number, true or false, or a list of such",
    "is_not": "a text, number, true or false, or a list of such",
    "together": '"all", "any" or a whole number from 1',
    "hours": "like 22:00-06:00, or a list of such",
    "days": "like sat or mon-fri, or a list of such",
    "point": "[longitude, latitude]",
    "value": "a text, number, true or false",
    "after": "a text, number, true or false",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a rule, or (``is_warning``) looks so."""

    rule: str
    field: str
    message: str
    line: int | None = None
    is_warning: bool = False

    def __str__(self) -> str:
        where = f"line {self.line}, " if self.line else ""
        place = ".".join(part for part in (self.rule, self.field) if part)
        return f"{where}{place + ': ' if place else ''}{self.message}"

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"rule": self.rule, "field": self.field, "line": self.line, "message": self.message}


@dataclass(slots=True)
class Reading:
    """Rules that were read, and what is wrong with the others."""

    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """As they were written."""
    rules: dict[str, Rule] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    """All of them as they were written, right or wrong, as JSON has them: what TOML says."""


def read_toml(text: str) -> Reading:
    """Return the rules of a TOML text: a table for each, under its name."""
    if len(text) > MOST_BYTES:
        return Reading(problems=[Problem("", "", f"is longer than {MOST_BYTES:,} characters")])
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        why = f"is no TOML: {_AT.sub('', str(error))}"
        return Reading(problems=[Problem("", "", why, int(found[1]) if found else None)])
    except RecursionError:
        return Reading(problems=[Problem("", "", "is nested too deeply")])
    reading = read(given)
    with suppress(TypeError):  # a number that JSON cannot hold, which is among the problems
        reading.given = orjson.loads(orjson.dumps(given, default=str))
    lines = _lines(text)
    reading.problems = [
        Problem(one.rule, one.field, one.message, _line(lines, one)) for one in reading.problems
    ]
    return reading


def read(given: Mapping[str, Any]) -> Reading:
    """Return rules from values by name, as JSON and TOML have them."""
    reading = Reading()
    if len(given) > MOST_RULES:
        reading.problems.append(Problem("", "", f"has more than {MOST_RULES:,} rules"))
        return reading
    for name, spec in given.items():
        try:
            reading.rules[name] = _rule(name, spec)
            reading.specs[name] = orjson.loads(orjson.dumps(spec))
        except _Wrong as wrong:
            reading.problems += wrong.problems
        except TypeError as error:
            reading.problems.append(Problem(name[:80], "", f"cannot be kept as JSON: {error}"))
    reading.problems += _circles(reading.rules)
    return reading


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a set of rules, by name."""
    found = TypeAdapter(dict[str, Rule]).json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of a city",
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "maxProperties": MOST_RULES,
        **found,
    }


class _Wrong(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems


def _rule(name: str, spec: Any) -> Rule:
    if NAME.fullmatch(name) is None or name in TAKEN:
        why = "must be a name such as night-noise: lower case letters, digits, - and _, 63 at most"
        if name in TAKEN:
            why = f"is no name for a rule; /rules/{name} is something else"
        raise _Wrong([Problem(name[:80], "", why)])
    if not isinstance(spec, dict):
        raise _Wrong([Problem(name, "", f"must be a table: write [{name}] above its fields")])
    try:
        body = orjson.dumps(spec)
        # What JSON cannot tell, such as infinity, must not be taken for what it becomes there.
        return _checked(body) if orjson.loads(body) == spec else Rule.model_validate(spec)
    except ValidationError as error:
        raise _Wrong(_problems(name, error)) from None


@lru_cache(2 * MOST_RULES)
def _checked(body: bytes) -> Rule:
    """Return a rule; those that stay as they are when others are put are not read again."""
    return Rule.model_validate(orjson.loads(body))


# --- what is wrong, in words --------------------------------------------------------------------


def _problems(name: str, error: ValidationError) -> list[Problem]:
    """Return one problem for each field, in the words of :data:`_WANTED` where it has several."""
    found: dict[str, Problem] = {}
    for one in error.errors(include_url=False):
        path = _path(one["loc"], one["type"] == "extra_forbidden")
        context = one.get("ctx", {})
        place = str(context.get("field", path))
        message = _message(path, one["type"], one["msg"], one["input"])
        specific = one["type"] in ("rule", "extra_forbidden", "missing")
        if place not in found or specific:
            found[place] = Problem(name, place, message)
    return list(found.values())


def _path(loc: tuple[int | str, ...], is_unknown: bool) -> str:
    """Return the fields of a place; what pydantic calls the parts of a union is left out."""
    names: list[str] = []
    model: type[BaseModel] | None = Rule
    for part in loc:
        if model is None:
            break
        known = {info.alias or key: info for key, info in model.model_fields.items()}
        if isinstance(part, str) and part in known:
            names.append(part)
            model = _model_of(known[part].annotation)
    if is_unknown:
        names.append(str(loc[-1])[:80])
    return ".".join(names)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_of(one))), None)


def _message(path: str, kind: str, message: str, given: Any) -> str:
    last = path.rpartition(".")[2]
    if kind == "rule":
        return message
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        near = get_close_matches(last, list(_fields(path)), n=1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(_fields(path))}"
        return f"is not known here; {known}"
    if last in _WANTED:
        return f"must be {_WANTED[last]}, not {shown(given)}"
    return f"{message.replace('Input should', 'must')}, not {shown(given)}"


def _fields(path: str) -> Iterator[str]:
    model: type[BaseModel] | None = Rule
    for part in path.split(".")[:-1]:
        known = {info.alias or key: info for key, info in (model or Rule).model_fields.items()}
        model = _model_of(known[part].annotation) if part in known else None
    for key, info in (model or Rule).model_fields.items():
        yield info.alias or key


# --- rules that answer one another --------------------------------------------------------------


def _circles(rules: Mapping[str, Rule]) -> Iterator[Problem]:
    """Yield rules that set what they look at, by themselves or through others."""
    sets: dict[tuple[str, str], list[tuple[str, tuple[str, str]]]] = {}
    for name, rule in rules.items():
        if rule.set is None:
            continue
        target = (rule.set.type or rule.type, rule.set.attribute)
        for seen in _looks(rule):
            sets.setdefault(seen, []).append((name, target))
    told: set[str] = set()
    for start in sets:
        stack: list[tuple[tuple[str, str], list[str]]] = [(start, [])]
        visited: set[tuple[str, str]] = set()
        while stack:
            node, way = stack.pop()
            for name, target in sets.get(node, ()):
                if target == start and name not in told:
                    told.add(name)
                    others = " and ".join(dict.fromkeys(way)) or "itself"
                    why = f"is what {others} looks at: they would answer one another for ever"
                    yield Problem(name, "set.attribute", f"{why}; set another attribute")
                elif target not in visited:
                    visited.add(target)
                    stack.append((target, [*way, name]))


def _looks(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.attribute is not None:
        yield rule.type, rule.attribute
    if rule.other is not None:
        yield rule.other.type or rule.type, rule.other.attribute
    if rule.area or rule.near or rule.inside:
        yield rule.type, "location"
    if rule.inside is not None:
        yield rule.inside.type, "location"


# --- lines --------------------------------------------------------------------------------------

Lines = dict[tuple[str, ...], int]


def _lines(text: str) -> Lines:
    """Return in which line each table and each key of it begins."""
    found: Lines = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), number)
    return found


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))


def _line(lines: Lines, problem: Problem) -> int | None:
    """Return the line of a field, or of what it is in."""
    parts = (problem.rule, *filter(None, problem.field.split(".")))
    for length in range(len(parts), 0, -1):
        if parts[:length] in lines:
            return lines[parts[:length]]
    return None
