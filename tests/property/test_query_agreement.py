"""What a query means must not depend on where it is evaluated: in memory or by SQLite."""

from __future__ import annotations

import apsw
from hypothesis import example, given
from hypothesis import strategies as st

from madang.model.entity import Entity
from madang.query.tree import (
    Boolean,
    Compare,
    Condition,
    Exists,
    Or,
    Path,
    Query,
)
from tests.property.queries import cities, conditions, fill, found_by_sql, found_in_memory, queries


def check(connection: apsw.Connection, city: list[Entity], query: Query) -> None:
    fill(connection, city)
    assert found_by_sql(connection, city, query) == found_in_memory(city, query)


WITHOUT_LANGUAGES = Entity(
    {
        "id": "urn:c",
        "type": "Building",
        "https://a.b/c#d": {
            "type": "Property",
            "value": 0,
            "x'y": {"type": "LanguageProperty", "languageMap": {}},
        },
    },
    0,
    0,
    0,
)
ANY_LANGUAGE = Or(
    (
        Compare(Path("scope"), "!~=", "é"),
        Compare(Path("né.e[0]$", ("unitCode",), ("*",)), "!=", Boolean(True)),
        Exists(Path("https://a.b/c#d", ("x'y",), ("*",))),
    )
)


@example(city=[WITHOUT_LANGUAGES], conditions=[ANY_LANGUAGE])
@given(city=cities(), conditions=st.lists(conditions, min_size=8, max_size=8))
def test_a_condition_means_the_same_in_memory_and_in_sql(
    connection: apsw.Connection, city: list[Entity], conditions: list[Condition]
) -> None:
    fill(connection, city)
    for condition in conditions:
        query = Query(q=condition)
        by_sql = found_by_sql(connection, city, query)
        assert by_sql == found_in_memory(city, query), condition


@given(city=cities(), query=queries)
def test_a_whole_query_finds_the_same_in_memory_and_in_sql(
    connection: apsw.Connection, city: list[Entity], query: Query
) -> None:
    check(connection, city, query)


def test_one_and_true_are_different_conditions(connection: apsw.Connection) -> None:
    document = {"id": "urn:a", "type": "T", "speed": {"type": "Property", "value": True}}
    city = [Entity(document, 0, 0, 0)]
    for value, expected in ((1, set()), (Boolean(True), {"urn:a"}), (1.0, set())):
        query = Query(q=Compare(Path("speed"), "==", value))
        assert found_in_memory(city, query) == expected
        check(connection, city, query)
