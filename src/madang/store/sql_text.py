"""Pieces of SQL with the values they bind, put together in order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple


class Sql(NamedTuple):
    """An expression and the values of its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


TRUE = Sql("1")
FALSE = Sql("0")


def sql(template: str, *parts: Any) -> Sql:
    """Fill each ``{}`` of a template: with an expression, or with ``?`` for a value to bind.

    >>> sql("{} > {}", Sql("f(?)", (1,)), 2)
    Sql(text='f(?) > ?', values=(1, 2))
    """
    pieces = template.split("{}")
    text = [pieces[0]]
    values: list[Any] = []
    for part, piece in zip(parts, pieces[1:], strict=True):
        if isinstance(part, Sql):
            text.append(part.text)
            values.extend(part.values)
        else:
            text.append("?")
            values.append(part)
        text.append(piece)
    return Sql("".join(text), tuple(values))


def joined(items: Iterable[Sql], word: str) -> Sql:
    """Return expressions in parentheses with AND or OR between them."""
    found = list(items)
    text = f" {word} ".join(f"({item.text})" for item in found)
    return Sql(text, tuple(value for item in found for value in item.values))


def listed(values: Iterable[Any]) -> Sql:
    """Return values for ``IN``, sorted so that the same values make the same statement."""
    found = sorted(values)
    return Sql(f"({','.join('?' * len(found))})", tuple(found))


def negated(item: Sql) -> Sql:
    """Return the opposite; what is unknown counts as false."""
    if item in (TRUE, FALSE):
        return FALSE if item == TRUE else TRUE
    return sql("({}) IS NOT TRUE", item)


def path(*names: str) -> str:
    """Return the JSON path of these members, whatever characters they have.

    >>> path("speed", "value")
    '$."speed"."value"'
    """
    return "$" + "".join(f".{json.dumps(name, ensure_ascii=False)}" for name in names)
