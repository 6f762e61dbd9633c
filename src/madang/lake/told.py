"""Instances told by clients and devices, as history keeps them."""

from __future__ import annotations

from typing import Final

from madang.lake.questions import Instance
from madang.model import time
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import Attribute
from madang.model.evolution import SCOPE
from madang.model.evolution_input import Given

_COLUMNS: Final = frozenset({"type", "observedAt", "unitCode", "datasetId"})
"""Members that an instance has a place of its own for."""


def row(id: str, types: tuple[str, ...], given: Given, now: int) -> Instance:
    """Return an instance for history.

    Args:
        id: of the entity.
        types: of the entity.
        given: what a client told.
        now: when. [us since 1970]
    """
    instance = given.instance
    member = value_member(given.kind)
    return Instance(
        entity=id,
        type=" ".join(types),
        attribute=given.attribute,
        dataset=instance.get("datasetId"),
        kind=given.kind,
        time=time_of(instance, now),
        observed="observedAt" in instance,
        value=None if given.deleted else instance[member],
        unit=instance.get("unitCode"),
        more=more_of(instance, member),
        deleted=given.deleted,
        created=now,
        modified=None,
        seq=0,
    )


def time_of(instance: Attribute, otherwise: int) -> int:
    """Return when an instance was observed, or else the time given. [us since 1970]"""
    return time.parse(instance["observedAt"]) if "observedAt" in instance else otherwise


def value_member(kind: str) -> str:
    """Return the member that holds the value of a kind of attribute."""
    return VALUE_MEMBER["Property" if kind == SCOPE else kind]


def more_of(instance: Attribute, value: str) -> Attribute | None:
    """Return the members that history keeps together."""
    return {m: v for m, v in instance.items() if m != value and m not in _COLUMNS} or None
