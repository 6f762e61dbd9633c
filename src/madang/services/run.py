"""A service at work on a city: told of changes in their order, and of time as it passes.

It does not care where changes and time come from, and it writes nothing itself: who drives it takes
what is to be written. So it does the same for the live city as for a day of its history.
"""

from __future__ import annotations

import time as clocks
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
import shapely

from madang.model.entity import Document, Entity
from madang.model.errors import MadangError
from madang.model.geometry import Geometry
from madang.query.evaluate import compile
from madang.services.city import Change, City, Thing, moment
from madang.services.ground import Kept
from madang.services.quality import has_failed
from madang.services.schedule import schedule

if TYPE_CHECKING:
    from madang.hub.feed import Event
    from madang.services.ground import Ground
    from madang.services.service import Handler, OnChange, Service

NEVER = 2**63 - 1


class Effect(NamedTuple):
    """Something to be written, and the call that wanted it."""

    key: str
    function: str
    document: Document
    """What is put."""
    removed: tuple[str, ...] = ()
    """Attributes that are to go."""


class ServiceFailed(MadangError):
    """A function of a service raised an error. What it had done in that call is left out."""

    def __init__(self, service: str, function: str, key: str, cause: Exception) -> None:
        super().__init__(f"{service}.{function}: {type(cause).__name__}: {cause}")
        self.key = key
        """Of the call; see :attr:`madang.services.city.Kept.skip`."""
        self.cause = cause
        self.at = clocks.time_ns() // 1000
        self.trace = "".join(traceback.format_exception(cause))


class Run:
    """One service on one city. After :class:`ServiceFailed` it must not be used any more.

    Args:
        service: which.
        ground: what it sees.
        options: its settings.
        kept: what it keeps; changed in place.
        seed: of chance.
    """

    def __init__(
        self, service: Service, ground: Ground, options: Any, kept: Kept, seed: int = 0
    ) -> None:
        service = service.fitted(options)
        self._service = service
        self._ground = ground
        self._options = options
        self._seed = seed
        self._rules: dict[str, list[OnChange]] = {}
        for rule in service.on_change:
            self._rules.setdefault(rule.type, []).append(rule)
        self.kept = kept
        self.effects: list[Effect] = []
        """What is to be written, in order; who writes it empties the list."""
        self.calls = 0
        self._schedules = [
            schedule(one.when, options.time_zone if one.zone is None else one.zone)
            for one in service.on_time
        ]
        self._due = [one.after(kept.instant) for one in self._schedules]

    @property
    def due(self) -> int:
        """When something is next due. [us since 1970]"""
        timers = (due for due, _, _ in self.kept.timers.values())
        return min(min(self._due, default=NEVER), min(timers, default=NEVER))

    def concerns(self, event: Event) -> bool:
        """Tell whether there is something to do for a change of such types."""
        return not self._rules.keys().isdisjoint(event.types)

    async def change(self, event: Event) -> None:
        """Do what is due before a change, and then what the change is for.

        Raises:
            ServiceFailed: a function did.
        """
        if event.at >= self.due:
            await self.until(event.at)
        called: set[Handler] = set()  # once, though an entity may have several types
        sound = _sound(event)
        for type in event.types:
            for rule in self._rules.get(type, ()):
                told = event if rule.failed else sound
                if told is None or rule.handler in called or not _applies(rule, told):
                    continue
                if rule.area is None or await self._is_inside(rule.area, told):
                    called.add(rule.handler)
                    key = f"{rule.handler.__name__}-{event.position}"
                    await self._call(rule.handler, event.at, key, _change(told))
        self.kept.position = event.position

    async def until(self, instant: int) -> None:
        """Do everything that is due up to an instant, in its order.

        Raises:
            ServiceFailed: a function did.
        """
        while (due := self.due) <= instant:
            for place, rule in enumerate(self._service.on_time):
                if self._due[place] == due:
                    self._due[place] = self._schedules[place].after(due)
                    await self._call(rule.handler, due, f"{rule.handler.__name__}-{due}")
            for name, (when, function, given) in sorted(self.kept.timers.items()):
                if when <= due and self.kept.timers.get(name) == (when, function, given):
                    del self.kept.timers[name]
                    handler = self._service.on_timer[function]
                    await self._call(handler, when, f"{function}-{when}-{name}", **given)
        self.kept.instant = max(self.kept.instant, instant)

    async def _call(self, handler: Handler, at: int, key: str, /, *args: Any, **given: Any) -> None:
        if key == self.kept.skip:
            return
        service, function = self._service, handler.__name__
        city = City(service, self._ground, self._options, self.kept, at, key, self._seed)
        self.calls += 1
        try:
            await handler(city, *args, **given)
        except Exception as error:
            raise ServiceFailed(service.name, function, key, error) from error
        removed = city.removed
        self.effects += [
            Effect(key, function, one, tuple(sorted(removed.get(id, ()))))
            for id, one in city.effects.items()
        ]

    async def _is_inside(self, area: Geometry | str, event: Event) -> bool:
        wanted = getattr(self._options, area) if isinstance(area, str) else area
        if wanted is None:
            return True
        if event.entity is None:  # deleted; nobody knows any more where it was
            return False
        place = Thing(event.entity)["location"]
        if place is None and (known := await self._ground.get(event.id)) is not None:
            place = Thing(known.document)["location"]
        if place is None:
            return False
        there = shapely.from_geojson(orjson.dumps(place))
        return bool(_prepared(orjson.dumps(wanted)).intersects(there))


@lru_cache(256)
def _prepared(body: bytes) -> shapely.Geometry:
    found = shapely.from_geojson(body)
    shapely.prepare(found)
    return found


def _sound(event: Event) -> Event | None:
    """Return a change without values that failed their quality tests; None: nothing is left."""
    entity = event.entity
    if entity is None:
        return event
    failed = {name for name in event.attributes if has_failed(entity.get(name))}
    if not failed:
        return event
    left = tuple(name for name in event.attributes if name not in failed)
    if not left and not event.deleted and event.kind == "updated":
        return None
    document = {name: value for name, value in entity.items() if name not in failed}
    return replace(event, attributes=left, entity=document)


def _applies(rule: OnChange, event: Event) -> bool:
    if rule.attributes and rule.attributes.isdisjoint(event.attributes):
        return False
    if rule.where is None:
        return True
    if event.entity is None:
        return False
    return compile(rule.where)(Entity(event.entity, event.at, event.at, event.at), None)


def _change(event: Event) -> Change:
    document = event.entity or {"id": event.id, "type": _type(event.types)}
    return Change(event.id, moment(event.at), event.kind, Thing(document))


def _type(types: Sequence[str]) -> str | list[str]:
    return types[0] if len(types) == 1 else list(types)
