"""The history of a tenant as one principal sees it, and what they may correct of it.

Consent opens nothing of the past here: who agreed to a purpose agreed to what is read from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from madang.lake.protocol import Correctable, Lake, Readable
from madang.lake.questions import (
    Aggregates,
    Difference,
    Instance,
    Kind,
    Logged,
    Method,
    Past,
    Pasts,
    Period,
    Series,
    Wanted,
)
from madang.lake.rules import Rules
from madang.lake.sql_run import Moment, moment
from madang.model.entity import Entity
from madang.model.errors import Forbidden
from madang.query.reach import Hidden, HiddenNames, Reach
from madang.query.tree import Query, Selector
from madang.trust.events import Event
from madang.trust.hiding import OnPersonal, Reading

if TYPE_CHECKING:
    import polars

    from madang.hub.history import History

T = TypeVar("T")

MOST_TARGETS = 1_000  # of one event in the audit log


class SeenHistory:
    """Stands in for :class:`madang.hub.history.History` wherever somebody is answered.

    Args:
        history: what there is.
        reach: what may be read of it.
        update: what may be corrected; its hidden attributes may not.
        guard: records what a person changes.
        on_personal: is told of personal data that was shown.
    """

    def __init__(
        self,
        history: History,
        reach: Reach,
        update: Reach,
        record: Callable[[Sequence[str]], Awaitable[None]],
        on_personal: OnPersonal,
    ) -> None:
        self._history = history
        self._reach = reach
        self._update = update
        self._record = record
        self._on_personal = on_personal

    @property
    def reach(self) -> Reach:
        """What may be read."""
        return self._reach

    @property
    def is_open(self) -> bool:
        """Whether there is anything of it that may be read."""
        return not self._reach.is_empty

    @property
    def last(self) -> int:
        """The sequence number of the last change of the tenant."""
        return self._history.last

    async def newest(self) -> int:
        """Return the sequence number of the last change, whichever hub it came from."""
        return await self._history.newest()

    async def read(self, question: Callable[[Readable], T]) -> T:
        """Ask what may be seen of the lake something, in a thread."""
        reading = Reading()

        def asked(lake: Lake) -> T:
            return question(_seen(lake, self._reach, reading))

        found = await self._history.read(asked)
        reading.tell(self._on_personal)
        return found

    async def tables(self, folder: Path) -> Moment:
        """Return what SQL may ask of it; see :meth:`madang.hub.history.History.tables`."""
        reach = self._reach
        return await self._history.read(lambda lake: moment(lake, reach, folder))

    async def frame(self, series: Series) -> polars.DataFrame:
        """Return values over time as a Polars frame."""
        return await self.read(lambda lake: lake.frame(series))

    def _admit(self) -> None:
        if self._update.condition is not None:
            raise Forbidden(
                "history can be changed by those only who may change every entity; an"
                " administrator can grant updateEntity without conditions"
            )

    async def load(self, file: Path, created: int) -> int:
        """Load a Parquet file of instances; see :meth:`madang.hub.history.History.load`.

        Raises:
            Forbidden: the principal may not write all entities, or not an attribute in it.
        """
        self._admit()
        ids, pairs = await asyncio.to_thread(_attributes, file)
        hidden = HiddenNames(self._update.hidden)
        for types, name in pairs:
            if name in hidden.of(types.split(" ")):
                raise Forbidden(
                    f"you may not write {name} of {types}; an administrator can grant"
                    " writeAttribute"
                )
        count = await self._history.load(file, created)
        await self._record(ids)
        return count

    async def change(self, order: Callable[[Correctable], T]) -> T:
        """Let the lake correct history, one at a time; it is on the disk when this returns.

        Raises:
            Forbidden: the principal may not write all entities, or not the attribute.
        """
        self._admit()
        changed: dict[str, None] = {}
        reading = Reading()

        def ordered(lake: Lake) -> T:
            seen = _seen(lake, self._reach, reading)
            return order(_Corrected(lake, seen, HiddenNames(self._update.hidden), changed))

        found = await self._history.change(ordered)
        reading.tell(self._on_personal)
        await self._record(tuple(changed))
        return found

    @property
    def rules(self) -> Rules:
        """The policies and holds in force."""
        return self._history.rules

    async def set_rules(self, rules: Rules) -> None:
        """Put policies and holds in force; see :meth:`madang.hub.history.History.set_rules`.

        Raises:
            Forbidden: the principal may not write all entities.
        """
        self._admit()
        await self._history.set_rules(rules)


def _attributes(file: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the entities that a file tells of, and types with attributes."""
    import polars

    rows = polars.scan_parquet(file)
    try:
        ids = rows.select("entity").unique().limit(MOST_TARGETS).collect()["entity"].to_list()
        pairs = rows.select("type", "attribute").unique().collect().rows()
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"this is no Parquet file of instances: {error}") from None
    return ids, [(str(types), str(name)) for types, name in pairs]


