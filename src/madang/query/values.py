"""What a comparison means for one value: matchers of JSON values, by kind of attribute.

Types must agree: across types ``==`` is false, ``!=`` true, and there is no order. Of an array,
``==`` needs any element, ``!=`` every element to differ; it has no order and matches no pattern.
``!=`` is thus the opposite of ``==`` for a value that is there. Texts are ordered by code point.
A typed value (``{"@type": …, "@value": …}``) counts as what it wraps.

Source: ETSI GS CIM 009 clause 4.9.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from typing import Any, cast

from madang.model.core_context import canonical
from madang.query import pattern
from madang.query.literals import instant, is_date, time_of_day
from madang.query.tree import Boolean, Compare, Date, DateTime, Range, Scalar, Time, Uri, Values

Matcher = Callable[[Any], bool]
Key = Callable[[Any], Any]
"""Finds in a JSON value what it is compared by; None if it is of another kind."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operators.gt,
    ">=": operators.ge,
    "<": operators.lt,
    "<=": operators.le,
}

_TOO_LONG = 2**63
"""From here on integers count as the nearest double (RFC 8259 section 6), as in the store."""


def never(_value: Any) -> bool:
    return False


def always(_value: Any) -> bool:
    return True


def plain(wanted: Compare) -> Matcher:
    """Return the matcher of the value of a Property, or of a member of an object."""
    if wanted.operator not in ("==", "!="):
        return _unwrapped(_single(wanted))
    equal = _equal(wanted.value)

    def some(value: Any) -> bool:
        if value.__class__ is list:
            return any(map(equal, value))
        return equal(value.get("@value") if value.__class__ is dict else value)

    return some if wanted.operator == "==" else lambda value: not some(value)


def array(wanted: Compare) -> Matcher:
    """Return the matcher of a whole JsonProperty or ListProperty: only arrays equal anything."""
    if wanted.operator not in ("==", "!="):
        return never
    equal = _equal(wanted.value)
    positive = wanted.operator == "=="
    return lambda value: (value.__class__ is list and any(map(equal, value))) is positive


def relationship(wanted: Compare) -> Matcher:
    """Return the matcher of the target or targets of a Relationship or ListRelationship."""
    return _of_texts(wanted.operator, {text_of(item) for item in items_of(wanted.value)})


def vocabulary(wanted: Compare) -> Matcher:
    """Return the matcher of a VocabProperty: its values are names, and equal the same IRI only."""
    return _of_texts(wanted.operator, {name_of(item) for item in items_of(wanted.value)})


def language(wanted: Compare, tag: str) -> Matcher:
    """Return the matcher of a languageMap for one language, or for any with ``*``."""
    opposite = {"!=": "==", "!~=": "~="}.get(wanted.operator)
    if opposite is None:
        test = _single(wanted)
        return lambda languages: any(map(test, _texts(languages, tag)))
    same = _single(Compare(wanted.path, cast(Any, opposite), wanted.value))

    def none(languages: Any) -> bool:
        texts = _texts(languages, tag)
        return bool(texts) and not any(map(same, texts))

    return none


def system_time(wanted: Compare) -> Matcher:
    """Return the matcher of a system time, given in microseconds."""
    if wanted.operator not in ("==", "!="):
        return _single(wanted, int_is_instant=True)
    equal = _equal(wanted.value, int_is_instant=True)
    return equal if wanted.operator == "==" else lambda value: not equal(value)


def items_of(value: Scalar | Range | Values) -> tuple[Scalar, ...]:
    """Return the alternatives a value names; a range names none."""
    if isinstance(value, Values):
        return value.items
    return () if isinstance(value, Range) else (value,)


def text_of(value: Scalar) -> str | None:
    if isinstance(value, Uri):
        return value.text
    return value if isinstance(value, str) else None


def name_of(value: Scalar) -> str | None:
    """Return the canonical name that a literal means: an IRI, or a name that was expanded."""
    text = text_of(value)
    if text is not None and ":" in text:
        return canonical(text)
    return text if isinstance(value, Uri) else None


