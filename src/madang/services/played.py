"""A service at work on a city in memory, step by step: for replays, and for tests of services.

>>> import asyncio
>>> from madang.services.service import Service, Text
>>> service = Service(
...     "benches",
...     title=Text("Benches in the sun", "양지바른 벤치"),
...     purpose=Text("Tells which benches are warm.", "따뜻한 벤치를 알려 줍니다."),
...     category="cultureAndTourism",
...     gives=["Bench"],
... )
>>> @service.on("Bench", attributes=["temperature"], where="temperature>20")
... async def warm(city, change):
...     city.update(change.id, "Bench", status="warm")
>>> played = Played(service, at("2026-07-01 12:00"))
>>> asyncio.run(played.put(at("2026-07-01 12:01"), "urn:ngsi-ld:Bench:1", "Bench", temperature=25))
>>> played.thing("urn:ngsi-ld:Bench:1")["status"]
'warm'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from madang.hub.feed import Event
from madang.model.entity import Document
from madang.model.errors import Forbidden, MadangError, NgsiError
from madang.services.city import Thing
from madang.services.ground import Kept
from madang.services.past import Past
from madang.services.run import Effect, Run, ServiceFailed
from madang.services.service import Service
from madang.services.working import principal_of

MOST_ROUNDS = 50  # in which a service answers what it has written itself


class GoesRound(MadangError):
    """A service answers its own writes again and again."""


class Player:
    """Drives a service on a past: tells it of changes, writes its effects, tells it of those.

    Args:
        service: which.
        past: the city below it.
        options: its settings.
        kept: what it keeps; changed in place.
        seed: of chance.
        wrote: is told of each effect, and when it came about. [us since 1970]
    """

    def __init__(
        self,
        service: Service,
        past: Past,
        options: Any,
        kept: Kept,
        seed: int = 0,
        wrote: Callable[[Effect, int], None] | None = None,
    ) -> None:
        self.past = past
        self.run = Run(service, past, options, kept, seed)
        self._service = service
        self._writes = principal_of(service.fitted(options), "").writes
        self._wrote = wrote

    async def change(self, event: Event) -> None:
        """Let what is due before a change happen, and then tell of the change.

        Raises:
            ServiceFailed: a function did, or what it wrote cannot be written.
            GoesRound: it does not come to an end.
        """
        if event.at >= self.run.due:
            await self.until(event.at)
        await self.run.change(event)
        await self._settle(event.at)

    async def until(self, instant: int) -> None:
        """Let time pass, up to and with an instant.

        Raises:
            ServiceFailed, GoesRound: as of :meth:`change`.
        """
        while (due := self.run.due) <= instant:
            self.past.now = max(self.past.now, due)
            await self.run.until(due)
            await self._settle(due)
        await self.run.until(instant)

    async def _settle(self, now: int) -> None:
        """Write effects until there are no more."""
        rounds = 0
        while self.run.effects:
            rounds += 1
            if rounds > MOST_ROUNDS:
                raise GoesRound(
                    f"the service {self._service.name} answers its own writes again and again, the"
                    f" last time {self.run.effects[0].document['id']}; it must leave out what it"
                    " has written itself"
                )
            effects, self.run.effects = self.run.effects, []
            for effect in effects:
                await self._write(effect, now)

    async def _write(self, effect: Effect, now: int) -> None:
        document = effect.document
        if self._wrote is not None:
            self._wrote(effect, now)
        try:
            if document["type"] not in self._writes:
                raise Forbidden(
                    f"it writes {document['type']}, which it does not say that it gives"
                )
            event = None
            if len(document) > 2:  # more than id and type
                event = self.past.write(document, now, observe=True)
        except NgsiError as error:
            raise ServiceFailed(self._service.name, effect.function, effect.key, error) from error
        if event is not None:
            await self.run.change(event)
        event = self.past.remove(document["id"], effect.removed, now)
        if event is not None:
            await self.run.change(event)


def at(text: str) -> int:
    """Return a time in UTC, such as ``2026-03-02 09:00``. [us since 1970]"""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


class Played:
    """One service on a city in memory, for tests: put values, let time pass, look.

    Args:
        service: which.
        start: when it is started. [us since 1970]
        options: its settings.
    """

    def __init__(self, service: Service, start: int, **options: Any) -> None:
        self.service = service
        self.options = service.given(options)
        self.ground = Past()
        self.kept = Kept(0, start)
        self.written: list[Document] = []
        """All effects so far, in their order."""
        self._player = self._playing()

    @property
    def run(self) -> Run:
        """The service at work."""
        return self._player.run

    async def put(self, now: int, id: str, type: str, **attributes: Any) -> None:
        """Put values, or whole attributes, of an entity; tell the service."""
        document: Document = {"id": id, "type": type}
        for name, value in attributes.items():
            whole = isinstance(value, dict) and "type" in value
            document[name] = value if whole else {"type": "Property", "value": value}
        await self._player.until(now)
        await self._told(self.ground.write(document, now))

    async def delete(self, now: int, id: str) -> None:
        """Delete an entity; tell the service."""
        await self._player.until(now)
        await self._told(self.ground.delete(id, now))

    async def until(self, now: int) -> None:
        """Let time pass."""
        await self._player.until(now)

    def restart(self) -> None:
        """Stop the service, and start it with what it kept as JSON."""
        kept = orjson.loads(orjson.dumps(asdict(self.kept)))
        timers = {name: tuple(timer) for name, timer in kept.pop("timers").items()}
        self.kept = Kept(**kept, timers=timers)
        self._player = self._playing()

    def thing(self, id: str) -> Thing:
        """Return an entity as it is."""
        return Thing(self.ground.entities[id].document)

    def things(self, type: str) -> list[Thing]:
        """Return the entities of a type, by id."""
        found = (one.document for _, one in sorted(self.ground.entities.items()))
        return [Thing(document) for document in found if document["type"] == type]

    def _playing(self) -> Player:
        def wrote(effect: Effect, _now: int) -> None:
            self.written.append(effect.document)

        return Player(self.service, self.ground, self.options, self.kept, wrote=wrote)

    async def _told(self, event: Event | None) -> None:
        if event is not None:
            await self._player.change(event)
