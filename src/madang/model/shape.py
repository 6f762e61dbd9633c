"""The shape of an entity: its types, and the types of its attributes; for discovery and indexes."""

from __future__ import annotations

from madang.model.attributes import ENTITY_MEMBERS
from madang.model.entity import Document

Shape = tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]
"""Entity types, and for each attribute its name and then its types, sorted by name. Hashable."""


def shape_of(document: Document) -> Shape:
    """Return the shape of a document.

    >>> shape_of({"id": "urn:a:1", "type": "Car", "speed": {"type": "Property", "value": 1}})
    (('Car',), (('speed', 'Property'),))
    """
    kind = document["type"]
    return (kind,) if type(kind) is str else tuple(kind), tuple(
        sorted(
            [
                (name, value["type"])
                if type(value) is dict
                else (name, *sorted({instance["type"] for instance in value}))
                for name, value in document.items()
                if name not in ENTITY_MEMBERS
            ]
        )
    )


def geometries_of(shape: Shape) -> tuple[str, ...]:
    """Return the names of the attributes with an instance that is a GeoProperty."""
    return tuple([entry[0] for entry in shape[1] if "GeoProperty" in entry[1:]])
