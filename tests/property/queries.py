"""Random cities and queries, small enough to meet, and what a query finds: in memory, in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import orjson
from hypothesis import strategies as st

from madang.model import time
from madang.model.entity import Document, Entity, Stamp, path_of
from madang.query import evaluate
from madang.query.tree import (
    And,
    Boolean,
    Compare,
    Date,
    DateTime,
    Exists,
    Geo,
    HasId,
    HasType,
    InScope,
    Link,
    Not,
    Or,
    Path,
    Query,
    Range,
    Selector,
    Time,
    Uri,
    Values,
)
from madang.store import sql

# Few names and values, so that conditions often meet what they ask for.
NAMES = ["speed", "https://a.b/c#d", 'q"u\\o', "né.e[0]$"]
SUBS = ["accuracy", "x'y"]
ASTRAY = [  # paths into members that have nothing inside, and some that lead somewhere
    (first, *rest)
    for first in ("type", "objectType", "value", "accuracy")
    for rest in ((), ("accuracy",), ("unitCode",), ("createdAt",))
]
MEMBERS = ["city", "a.b", "en", "*"]
IDS = ["urn:a", "urn:b", "urn:c"]
DATASETS = ["urn:set:1", 'urn:set:"\u001f"']
TIMES = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000Z",
    "2026-01-01T00:00:00,5Z",
    "2026-01-01T00:00:00.1234567Z",
    "2026-02-28T23:59:59Z",
]
NEARLY_TIMES = [
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:60Z",
    "0000-01-01T00:00:00Z",
    "2026-01-01T00:00:00.Z",
    "2026-01-01T00:00:00.1234567890Z",
    "2026-01-01T00:00:00.12ZZ",
    "2026-01-01T00:00:00+01:00",
    "2026-01-01T00:00:00Z\0",
    "2026-01-01T00:00:00.5Z\0",
]
DATES = ["2026-01-01", "2026-01-31", "2026-1-1", "2026-01-01\0"]
HOURS = ["12:00:00Z", "12:00:00.50Z", "12:00:00.5Z", "24:00:00Z", "12:00Z", "23:59:59Z"]
TEXTS = ["", "a", "b", "ab", "é", "😀", "\ufffd", "urn:a", "true", "1", 'q"', "Building", "it's"]
HARD_TEXTS = ["a\0b", "e\u0301", "12:00:00Z\0"]
NUMBERS = [0, 1, 2, -1, -0.0, 1.0, 1.5, 1e300, 2**53 + 1, 2**63 - 1, 2.0**63]
TOO_LONG = [2**63, 2**63 + 1, 2**64 - 1]  # for 64 bits; a parser makes floats of such literals

texts = st.sampled_from(TEXTS + HARD_TEXTS + TIMES + NEARLY_TIMES + DATES + HOURS)
numbers = st.sampled_from(NUMBERS)
scalars = st.one_of(texts, numbers, st.booleans(), st.sampled_from(TOO_LONG))
typed = st.builds(
    lambda kind, value: {"@type": kind, "@value": value},
    st.sampled_from(["DateTime", "Date", "Time", "xsd:string"]),
    st.one_of(scalars, st.lists(scalars, max_size=2)),
)
values = st.recursive(
    st.one_of(scalars, typed),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3)
    ),
    max_leaves=5,
)
stamps = st.builds(lambda text: time.parse(text), st.sampled_from(TIMES))

points = st.sampled_from([[0.0, 0.0], [0.001, 0.0], [5.0, 5.0], [2.0, 2.0], [179.9, 0.0]])
geometries = st.one_of(
    points.map(lambda place: {"type": "Point", "coordinates": place}),
    st.just({"type": "LineString", "coordinates": [[0, 0], [10, 10]]}),
    st.just({"type": "Polygon", "coordinates": [[[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]]]}),
)
languages = st.dictionaries(
    st.sampled_from(["en", "fr", "@none"]),
    st.one_of(st.sampled_from(TEXTS), st.lists(st.sampled_from(TEXTS), max_size=2)),
    max_size=3,
)
uris = st.sampled_from(IDS)
vocabularies = st.sampled_from(["commercial", "urn:a", "Building", "https://a.b/c"])


def one_or_more(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(items, st.lists(items, min_size=1, max_size=2))


attributes_of_any_type = st.one_of(
    st.builds(lambda value: {"type": "Property", "value": value}, values),
    st.builds(lambda value: {"type": "GeoProperty", "value": value}, geometries),
    st.builds(lambda value: {"type": "Relationship", "object": value}, one_or_more(uris)),
    st.builds(
        lambda found: {"type": "ListRelationship", "objectList": [{"object": u} for u in found]},
        st.lists(uris, max_size=2),
    ),
    st.builds(lambda value: {"type": "LanguageProperty", "languageMap": value}, languages),
    st.builds(lambda value: {"type": "VocabProperty", "vocab": value}, one_or_more(vocabularies)),
    st.builds(
        lambda value: {"type": "JsonProperty", "json": value},
        st.one_of(
            st.lists(values, max_size=2),
            st.dictionaries(st.sampled_from(MEMBERS), st.one_of(values, st.none()), max_size=2),
        ),
    ),
    st.builds(
        lambda value: {"type": "ListProperty", "valueList": value}, st.lists(values, max_size=3)
    ),
)


SEVERAL: st.SearchStrategy[list[str | None]] = st.sampled_from(
    [[None], [None], [DATASETS[0]], [None, *DATASETS]]
)


@st.composite
def instances(draw: st.DrawFn, depth: int = 2) -> Any:
    """One attribute: an instance, or several that differ in datasetId."""
    found = []
    for dataset in draw(SEVERAL):
        instance: dict[str, Any] = dict(draw(attributes_of_any_type))
        if dataset is not None:
            instance["datasetId"] = dataset
        if draw(st.booleans()):
            instance["observedAt"] = draw(st.sampled_from(TIMES))
            instance["unitCode"] = draw(st.sampled_from(["a", "b"]))
            instance["objectType"] = ["Building", "a"]
        if depth:
            for name in draw(st.lists(st.sampled_from(SUBS), max_size=2, unique=True)):
                instance[name] = draw(instances(depth - 1))
        found.append(instance)
    return found[0] if len(found) == 1 else found


@st.composite
def documents(draw: st.DrawFn) -> Document:
    kinds = draw(
        st.lists(st.sampled_from(["Building", "Vehicle", "urn:t"]), min_size=1, unique=True)
    )
    document: Document = {"id": "", "type": kinds[0] if len(kinds) == 1 else kinds}
    scopes = draw(st.lists(st.sampled_from(["/A", "A/B", "/A/B/C", "/D", "/AB"]), max_size=2))
    if scopes:
        document["scope"] = scopes[0] if len(scopes) == 1 else scopes
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)):
        document[name] = draw(instances())
    return document


def paths_of(holder: dict[str, Any], names: list[str], parent: str = "") -> Iterator[str]:
    for name in names:
        found = holder.get(name, [])
        for instance in found if isinstance(found, list) else [found]:
            path = path_of(name, instance, parent)
            yield path
            yield from paths_of(instance, SUBS, path)


@st.composite
def cities(draw: st.DrawFn) -> list[Entity]:
    city = []
    for id in IDS:
        document = draw(documents())
        document["id"] = id
        entity = Entity(document, draw(stamps), draw(stamps), draw(stamps))
        for path in paths_of(document, NAMES):
            if draw(st.booleans()):
                entity.times[path] = Stamp(draw(stamps), draw(stamps))
        city.append(entity)
    return city


date_times = st.sampled_from(TIMES).map(lambda text: DateTime(time.parse(text), text))
literals = st.one_of(
    st.sampled_from(TEXTS + HARD_TEXTS),
    numbers,
    st.booleans().map(Boolean),
    date_times,
    st.sampled_from(DATES[:2]).map(Date),
    st.sampled_from([HOURS[0], HOURS[1], HOURS[2]]).map(Time),
    st.sampled_from(["urn:a", "urn:b", "commercial", "a", "Building"]).map(Uri),
)
ends = st.one_of(
    st.tuples(numbers, numbers),
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.tuples(date_times, date_times),
)
ranges = ends.map(lambda pair: Range(*pair))
lists = st.lists(literals, min_size=1, max_size=4).map(lambda items: Values(tuple(items)))
plain_paths = st.one_of(
    st.builds(
        Path,
        st.sampled_from(NAMES),
        st.one_of(
            st.just(()),
            st.lists(st.sampled_from(SUBS), max_size=2).map(tuple),
            st.tuples(st.sampled_from(["observedAt", "createdAt", "modifiedAt", "unitCode"])),
            st.tuples(
                st.sampled_from(SUBS),
                st.sampled_from(["observedAt", "createdAt", "modifiedAt", "datasetId", "value"]),
            ),
        ),
        st.one_of(st.just(()), st.lists(st.sampled_from(MEMBERS), max_size=2).map(tuple)),
    ),
    st.sampled_from(["id", "type", "scope", "createdAt", "modifiedAt"]).map(Path),
    st.builds(
        Path,
        st.sampled_from([*NAMES, "type", "scope"]),
        st.sampled_from(ASTRAY),
    ),
)
scopes = st.recursive(
    st.builds(
        InScope,
        st.lists(st.sampled_from(["A", "B", "+"]), max_size=3).map(tuple),
        st.booleans(),
    ),
    lambda inner: st.one_of(
        st.builds(lambda *items: And(items), inner, inner),
        st.builds(lambda *items: Or(items), inner, inner),
    ),
    max_leaves=3,
)
reaches = st.recursive(
    st.one_of(
        scopes,
        st.sampled_from(["Building", "Vehicle", "urn:t"]).map(HasType),
        st.lists(st.sampled_from(IDS), max_size=2).map(lambda ids: HasId(tuple(ids))),
        st.sampled_from(NAMES).map(lambda name: Exists(Path(name))),
    ),
    lambda inner: st.one_of(
        st.builds(lambda items: And(tuple(items)), st.lists(inner, max_size=3)),
        st.builds(lambda items: Or(tuple(items)), st.lists(inner, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
links = st.lists(
    st.builds(
        Link,
        st.sampled_from([*NAMES, "type", "scope"]),
        st.sampled_from([(), ("Building",), ("urn:t", "Vehicle")]),
        st.one_of(st.none(), reaches),
    ),
    max_size=2,
)
paths = st.builds(
    lambda path, over: Path(path.attribute, path.subs, path.members, tuple(over)),
    plain_paths,
    st.one_of(st.just([]), st.just([]), links),
)
comparisons = st.one_of(
    st.builds(
        Compare, paths, st.sampled_from(["==", "!="]), st.one_of(literals, literals, ranges, lists)
    ),
    st.builds(Compare, paths, st.sampled_from([">", ">=", "<", "<="]), literals),
    st.builds(
        Compare, paths, st.sampled_from(["~=", "!~="]), st.sampled_from(["^a", "b$", ".", "é"])
    ),
)
CENTRE = '{"type":"Point","coordinates":[0,0]}'
SQUARE = '{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]]]}'
geo_queries = st.one_of(
    st.builds(
        Geo,
        st.sampled_from(["within", "contains", "intersects", "equals", "disjoint", "overlaps"]),
        st.sampled_from([CENTRE, SQUARE]),
        st.sampled_from([*NAMES, "type"]),
    ),
    st.builds(
        lambda name, metres, most: Geo(
            "near", CENTRE, name, *((None, metres) if most else (metres, None))
        ),
        st.sampled_from(NAMES),
        st.sampled_from([50.0, 200.0, 900_000.0]),
        st.booleans(),
    ),
)
conditions = st.recursive(
    st.one_of(comparisons, comparisons, comparisons, st.builds(Exists, paths)),
    lambda inner: st.one_of(
        st.builds(lambda items: And(tuple(items)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda items: Or(tuple(items)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
types = st.recursive(
    st.sampled_from(["Building", "Vehicle", "urn:t"]).map(HasType),
    lambda inner: st.one_of(
        st.builds(lambda *items: And(items), inner, inner),
        st.builds(lambda *items: Or(items), inner, inner),
    ),
    max_leaves=3,
)
selectors = st.builds(
    Selector,
    st.one_of(st.none(), types),
    st.one_of(st.just(()), st.lists(st.sampled_from(IDS), min_size=1, max_size=2).map(tuple)),
    st.one_of(st.none(), st.sampled_from(["a$", "urn", "^b"])),
)

criteria = (
    st.lists(selectors, max_size=2).map(tuple),
    st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    st.one_of(st.none(), conditions),
    st.one_of(st.none(), geo_queries),
    st.one_of(st.none(), scopes),
)
"""The parts of a query that choose entities, in the order that ``Query`` has them."""
queries = st.builds(Query, *criteria, st.one_of(st.none(), reaches, conditions))


TABLES = """
CREATE TABLE shape (id INTEGER PRIMARY KEY, types TEXT, attributes TEXT, count INTEGER);
CREATE TABLE entity (
    rowid INTEGER PRIMARY KEY, id TEXT UNIQUE, shape INTEGER, created INTEGER, modified INTEGER,
    written INTEGER, expires INTEGER, times TEXT, doc TEXT
);
"""


def types_of(entity: Entity) -> tuple[str, ...]:
    return tuple(sorted(entity.types))


def fill(connection: apsw.Connection, city: list[Entity]) -> None:
    """Keep a city in the tables, each entity with a shape of its own."""
    connection.execute("DELETE FROM entity; DELETE FROM shape")
    for number, entity in enumerate(city):
        attributes = [(name, ["Property"]) for name in entity.document if name in NAMES]
        connection.execute(
            "INSERT INTO shape VALUES (?, ?, ?, 1)",
            (number, text_of(types_of(entity)), text_of(attributes)),
        )
        times = {path: stamp[:2] for path, stamp in entity.times.items()}
        connection.execute(
            "INSERT INTO entity (id, shape, created, modified, written, times, doc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                entity.id,
                number,
                entity.created,
                entity.modified,
                entity.written,
                text_of(times) if times else None,
                text_of(entity.document),
            ),
        )


def text_of(value: Any) -> str:
    return orjson.dumps(value).decode()


def found_by_sql(connection: apsw.Connection, city: list[Entity], query: Query) -> set[str]:
    fits = sql.shape_condition(query)
    fitting = [
        str(number)
        for number, entity in enumerate(city)
        if fits is None or fits(types_of(entity), frozenset(entity.document).intersection(NAMES))
    ]
    text, bound = sql.where(query)
    statement = f"SELECT e.id FROM entity e WHERE e.shape IN ({','.join(fitting)})"
    if text:
        statement += f" AND ({text})"
    return {str(id) for (id,) in connection.execute(statement, bound)}


def found_in_memory(city: list[Entity], query: Query) -> set[str]:
    linked = {entity.id: entity for entity in city}.get
    return {entity.id for entity in city if evaluate.accepts(query, entity, linked=linked)}
