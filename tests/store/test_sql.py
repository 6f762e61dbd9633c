"""Queries as SQL: what shapes decide, what SQL decides, and that values are always bound.

That SQL means what evaluation in memory means is held by tests/property/test_query_agreement.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import orjson
import pytest

from madang.model.names import check_name
from madang.query import q
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasType,
    InScope,
    Not,
    Or,
    Path,
    Query,
    Selector,
)
from madang.store import sql
from madang.store.sql_text import Sql, path
from madang.store.sql_text import sql as filled

PLACE = '{"type":"Point","coordinates":[8,40]}'
SPEED, OPEN = Exists(Path("speed")), Exists(Path("open"))
FAST = Compare(Path("speed"), ">", 100)


class Plain:
    def expand(self, term: str, /) -> str:
        return check_name(term)

    def compact(self, name: str, /) -> str:
        return name


def parse(text: str) -> Condition:
    return q.parse(text, Plain(), max_links=3)


@pytest.fixture
def connection() -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    connection.execute(
        "CREATE TABLE shape (id INTEGER PRIMARY KEY, types, attributes, count);"
        "CREATE TABLE entity (rowid INTEGER PRIMARY KEY, id UNIQUE, shape, created, modified,"
        " written, expires, times, doc)"
    )
    sql.register(connection)
    yield connection
    connection.close()


def fits(query: Query, types: str, names: str) -> bool:
    test = sql.shape_condition(query)
    return test is None or test(tuple(types.split()), frozenset(names.split()))


def test_types_and_attributes_are_decided_by_shapes_alone() -> None:
    cars = Selector(Or((HasType("Car"), And((HasType("Bus"), HasType("Red"))))))
    query = Query((cars,), ("speed", "open"), And((SPEED, Not(OPEN))))
    assert sql.where(query) == ("", [])
    assert fits(query, "Car", "speed")
    assert fits(query, "Bus Red", "speed")
    assert not fits(query, "Bus", "speed")
    assert not fits(query, "Car", "speed open")
    assert not fits(query, "Car", "open")
    assert sql.shape_condition(Query()) is None
    assert sql.shape_condition(Query((Selector(HasType("A")), Selector()))) is None


def test_shapes_rule_out_what_lacks_an_attribute_asked_about() -> None:
    assert not fits(Query(q=FAST), "Car", "open")
    assert fits(Query(q=FAST), "Car", "speed")
    assert fits(Query(q=Or((FAST, OPEN))), "Car", "open")
    assert not fits(Query(q=And((FAST, OPEN))), "Car", "open")
    assert fits(Query(q=Not(FAST)), "Car", "open")
    assert fits(Query(q=parse("createdAt>2026-01-01T00:00:00Z")), "Car", "")
    assert not fits(Query(q=parse("owner{name}")), "Car", "name")
    assert not fits(Query(geo=Geo("disjoint", PLACE)), "Car", "speed")
    assert fits(Query(scope=InScope(("A",))), "Car", "")


def test_existence_among_alternatives_is_decided_by_the_table_of_shapes() -> None:
    text, _ = sql.where(Query(q=Or((FAST, OPEN))))
    assert "e.shape IN (SELECT s.id FROM shape s" in text


def test_ids_of_selectors_with_different_types_stay_with_their_types() -> None:
    text, values = sql.where(Query((Selector(HasType("A"), ("urn:1",)), Selector(HasType("B")))))
    assert values == ["A", "urn:1", "B"]
    assert text.count("e.shape IN") == 2
    text, values = sql.where(Query((Selector(HasType("A"), ("urn:2", "urn:1"), "x$"),)))
    assert values == ["urn:1", "urn:2", "x$"]
    assert "shape" not in text


NASTY = "x'); DROP TABLE entity; --\"\\?{}"


@pytest.mark.parametrize(
    "query",
    [
        Query((Selector(HasType(NASTY), (NASTY,)), Selector(HasType("B"), id_pattern="DROP"))),
        Query(q=Compare(Path(NASTY, (NASTY, NASTY), (NASTY,)), "==", NASTY)),
        Query(q=Or((Exists(Path(NASTY)), Exists(Path(NASTY, (NASTY, "createdAt")))))),
        Query(q=Compare(Path(NASTY), "~=", "DROP")),
        Query(scope=InScope((NASTY,))),
        Query(scope=InScope((NASTY, "+"), True)),
        Query(geo=Geo("within", PLACE, NASTY)),
    ],
)
def test_values_are_bound_whatever_they_hold(connection: apsw.Connection, query: Query) -> None:
    text, values = sql.where(query)
    assert "DROP" not in text
    assert text.count("?") == len(values)
    connection.execute("INSERT INTO entity (id, shape, doc) VALUES ('urn:1', 1, '{}')")
    connection.execute(f"SELECT e.id FROM entity e WHERE {text}", values).fetchall()
    assert connection.execute("SELECT count(*) FROM entity").fetchone() == (1,)


def test_a_path_reaches_names_with_any_characters(connection: apsw.Connection) -> None:
    for name in (NASTY, "a.b", "$", "[0]", "é\u001f", "", "😀"):
        document = orjson.dumps({name: {"value": 1}}).decode()
        found = connection.execute("SELECT json_extract(?, ?)", (document, path(name, "value")))
        assert found.fetchone() == (1,)


def test_the_most_there_can_be_is_still_one_statement(connection: apsw.Connection) -> None:
    term = '!a.b.c.d.e[f.g]|a.b.c.createdAt>2026-01-01T00:00:00Z|a{T:b{c.d}}=="x","y",3'
    for text in (";".join(["speed>1"] * 500), "(" * 30 + term + ")" * 30, "|".join([term] * 60)):
        expression, values = sql.where(Query(q=parse(text)))
        connection.execute(f"SELECT e.id FROM entity e WHERE {expression}", values).fetchall()


def test_functions_tell_what_sql_cannot(connection: apsw.Connection) -> None:
    def call(expression: str, *values: str) -> object:
        return next(connection.execute(f"SELECT {expression}", values))[0]

    assert call("madang_search(?, ?)", "^a", "abc") == 1
    assert call("madang_search(?, ?)", "^b", "abc") == 0
    assert call("madang_scope(?, ?)", '[["A","+"],true]', "/A/B/C") == 1
    near = orjson.dumps(("near", PLACE, None, 10.0)).decode()
    assert call("madang_geo(?, ?)", PLACE, near) == 1
    assert call("madang_geo(?, ?)", '{"type":"Point","coordinates":[9,40]}', near) == 0


def test_pieces_are_put_together_with_their_values_in_order() -> None:
    inner = filled("f({}, {})", 1, 2)
    assert filled("{} AND {} = {}", 0, inner, "x") == Sql("? AND f(?, ?) = ?", (0, 1, 2, "x"))
