"""Comparisons as SQL/JSON paths: what :mod:`madang.query.values` does, as far as a path can say it.

A path is *exact* if it finds what the comparison means and nothing else; otherwise it finds that
and perhaps more, and the rows it finds are looked at in memory. Paths are lax: ``.name`` on an
array looks into its elements, as a condition does with several instances (clause 4.5.5). Tests
of ``type()`` come first wherever an array or another type must not count.

Source: ETSI GS CIM 009 clause 4.9; ISO/IEC 9075-2:2016 section 9.39, as PostgreSQL has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, cast

from madang.query import tree, values


class Test(NamedTuple):
    """A predicate over ``@``, and whether it is exact."""

    text: str
    exact: bool = True


FALSE = Test("(1 == 0)")
TRUE = Test("(1 == 1)")
_ODD = re.compile(r"[\x00\x01\ud800-\udfff]|u000[01]")
"""Texts that the column ``body`` may not have as they are in the document; see schema.py."""
_EXACT = 2**53
"""Up to here every order of numbers is that of their decimal texts."""
_IRIS = ("urn:", "http")
"""How what the column ``iris`` holds begins; the ids that relationships lead to do."""
_BEGINS = " || ".join(f'@ starts with "{one}"' for one in _IRIS)
IRIS = f'$.*.*.**{{0 to 2}} ? (@.type() == "string" && ({_BEGINS}))'
"""Finds in ``body`` all IRIs that an attribute is or leads to, and some of its members."""
_SIGNS = {"==": "==", ">": ">", ">=": ">=", "<": "<", "<=": "<="}


def is_plain(text: str) -> bool:
    """Tell whether a text is in ``body`` as it is in the document."""
    return _ODD.search(text) is None


def quoted(text: str) -> str:
    """Return a text, or the name of a member after a point, as a path has it.

    >>> quoted('q"u')
    '"q\\\\"u"'
    """
    return json.dumps(text, ensure_ascii=False)


def steps(names: Iterable[str]) -> str:
    """Return accessors of members, one inside the other."""
    return "".join(f".{quoted(name)}" for name in names)


def either(tests: Iterable[Test]) -> Test:
    """Return the test that one of these passes."""
    found = [test for test in tests if test != FALSE]
    if not found:
        return FALSE
    return Test(" || ".join(f"({test.text})" for test in found), all(test.exact for test in found))


def instance(wanted: tree.Compare) -> Test:
    """Return the comparison of an attribute instance, whichever member has its value."""
    members = wanted.path.members
    if not members:
        return either(
            [
                plain("@.value", wanted),
                _targets("@.object", wanted),
                _targets("@.objectList", wanted),
                _names("@.vocab", wanted),
                _array("@.json", wanted),
                _array("@.valueList", wanted),
            ]
        )
    found = [_inside(f"@.{name}", members, wanted) for name in ("value", "json")]
    if len(members) == 1:
        found.append(Test("exists(@.languageMap)", exact=False))
    return either(found)


def iris(wanted: tree.Compare) -> str | None:
    """Return the path that finds in ``iris`` what an instance equals; None for what is no IRI."""
    texts: set[str | None] = set()
    for item in values.items_of(wanted.value):
        texts |= {values.text_of(item), values.name_of(item)}
    found = [text for text in texts if text is not None and text.startswith(_IRIS)]
    if wanted.operator != "==" or len(found) < max(len(texts), 1) or not all(map(is_plain, found)):
        return None
    return f"$[*] ? ({' || '.join(f'@ == {quoted(text)}' for text in sorted(found))})"


def plain(at: str, wanted: tree.Compare) -> Test:
    """Return the comparison of a value that may be an array or wrapped in ``@value``."""
    return _there(at, wanted, lambda test: _some(at, test, wanted.operator))


def _inside(at: str, members: tuple[str, ...], wanted: tree.Compare) -> Test:
    held = [at + steps(members[:end]) for end in range(len(members))]
    objects = " && ".join(f'{one}.type() == "object"' for one in held)
    inner = plain(at + steps(members), wanted)
    return inner if inner == FALSE else Test(f"{objects} && ({inner.text})", inner.exact)


def _there(at: str, wanted: tree.Compare, positive: Callable[[Scalars], str]) -> Test:
    """Return the test, or for ``!=`` that there is a value which does not pass it."""
    test = _scalar(wanted.operator, wanted.value)
    if wanted.operator != "!=":
        return FALSE if test is NEVER else Test(positive(test), test.exact)
    if not test.exact:
        return Test(f"exists({at})", exact=False)
    inner = "" if test is NEVER else f" && !({positive(test)})"
    return Test(f"exists({at}){inner}")


def _array(at: str, wanted: tree.Compare) -> Test:
    """Return the comparison of a whole JsonProperty or ListProperty: arrays equal by element."""
    if wanted.operator not in ("==", "!="):
        return FALSE
    return _there(at, wanted, lambda test: _elements(at, test))


def _some(at: str, test: Scalars, operator: str) -> str:
    wrapped = f'{at}."@value"'
    found = f'({test.of(at)}) || {at}.type() == "object" && ({test.of(wrapped)})'
    return f"{found} || {_elements(at, test)}" if operator in ("==", "!=") else found


def _elements(at: str, test: Scalars) -> str:
    return f'{at}.type() == "array" && exists({at} ? ({test.of("@")}))'


def _targets(at: str, wanted: tree.Compare) -> Test:
    return _texts(at, wanted.operator, map(values.text_of, values.items_of(wanted.value)))


def _names(at: str, wanted: tree.Compare) -> Test:
    return _texts(at, wanted.operator, map(values.name_of, values.items_of(wanted.value)))


def _texts(at: str, operator: str, texts: Iterable[str | None]) -> Test:
    """Return the test of a text or an array of texts, of which only (in)equality is asked."""
    if operator not in ("==", "!="):
        return FALSE
    wanted = sorted({text for text in texts if text is not None})
    if not all(map(is_plain, wanted)):
        return Test(f"exists({at})", exact=False)
    if not wanted:
        return FALSE if operator == "==" else Test(f"exists({at})")
    same = " || ".join(f"@ == {quoted(t)} || @.object == {quoted(t)}" for t in wanted)
    found = f"exists({at} ? ({same}))"
    return Test(found if operator == "==" else f"exists({at}) && !({found})")


class Scalars(NamedTuple):
    """A test of one value that is no array."""

    of: Callable[[str], str]
    """Makes the predicate for the value at a path."""
    exact: bool = True


NEVER = Scalars(lambda at: FALSE.text)


def _scalar(operator: tree.Operator, value: tree.Scalar | tree.Range | tree.Values) -> Scalars:
    if isinstance(value, tree.Values):
        every = [_scalar(operator, item) for item in value.items]
        return Scalars(
            lambda at: " || ".join(f"({one.of(at)})" for one in every),
            all(one.exact for one in every),
        )
    if operator in ("~=", "!~="):
        return Scalars(lambda at: f'{at}.type() == "string"', exact=False)
    if isinstance(value, tree.Range):
        low, high = _one(">=", value.low), _one("<=", value.high)
        return Scalars(lambda at: f"({low.of(at)}) && ({high.of(at)})", low.exact and high.exact)
    return _one("==" if operator == "!=" else operator, value)


def _one(operator: str, value: tree.Scalar) -> Scalars:
    sign = _SIGNS[operator]
    if isinstance(value, tree.Boolean):
        word = "true" if value.value else "false"
        return NEVER if sign != "==" else _typed("boolean", f"== {word}")
    if isinstance(value, tree.DateTime):
        return _moment(sign, value.text)
    if isinstance(value, tree.Date | tree.Time):
        return _typed("string", "", exact=False)
    if isinstance(value, int | float):
        if not -_EXACT <= value <= _EXACT:
            return _typed("number", "", exact=False)
        return _typed("number", f"{sign} {json.dumps(value + 0)}")
    text = cast(str, values.text_of(value))
    if not isinstance(value, str) and sign != "==":
        return NEVER
    if not is_plain(text):
        return _typed("string", "", exact=False)
    return _typed("string", f"{sign} {quoted(text)}")


def _typed(kind: str, rest: str, *, exact: bool = True) -> Scalars:
    if not rest:
        return Scalars(lambda at: f'{at}.type() == "{kind}"', exact)
    return Scalars(lambda at: f'{at}.type() == "{kind}" && {at} {rest}', exact)


def _moment(sign: str, text: str) -> Scalars:
    """Return the comparison of DateTimes by the second; the fractions are left to memory."""
    second = text[:19]
    after, before = f'>= "{second}"', f'< "{second}["'  # what follows is Z, or a point: before [
    if sign == "==":
        return Scalars(
            lambda at: f'{at}.type() == "string" && {at} {after} && {at} {before}', exact=False
        )
    return _typed("string", after if sign in (">", ">=") else before, exact=False)
