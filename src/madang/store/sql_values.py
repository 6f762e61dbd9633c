"""Comparisons of one JSON value as SQL: what :mod:`madang.query.values` does, for SQLite.

Source: ETSI GS CIM 009 clause 4.9; SQLite's ``json_type``, ``json_extract``, ``json_each``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from madang.query import values
from madang.query.tree import (
    Boolean,
    Compare,
    Date,
    DateTime,
    Operator,
    Range,
    Scalar,
    Time,
    Uri,
    Values,
)
from madang.store.sql_text import FALSE, TRUE, Sql, joined, listed, negated, sql

Test = Callable[[Sql], Sql]
"""Makes a test of a value that is known to be of one JSON type."""
Tests = dict[str, Test]
"""Tests by JSON type, as ``json_type`` names it; a type that is not there never matches."""

_SCALARS = ("integer", "real", "text", "true", "false", "null")  # as json_type names them

_DIGITS = "'0123456789'"
# What follows the seconds, from character {at} on: nothing, or a point and one to nine digits; Z.
# Texts end at the first NUL for most functions of SQLite, but not for octet_length and for =.
_FRACTION = (
    "octet_length(x) = length(x)"
    " AND (length(x) = {at} OR length(x) BETWEEN {at} + 2 AND {at} + 10"
    " AND substr(x, {at}, 1) IN ('.', ',') AND substr(x, {at} + 1, 1) BETWEEN '0' AND '9'"
    f" AND ltrim(substr(x, {{at}} + 1), {_DIGITS}) = 'Z')"
)
# With six decimals always, so that the order of texts is the order of times.
_FILLED = (
    "substr(x, 1, {at} - 1) || '.' ||"
    " substr(substr(x, {at} + 1, max(length(x) - {at} - 1, 0)) || '000000', 1, 6)"
)
_DATE_TIME = (
    "(SELECT CASE WHEN x GLOB"
    " '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T[0-9][0-9]:[0-9][0-9]:[0-9][0-9]*Z'"
    " AND x > '0001' AND strftime('%Y-%m-%dT%H:%M:%S', substr(x, 1, 19)) = substr(x, 1, 19)"
    f" AND {_FRACTION.format(at=20)} THEN {_FILLED.format(at=20)} END FROM (SELECT {{}} AS x))"
)
_CHECKED_DATE_TIME = f"(SELECT {_FILLED.format(at=20)} FROM (SELECT {{}} AS x))"
_TIME = (
    "(SELECT CASE WHEN x GLOB '[0-2][0-9]:[0-5][0-9]:[0-5][0-9]*Z' AND x < '24'"
    f" AND {_FRACTION.format(at=9)} THEN {_FILLED.format(at=9)} END FROM (SELECT {{}} AS x))"
)
_DATE = (
    "(SELECT CASE WHEN x GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND octet_length(x) = 10"
    " THEN x END FROM (SELECT {} AS x))"
)


def plain(base: Sql, at: str, wanted: Compare, otherwise: Sql, *, checked: bool = False) -> Sql:
    """Return the test of the value at a JSON path, and what holds if there is none.

    Args:
        checked: a text there is known to be a DateTime.
    """
    tests = _tests(wanted.operator, wanted.value, checked)
    opposite = wanted.operator == "!="
    value = sql("json_extract({}, {})", base, at)
    # What is of another type goes on to ``otherwise``, which is false then: shorter than saying so.
    kinds = _in_order(tests) if opposite else tests
    arms = [(kind, _whole(tests, kind, value, opposite)) for kind in kinds]
    if wanted.operator in ("==", "!="):
        arms.append(("array", _elements(base, at, tests, wanted.operator)))
    arms.append(("object", _typed(base, at + '."@value"', tests, opposite)))
    return _case(sql("json_type({}, {})", base, at), arms, otherwise)


def array(base: Sql, at: str, wanted: Compare, otherwise: Sql) -> Sql:
    """Return the test of a whole JsonProperty or ListProperty: only arrays equal anything."""
    if wanted.operator not in ("==", "!="):
        return otherwise
    tests = _tests(wanted.operator, wanted.value, False)
    arms = [("array", _elements(base, at, tests, wanted.operator))]
    if wanted.operator == "!=":
        arms.append(("object", TRUE))
    return _case(sql("json_type({}, {})", base, at), arms, otherwise)


def text(value: Sql, wanted: Compare) -> Sql:
    """Return the test of a value that is a text."""
    tests = _tests(wanted.operator, wanted.value, False)
    return _whole(tests, "text", value, wanted.operator == "!=")


def targets(base: Sql, at: str, wanted: Compare, otherwise: Sql) -> Sql:
    """Return the test of the target or targets of a relationship at a JSON path."""
    texts = map(values.text_of, values.items_of(wanted.value))
    return _texts(base, at, wanted.operator, texts, otherwise)


def vocabulary(base: Sql, at: str, wanted: Compare, otherwise: Sql) -> Sql:
    """Return the test of the names of a VocabProperty at a JSON path."""
    names = map(values.name_of, values.items_of(wanted.value))
    return _texts(base, at, wanted.operator, names, otherwise)


def language(base: Sql, at: str, wanted: Compare) -> Sql:
    """Return the test of all texts of a languageMap at or below a JSON path."""
    some = "EXISTS (SELECT 1 FROM json_tree({}, {}) l WHERE l.type = 'text' AND {})"
    opposite = {"!=": "==", "!~=": "~="}.get(wanted.operator)
    operator = cast(Operator, opposite or wanted.operator)
    test = _tests(operator, wanted.value, False).get("text", _never)
    positive = sql(some, base, at, test(Sql("l.value")))
    if opposite is None:
        return positive
    return sql("{} AND NOT {}", sql(some, base, at, TRUE), positive)


def system_time(column: Sql, wanted: Compare) -> Sql:
    """Return the test of a system time, given in microseconds."""
    if wanted.operator in ("==", "!="):
        items = wanted.value.items if isinstance(wanted.value, Values) else (wanted.value,)
        found = joined([_same_instant(column, item) for item in items], "OR")
        return found if wanted.operator == "==" else negated(found)
    if not isinstance(wanted.value, DateTime) or wanted.operator in ("~=", "!~="):
        return FALSE
    return sql(f"{{}} {wanted.operator} {{}}", column, wanted.value.instant)


def _same_instant(column: Sql, value: Scalar | Range) -> Sql:
    low, high = (value.low, value.high) if isinstance(value, Range) else (value, value)
    if not isinstance(low, DateTime) or not isinstance(high, DateTime):
        return FALSE
    return sql("{} BETWEEN {} AND {}", column, low.instant, high.instant)


def _case(subject: Sql, arms: Sequence[tuple[str, Sql]], otherwise: Sql) -> Sql:
    if not arms:
        return otherwise
    found = sql("CASE {}", subject)
    for kind, result in arms:
        found = sql(f"{{}} WHEN '{kind}' THEN {{}}", found, result)
    return sql("{} ELSE {} END", found, otherwise)


def _in_order(tests: Tests) -> list[str]:
    """Return the types of single values, those first that can match."""
    return [*tests, *(kind for kind in _SCALARS if kind not in tests)]


def _never(_value: Sql) -> Sql:
    return FALSE


def _always(_value: Sql) -> Sql:
    return TRUE


def _whole(tests: Tests, kind: str, value: Sql, opposite: bool) -> Sql:
    found = tests.get(kind, _never)(value)
    return negated(found) if opposite else found


def _elements(base: Sql, at: str, tests: Tests, operator: str) -> Sql:
    """Return the test of an array: any element is equal, or none is."""
    arms = [(kind, test(Sql("a.value"))) for kind, test in tests.items()]
    same = _case(Sql("a.type"), arms, FALSE)
    found = sql("EXISTS (SELECT 1 FROM json_each({}, {}) a WHERE {})", base, at, same)
    return found if operator == "==" else sql("NOT {}", found)


def _typed(base: Sql, at: str, tests: Tests, opposite: bool) -> Sql:
    """Return the test of an object: it is compared by its ``@value`` if it has one."""
    value = sql("json_extract({}, {})", base, at)
    arms = [(kind, _whole(tests, kind, value, opposite)) for kind in tests]
    return _case(sql("json_type({}, {})", base, at), arms, TRUE if opposite else FALSE)


def _texts(base: Sql, at: str, operator: str, texts: Iterable[str | None], otherwise: Sql) -> Sql:
    """Return the test of a text or an array of texts, of which only (in)equality is asked."""
    if operator not in ("==", "!="):
        return otherwise
    wanted = listed({text for text in texts if text is not None})
    if not wanted.values and operator == "==":
        return otherwise
    one = sql("json_extract({}, {}) IN {}", base, at, wanted)
    each = sql(
        "EXISTS (SELECT 1 FROM json_each({}, {}) a WHERE"
        " CASE a.type WHEN 'object' THEN json_extract(a.value, '$.object') ELSE a.value END IN {})",
        base,
        at,
        wanted,
    )
    arms = [("text", one), ("array", each)]
    if operator == "!=":
        arms = [(kind, negated(test)) for kind, test in arms]
    return _case(sql("json_type({}, {})", base, at), arms, otherwise)


def _tests(operator: Operator, value: Scalar | Range | Values, checked: bool) -> Tests:
    """Return the tests by JSON type; of ``!=`` those of ``==``, to be turned round."""
    if operator in ("~=", "!~="):
        search = "madang_search({}, {})" if operator == "~=" else "NOT madang_search({}, {})"
        return {"text": lambda found: sql(search, cast(str, value), found)}
    if operator not in ("==", "!="):
        if isinstance(value, Boolean | Uri):
            return {}
        return _compared(f"{{}} {operator} {{}}", cast(Scalar, value), checked)
    if isinstance(value, Values):
        return _alternatives(value, checked)
    if isinstance(value, Range):
        return _between(value, checked)
    return _compared("{} = {}", value, checked)


def _compared(template: str, value: Scalar, checked: bool) -> Tests:
    if isinstance(value, Boolean):
        return {"true" if value.value else "false": _always}
    form, bound = _form(value, checked)
    kinds = ("integer", "real") if isinstance(value, int | float) else ("text",)
    return dict.fromkeys(kinds, lambda found: sql(template, sql(form, found), bound))


def _between(value: Range, checked: bool) -> Tests:
    form, low = _form(value.low, checked)
    high = _form(value.high, checked)[1]
    kinds = ("integer", "real") if isinstance(value.low, int | float) else ("text",)
    return dict.fromkeys(
        kinds, lambda found: sql("{} BETWEEN {} AND {}", sql(form, found), low, high)
    )


def _alternatives(value: Values, checked: bool) -> Tests:
    texts = listed({text for item in value.items if (text := values.text_of(item)) is not None})
    every = [_compared("{} = {}", i, checked) for i in value.items if values.text_of(i) is None]
    if texts.values:
        every.append({"text": lambda found: sql("{} IN {}", found, texts)})

    def either(kind: str) -> Test:
        return lambda found: joined([t[kind](found) for t in every if kind in t], "OR")

    return {kind: either(kind) for kind in _SCALARS if any(kind in tests for tests in every)}


def _form(value: Scalar, checked: bool) -> tuple[str, str | int | float]:
    """Return what a value is made into to be compared with a literal, and the literal alike."""
    if isinstance(value, DateTime):
        return _CHECKED_DATE_TIME if checked else _DATE_TIME, _filled(value.text)
    if isinstance(value, Time):
        return _TIME, _filled(value.text)
    if isinstance(value, Date):
        return _DATE, value.text
    if isinstance(value, Uri):
        return "{}", value.text
    return "{}", cast(str | int | float, value)


def _filled(text: str) -> str:
    """Return a DateTime or Time with six decimals and no Z."""
    whole, _, fraction = text[:-1].replace(",", ".").partition(".")
    return f"{whole}.{fraction[:6]:0<6}"
