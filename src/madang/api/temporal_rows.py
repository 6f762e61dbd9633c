"""What clients tell of the past, as instances that history keeps and as a current entity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from madang.lake.protocol import TYPE, Instance
from madang.model import time
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import Attribute, Document
from madang.model.errors import BadRequestData
from madang.model.evolution import SCOPE
from madang.model.evolution_input import Evolution, Given

_COLUMNS: Final = frozenset({"type", "observedAt", "unitCode", "datasetId"})
"""Members that an instance has a place of its own for."""


def attribute_of(name: str) -> str:
    """Return the name of something that has a history."""
    if name in ("id", TYPE):
        raise BadRequestData(f"{name} is no attribute; it has no history of its own")
    return name


def row(id: str, types: tuple[str, ...], given: Given, now: int) -> Instance:
    """Return an instance for history.

    Args:
        id: of the entity.
        types: of the entity.
        given: what a client told.
        now: when. [us since 1970]
    """
    instance = given.instance
    member = _value_member(given.kind)
    return Instance(
        entity=id,
        type=" ".join(types),
        attribute=given.attribute,
        dataset=instance.get("datasetId"),
        kind=given.kind,
        time=_time(instance, now),
        observed="observedAt" in instance,
        value=None if given.deleted else instance[member],
        unit=instance.get("unitCode"),
        more=_more(instance, member),
        deleted=given.deleted,
        created=now,
        modified=None,
        seq=0,
    )


def retyped(id: str, types: tuple[str, ...], now: int) -> Instance:
    """Return what says that an entity has these types from now on."""
    value = list(types) if len(types) > 1 else types[0]
    return Instance(
        entity=id,
        type=" ".join(types),
        attribute=TYPE,
        dataset=None,
        kind="Retyped",
        time=now,
        observed=False,
        value=value,
        unit=None,
        more=None,
        deleted=False,
        created=now,
        modified=None,
        seq=0,
    )


def changed(old: Instance, fragment: Attribute, now: int) -> Instance:
    """Return an instance with the given members in the place of its own (clause 5.6.14).

    Raises:
        BadRequestData: it would be an instance of something else.
    """
    if fragment.get("type", old.kind) != old.kind and old.kind != SCOPE:
        raise BadRequestData(f"{old.attribute} is a {old.kind} there; a change keeps its type")
    if fragment.get("datasetId", old.dataset) != old.dataset:
        raise BadRequestData(f"{old.attribute}.datasetId cannot change; it tells instances apart")
    member = _value_member(old.kind)
    more = {**(old.more or {}), **(_more(fragment, member) or {})}
    return old._replace(
        time=_time(fragment, old.time),
        observed=old.observed or "observedAt" in fragment,
        value=fragment.get(member, old.value),
        deleted=old.deleted and member not in fragment,
        unit=fragment.get("unitCode", old.unit),
        more=more or None,
        modified=now,
    )


def current(id: str, told: Evolution, now: int) -> tuple[Document, list[Given]]:
    """Return the current entity that a history leads to, and the instances that are not in it.

    It has the newest instance of each attribute and datasetId, unless that was a deletion.
    """
    newest = _newest(told.given, now)
    document: Document = {"id": id, "type": list(told.types)}
    left: list[Given] = []
    for place, one in enumerate(told.given):
        if place not in newest or one.deleted:
            left.append(one)
        elif one.kind != SCOPE:
            document.setdefault(one.attribute, []).append(dict(one.instance))
        else:
            document["scope"] = one.instance["value"]
            if "observedAt" in one.instance:  # which no entity tells of its scope
                left.append(one)
    return document, left


def _newest(given: Sequence[Given], now: int) -> set[int]:
    """Return the places of the newest instance of each attribute and datasetId."""
    in_order = sorted(enumerate(given), key=lambda item: _time(item[1].instance, now))
    newest = {(one.attribute, one.instance.get("datasetId")): place for place, one in in_order}
    return set(newest.values())


def _time(instance: Attribute, otherwise: int) -> int:
    return time.parse(instance["observedAt"]) if "observedAt" in instance else otherwise


def _value_member(kind: str) -> str:
    return VALUE_MEMBER["Property" if kind == SCOPE else kind]


def _more(instance: Attribute, value: str) -> Attribute | None:
    """Return the members that history keeps together."""
    return {m: v for m, v in instance.items() if m != value and m not in _COLUMNS} or None
