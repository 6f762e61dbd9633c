"""Narrowing queries: what is added where, and what is left as it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from madang.query.decide import decided, is_sure
from madang.query.narrow import narrowed
from madang.query.reach import EMPTY, NOTHING, WHOLE, Hidden, Reach
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasId,
    HasType,
    InScope,
    Link,
    Not,
    Or,
    Order,
    Path,
    Query,
    Selector,
)

CAR, BUS, PERSON = HasType("Car"), HasType("Bus"), HasType("Person")
NORTH = InScope(("north",), True)
PHONE = Path("phone")
HIDDEN = Reach(hidden=(Hidden("phone", frozenset({"Person"})),))
GONE = Reach(hidden=(Hidden("phone"),))
POINT = '{"type":"Point","coordinates":[0,0]}'


def of(*types: Condition, **more: object) -> Query:
    return replace(Query(selectors=tuple(Selector(one) for one in types)), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "reach"),
    [
        (Query(), WHOLE),
        (of(CAR), Reach(CAR)),
        (of(CAR), Reach(Or((BUS, CAR, And((PERSON, NORTH)))))),
        (of(CAR, BUS), Reach(Or((BUS, CAR)))),
        (of(Or((CAR, BUS))), Reach(Or((BUS, CAR)))),
        (of(And((CAR, BUS))), Reach(CAR)),
        (of(PERSON, q=Exists(Path("name"))), HIDDEN),
        (of(PERSON, attributes=("name",), order=(Order(Path("name")),)), GONE),
        (of(CAR, q=Not(Compare(Path("speed"), ">", 1)), scope=NORTH), Reach(CAR, GONE.hidden)),
    ],
)
def test_a_query_that_is_not_concerned_stays_the_same_object(query: Query, reach: Reach) -> None:
    assert narrowed(query, reach) is query


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        (Query(), CAR),
        (of(BUS), CAR),
        (of(CAR, BUS), CAR),
        (of(Or((CAR, BUS))), CAR),
        (Query(selectors=(Selector(CAR), Selector(ids=("urn:a",)))), CAR),
        (of(CAR), And((CAR, NORTH))),
        (of(CAR), And((CAR, Not(BUS)))),
        (of(CAR), HasId(("urn:a",))),
        (of(CAR), NOTHING),
        (Query(), Not(CAR)),
    ],
)
def test_a_query_that_may_find_more_is_given_the_reach(query: Query, condition: Condition) -> None:
    assert narrowed(query, Reach(condition)) == replace(query, reach=condition)


def test_equal_queries_are_narrowed_to_the_same_object() -> None:
    assert narrowed(of(BUS), Reach(CAR)) is narrowed(of(BUS), Reach(CAR))


def test_a_narrower_reach_goes_beside_one_that_is_there() -> None:
    found = narrowed(Query(reach=NORTH), Reach(CAR))
    assert found.reach == And((NORTH, CAR))


def test_a_hidden_attribute_is_not_there_for_q() -> None:
    seen = Not(Or((PERSON,)))
    term = Compare(PHONE, "!=", "1")
    assert narrowed(Query(q=Not(term)), HIDDEN).q == Not(And((seen, term)))
    assert narrowed(Query(q=Exists(PHONE)), GONE).q == And((NOTHING, Exists(PHONE)))
    deep = Exists(Path("phone", ("source",), ("x",)))
    assert narrowed(Query(q=Or((deep, CAR))), HIDDEN).q == Or((And((seen, deep)), CAR))


def test_behind_a_relationship_only_what_is_seen_counts() -> None:
    path = Path("phone", links=(Link("owner", ("Person",)), Link("friend")))
    reach = Reach(Or((PERSON, CAR)), (*HIDDEN.hidden, Hidden("friend")))
    found = narrowed(of(CAR, q=Exists(path)), reach).q
    assert isinstance(found, Exists)
    own, friend = found.path.links
    assert own == Link("owner", ("Person",), And((Or((PERSON, CAR)), NOTHING)))
    assert friend == Link("friend", (), And((Or((PERSON, CAR)), Not(Or((PERSON,))))))
    owner = Exists(Path("name", links=(Link("phone"),)))
    assert narrowed(Query(q=owner), HIDDEN).q == And((Not(Or((PERSON,))), owner))


def test_place_attrs_and_order_do_not_see_it_either() -> None:
    seen = Not(Or((PERSON,)))
    assert narrowed(Query(geo=Geo("disjoint", POINT, "phone")), HIDDEN).reach == seen
    found = narrowed(of(PERSON, attributes=("phone", "name")), HIDDEN)
    assert found.attributes == ()
    assert found.reach == Or((And((seen, Exists(PHONE))), Exists(Path("name"))))
    order = narrowed(Query(order=(Order(PHONE), Order(Path("name")))), HIDDEN).order
    assert order == (Order(PHONE, seen=seen), Order(Path("name")))


def test_the_time_of_change_is_that_of_what_is_seen() -> None:
    path = Path("modifiedAt")
    found = narrowed(Query(q=Compare(path, ">", 1), order=(Order(path),)), HIDDEN)
    expected = replace(path, without=(("phone", ("Person",)),))
    assert found.q == Compare(expected, ">", 1)
    assert found.order == (Order(expected),)
    own = Query(q=Exists(Path("speed", ("modifiedAt",))))
    assert narrowed(own, HIDDEN) is own


def test_nothing_is_found_where_nothing_is_in_reach() -> None:
    assert narrowed(Query(), EMPTY).reach == NOTHING


@pytest.mark.parametrize(
    ("condition", "closed", "open"),
    [
        (CAR, True, True),
        (BUS, False, None),
        (Not(BUS), True, None),
        (And(()), True, True),
        (Or(()), False, False),
        (Or((BUS, CAR)), True, True),
        (And((CAR, NORTH)), None, None),
        (And((BUS, NORTH)), False, None),
        (HasId(("urn:a",)), None, None),
        (HasId(()), False, False),
        (Exists(PHONE), None, None),
        (Geo("near", POINT, "phone"), None, None),
        (Compare(PHONE, "==", 1), None, None),
    ],
)
def test_types_decide_what_they_can(
    condition: Condition, closed: bool | None, open: bool | None
) -> None:
    assert decided(condition, ("Car",)) is closed
    assert decided(condition, ("Car",), may_have_more=True) is open
    assert is_sure(condition, (Selector(CAR),)) is (open is True)


def test_attribute_names_decide_what_they_can() -> None:
    names = frozenset({"phone"})
    assert decided(Exists(PHONE), (), names) is True
    assert decided(Exists(Path("fax")), (), names) is False
    assert decided(Exists(Path("phone", ("source",))), (), names) is None
    assert decided(Compare(PHONE, "==", 1), (), names) is None
    assert decided(Not(Compare(Path("fax"), "==", 1)), (), names) is True
    assert decided(Exists(Path("id")), (), names) is None
    assert decided(Exists(Path("name", links=(Link("fax"),))), (), names) is False


def test_selections_with_very_many_ways_are_taken_as_open() -> None:
    pairs = [Or((HasType(f"A{n}"), HasType(f"B{n}"))) for n in range(12)]
    assert not is_sure(CAR, (Selector(And(tuple(pairs))),))
    assert not is_sure(CAR, (Selector(And((CAR, *pairs))),))
