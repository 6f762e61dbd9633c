"""The contract of a store: whatever happens to it, it answers as a plain dict would."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from madang.model.entity import Entity, Stamp
from madang.query.tree import InScope, Query
from madang.store.protocol import Batch, Change, ChangeKind, Page, Store
from madang.store.rows import entity_of
from tests.contract.city import T0, document, faster_than, ids, of_type, outbox, sequence, within
from tests.contract.engines import PLACES, AnyPlace, SqlitePlace

numbers = st.integers(0, 11)
kinds = st.sampled_from(["Car", "Bus", ["Bus", "Car"]])
# Points lie on a grid and boxes end between its lines: no doubt about what is on an edge.
members = st.fixed_dictionaries(
    {},
    optional={
        "speed": st.integers(0, 9),
        "location": st.tuples(st.integers(0, 6).map(lambda n: n / 4), st.integers(0, 3)),
        "driver": st.just("urn:ngsi-ld:Person:1"),
        "scope": st.sampled_from(["/a", "/a/b", ["/a", "/c"]]),
    },
)
ends = st.none() | st.integers(1, 50)
writes = st.dictionaries(
    numbers, st.none() | st.tuples(kinds, members, ends, ends), min_size=1, max_size=5
)


def _id(number: int) -> str:
    return f"urn:ngsi-ld:Car:{number}"


class StoreMachine(RuleBasedStateMachine):
    """Writes, failures and restarts, next to a dict that says what should be there."""

    kind: AnyPlace

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.place = self.kind(Path(self.folder.name))
        self.runner = asyncio.Runner()
        self.entities: dict[str, Entity] = {}
        self.changes = 0
        self.drained = 0
        self.waiting: list[int] = []
        self.clock = T0
        self.open()

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def open(self) -> None:
        self.engine = self.place.engine()
        store = self.run(self.engine.open("", create=True))
        assert store is not None
        self.store: Store = store

    # --- what happens -------------------------------------------------------------------------

    @rule(written=writes, notify=st.booleans())
    def write(self, written: dict[int, Any], notify: bool) -> None:
        batch = self._batch(written)
        if notify:
            batch.deliveries = [("urn:s", self.clock, b"body")]
        self.waiting += self.run(self.store.commit(batch))
        self._remember(batch)

    @rule(written=writes)
    def fail(self, written: dict[int, Any]) -> None:
        batch = self._batch(written)
        batch.items[("setting", "pad")] = b"x" * 2_000_000
        batch.deliveries = [("urn:s", self.clock, b"body")]
        with self.place.full(self.store), pytest.raises(Exception, match=r"(?i)full"):
            self.run(self.store.commit(batch))

    @rule()
    def restart(self) -> None:
        self.run(self.engine.close())
        self.open()

    @rule(back=st.integers(0, 3))
    def drain(self, back: int) -> None:
        self.drained = max(self.drained, self.changes - back)
        self.run(self.store.drained(self.drained))

    @rule(count=st.integers(1, 3))
    def deliver(self, count: int) -> None:
        done, self.waiting = self.waiting[:count], self.waiting[count:]
        self.run(self.store.commit(Batch(delivered=done)))

    # --- what is read -------------------------------------------------------------------------

    @rule(kind=st.sampled_from(["Car", "Bus", "Tram"]), least=st.none() | st.integers(0, 9))
    def find_by_type_and_value(self, kind: str, least: int | None) -> None:
        q = None if least is None else faster_than(least)
        self._found(
            of_type(kind, q=q),
            {
                id
                for id, one in self.entities.items()
                if kind in one.types and (least is None or _speed(one) > least)
            },
        )

    @rule(west=st.integers(0, 6), south=st.integers(0, 3), kind=st.none() | st.just("Car"))
    def find_by_area(self, west: int, south: int, kind: str | None) -> None:
        x, y = west / 4 - 0.1, south - 0.5
        area = within(x, y, x + 0.6, y + 2)
        self._found(
            Query(geo=area) if kind is None else of_type(kind, geo=area),
            {
                id
                for id, one in self.entities.items()
                if _inside(one, x, y) and (kind is None or kind in one.types)
            },
        )

    @rule(name=st.sampled_from(["speed", "driver", "colour"]))
    def find_by_attribute(self, name: str) -> None:
        having = {id for id, one in self.entities.items() if name in one.document}
        self._found(Query(attributes=(name,)), having)

    @rule()
    def find_by_scope(self) -> None:
        below = {id for id, one in self.entities.items() if "scope" in one.document}
        self._found(Query(scope=InScope(("a",), below=True)), below)

    @rule(number=numbers)
    def get(self, number: int) -> None:
        row = self.run(self.store.get(_id(number)))
        assert (None if row is None else entity_of(row)) == self.entities.get(_id(number))

    # --- what always holds --------------------------------------------------------------------

    @invariant()
    def the_outbox_has_no_gap(self) -> None:
        rows = self.run(outbox(self.store, self.drained, 10_000))
        assert sequence(rows) == list(range(self.drained + 1, self.changes + 1))

    @invariant()
    def deliveries_wait_in_order(self) -> None:
        assert [d.key for d in self.run(self.store.deliveries())] == self.waiting

    @invariant()
    def the_shapes_count_what_is_there(self) -> None:
        total = sum(shape.count for shape in self.run(self.store.shapes()))
        assert total == len(self.entities)

    @invariant()
    def the_next_expiry_is_early_enough(self) -> None:
        first = [e for one in self.entities.values() if (e := _first_end(one)) is not None]
        assert not first or (self.store.next_expiry or 0) <= min(first)

    def teardown(self) -> None:
        faults = self.run(self.store.check())
        self.run(self.engine.close())
        self.runner.close()
        self.folder.cleanup()
        assert faults == []

    # --- helpers ------------------------------------------------------------------------------

    def _batch(self, written: dict[int, Any]) -> Batch:
        self.clock += 1
        before = self.run(self.store.load([_id(number) for number in written]))
        batch = Batch()
        for number, what in written.items():
            id = _id(number)
            assert before.get(id) == self.entities.get(id)
            after = None if what is None else self._entity(id, *what)
            batch.states[id] = after
            kind: ChangeKind = (
                "deleted" if after is None else "updated" if id in before else "created"
            )
            batch.changes.append(Change(kind, self.clock, id, before.get(id), after, ("speed",)))
        return batch

    def _entity(
        self, id: str, kind: Any, has: dict[str, Any], end: int | None, speed_end: int | None
    ) -> Entity:
        has = dict(has)
        scope = has.pop("scope", None)
        made = document(id, kind, **has)
        if scope is not None:
            made["scope"] = scope
        one = Entity(made, self.clock, self.clock, self.clock)
        one.expires = None if end is None else T0 * 2 + end
        if speed_end is not None and "speed" in made:
            one.times["speed"] = Stamp(self.clock, self.clock, T0 * 2 + speed_end)
        return one

    def _remember(self, batch: Batch) -> None:
        self.changes += len(batch.changes)
        for id, state in batch.states.items():
            if state is None:
                self.entities.pop(id, None)
            else:
                self.entities[id] = state

    def _found(self, query: Query, expected: set[str]) -> None:
        pages: list[Page] = [
            self.run(self.store.query(_page(query, offset), self.clock)) for offset in (0, 5, 10)
        ]
        listed = [id for page in pages for id in ids(page)]
        assert sorted(listed) == sorted(expected)
        assert {page.count for page in pages} == {len(expected)}
        for row in pages[0].rows:
            assert orjson.loads(row.document) == self.entities[row.id].document


def _page(query: Query, offset: int) -> Query:
    return Query(
        query.selectors, query.attributes, query.q, query.geo, query.scope,
        limit=5, offset=offset, count=True,
    )  # fmt: skip


def _speed(one: Entity) -> float:
    return float(one.document.get("speed", {"value": -1})["value"])


def _inside(one: Entity, west: float, south: float) -> bool:
    if "location" not in one.document:
        return False
    x, y = one.document["location"]["value"]["coordinates"]
    return bool(west < x < west + 0.6 and south < y < south + 2)


def _first_end(one: Entity) -> int | None:
    ends = [stamp.expires for stamp in one.times.values()] + [one.expires]
    return min((end for end in ends if end is not None), default=None)


@pytest.mark.parametrize("kind", PLACES, ids=lambda kind: str(kind.__name__))
def test_a_store_answers_as_a_dict_would(kind: AnyPlace) -> None:
    machine = type(f"{kind.__name__}Machine", (StoreMachine,), {"kind": kind})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=40 if kind is SqlitePlace else 12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
