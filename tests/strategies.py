"""Hypothesis strategies for entities: as clients write them, and as JSON that may be anything."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from madang.model.attributes import MEMBERS, NULL, VALUE_MEMBER

NAMES = ("speed", "brandName", "status", "owner", "level")
SUB_NAMES = ("accuracy", "source", "checkedBy")
DATASETS = ("urn:ngsi-ld:Dataset:a", "urn:ngsi-ld:Dataset:b")

texts = st.text(max_size=8).filter(lambda text: text != NULL)
uris = st.integers(0, 99).map(lambda number: f"urn:ngsi-ld:Thing:{number}")
numbers = st.integers(-1000, 1000) | st.floats(-1e6, 1e6, allow_nan=False)
scalars = st.booleans() | numbers | texts
keys = st.sampled_from(("a", "b", "city", "street", "x-1"))
instants = st.integers(0, 59).map(lambda second: f"2026-01-15T10:20:{second:02d}Z")

plain_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=4,
)
"""What a Property may hold."""

positions = st.tuples(st.floats(-180, 180), st.floats(-90, 90)).map(list)
points = positions.map(lambda position: {"type": "Point", "coordinates": position})
lines = st.lists(positions, min_size=2, max_size=4).map(
    lambda line: {"type": "LineString", "coordinates": line}
)
polygons = st.lists(positions, min_size=3, max_size=5).map(
    lambda ring: {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
)
geometries = points | lines | polygons

language_maps = st.dictionaries(
    st.sampled_from(("en", "ko", "fr-CA", "@none")), texts | st.lists(texts), min_size=1
)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "Property": plain_values,
    "GeoProperty": geometries,
    "Relationship": uris | st.lists(uris, min_size=1, max_size=3),
    "LanguageProperty": language_maps,
    "VocabProperty": st.sampled_from(("open", "closed", "https://example.org/half")),
    "JsonProperty": st.dictionaries(keys, st.none() | plain_values, max_size=3),
    "ListProperty": st.lists(scalars, max_size=3),
    "ListRelationship": st.lists(uris.map(lambda uri: {"object": uri}), max_size=3),
}
"""The values of each type of attribute, in document form."""


@st.composite
def instances(draw: st.DrawFn, subs: bool = True, expiring: bool = True) -> dict[str, Any]:
    """Draw a normalized attribute instance without datasetId."""
    kind = draw(st.sampled_from(tuple(VALUES)))
    instance = {"type": kind, VALUE_MEMBER[kind]: draw(VALUES[kind])}
    if draw(st.booleans()):
        instance["observedAt"] = draw(instants)
    if kind == "Property" and draw(st.booleans()):
        instance["unitCode"] = draw(st.sampled_from(("KMH", "CEL")))
    if expiring and draw(st.integers(0, 4)) == 0:
        instance["expiresAt"] = draw(instants)
    if subs and draw(st.booleans()):
        names = draw(st.sets(st.sampled_from(SUB_NAMES), max_size=2))
        for name in sorted(names):
            instance[name] = draw(instances(subs=False, expiring=expiring))
    return instance


@st.composite
def attributes(draw: st.DrawFn, expiring: bool = True) -> Any:
    """Draw a normalized attribute: an instance, or several that differ in datasetId."""
    if draw(st.integers(0, 3)):
        return draw(instances(expiring=expiring))
    datasets = draw(st.sets(st.sampled_from((None, *DATASETS)), min_size=2))
    several = []
    for dataset in sorted(datasets, key=str):
        instance = draw(instances(expiring=expiring))
        several.append(instance if dataset is None else {**instance, "datasetId": dataset})
    return several


@st.composite
def entities(draw: st.DrawFn, expiring: bool = True) -> dict[str, Any]:
    """Draw a valid entity in the normalized representation, as a client sends it."""
    kind = st.sampled_from(("Vehicle", "Building", "https://example.org/Car"))
    types = draw(st.lists(kind, min_size=1, max_size=2, unique=True))
    entity: dict[str, Any] = {
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": types[0] if len(types) == 1 else types,
    }
    if draw(st.booleans()):
        entity["scope"] = draw(st.sampled_from(("/Madrid", ["/Madrid/Centro", "Seoul"])))
    for name in sorted(draw(st.sets(st.sampled_from(NAMES), max_size=3))):
        entity[name] = draw(attributes(expiring=expiring))
    if draw(st.booleans()):
        entity["location"] = {"type": "GeoProperty", "value": draw(geometries)}
    return entity


@st.composite
def fragments(draw: st.DrawFn, expiring: bool = True) -> dict[str, Any]:
    """Draw a fragment of an entity without id and type."""
    return {
        name: draw(attributes(expiring=expiring))
        for name in sorted(draw(st.sets(st.sampled_from(NAMES), max_size=3)))
    }


_words = st.sampled_from(
    (*sorted(MEMBERS), *VALUE_MEMBER, "id", "@id", "@type", "@context", "scope", "speed")
)
_odd = st.sampled_from(
    (NULL, "@none", "Point", "Polygon", "urn:a:1", "2026-01-15T10:20:30Z", "coordinates", "")
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | scalars | _odd | _words | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | _odd, inner, max_size=5),
    max_leaves=12,
)
"""Any JSON, made to look as much like NGSI-LD as chance allows."""


@st.composite
def nearly_entities(draw: st.DrawFn) -> Any:
    """Draw an entity with something odd put anywhere in it."""
    entity = draw(entities())
    holder: Any = entity
    while True:
        steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not steps:
            return entity
        step = draw(st.sampled_from(steps))
        if isinstance(holder[step], dict | list) and draw(st.booleans()):
            holder = holder[step]
            continue
        if isinstance(holder, dict) and draw(st.booleans()):
            step = draw(_words | _odd)
        holder[step] = draw(json_values)
        return entity
