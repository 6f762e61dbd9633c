"""A city in memory: as it was at an instant, and what has happened to it since.

It is the ground of services that are tried on the past. Changes that had been recorded are told to
it, effects of the service are written to it as the hub writes them, and nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from madang.hub.feed import Event, live
from madang.hub.operations import Keep, Observe
from madang.lake import told
from madang.lake.memory import Memory
from madang.lake.questions import SCOPE, TYPE, Instance, Series
from madang.model import merge
from madang.model.attributes import VALUE_MEMBER, instances
from madang.model.context import CORE
from madang.model.entity import INSTANCE, Document, Entity
from madang.model.errors import ResourceNotFound, TooComplexQuery
from madang.model.normalize import Normalized
from madang.model.normalize import entity as normalized
from madang.model.shape import shape_of
from madang.query.evaluate import accepts
from madang.query.tree import HasType, Query
from madang.store.protocol import Change, ChangeKind

if TYPE_CHECKING:
    import polars

MOST_ENTITIES = 500_000  # in memory; some 2 KB each
UNTOLD = 20_000  # changes that wait before they go into history


class Past:
    """Entities by id. See :class:`madang.services.ground.Ground`.

    Args:
        entities: as they were.
        history: what ``city.history`` asks; it is given what is written here.
        number: of the last change before those that are made here.
    """

    def __init__(
        self, entities: Iterable[Entity] = (), history: Memory | None = None, number: int = 0
    ) -> None:
        self.entities: dict[str, Entity] = {}
        self.number = number
        self.now = 0
        """When the latest change was. [us since 1970]"""
        self._ids: dict[str, set[str]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._history = history
        self._waiting: list[Event] = []
        for entity in entities:
            self._set(entity.id, entity)

    # --- what services ask --------------------------------------------------------------------

    async def get(self, id: str) -> Entity | None:
        return self.entities.get(id)

    async def query(self, query: Query) -> list[Entity]:
        found: list[Entity] = []
        end = query.offset + query.limit
        for id in self._candidates(query):
            entity = self.entities[id]
            if accepts(query, entity, linked=self.entities.get):
                found.append(entity)
                if len(found) >= end:
                    break
        return found[query.offset : end]

    async def frame(self, series: Series) -> polars.DataFrame:
        self._flush()
        assert self._history is not None
        return self._history.frame(series, self.now)

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def _candidates(self, query: Query) -> list[str]:
        """Return ids in order, of one type if one is all that is asked for."""
        if len(query.selectors) == 1 and isinstance(query.selectors[0].types, HasType):
            type = query.selectors[0].types.name
            if type not in self._sorted:
                self._sorted[type] = sorted(self._ids.get(type, ()))
            return self._sorted[type]
        return sorted(self.entities)

    # --- what happens -------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Let a change happen that had been recorded."""
        self.now = max(self.now, event.at)
        old = self.entities.get(event.id)
        if event.entity is None:
            self._set(event.id, None)
            return
        names = tuple(name for name in event.attributes if name != SCOPE)
        content = Normalized(event.entity, {}, shape_of(event.entity), (), names)
        new = (merge.create if old is None else _appended(old))(content, event.at).entity
        assert new is not None
        for path in event.deleted:
            new = _without(new, path, event.at)
        if new.document["type"] != event.entity["type"]:
            new = replace(new, document={**new.document, "type": event.entity["type"]})
        self._set(event.id, new)

    def write(self, document: Document, now: int, *, observe: bool = False) -> Event | None:
        """Create an entity or put attributes, as the hub does; None if that changes nothing.

        Args:
            document: with ``id`` and ``type``; it is copied.
            now: when. [us since 1970]
            observe: leave out what is known already, as of effects and of devices.
        """
        content = normalized(orjson.loads(orjson.dumps(document)), CORE)
        old = self.entities.get(document["id"])
        if observe:
            outcome = Observe(document["id"], content).apply(old, now)
        elif old is None:
            outcome = merge.create(content, now)
        else:
            outcome = merge.append(old, content, now)
        if outcome.entity is None or outcome.entity is old:
            return None
        kind: ChangeKind = "created" if old is None else "updated"
        return self._done(
            Change(kind, now, document["id"], old, outcome.entity, outcome.updated, outcome.deleted)
        )

    def remove(self, id: str, names: Sequence[str], now: int) -> Event | None:
        """Remove attributes of an entity; None if it has none of them."""
        old = self.entities.get(id)
        if old is None or not any(name in old.document for name in names):
            return None
        outcome = Keep(id, frozenset(names), drop=True).apply(old, now)
        return self._done(Change("updated", now, id, old, outcome.entity, (), outcome.deleted))

    def delete(self, id: str, now: int) -> Event:
        """Delete an entity that is there."""
        return self._done(Change("deleted", now, id, self.entities[id], None, ()))

    def close(self) -> None:
        """Let go of history."""
        if self._history is not None:
            self._history.close()

    def _done(self, change: Change) -> Event:
        self.now = max(self.now, change.at)
        self.number += 1
        change.number = self.number
        self._set(change.id, change.after)
        event = live(change)
        self._waiting.append(event)
        if self._history is not None and len(self._waiting) > UNTOLD:
            self._flush()
        return event

    def _set(self, id: str, entity: Entity | None) -> None:
        old = self.entities.get(id)
        before = () if old is None else old.types
        after = () if entity is None else entity.types
        if before != after:
            for type in {*before, *after}:
                self._sorted.pop(type, None)
            for type in before:
                self._ids[type].discard(id)
            for type in after:
                self._ids.setdefault(type, set()).add(id)
        if entity is None:
            self.entities.pop(id, None)
            return
        if old is None and len(self.entities) >= MOST_ENTITIES:
            raise TooComplexQuery(
                f"a service is tried on {MOST_ENTITIES:,} entities at most; this city has more of"
                " the types that it needs"
            )
        self.entities[id] = entity

    def _flush(self) -> None:
        """Put what was written into history."""
        if self._history is None:
            self._history = Memory()
        waiting, self._waiting = self._waiting, []
        rows = [row for event in waiting for row in _instances(event)]
        if rows:
            self._history.add(rows)


