"""A narrowed query answers as the query itself would in a city that is no more than is seen of it.

Held for random cities, reaches and queries: in memory, in SQL, and in a whole store with pages,
order and counts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path as File
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.entity import Document, Entity
from madang.model.without import without
from madang.query import evaluate
from madang.query.narrow import narrowed
from madang.query.order import sort_key
from madang.query.reach import Hidden, Reach
from madang.query.tree import (
    Compare,
    Condition,
    HasId,
    HasType,
    InScope,
    Link,
    Not,
    Order,
    Path,
    Query,
)
from madang.store.engine import SqliteEngine
from madang.store.protocol import Batch
from tests.property.queries import (
    CENTRE,
    NAMES,
    cities,
    conditions,
    criteria,
    date_times,
    fill,
    found_by_sql,
    found_in_memory,
    plain_paths,
    reaches,
)

pytestmark = pytest.mark.slow

hidden = st.builds(
    Hidden,
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(["Building", "Vehicle", "urn:t"]), max_size=2).map(frozenset),
    st.sampled_from([None, "", NAMES[0]]),
)
all_reaches = st.builds(
    Reach, st.one_of(st.none(), reaches), st.lists(hidden, max_size=3).map(tuple)
)
orders = st.builds(
    Order,
    st.one_of(plain_paths),
    st.booleans(),
    st.sampled_from([None, None, CENTRE]),
)
queries = st.builds(
    Query,
    *criteria,
    st.none(),
    st.lists(orders, max_size=2).map(tuple),
    st.none(),
    st.sampled_from([0, 1, 2, 20]),
    st.sampled_from([0, 0, 1, 2]),
    st.just(True),
)
moments = st.lists(
    st.builds(
        Compare,
        st.just(Path("modifiedAt")),
        st.sampled_from([">", "<", "=="]),
        date_times,
    ),
    min_size=1,
    max_size=1,
)


ROADS = ["to", "by"]
FIELDS = ["x", "y"]
KINDS = ["A", "B"]


@st.composite
def towns(draw: st.DrawFn) -> list[Entity]:
    """Entities that are full of relationships, so that queries often get somewhere."""
    ids = [f"urn:{number}" for number in range(4)]
    town = []
    for id in ids:
        kinds = draw(st.sampled_from(["A", "B", ["A", "B"]]))
        document: Document = {"id": id, "type": kinds}
        if draw(st.booleans()):
            document["scope"] = draw(st.sampled_from(["/N", "/S"]))
        for road in draw(st.lists(st.sampled_from(ROADS), unique=True)):
            document[road] = {"type": "Relationship", "object": draw(st.sampled_from(ids))}
        for name in draw(st.lists(st.sampled_from(FIELDS), unique=True)):
            document[name] = {"type": "Property", "value": draw(st.integers(0, 1))}
        town.append(Entity(document, 0, 0, 0))
    return town


walks = st.builds(
    lambda links, name, value: Compare(
        Path(name, links=tuple(links)), "==" if value < 2 else "!=", value % 2
    ),
    st.lists(
        st.builds(Link, st.sampled_from(ROADS), st.sampled_from([(), ("A",)])),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(FIELDS),
    st.integers(0, 3),
)
town_reaches = st.builds(
    Reach,
    st.sampled_from([None, HasType("A"), Not(HasType("B")), InScope(("N",)), HasId(("urn:1",))]),
    st.lists(
        st.builds(
            Hidden,
            st.sampled_from(ROADS + FIELDS),
            st.lists(st.sampled_from(KINDS), max_size=1).map(frozenset),
        ),
        max_size=2,
    ).map(tuple),
)


def seen(city: list[Entity], reach: Reach) -> list[Entity]:
    """Return the city as its reader sees it."""
    return [
        without(entity, names_hidden(entity, reach))
        for entity in city
        if reach.condition is None or evaluate.matches(reach.condition, entity)
    ]


def names_hidden(entity: Entity, reach: Reach) -> set[str]:
    return {
        rule.attribute
        for rule in reach.hidden
        if not rule.types or not rule.types.isdisjoint(entity.types)
    }


@settings(max_examples=40, deadline=None)
@given(city=cities(), reach=all_reaches, wanted=st.lists(queries, min_size=4, max_size=4))
def test_a_narrowed_query_finds_what_the_query_finds_in_what_is_seen(
    connection: apsw.Connection, city: list[Entity], reach: Reach, wanted: list[Query]
) -> None:
    fill(connection, city)
    for query in wanted:
        narrow = narrowed(query, reach)
        expected = found_in_memory(seen(city, reach), query)
        linked = {entity.id: entity for entity in city}.get
        found = {e.id for e in city if evaluate.accepts(narrow, e, linked=linked)}
        assert found == expected, narrow
        assert found_by_sql(connection, city, narrow) == expected, narrow


@settings(max_examples=60, deadline=None)
@given(
    city=cities(),
    reach=all_reaches,
    condition=st.one_of(moments.map(lambda found: found[0]), conditions),
)
def test_a_narrowed_condition_sees_no_times_of_hidden_attributes(
    connection: apsw.Connection, city: list[Entity], reach: Reach, condition: Condition
) -> None:
    fill(connection, city)
    narrow = narrowed(Query(q=condition), reach)
    expected = found_in_memory(seen(city, reach), Query(q=condition))
    assert found_by_sql(connection, city, narrow) == expected


@settings(max_examples=60, deadline=None)
@given(city=cities(), reach=all_reaches, order=st.lists(orders, min_size=1, max_size=2))
def test_a_narrowed_order_is_that_of_what_is_seen(
    city: list[Entity], reach: Reach, order: list[Order]
) -> None:
    query = Query(order=tuple(order))
    narrow = narrowed(query, reach)
    ours = sorted(
        (e for e in city if evaluate.accepts(narrow, e)), key=lambda e: sort_key(e, narrow.order)
    )
    theirs = sorted(seen(city, reach), key=lambda e: sort_key(e, query.order))
    assert [e.id for e in ours] == [e.id for e in theirs]


@settings(max_examples=15, deadline=None)
@given(city=cities(), reach=all_reaches, wanted=st.lists(queries, min_size=5, max_size=5))
def test_pages_and_counts_of_a_store_are_those_of_what_is_seen(
    city: list[Entity], reach: Reach, wanted: list[Query]
) -> None:
    async def compare() -> None:
        with TemporaryDirectory() as folder:
            engine = SqliteEngine(File(folder))
            whole, part = await engine.open("", True), await engine.open("seen", True)
            assert whole is not None
            assert part is not None
            await whole.commit(Batch(states={entity.id: entity for entity in city}))
            visible = {entity.id: entity for entity in seen(city, reach)}
            await part.commit(Batch(states=dict(visible)))
            for query in wanted:
                narrow = narrowed(query, reach)
                ours, theirs = await whole.query(narrow, 0), await part.query(query, 0)
                assert [row.id for row in ours.rows] == [row.id for row in theirs.rows], narrow
                assert (ours.count, ours.more) == (theirs.count, theirs.more), narrow
            await engine.close()

    asyncio.run(compare())


@settings(max_examples=100, deadline=None)
@given(town=towns(), reach=town_reaches, walks=st.lists(walks, min_size=6, max_size=6))
def test_relationships_lead_only_over_what_is_seen(
    town: list[Entity], reach: Reach, walks: list[Compare]
) -> None:
    linked = {entity.id: entity for entity in town}.get
    visible = seen(town, reach)
    for walk in walks:
        for condition in (walk, Not(walk)):
            narrow = narrowed(Query(q=condition), reach)
            found = {e.id for e in town if evaluate.accepts(narrow, e, linked=linked)}
            assert found == found_in_memory(visible, Query(q=condition)), narrow


@given(city=cities(), reach=all_reaches, query=queries)
@settings(max_examples=60, deadline=None)
def test_a_query_that_the_reach_does_not_concern_stays_the_same_object(
    city: list[Entity], reach: Reach, query: Query
) -> None:
    if narrowed(query, reach) is query:
        assert found_in_memory(city, query) == found_in_memory(seen(city, reach), query)
