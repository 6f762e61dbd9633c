"""What queries mean for entities in memory."""

from __future__ import annotations

from typing import Any

import pytest

from madang.model import time
from madang.model.context import Names
from madang.model.entity import CHILD, INSTANCE, Entity, Stamp
from madang.query import evaluate, q, scope, types
from madang.query.tree import Boolean, Compare, Geo, HasType, Path, Query, Selector

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"


def prop(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


BUILDING = Entity(
    {
        "id": "urn:ngsi-ld:Building:1",
        "type": ["Building", "Landmark"],
        "scope": ["/Madrid/Gardens/North", "/CompanyA"],
        "level": prop(4, observedAt=EARLY, unitCode="GP", accuracy=prop(0.5, source=prop("x"))),
        "name": prop("Eiffel Tower"),
        "open": prop(True),
        "tags": prop(["a", "b", 3]),
        "address": prop({"city": "Berlin", "geo": {"lat": 52.5}, "none": None}),
        "built": prop("2026-03-01T12:00:00.50Z"),
        "typed": prop({"@type": "DateTime", "@value": "2026-03-01T12:00:00Z"}),
        "day": prop({"@type": "Date", "@value": "2026-03-01"}),
        "hour": prop({"@type": "Time", "@value": "12:00:00Z"}),
        "speed": [prop(10), prop(60, datasetId="urn:d:1", observedAt=LATE)],
        "color": {
            "type": "LanguageProperty",
            "languageMap": {"en": "red", "fr": ["rouge", "roux"]},
        },
        "genre": {"type": "VocabProperty", "vocab": ["commercial", "https://a.b/c"]},
        "owner": {"type": "Relationship", "object": "urn:ngsi-ld:Person:1"},
        "parts": {"type": "ListRelationship", "objectList": [{"object": "urn:p:1"}]},
        "notes": {"type": "JsonProperty", "json": {"a": {"b": 7}, "n": None}},
        "steps": {"type": "ListProperty", "valueList": [1, "two"]},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [8, 40]}},
    },
    created=time.parse(EARLY),
    modified=time.parse(LATE),
    written=time.parse(EARLY),
    times={
        "level": Stamp(time.parse(EARLY), time.parse(LATE)),
        f"speed{INSTANCE}urn:d:1": Stamp(time.parse(LATE), time.parse(LATE)),
        f"level{CHILD}accuracy": Stamp(time.parse(LATE), time.parse(LATE)),
    },
)
PERSON = Entity(
    {
        "id": "urn:ngsi-ld:Person:1",
        "type": "Person",
        "name": prop("Ada"),
        "lives": {"type": "Relationship", "object": ["urn:none", "urn:ngsi-ld:Building:1"]},
    },
    0,
    0,
    0,
)
CITY = {entity.id: entity for entity in (BUILDING, PERSON)}


def holds(text: str, names: Names, **options: Any) -> bool:
    condition = q.parse(text, names, max_links=3, **options)
    return evaluate.matches(condition, BUILDING, linked=CITY.get)