def _seen(lake: Lake, reach: Reach, reading: Reading) -> Readable:
    if reach.is_whole and not reach.personal:
        return lake
    seen = lake.seen(reach)
    return _Noting(lake, seen, reach, reading) if reach.personal else seen


class _Noting:
    """Notes which personal data is shown. What sums up many values shows none of it."""

    def __init__(self, lake: Lake, seen: Readable, reach: Reach, reading: Reading) -> None:
        self._seen = seen
        self._plain = lake.seen(replace(reach, hidden=(*reach.hidden, *reach.personal)))
        self._rules: dict[str, list[Hidden]] = {}
        for rule in reach.personal:
            self._rules.setdefault(rule.attribute, []).append(rule)
        self._reading = reading

    def pasts(self, wanted: Wanted) -> Pasts:
        found = self._seen.pasts(wanted)
        for past in found.entities:
            self._note_past(past)
        return found

    def aggregates(
        self, wanted: Wanted, methods: Sequence[Method], every: Period | None
    ) -> Aggregates:
        return self._plain.aggregates(wanted, methods, every)

    def frame(self, series: Series) -> polars.DataFrame:
        return self._plain.frame(series)

    def state(self, id: str, at: int) -> Entity | None:
        return self._noted(self._seen.state(id, at))

    def states(self, query: Query, at: int) -> tuple[list[Entity], int | None, bool]:
        found = self._seen.states(query, at)
        for entity in found[0]:
            self._noted(entity)
        return found

    def differences(self, query: Query, since: int, until: int) -> Iterator[Difference]:
        for one in self._seen.differences(query, since, until):
            self._noted(one.before)
            self._noted(one.after)
            yield one

    def log(self, after: int, limit: int, upto: int | None = None) -> list[Logged]:
        return self._plain.log(after, limit, upto)

    def position(self, at: int) -> int:
        return self._seen.position(at)

    def kinds(self) -> list[Kind]:
        return self._seen.kinds()

    def instance(self, entity: str, attribute: str, instance: str) -> Instance | None:
        found = self._seen.instance(entity, attribute, instance)
        if found is not None:
            self._note(entity, found.type.split(" "), attribute, {})
        return found

    def _noted(self, entity: Entity | None) -> Entity | None:
        if entity is not None:
            for name in self._rules.keys() & entity.document.keys():
                self._note(entity.id, entity.types, name, entity.document)
        return entity

    def _note_past(self, past: Past) -> None:
        for name in self._rules.keys() & {one.attribute for one in past.instances}:
            self._note(past.id, past.types, name, {})

    def _note(
        self, id: str, types: Collection[str], name: str, document: dict[str, object]
    ) -> None:
        for rule in self._rules.get(name, ()):
            if not rule.types or not rule.types.isdisjoint(types):
                self._reading.note(id, rule.subjects({"id": id, **document}), name)


class _Corrected:
    """A lake whose hidden attributes are not written; what is changed is listed."""

    def __init__(
        self, lake: Lake, seen: Readable, hidden: HiddenNames, changed: dict[str, None]
    ) -> None:
        self._lake = lake
        self._hidden = hidden
        self._changed = changed
        self.pasts = seen.pasts
        self.aggregates = seen.aggregates
        self.frame = seen.frame
        self.state = seen.state
        self.states = seen.states
        self.differences = seen.differences
        self.log = seen.log
        self.position = seen.position
        self.kinds = seen.kinds
        self.instance = seen.instance

    def add(self, instances: Sequence[Instance], *, only_news: bool = False) -> None:
        for one in instances:
            self._admit(one.attribute, one.type.split(" "))
        self._lake.add(instances, only_news=only_news)
        self._changed.update(dict.fromkeys(one.entity for one in instances))

    def change(self, entity: str, attribute: str, instance: str, new: Instance) -> bool:
        self._admit(attribute, self._types(entity))
        done = self._lake.change(entity, attribute, instance, new)
        if done:
            self._changed[entity] = None
        return done

    def remove(
        self,
        entity: str,
        attribute: str | None = None,
        *,
        instance: str | None = None,
        datasets: Collection[str | None] | None = None,
    ) -> int:
        if attribute is not None:
            self._admit(attribute, self._types(entity))
        done = self._lake.remove(entity, attribute, instance=instance, datasets=datasets)
        if done:
            self._changed[entity] = None
        return done

    def _types(self, entity: str) -> list[str]:
        wanted = Wanted(Query(selectors=(Selector(ids=(entity,)),)), last_n=1)
        return [kind for past in self._lake.pasts(wanted).entities for kind in past.types]

    def _admit(self, attribute: str, types: list[str]) -> None:
        if attribute in self._hidden.of(types):
            raise Forbidden(
                f"you may not write {attribute} of {', '.join(types)}; an administrator can grant"
                " writeAttribute"
            )


def event(principal: str, tenant: str, ids: Sequence[str], address: str) -> Event:
    """Return the record of a person's change of history."""
    return Event("write", principal, "changeHistory", "done", tenant, tuple(ids), address=address)
