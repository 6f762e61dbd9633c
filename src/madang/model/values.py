"""The values of attributes: what each kind may hold.

Source: ETSI GS CIM 009 clauses 4.5.3, 4.5.18, 4.5.21, 4.5.22, 4.5.24, 4.6.3, 4.6.5 and 5.5.4.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from madang.model import geometry
from madang.model.attributes import NULL
from madang.model.errors import BadRequestData
from madang.model.names import check_uri

MAX_DEPTH = 64
"""How deep objects, arrays and sub-attributes may lie in one another."""

_LANGUAGE = re.compile(r"@none|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")


def check(value: object, name: str, merging: bool, depth: int = 1) -> None:
    """Check a Property's value, all the way down.

    Raises:
        BadRequestData: JSON null, a number that is not finite, an embedded @context, NGSI-LD Null
            (unless ``merging``), or nested too deeply.
    """
    kind = type(value)
    if kind is str:
        if value == NULL and not merging:
            raise BadRequestData(
                f"the value of {name} holds {NULL}, which is only allowed in a merge"
            )
    elif kind is dict:
        if "@context" in value:  # type: ignore[operator]
            raise BadRequestData(
                f"the value of {name} holds an @context; only a whole request has one"
            )
        _check_all(value.values(), name, merging, depth)  # type: ignore[attr-defined]
    elif kind is list:
        _check_all(value, name, False, depth)  # a merge replaces arrays whole (RFC 7396)
    elif value is None:
        raise BadRequestData(f"the value of {name} holds null; leave it out, or use a JsonProperty")
    elif kind is float and value - value != 0.0:  # type: ignore[operator]
        raise BadRequestData(f"the value of {name} holds a number that is not finite")


def _check_all(items: Any, name: str, merging: bool, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"the value of {name} is nested deeper than {MAX_DEPTH} levels")
    for item in items:
        check(item, name, merging, depth + 1)


def _uri(value: object, member: str) -> str:
    if value == NULL:
        raise BadRequestData(f"{member} holds {NULL}, which links to nothing")
    return check_uri(value, member)


def plain(value: Any, name: str, merging: bool, depth: int) -> Any:
    """Return the value of a Property: any JSON but null."""
    check(value, name, merging, depth)
    return value


def place(value: Any, name: str, _merging: bool, depth: int) -> geometry.Geometry:
    """Return the value of a GeoProperty: a geometry."""
    found = geometry.read(value, name)
    if len(found) > 2:  # foreign members, which GeoJSON allows
        check(found, name, False, depth)
    return found


def uris(value: Any, name: str, _merging: bool, _depth: int) -> Any:
    """Return the object of a Relationship: a URI, or an array of them."""
    if type(value) is list and value:
        return [_uri(item, f"{name}.object") for item in value]
    return _uri(value, f"{name}.object")


def links(value: Any, name: str, _merging: bool, _depth: int) -> list[dict[str, str]]:
    """Return an objectList, each element in the form ``{"object": URI}``."""
    if type(value) is not list:
        raise BadRequestData(f"{name} is a ListRelationship; its objectList must be an array")
    found = []
    for item in value:
        uri = item["object"] if type(item) is dict and item.keys() == {"object"} else item
        found.append({"object": _uri(uri, f"{name}.objectList")})
    return found


def ordered(value: Any, name: str, merging: bool, depth: int) -> list[Any]:
    """Return the valueList of a ListProperty."""
    if type(value) is not list:
        raise BadRequestData(f"{name} is a ListProperty; its valueList must be an array")
    check(value, name, merging, depth)
    return value


def language_map(value: Any, name: str, merging: bool, _depth: int) -> dict[str, Any]:
    """Return a languageMap: language tags and texts."""
    if type(value) is not dict or not value:
        raise BadRequestData(f"{name} is a LanguageProperty; its languageMap must be an object")
    for tag, text in value.items():
        if not _LANGUAGE.fullmatch(tag):
            raise BadRequestData(f"{name} has a languageMap with {tag!r}, which is no language tag")
        texts = text if type(text) is list else [text]
        if not all(type(item) is str for item in texts):
            raise BadRequestData(f"{name}, language {tag}, must be a string or an array of strings")
        if NULL in texts and (not merging or text is texts):
            raise BadRequestData(f"{name}, language {tag}, is {NULL}, only allowed in a merge")
    return value


def raw_json(value: Any, name: str, _merging: bool, depth: int) -> Any:
    """Return the content of a JsonProperty as it is: an object or an array (clause 4.5.24)."""
    if type(value) is not dict and type(value) is not list:
        raise BadRequestData(f"{name} is a JsonProperty; its json must be an object or an array")
    _check_depth(value, name, depth)
    return value


def _check_depth(value: Any, name: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadRequestData(f"{name} is nested deeper than {MAX_DEPTH} levels")
    for item in value.values() if type(value) is dict else value:
        if type(item) is dict or type(item) is list:
            _check_depth(item, name, depth + 1)


READERS: dict[str, Callable[[Any, str, bool, int], Any]] = {
    "Property": plain,
    "GeoProperty": place,
    "Relationship": uris,
    "LanguageProperty": language_map,
    "JsonProperty": raw_json,
    "ListProperty": ordered,
    "ListRelationship": links,
}
"""What checks and returns the value of each type of attribute. A VocabProperty needs names too."""