TRUE = """
level  level==4  level>3.5  level>=4  level<=4  level<4.1  level==4.0  level!=5  level==4..5
level!=5..6  level!="4"  level==1,4  level!=1,2  level==true,4
name  name=="Eiffel_Tower"  name!="Pisa"  name~="^Eiffel"  name!~="^Pisa"  name>"Eiffel"  name<"F"
name=="a","Eiffel_Tower"  name=="E".."F"  name!=5
open==true  open!=false  open!=1
tags=="a"  tags==3  tags=="x","b"  tags!="z"  tags!=true  tags==2..4
address[city]=="Berlin"  address[city]  address[geo.lat]>52  address[geo]  address[none]  address!=3
built>2026-03-01T12:00:00Z  built=="2026-03-01T12:00:00.5Z"  built>"2026-02-15T00:00:00Z"
typed==2026-03-01T12:00:00Z  typed<2026-03-01T12:00:01Z  day==2026-03-01  day<2026-03-02
hour==12:00:00.0Z  hour>11:59:59Z  day!=2026-03-02
speed>50  speed==10  speed!=10  speed<20  speed
color  color[en]=="red"  color[fr]=="roux"  color[*]=="rouge"  color[en]!="rouge"  color[*]!="blau"
color[fr]  color[*]  color[*]~="^rou"  color[en]!~="^b"  color[*]!~="^b"
genre=="https://a.b/c"  genre!="commercial"
genre==https://uri.etsi.org/ngsi-ld/default-context/commercial
owner=="urn:ngsi-ld:Person:1"  owner==urn:ngsi-ld:Person:1  owner!="urn:x"  owner!=5  owner
parts==urn:p:1  parts!=urn:p:2
notes[a.b]==7  notes[a]  notes[n]  notes
steps==1  steps=="two"  steps!=3
level.accuracy  level.accuracy==0.5  level.accuracy.source=="x"
level.observedAt<2026-02-01T00:00:00Z  level.unitCode=="GP"  level.type=="Property"
speed.observedAt>2026-02-01T00:00:00Z
createdAt==2026-01-01T00:00:00Z  modifiedAt>2026-01-01T00:00:00Z  createdAt!="x"
level.createdAt==2026-01-01T00:00:00Z  level.modifiedAt==2026-06-01T00:00:00Z
name.createdAt==2026-01-01T00:00:00Z  speed.createdAt>2026-02-01T00:00:00Z
level.accuracy.createdAt==2026-06-01T00:00:00Z  level.accuracy.source.createdAt>2026-02-01T00:00:00Z
createdAt  level.createdAt
id=="urn:ngsi-ld:Building:1"  id~="Building"  type==Landmark  type!=Car  scope=="/CompanyA"
!nothing  !level.nothing  !address[postcode]  !color[de]  !nothing.createdAt
level>100|name~="^E"  (level>100|open==true);name  !nothing;level==4
owner{name}=="Ada"  owner{Person:name}=="Ada"  owner{Car,Person:name}  owner{lives{level}}>3
owner{lives{owner{name}}}=="Ada"  !owner{nothing}  owner{createdAt}<2026-01-01T00:00:00Z
location  location[type]=="Point"
"""

FALSE = """
level==5  level!=4  level=="4"  level>"3"  level==true  level==5..6  level!=4..5  level!=1,4
level>4  name==5  name>5  name~="^Pisa"  level~="4"  level!~="5"  open==1  open~="t"  tags~="a"
tags!~="z"  tags!="a"  tags>"a"  tags=="z"  tags!=2..4
address[postcode]  address[postcode]=="Berlin"  address[postcode]!="Berlin"  address[city.x]
address=="Berlin"  name[x]  name[x]!="y"  tags[x]
built<2026-03-01T12:00:00Z  name>2026-01-01T00:00:00Z  built>2026-01-01  day>12:00:00Z
speed>60  speed!=10..60
color=="red"  color!="red"  color~="r"  color[en]=="rouge"  color[*]!="red"  color[de]!="red"
color[*]!~="^r"  color[en]>"z"  color[en.x]
genre=="commercial"  genre==commercial  genre!=https://a.b/c  genre>"a"  genre~="c"
owner>"a"  owner~="urn"  owner=="urn:x"  owner[x]  parts==urn:p:2  parts!=urn:p:1
notes[a.c]  notes[a.b]!=7  notes==7  steps>0  steps==2  steps!=1
level.nothing  level.nothing!=1  level.value  level.value==4  level.accuracy.observedAt
nothing  nothing==1  nothing!=1  nothing~="a"  nothing{name}  !level  !createdAt  !id
createdAt=="x"  createdAt>5  createdAt~="2"  modifiedAt<2026-01-01T00:00:00Z  expiresAt
level>100|name~="^P"  (level>100|open==true);nothing
owner{name}=="Bob"  owner{Car:name}=="Ada"  name{name}  owner{lives{level}}>4  owner{nothing}!=1
"""


