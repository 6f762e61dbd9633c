"""A city in memory, and one service at work on it: what it writes is written, and told it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from madang.hub.feed import Event, live
from madang.hub.operations import Keep, Observe
from madang.lake.questions import Series
from madang.model import merge
from madang.model.context import CORE
from madang.model.entity import Document, Entity
from madang.model.normalize import entity as normalized
from madang.query.evaluate import accepts
from madang.query.tree import Query
from madang.services.city import Thing
from madang.services.ground import Kept
from madang.services.run import Run
from madang.services.service import Service
from madang.store.protocol import Change, ChangeKind


def at(text: str) -> int:
    """Return a time in UTC, such as ``2026-03-02 09:00``. [us since 1970]"""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


class Ground:
    """Entities by id, and the number of the last change. It has no history."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.number = 0

    async def get(self, id: str) -> Entity | None:
        return self.entities.get(id)

    async def query(self, query: Query) -> list[Entity]:
        found = [one for _, one in sorted(self.entities.items()) if accepts(query, one)]
        return found[query.offset : query.offset + query.limit]

    async def frame(self, series: Series) -> Any:
        raise NotImplementedError("a city in memory has no history")

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

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
        self.entities[document["id"]] = outcome.entity
        kind: ChangeKind = "created" if old is None else "updated"
        return self._event(
            Change(kind, now, document["id"], old, outcome.entity, outcome.updated, outcome.deleted)
        )

    def remove(self, id: str, names: Sequence[str], now: int) -> Event | None:
        """Remove attributes of an entity; None if it has none of them."""
        old = self.entities.get(id)
        if old is None or not any(name in old.document for name in names):
            return None
        outcome = Keep(id, frozenset(names), drop=True).apply(old, now)
        assert outcome.entity is not None
        self.entities[id] = outcome.entity
        return self._event(Change("updated", now, id, old, outcome.entity, (), outcome.deleted))

    def delete(self, id: str, now: int) -> Event:
        """Delete an entity that is there."""
        return self._event(Change("deleted", now, id, self.entities.pop(id), None, ()))

    def _event(self, change: Change) -> Event:
        self.number += 1
        change.number = self.number
        return live(change)


class Played:
    """One service on a city in memory.

    Args:
        service: which.
        start: when it is started. [us since 1970]
        options: its settings.
    """

    def __init__(self, service: Service, start: int, **options: Any) -> None:
        self.service = service
        self.options = service.given(options)
        self.ground = Ground()
        self.kept = Kept(0, start)
        self.run = Run(service, self.ground, self.options, self.kept)
        self.written: list[Document] = []
        """All effects so far, in their order."""

    async def put(self, now: int, id: str, type: str, **attributes: Any) -> None:
        """Put values, or whole attributes, of an entity; tell the service."""
        document: Document = {"id": id, "type": type}
        for name, value in attributes.items():
            whole = isinstance(value, dict) and "type" in value
            document[name] = value if whole else {"type": "Property", "value": value}
        await self._told(self.ground.write(document, now))

    async def delete(self, now: int, id: str) -> None:
        """Delete an entity; tell the service."""
        await self._told(self.ground.delete(id, now))

    async def until(self, now: int) -> None:
        """Let time pass."""
        await self.run.until(now)
        await self._settle(now)

    def restart(self) -> None:
        """Stop the service, and start it with what it kept as JSON."""
        kept = orjson.loads(orjson.dumps(asdict(self.kept)))
        timers = {name: tuple(timer) for name, timer in kept.pop("timers").items()}
        self.kept = Kept(**kept, timers=timers)
        self.run = Run(self.service, self.ground, self.options, self.kept)

    def thing(self, id: str) -> Thing:
        """Return an entity as it is."""
        return Thing(self.ground.entities[id].document)

    def things(self, type: str) -> list[Thing]:
        """Return the entities of a type, by id."""
        found = (one.document for _, one in sorted(self.ground.entities.items()))
        return [Thing(document) for document in found if document["type"] == type]

    async def _told(self, event: Event | None) -> None:
        if event is not None:
            await self.run.change(event)
            await self._settle(event.at)

    async def _settle(self, now: int) -> None:
        """Write effects until there are no more; a service must not go round in circles."""
        rounds = 0
        while self.run.effects:
            rounds += 1
            assert rounds < 10, "the service answers its own writes again and again"
            effects, self.run.effects = self.run.effects, []
            for effect in effects:
                self.written.append(effect.document)
                event = self.ground.write(effect.document, now, observe=True)
                if event is not None:
                    await self.run.change(event)
                event = self.ground.remove(effect.document["id"], effect.removed, now)
                if event is not None:
                    await self.run.change(event)
