"""Small cases in which two ways to evaluate a query could part, with what the standard expects.

ETSI GS CIM 009 clause 4.9: types must agree, ``!=`` of what is not there is false, a pattern meets
texts only, the texts of documents are compared as they are (no Unicode normalisation).
"""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.entity import Document, Entity
from madang.model.names import check_name
from madang.query import q
from madang.query.order import sort_key
from madang.query.tree import Compare, Geo, Order, Path, Query
from tests.property.queries import (
    CENTRE,
    fill,
    found_by_sql,
    found_in_memory,
)

BOTH = ["Building", "Vehicle"]


class Plain:
    def expand(self, term: str, /) -> str:
        return check_name(term)

    def compact(self, name: str, /) -> str:
        return name


def prop(value: Any, **more: Any) -> Document:
    return {"speed": {"type": "Property", "value": value, **more}}


def languages(found: dict[str, Any]) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": found}


def holds(connection: apsw.Connection, content: Document, query: Query) -> bool:
    """Return whether an entity with this content is found, which must be said twice alike."""
    city = [Entity({"id": "urn:a", "type": "Building", **content}, 0, 0, 0)]
    fill(connection, city)
    found = found_in_memory(city, query)
    assert found_by_sql(connection, city, query) == found
    return bool(found)


SCOPES: list[tuple[Document, str, bool]] = [
    ({}, 'scope!~="é"', False),
    ({"scope": "/A"}, 'scope!~="é"', True),
    ({"scope": "/é"}, 'scope!~="é"', False),
    ({"scope": "/e\u0301"}, 'scope!~="é"', True),
    ({"scope": ["/A"]}, 'scope!~="é"', False),
    ({"scope": ["/é"]}, 'scope~="é"', False),
    ({"scope": ["/A", "/B"]}, 'scope=="/B"', True),
    ({"scope": ["/A", "/B"]}, 'scope!="/C"', True),
    ({}, 'scope!="/C"', False),
    ({}, "!scope", True),
]
BOOLEANS: list[tuple[Document, str, bool]] = [
    (prop(True), "speed!=1", True),
    (prop(True), "speed==1", False),
    (prop(True), "speed!=true", False),
    (prop(True), 'speed=="true"', False),
    (prop(True), "speed>0", False),
    (prop(1), "speed!=true", True),
    (prop(1), "speed==true", False),
    (prop("true"), "speed!=true", True),
    (prop(False), "speed==0", False),
    (prop([True, 2]), "speed!=1", True),
    (prop([True, 2]), "speed==1,true", True),
    (prop(0, unitCode="a"), "speed.unitCode!=true", True),
    (prop(0), "speed.unitCode!=true", False),
    (prop(0, unitCode="a"), "speed.unitCode[*]!=true", False),
]
NOT_THERE: list[tuple[Document, str, bool]] = [
    ({}, "speed!=true", False),
    ({}, "speed!=true|speed.x!=1|speed[x]!=1", False),
    ({}, '!speed;!speed.x;!speed[*]|speed~="a"', True),
    ({"speed": {"type": "JsonProperty", "json": {"*": None}}}, "speed[*]", True),
    ({"speed": {"type": "JsonProperty", "json": {"*": None}}}, "speed[*]!=1", True),
    (prop({"a": 1}), "speed[b]!=1", False),
]
LANGUAGES: list[tuple[Document, str, bool]] = [
    ({"speed": languages({})}, "speed", True),
    ({"speed": languages({})}, "speed[*]", False),
    ({"speed": languages({})}, "!speed[*]", True),
    ({"speed": languages({})}, 'speed[*]!="a"', False),
    (prop(0, accuracy=languages({})), "speed.accuracy[*]", False),
    (prop(0, accuracy=[languages({}), languages({"en": "a"})]), "speed.accuracy[*]", True),
    ({"speed": languages({"en": []})}, "speed[*];speed[en]", True),
    ({"speed": languages({"en": []})}, 'speed[*]!="a"', False),
    ({"speed": languages({"en": "a"})}, "speed[*];!speed[fr]", True),
]
NAMES_OF_MEMBERS: list[tuple[Document, str, bool]] = [
    (prop({"x'y": 1}), "speed[x'y]==1", True),
    (prop({"$": 1}), "speed[$]==1", True),
    (prop({"#-1": 1}), "speed[#-1]==1", True),
    (prop({"0": 1}), "speed[0]==1", True),
    (prop([1]), "speed[0]==1", False),
    (prop({"a\0b": 1}), "speed[a\0b]==1", True),
]
TEXTS: list[tuple[Document, str, bool]] = [
    (prop("a\0b"), 'speed=="a\0b"', True),
    (prop("a\0b"), 'speed=="a"', False),
    (prop("a\0b"), 'speed>"a"', True),
    (prop("a\0b"), 'speed~="b"', True),
    (prop("2026-01-01T00:00:00Z\0"), "speed>2025-01-01T00:00:00Z", False),
    (prop("2026-01-01T00:00:00.5Z\0"), "speed>2025-01-01T00:00:00Z", False),
    (prop("2026-01-01\0"), "speed>2025-01-01", False),
    (prop("12:00:00Z\0"), "speed>11:00:00Z", False),
    (prop("é"), 'speed=="e\u0301"', False),
]
BIG: list[tuple[Document, str, bool]] = [
    (prop(-0.0), "speed==0", True),
    (prop(1e300), "speed==1e300", True),
    (prop(2**53 + 1), "speed==9007199254740992", False),
    (prop(2**53 + 1), "speed==9007199254740992.0", False),
    (prop(2**63 - 1), "speed==9223372036854775807", True),
    (prop(2**63 - 1), "speed!=9223372036854775806", True),
    (prop(2**63 - 1), "speed<9223372036854775808", True),
    (prop(2**63 + 1), "speed==9223372036854775809", True),
    (prop(2**63 + 1), "speed==1..9223372036854775808", True),
    (prop(2**63 + 1), "speed>9223372036854775807", True),
    (prop(2**64 - 1), "speed==18446744073709551615", True),
]
ASTRAY = """
scope.x scope.x!=1 !scope.x scope.observedAt scope.createdAt !scope.x.createdAt
type.x type.x==1 !type.x type.unitCode!=1 type.modifiedAt type{x} !type{x}
scope{x}!=1 id.x speed.objectType.x speed.objectType.x!=1 speed.objectType.createdAt
speed.value speed.value!=1 speed.value.x speed.type.x!=1 speed.value.createdAt
"""
NOWHERE: list[tuple[Document, str, bool]] = [
    (content, text, text.startswith("!"))
    for content in (
        {"scope": ["/A", "/B"], "type": BOTH},
        {"scope": "/A", "speed": {"type": "Relationship", "object": "urn:a", "objectType": BOTH}},
        prop({"x": 1, "type": "Property", "value": 1}),
    )
    for text in ASTRAY.split()
]


