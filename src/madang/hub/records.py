"""Entities that only Madang itself writes: what it was asked to do, what it did, what it decided.

People rely on them as on a log, and a ``Command`` that is there is carried out, so nobody may make,
change or delete one beside the way that checks who asks. The writer holds this for every surface,
and for administrators as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from madang.model.errors import Forbidden

if TYPE_CHECKING:
    from madang.hub.operations import Operation
    from madang.model.entity import Entity
    from madang.model.state import Outcome

RECORDS: Final = {
    "Command": "commands are asked for at POST /commands (`madang command send`)",
    "Incident": "incidents are opened and changed at /incidents (`madang incident`)",
    "Notice": "people are told by services and by playbooks of incidents",
    "Decision": "decisions are written by the services that make them",
    "TagSearch": "searches for watch-over tags are opened at POST /watch-over/searches",
    "Playbook": "playbooks are saved at /playbooks, which checks them (`madang playbook save`)",
}
"""Types of entities, each with the way to have one written."""


@dataclass(slots=True)
class Own:
    """An operation of Madang itself, which may write records."""

    operation: Operation

    @property
    def id(self) -> str:
        return self.operation.id

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return self.operation.apply(current, now)


def record_of(before: Entity | None, after: Entity | None) -> str:
    """Return the type by which an entity is or becomes a record; empty if it is none."""
    state = before if after is None else after
    if state is None:
        return ""
    kinds = state.document["type"]
    is_same = before is None or before.document["type"] is kinds
    if is_same and type(kinds) is str and kinds not in RECORDS:  # as good as always
        return ""
    found = {*_kinds(before), *_kinds(after)} & RECORDS.keys()
    return min(found, default="")


def _kinds(entity: Entity | None) -> list[str]:
    return [] if entity is None else entity.types


def refusal(type: str) -> Forbidden:
    """Return why a record is not written as asked, and the way out."""
    return Forbidden(f"entities of the type {type} are written by Madang only: {RECORDS[type]}")
