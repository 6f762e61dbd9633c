"""Mappings written as TOML, for people to read and change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from madang.sense.files import mapping as rules

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(mapping: rules.Mapping) -> str:
    """Return the TOML of a mapping; reading it gives the same mapping."""
    content = mapping.model_dump(exclude_defaults=True, exclude_none=True)
    parts = content.pop("entity")
    skip = content.pop("skip", [])
    lines = [*_pairs({key: content.pop(key) for key in ("title", "source") if key in content})]
    for name, table in content.items():
        lines += ["", f"[{name}]", *_pairs(table)]
    for rule in skip:
        lines += ["", "[[skip]]", *_pairs(rule)]
    for part in parts:
        attributes = part.pop("attributes", {})
        lines += ["", "[[entity]]", *_pairs(part)]
        if attributes:
            lines += ["", "[entity.attributes]", *_pairs(attributes)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _pairs(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{_key(key)} = {_value(value)}"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