def _appended(old: Entity) -> Callable[[Normalized, int], Any]:
    return lambda content, now: merge.append(old, content, now)


def _without(entity: Entity, path: str, now: int) -> Entity:
    name, _, dataset = path.partition(INSTANCE)
    try:
        return merge.delete_attribute(entity, name, dataset or None, False, now).entity or entity
    except ResourceNotFound:
        return entity


def _instances(event: Event) -> list[Instance]:
    """Return a change as history keeps it."""
    types = " ".join(event.types)
    if event.entity is None:
        return [_row(event, types, TYPE, "Deleted", None, True)]
    found = [_row(event, types, TYPE, "Created", types, False)] if event.kind == "created" else []
    for name in event.attributes:
        value = event.entity[name]
        if name == SCOPE:
            found.append(_row(event, types, SCOPE, "Scope", value, False))
        else:
            found += [_put(event, types, name, one) for one in instances(value)]
    for path in event.deleted:
        name, _, dataset = path.partition(INSTANCE)
        found.append(_row(event, types, name, "Property", None, True, dataset or None))
    return found


def _put(event: Event, types: str, name: str, one: dict[str, Any]) -> Instance:
    member = VALUE_MEMBER[one["type"]]
    return Instance(
        event.id, types, name, one.get("datasetId"), one["type"], told.time_of(one, event.at),
        "observedAt" in one, one[member], one.get("unitCode"), told.more_of(one, member),
        False, event.at, None, 0,
    )  # fmt: skip


def _row(
    event: Event,
    types: str,
    name: str,
    kind: str,
    value: Any,
    deleted: bool,
    dataset: str | None = None,
) -> Instance:
    return Instance(
        event.id, types, name, dataset, kind, event.at, False, value, None, None, deleted,
        event.at, None, 0,
    )  # fmt: skip