def _single(wanted: Compare, int_is_instant: bool = False) -> Matcher:
    """Return the matcher of one value that is no array."""
    if wanted.operator == "==":
        return _equal(wanted.value, int_is_instant)
    if wanted.operator in _ORDER:
        return _ordered(_ORDER[wanted.operator], cast(Scalar, wanted.value), int_is_instant)
    return never if int_is_instant else _search(cast(str, wanted.value), wanted.operator == "~=")


def _search(text: str, positive: bool) -> Matcher:
    search = pattern.compiled(text).search

    def test(value: Any) -> bool:
        if value.__class__ is not str:
            return False
        return (search(value, 0, pattern.TEXT) is not None) is positive

    return test


def _ordered(compare: Callable[[Any, Any], bool], limit: Scalar, int_is_instant: bool) -> Matcher:
    if isinstance(limit, Boolean | Uri):
        return never
    key, bound = _comparable(limit, int_is_instant)
    if key is _number:  # the most frequent test there is
        return lambda value: (
            (value.__class__ is float or value.__class__ is int) and compare(value, bound)
        )

    def test(value: Any) -> bool:
        found = key(value)
        return found is not None and compare(found, bound)

    return test


def _equal(value: Scalar | Range | Values, int_is_instant: bool = False) -> Matcher:
    """Return the test whether one value that is no array equals this one."""
    if isinstance(value, Values):
        return _equal_any(value, int_is_instant)
    low, high = (value.low, value.high) if isinstance(value, Range) else (value, value)
    key, most = _comparable(high, int_is_instant)
    least = _comparable(low, int_is_instant)[1]
    if key is _text and not isinstance(value, Range):
        return lambda found: bool(found == least)

    def test(found: Any) -> bool:
        own = key(found)
        return own is not None and bool(least <= own <= most)

    return test


def _equal_any(values: Values, int_is_instant: bool) -> Matcher:
    texts = frozenset(map(text_of, values.items)) - {None}
    others = [_equal(item, int_is_instant) for item in values.items if text_of(item) is None]

    def test(found: Any) -> bool:
        if found.__class__ is str and found in texts:
            return True
        return any(equal(found) for equal in others)

    return test


def _comparable(value: Scalar, int_is_instant: bool) -> tuple[Key, Any]:
    """Return how values compare with this literal, and what it is itself compared by."""
    if isinstance(value, DateTime):
        return _itself if int_is_instant else _instant, value.instant
    if int_is_instant:
        return _nothing, 0
    if isinstance(value, Date):
        return _date, value.text
    if isinstance(value, Time):
        return _time, time_of_day(value.text)
    if isinstance(value, Boolean):
        return _boolean, value.value
    if isinstance(value, str | Uri):
        return _text, text_of(value)
    return _number if value < _TOO_LONG else _shortened, value


def _nothing(_found: Any) -> None:
    return None


def _itself(found: Any) -> Any:
    return found


def _number(found: Any) -> Any:
    return found if found.__class__ is float or found.__class__ is int else None


def _shortened(found: Any) -> Any:
    return float(found) if found.__class__ is int and found >= _TOO_LONG else _number(found)


def _text(found: Any) -> Any:
    return found if found.__class__ is str else None


def _boolean(found: Any) -> Any:
    return found if found.__class__ is bool else None


def _instant(found: Any) -> Any:
    return instant(found) if found.__class__ is str else None


def _date(found: Any) -> Any:
    return found if found.__class__ is str and is_date(found) else None


def _time(found: Any) -> Any:
    return time_of_day(found) if found.__class__ is str else None


def _unwrapped(test: Matcher) -> Matcher:
    return lambda value: test(value.get("@value") if value.__class__ is dict else value)


def _of_texts(operator: str, texts: set[str | None]) -> Matcher:
    """Return the matcher of a text or an array of texts, of which only (in)equality is asked."""
    if operator not in ("==", "!="):
        return never
    equal = operator == "=="

    def test(value: Any) -> bool:
        if value.__class__ is not list:
            return (value in texts) is equal
        targets = (item["object"] if item.__class__ is dict else item for item in value)
        return any(target in texts for target in targets) is equal

    return test


def _texts(languages: Any, tag: str) -> list[str]:
    """Return the texts a languageMap has for a language, or for all of them."""
    texts: list[str] = []
    for found in languages.values() if tag == "*" else (languages.get(tag, []),):
        texts += found if found.__class__ is list else [found]
    return texts
