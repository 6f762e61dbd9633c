"""What entities say to people who look for them or see them on a map: names, geometry, numbers.

Names of attributes are taken by their last part, so that ``name`` of any vocabulary is a name
(``https://smartdatamodels.org/name`` as well as the default one).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from madang.model.attributes import VALUE_MEMBER, instances
from madang.model.entity import Attribute, Document
from madang.model.geometry import Geometry, is_geometry

NAMES: Final = ("name", "title", "alternateName")
"""Attributes that call a thing something, the best first."""
ADDRESS: Final = "address"
PLACE: Final = "location"
_MEMBERS: Final = frozenset({"id", "type", "scope"})


@lru_cache(maxsize=4096)
def short(name: str) -> str:
    """Return the last part of a canonical name: ``Vehicle`` of its full IRI.

    >>> short("https://smartdatamodels.org/name"), short("https://example.org/x#name"), short("n")
    ('name', 'name', 'n')
    """
    return name[max(name.rfind("/"), name.rfind("#")) + 1 :] or name


def attributes(document: Document) -> Iterator[tuple[str, Attribute]]:
    """Yield each attribute's name and its default instance, or else its first."""
    for name, found in document.items():
        if name in _MEMBERS:
            continue
        many = instances(found)
        yield name, next((one for one in many if "datasetId" not in one), many[0])


def content(attribute: Attribute) -> Any:
    """Return what an attribute holds, whatever its kind."""
    return attribute.get(VALUE_MEMBER.get(attribute["type"], "value"))


def types_of(document: Document) -> list[str]:
    kind = document["type"]
    return [kind] if isinstance(kind, str) else kind


def named(document: Document) -> dict[str, str]:
    """Return the best name of an entity by language; one without a language is under ``""``."""
    found: dict[str, Any] = {}
    for name, attribute in attributes(document):
        if short(name) in NAMES:
            found[short(name)] = content(attribute)
    for name in NAMES:
        texts = _by_language(found.get(name))
        if texts:
            return texts
    return {}


def _by_language(value: Any) -> dict[str, str]:
    if isinstance(value, str):
        return {"": value} if value else {}
    if isinstance(value, Mapping):
        firsts = {
            lang: one[0] if isinstance(one, list) and one else one for lang, one in value.items()
        }
        return {lang: one for lang, one in firsts.items() if isinstance(one, str) and one}
    return {}


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep: names in all languages, parts of an address."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)


def geometry_of(document: Document) -> Geometry | None:
    """Return where a thing is: its ``location``, or else its first geometry."""
    other: Geometry | None = None
    for name, attribute in attributes(document):
        if attribute["type"] != "GeoProperty" or not is_geometry(attribute.get("value")):
            continue
        if short(name) == PLACE:
            place: Geometry = attribute["value"]
            return place
        other = other or attribute["value"]
    return other


def positions(geometry: Geometry) -> Iterator[tuple[float, float]]:
    """Yield every position of a geometry, longitude first. [degrees]"""
    if geometry["type"] == "GeometryCollection":
        for one in geometry["geometries"]:
            yield from positions(one)
    else:
        yield from _flat(geometry["coordinates"])


def _flat(found: Any) -> Iterator[tuple[float, float]]:
    if found and not isinstance(found[0], list | tuple):
        yield found[0], found[1]
    else:
        for one in found:
            yield from _flat(one)


def point_of(geometry: Geometry) -> tuple[float, float] | None:
    """Return a position that stands for a geometry: of a point itself, else its middle."""
    if geometry["type"] == "Point":
        longitude, latitude = geometry["coordinates"][:2]
        return longitude, latitude
    many = list(positions(geometry))
    if not many:
        return None
    wests, souths = [x for x, _ in many], [y for _, y in many]
    return (min(wests) + max(wests)) / 2, (min(souths) + max(souths)) / 2


def number_of(value: Any) -> float | int | None:
    """Return a value if it is a number; truth values are none."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
