"""An entity as it would be without some of its attributes. Pure.

Source: ETSI GS CIM 009 clause 4.8 (``modifiedAt``).
"""

from __future__ import annotations

from collections.abc import Collection

from madang.model.attributes import ENTITY_MEMBERS, instances
from madang.model.entity import CHILD, INSTANCE, Entity, path_of


def without(entity: Entity, names: Collection[str]) -> Entity:
    """Return the entity without these attributes, their times included."""
    return Entity(
        {name: value for name, value in entity.document.items() if name not in names},
        entity.created,
        modified_without(entity, names),
        entity.written,
        {path: stamp for path, stamp in entity.times.items() if name_of(path) not in names},
        entity.expires,
    )


def modified_without(entity: Entity, names: Collection[str]) -> int:
    """Return when the rest of the entity was last modified; when it was made, if never.

    If it has none of these attributes, that is its own ``modified``. [us since 1970]
    """
    document = entity.document
    if not any(name in document for name in names):
        return entity.modified
    latest = entity.created
    for name, value in document.items():
        if name in ENTITY_MEMBERS or name in names:
            continue
        for instance in instances(value):
            latest = max(latest, entity.stamp(path_of(name, instance)).modified)
    return latest


def name_of(path: str) -> str:
    """Return the name of the attribute that a path among the times leads through first."""
    return path.partition(CHILD)[0].partition(INSTANCE)[0]