@pytest.mark.parametrize("text", TRUE.split())
def test_a_condition_holds(text: str, names: Names) -> None:
    assert holds(text.replace("_", " "), names)


@pytest.mark.parametrize("text", FALSE.split())
def test_a_condition_does_not_hold(text: str, names: Names) -> None:
    assert not holds(text.replace("_", " "), names)


def test_a_vocabulary_is_met_by_names_only_where_values_are_expanded(names: Names) -> None:
    expand = {"expand_values": ["shop"]}
    shop = Entity(
        {"id": "urn:s", "type": "S", "shop": {"type": "VocabProperty", "vocab": "x"}}, 0, 0, 0
    )
    assert evaluate.matches(q.parse("shop==x", names, **expand), shop)  # type: ignore[arg-type]
    assert not evaluate.matches(q.parse("shop==x", names), shop)


def test_without_linked_entities_no_relationship_leads_anywhere(names: Names) -> None:
    condition = q.parse("owner{name}", names, max_links=1)
    assert not evaluate.matches(condition, BUILDING)


def test_true_and_one_do_not_share_a_compiled_condition() -> None:
    one, truth = (Compare(Path("open"), "==", value) for value in (1, Boolean(True)))
    assert not evaluate.matches(one, BUILDING)
    assert evaluate.matches(truth, BUILDING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Building", True), ("Car", False), ("Car,Landmark", True), ("Building;Landmark", True),
     ("(Building;Car),Bus", False)],
)  # fmt: skip
def test_types_select(text: str, expected: bool) -> None:
    class Plain:
        def expand(self, term: str, /) -> str:
            return term

        def compact(self, name: str, /) -> str:
            return name

    selector = Selector(types.parse(text, Plain()))
    assert evaluate.selected((selector,), BUILDING) is expected


def test_a_selector_needs_all_it_names_and_one_selector_is_enough() -> None:
    of_type, own = HasType("Building"), BUILDING.id
    assert evaluate.selected((), BUILDING)
    assert evaluate.selected((Selector(of_type, (own,), "Building:1$"),), BUILDING)
    assert not evaluate.selected((Selector(of_type, ("urn:x",)),), BUILDING)
    assert not evaluate.selected((Selector(of_type, (own,), "^Building"),), BUILDING)
    assert evaluate.selected((Selector(HasType("Car")), Selector(None, (own,))), BUILDING)


def test_scopes_select() -> None:
    for text, expected in (("/CompanyA", True), ("/Madrid/#;/CompanyA", True), ("/Madrid", False)):
        assert evaluate.matches(scope.parse(text), BUILDING) is expected
    assert not evaluate.matches(scope.parse("/#"), PERSON)


def test_an_entity_without_the_geometry_matches_no_geo_query() -> None:
    far = '{"type":"Point","coordinates":[9,41]}'
    assert evaluate.matches(Geo("disjoint", far), BUILDING)
    assert evaluate.matches(Geo("near", far, max_distance=200_000.0), BUILDING)
    assert not evaluate.matches(Geo("disjoint", far), PERSON)
    assert not evaluate.matches(Geo("disjoint", far, "name"), PERSON)


def test_a_query_accepts_what_meets_all_its_parts(names: Names) -> None:
    parts: dict[str, tuple[Any, Any]] = {
        "selectors": ((Selector(HasType("Building")),), (Selector(HasType("Car")),)),
        "attributes": (("nothing", "level"), ("nothing",)),
        "q": (q.parse("level==4", names), q.parse("level==5", names)),
        "scope": (scope.parse("/CompanyA"), scope.parse("/CompanyB")),
        "geo": (
            Geo("equals", '{"type":"Point","coordinates":[8,40]}'),
            Geo("equals", '{"type":"Point","coordinates":[8,41]}'),
        ),
    }
    right = {name: good for name, (good, _) in parts.items()}
    assert evaluate.accepts(Query(**right), BUILDING)
    for name, (_, bad) in parts.items():
        assert not evaluate.accepts(Query(**{**right, name: bad}), BUILDING)
