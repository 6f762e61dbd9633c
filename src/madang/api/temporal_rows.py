"""What clients tell of the past, as instances that history keeps and as a current entity."""

from __future__ import annotations

from collections.abc import Sequence

from madang.lake.questions import TYPE, Instance
from madang.lake.told import more_of, time_of, value_member
from madang.model.entity import Attribute, Document
from madang.model.errors import BadRequestData
from madang.model.evolution import SCOPE
from madang.model.evolution_input import Evolution, Given


def attribute_of(name: str) -> str:
    """Return the name of something that has a history."""
    if name in ("id", TYPE):
        raise BadRequestData(f"{name} is no attribute; it has no history of its own")
    return name


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
    member = value_member(old.kind)
    more = {**(old.more or {}), **(more_of(fragment, member) or {})}
    return old._replace(
        time=time_of(fragment, old.time),
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
    in_order = sorted(enumerate(given), key=lambda item: time_of(item[1].instance, now))
    newest = {(one.attribute, one.instance.get("datasetId")): place for place, one in in_order}
    return set(newest.values())
