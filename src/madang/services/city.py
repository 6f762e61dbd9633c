"""What a function of a service gets: the city at one moment, and what may be done to it.

What is done is gathered and carried out when the function has returned, so that a function that
fails has done nothing. Each call has a key of its own (the change or the time that it is for), and
ids are made of it: a call that is made again after a crash does the same things again, under the
same ids, and so the city has them once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import orjson

from madang.model import time
from madang.model.context import CORE
from madang.model.entity import Document
from madang.query.q import parse
from madang.query.tree import HasType, Query, Selector
from madang.services import records
from madang.services.ground import Ground, Kept
from madang.services.records import COMMAND, DECISION, INDICATOR, Severity
from madang.services.schedule import MICROSECONDS
from madang.services.service import Text

if TYPE_CHECKING:
    import polars

    from madang.lake.questions import Series
    from madang.services.service import Options, Service

MOST_FOUND = 10_000  # entities in one answer
MOST_TIMERS = 10_000  # of a service
VALUE_MEMBERS = ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList")


class Thing(Mapping[str, Any]):
    """An entity as a service sees it: values by attribute; that of a missing one is None.

    >>> bench = Thing({"id": "urn:b", "type": "Bench", "load": {"type": "Property", "value": 70}})
    >>> bench["load"], bench["colour"], list(bench)
    (70, None, ['load'])
    >>> "colour" in bench, bench.get("colour", "green")
    (False, 'green')
    """

    __slots__ = ("document",)

    def __init__(self, document: Document) -> None:
        self.document = document

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def type(self) -> str:
        """Its type, the first if there are several."""
        found = self.document["type"]
        return str(found if isinstance(found, str) else found[0])

    def attribute(self, name: str) -> dict[str, Any]:
        """Return an attribute with its unit and times, its first instance; empty if missing."""
        found = self.document.get(name, {})
        first: dict[str, Any] = found[0] if isinstance(found, list) else found
        return first

    def observed(self, name: str) -> datetime | None:
        """Return when the value of an attribute was measured."""
        at = self.attribute(name).get("observedAt")
        return None if at is None else moment(time.parse(at))

    def __getitem__(self, name: str) -> Any:
        found = self.attribute(name)
        return next((found[member] for member in VALUE_MEMBERS if member in found), None)

    def __contains__(self, name: object) -> bool:
        return name in self.document

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default if the attribute is missing."""
        return self[name] if name in self.document else default

    def __iter__(self) -> Any:
        return (name for name in self.document if name not in ("id", "type", "scope", "@context"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Change:
    """Something happened to an entity."""

    id: str
    at: datetime
    kind: str
    """``created``, ``updated`` or ``deleted``."""
    put: Thing
    """The attributes that were put; none if it was deleted."""


class City:
    """The city, for one call of one function of a service."""

    def __init__(
        self,
        service: Service,
        ground: Ground,
        options: Options,
        kept: Kept,
        instant: int,
        key: str,
        seed: int,
    ) -> None:
        self._service = service
        self._ground = ground
        self._kept = kept
        self._instant = instant
        self._key = key
        self._seed = seed
        self._records = 0
        self._chance: random.Random | None = None
        self.options: Any = options
        self.effects: dict[str, Document] = {}
        """What is to be written, by entity."""
        self.removed: dict[str, set[str]] = {}
        """Attributes that are to go, by entity."""

    @property
    def now(self) -> datetime:
        """The time of the change, or the time that was due; never the wall clock."""
        return moment(self._instant)

    @property
    def local(self) -> datetime:
        """That time by the clock of the city, in the time zone of the options."""
        return self.now.astimezone(ZoneInfo(getattr(self.options, "time_zone", "UTC")))

    @property
    def instant(self) -> int:
        """That time as a number. [us since 1970]"""
        return self._instant

    @property
    def state(self) -> dict[str, Any]:
        """What the service keeps: JSON values under texts."""
        return self._kept.state

    @property
    def rng(self) -> random.Random:
        """Chance, the same each time this call is made."""
        if self._chance is None:
            self._chance = random.Random(f"{self._seed}/{self._service.name}/{self._key}")
        return self._chance

    async def get(self, id: str) -> Thing | None:
        """Return an entity, or None."""
        entity = await self._ground.get(id)
        return None if entity is None else Thing(entity.document)

    async def find(self, type: str, where: str = "", limit: int = MOST_FOUND) -> list[Thing]:
        """Return entities of a type, by id.

        Args:
            type: one type.
            where: a condition in the query language.
            limit: of entities, at most 10,000.

        Raises:
            ValueError: the limit is out of range.
        """
        if not 0 < limit <= MOST_FOUND:
            raise ValueError(f"limit must be 1 to {MOST_FOUND:,}, not {limit}")
        condition = parse(where, CORE) if where else None
        query = Query((Selector(types=HasType(type)),), q=condition, limit=limit)
        return [Thing(entity.document) for entity in await self._ground.query(query)]

    async def history(self, series: Series) -> polars.DataFrame:
        """Return values over time, none later than now."""
        end = self._instant if series.end is None else min(series.end, self._instant)
        return await self._ground.frame(replace(series, end=end))

    def update(self, id: str, type: str, **attributes: Any) -> None:
        """Put attributes of an entity, as of now; it is made if there is none.

        Args:
            id: of the entity.
            type: of the entity.
            **attributes: values, or whole attributes (``{"type": "Property", "value": 1, …}``).
        """
        work = self.effects.setdefault(id, {"id": id, "type": type})
        at = time.render(self._instant)
        self.removed.get(id, set()).difference_update(attributes)
        for name, value in attributes.items():
            whole = value if _is_attribute(value) else {"type": "Property", "value": value}
            work[name] = {"observedAt": at, **whole} if whole["type"] != "Relationship" else whole

    def remove(self, id: str, type: str, *attributes: str) -> None:
        """Remove attributes of an entity, if they are there."""
        work = self.effects.setdefault(id, {"id": id, "type": type})
        for name in attributes:
            work.pop(name, None)
        self.removed.setdefault(id, set()).update(attributes)

    def decide(
        self,
        what: Text | str,
        *,
        because: Sequence[tuple[Thing, str]] = (),
        expects: Mapping[str, Any] | None = None,
        undo: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> str:
        """Write down a decision; return its id, under which :meth:`learn` adds what came of it.

        Args:
            what: in a sentence that a person understands, with its figures.
            because: the entities and attributes that it is based on.
            expects: what is expected to come of it, by name.
            undo: what would undo it: values by ``entity id`` and attribute, as JSON.
            settings: what it went by, if that is only part of the options.
        """
        went_by = self.options.model_dump(mode="json") if settings is None else dict(settings)
        id, by = self._record_id(DECISION), f"{self._service.name} {self._service.version}"
        seen = [
            (thing.id, name, thing[name], thing.attribute(name).get("observedAt"))
            for thing, name in because
        ]
        found = records.decision(what, by, went_by, seen, expects or {}, undo or {})
        self.update(id, DECISION, **found)
        return id

    def learn(self, decision: str, **outcome: Any) -> None:
        """Add to a decision what came of it."""
        self.update(decision, DECISION, outcome=records.json(outcome))

    def measure(self, indicator: str, value: float) -> None:
        """Set one of the figures that the service declares.

        Raises:
            KeyError: it declares none of that name.
        """
        found = self._service.indicators[indicator]
        id = f"urn:ngsi-ld:{INDICATOR}:{self._service.name}:{indicator}"
        whole = {"type": "Property", "value": value, "unitCode": found.unit}
        self.update(id, INDICATOR, name=records.text(found.title), currentValue=whole)

    def command(
        self,
        target: Thing,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        decision: str = "",
        revert_after: timedelta | None = None,
    ) -> str:
        """Ask for a command to a device; return the id of the ``Command``, which tells its fate.

        Args:
            target: the device, or the entity that it controls.
            name: of the command, as the profile of the device has it.
            parameters: of the command, JSON values.
            decision: the decision that it follows from.
            revert_after: after which it is taken back by itself.

        Raises:
            ValueError: the service does not say that it commands things of this type.
        """
        if target.type not in self._service.commands:
            known = ", ".join(self._service.commands) or "none"
            raise ValueError(f"{self._service.name} commands things of {known}, not {target.type}")
        id, by = self._record_id(COMMAND), f"service:{self._service.name}"
        after_s = None if revert_after is None else revert_after.total_seconds()
        wanted = records.command(
            target.id, name, parameters or {}, by, self._instant, decision, after_s
        )
        self.update(id, COMMAND, **wanted)
        return id

    def alert(
        self,
        name: str,
        *,
        kind: str,
        severity: Severity,
        title: Text,
        text: Text | None = None,
        about: Sequence[Thing] = (),
        location: Mapping[str, Any] | None = None,
    ) -> str:
        """Raise an alert, or tell more of it; return its id. Alerts become incidents.

        Args:
            name: of this alert of the service; the same name is the same alert.
            kind: what has happened, such as ``waterLeak``.
            severity: ``informational`` to ``critical``.
            title: in a few words.
            text: what people should know.
            about: entities that it concerns.
            location: GeoJSON; none is that of the first of them.
        """
        id = self._alert_id(name)
        place = location or next((one["location"] for one in about if one["location"]), None)
        source = f"service:{self._service.name}"
        told = records.alert(
            kind, severity, title, text, [one.id for one in about], place, self._instant, source
        )
        self.update(id, records.ALERT, **told)
        return id

    def end_alert(self, name: str) -> None:
        """End an alert that this service has raised."""
        self.update(self._alert_id(name), records.ALERT, **records.ended(self._instant))

    def notify(
        self, people: str, title: Text, text: Text, *, about: str = "", urgent: bool = False
    ) -> str:
        """Tell people something, on the ways that they have chosen; return the id of the notice.

        Args:
            people: name of a person, a group or a rota.
            title: in a few words.
            text: what they should know.
            about: id of the entity that it concerns.
            urgent: now, also at night.
        """
        id = self._record_id(records.NOTICE)
        by = f"service:{self._service.name}"
        self.update(id, records.NOTICE, **records.notice(people, title, text, about, urgent, by))
        return id

    async def compute(self, function: Callable[..., Any], *args: Any) -> Any:
        """Return what a function gives that takes long (over 20 ms); others go on meanwhile.

        Args:
            function: of a module; it depends on nothing but its arguments.
            *args: what can be pickled: JSON values, arrays, frames.
        """
        return await self._ground.compute(function, *args)

    def at(self, when: datetime | timedelta, function: str, name: str = "", **given: Any) -> None:
        """Call a function of the service later, once; it is kept over restarts.

        Args:
            when: the time, or how long from now.
            function: its name; it is marked with ``@service.timer``.
            name: of this timer; one of the same name is replaced.
            **given: JSON values that the function is given.

        Raises:
            KeyError: the service has no such function.
            ValueError: there are 10,000 timers already.
        """
        self._service.on_timer[function]
        timers = self._kept.timers
        chosen = name or f"{function} {self._key}"
        if len(timers) >= MOST_TIMERS and chosen not in timers:
            raise ValueError(f"a service has at most {MOST_TIMERS:,} timers")
        if isinstance(when, timedelta):
            due = self._instant + when // timedelta(microseconds=1)
        else:
            due = int(when.timestamp() * MICROSECONDS)
        orjson.dumps(given)  # what cannot be kept must fail now, not at the end
        timers[chosen] = (due, function, given)

    def cancel(self, name: str) -> None:
        """Remove a timer, if it is there."""
        self._kept.timers.pop(name, None)

    def _record_id(self, type: str) -> str:
        """Return an id that this call gives again when it is made again."""
        self._records += 1
        key = quote(self._key, safe="")
        return f"urn:ngsi-ld:{type}:{self._service.name}:{key}:{self._records}"

    def _alert_id(self, name: str) -> str:
        return f"urn:ngsi-ld:{records.ALERT}:{self._service.name}:{quote(name, safe='')}"


def moment(instant: int) -> datetime:
    """Return an instant as a time in UTC. [us since 1970]"""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)


def _is_attribute(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value and any(m in value for m in VALUE_MEMBERS)