@pytest.mark.parametrize(
    ("content", "text", "expected"),
    [*SCOPES, *BOOLEANS, *NOT_THERE, *LANGUAGES, *NAMES_OF_MEMBERS, *TEXTS, *BIG, *NOWHERE],
)
def test_a_condition_means_what_the_standard_says_in_both(
    connection: apsw.Connection, content: Document, text: str, expected: bool
) -> None:
    query = Query(q=q.parse(text, Plain(), max_links=1))
    assert holds(connection, content, query) is expected


def test_no_geometry_is_looked_for_in_types(connection: apsw.Connection) -> None:
    query = Query(geo=Geo("disjoint", CENTRE, "type"))
    assert not holds(connection, {"type": BOTH}, query)


@given(
    number=st.floats(allow_nan=False, allow_infinity=False),
    other=st.floats(allow_nan=False, allow_infinity=False),
)
def test_every_double_equals_itself(
    connection: apsw.Connection, number: float, other: float
) -> None:
    path = Path("speed")
    assert holds(connection, prop(number), Query(q=Compare(path, "==", number)))
    assert holds(connection, prop(number), Query(q=Compare(path, "<", other))) is (number < other)


@pytest.mark.parametrize(
    "path",
    [
        Path("type", ("x",)),
        Path("scope", ("x", "createdAt")),
        Path("speed", ("value",)),
        Path("speed", ("objectType", "x")),
    ],
)
@pytest.mark.parametrize("value", [{"x": 1}, [1]])
def test_what_is_nowhere_is_ordered_as_absent(path: Path, value: Any) -> None:
    content = prop(value, objectType=BOTH)
    entity = Entity({"id": "urn:a", "type": BOTH, "scope": ["/A", "/B"], **content}, 0, 0, 0)
    absent = sort_key(entity, (Order(Path("nothing")),))
    assert sort_key(entity, (Order(path),)) == absent
