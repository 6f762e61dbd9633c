"""The kinds of attribute and their members: what a document's words mean.

Source: ETSI GS CIM 009 clauses 4.5.2 to 4.5.24 and Annex B (core @context).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from madang.model.entity import Attribute, Document

NULL: Final = "urn:ngsi-ld:null"
"""NGSI-LD Null (clause 4.5.0). As the ``type`` of an instance in a fragment: delete it."""

UNTYPED: Final = ""
"""The ``type`` of a simplified value in a merge fragment: it takes the type of what it meets."""

VALUE_MEMBER: Final[dict[str, str]] = {
    "Property": "value",
    "GeoProperty": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "VocabProperty": "vocab",
    "JsonProperty": "json",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
"""The member that holds the value of each type of attribute."""

TYPE_OF_MEMBER: Final[dict[str, str]] = {
    "value": "Property",
    "object": "Relationship",
    "languageMap": "LanguageProperty",
    "vocab": "VocabProperty",
    "json": "JsonProperty",
    "valueList": "ListProperty",
    "objectList": "ListRelationship",
}
"""The type that concise input means by a value member (``value`` may also be a GeoProperty)."""

VALUE_MEMBERS: Final = frozenset(TYPE_OF_MEMBER)

COMMON_MEMBERS: Final = frozenset(
    {"observedAt", "unitCode", "datasetId", "expiresAt", "valueType", "objectType"}
)
"""Members that describe a value: not one of them stands in an attribute without a value."""

SYSTEM_MEMBERS: Final = frozenset({"createdAt", "modifiedAt", "deletedAt", "instanceId"})
"""Members the hub sets itself; ignored on input."""

SEALED_MEMBERS: Final = frozenset({"entityIdSealed", "entityTypeSealed"})
"""Members that only ``ngsildproof`` has (clause 4.5.2.2)."""

OUTPUT_MEMBERS: Final = frozenset(
    {
        "entity",
        "entityList",
        "lang",
        "previousValue",
        "previousObject",
        "previousLanguageMap",
        "previousVocab",
        "previousJson",
        "previousValueList",
        "previousObjectList",
    }
)
"""Members that only answers and notifications have; refused on input."""

MEMBERS: Final = (
    frozenset({"type"})
    | VALUE_MEMBERS
    | COMMON_MEMBERS
    | SYSTEM_MEMBERS
    | SEALED_MEMBERS
    | OUTPUT_MEMBERS
)
"""Every member of an attribute instance that is no sub-attribute."""

RESERVED: Final = MEMBERS | {"id", "@id", "@type", "@context"}
"""Words that name no attribute and no entity type (clause 4.5.1)."""

ENTITY_MEMBERS: Final = frozenset({"id", "type", "scope"})
"""Members of a document that are no attributes."""

SPATIAL: Final = frozenset({"location", "observationSpace", "operationSpace"})
"""Attributes that the core defines as GeoProperties (clause 4.7.1)."""

UNITLESS: Final = frozenset({"Relationship", "ListRelationship", "JsonProperty"})
LINKS: Final = frozenset({"Relationship", "ListRelationship"})

PROOF: Final = "ngsildproof"


def attributes_of(document: Document) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a document by name: an instance, or a list of instances."""
    for name, value in document.items():
        if name not in ENTITY_MEMBERS:
            yield name, value


def sub_attributes(instance: Attribute) -> Iterator[tuple[str, Any]]:
    """Yield the sub-attributes of an attribute instance by name."""
    for name, value in instance.items():
        if name not in MEMBERS:
            yield name, value


def instances(attribute: Attribute | list[Attribute]) -> list[Attribute]:
    """Return the instances of an attribute, however many there are."""
    return attribute if type(attribute) is list else [attribute]  # type: ignore[list-item]
