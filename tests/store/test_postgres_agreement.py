"""What a query means must not depend on where it is evaluated: in memory or by PostgreSQL.

What the SQL says exactly has to find what memory finds; what it says generously, at least that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.entity import Entity
from madang.query.tree import Compare, Condition, Path, Query, Uri
from madang.store.places import box_of
from madang.store.postgres import sql
from madang.store.postgres.schema import IRIS
from madang.store.sql import shape_condition
from tests.contract.cluster import shared
from tests.property.queries import (
    NAMES,
    cities,
    conditions,
    found_in_memory,
    queries,
    types_of,
)

TABLE = f"""
CREATE TEMP TABLE entity (
    id text COLLATE "C", created bigint, modified bigint, place geometry(Geometry, 4326), doc text,
    body jsonb GENERATED ALWAYS AS (replace(doc, '\\u0000', '\\u0001')::jsonb) STORED,
    iris jsonb GENERATED ALWAYS AS ({IRIS}) STORED
)
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[Any]]:
    url = shared().make("agreement")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(TABLE)
        yield connection


def fill(connection: psycopg.Connection[Any], city: list[Entity]) -> None:
    connection.execute("DELETE FROM entity")
    for entity in city:
        places = [name for name in NAMES if "GeoProperty" in kinds_of(entity.document.get(name))]
        box = box_of(entity.document, tuple(places))
        connection.execute(
            "INSERT INTO entity VALUES (%s, %s, %s, ST_MakeEnvelope(%s, %s, %s, %s, 4326), %s)",
            (
                entity.id,
                entity.created,
                entity.modified,
                *(box or (None,) * 4),
                orjson.dumps(entity.document).decode(),
            ),
        )


def kinds_of(found: Any) -> set[str]:
    """Return the types of all instances of an attribute."""
    instances = found if isinstance(found, list) else [found] if found else []
    return {one["type"] for one in instances}


def check(connection: psycopg.Connection[Any], city: list[Entity], query: Query) -> None:
    fits = shape_condition(query)
    fitting = [
        entity.id
        for entity in city
        if fits is None or fits(types_of(entity), frozenset(entity.document).intersection(NAMES))
    ]
    rest = sql.where(query)
    rows = connection.execute(
        f"SELECT id FROM entity e WHERE e.id = ANY(%s) AND ({rest.text})".encode(),
        (fitting, *rest.values),
    )
    found = {str(id) for (id,) in rows}
    wanted = found_in_memory(city, query)
    assert found == wanted if rest.exact else found >= wanted, (query, rest)


@settings(max_examples=15)
@given(city=cities(), asked=st.lists(conditions, min_size=8, max_size=8))
def test_a_condition_means_the_same_in_memory_and_in_postgresql(
    connection: psycopg.Connection[Any], city: list[Entity], asked: list[Condition]
) -> None:
    fill(connection, city)
    for condition in asked:
        check(connection, city, Query(q=condition))


@settings(max_examples=15)
@given(city=cities(), query=queries)
def test_a_whole_query_finds_the_same_in_memory_and_in_postgresql(
    connection: psycopg.Connection[Any], city: list[Entity], query: Query
) -> None:
    fill(connection, city)
    check(connection, city, query)


LED = "urn:ngsi-ld:Person:7"
FORMS: list[Any] = [
    {"type": "Property", "value": LED},
    {"type": "Property", "value": ["a", LED]},
    {"type": "Property", "value": {"@type": "xsd:anyURI", "@value": LED}},
    {"type": "Relationship", "object": LED},
    {"type": "Relationship", "object": ["urn:a", LED]},
    {"type": "ListRelationship", "objectList": [{"object": "urn:a"}, {"object": LED}]},
    {"type": "VocabProperty", "vocab": LED},
    {"type": "VocabProperty", "vocab": ["a", LED]},
    {"type": "JsonProperty", "json": ["a", LED]},
    {"type": "ListProperty", "valueList": ["a", LED]},
    [
        {"type": "Relationship", "object": "urn:a"},
        {"type": "Relationship", "object": LED, "datasetId": "urn:set:1"},
    ],
]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_or_leads_to_an_iri_is_found_by_the_index(
    connection: psycopg.Connection[Any], form: Any
) -> None:
    name = NAMES[0]
    one = Entity({"id": "urn:one", "type": "Vehicle", name: form}, 0, 0, 0)
    query = Query(q=Compare(Path(name), "==", Uri(LED)))
    assert found_in_memory([one], query) == {"urn:one"}
    assert sql.where(query).indexed
    fill(connection, [one])
    check(connection, [one], query)
