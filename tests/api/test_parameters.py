from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.api.parameters import ALLOWED, check_known, flag, page, page_links
from madang.api.selection import (
    DEEPEST_JOIN,
    Search,
    body_search,
    purge,
    retrieval,
    search,
    write,
)
from madang.model.context import CORE, build
from madang.model.errors import BadRequestData, InvalidRequest, NgsiError
from madang.model.linked import Join
from madang.query.tree import HasType, InScope, Or, Selector

CITY = build({"speed": "https://example.org/speed"}, lambda url: {})
MOST = 1000


def asked(query: str) -> Search:
    return search(query, CORE, False, MOST)


def posted(**members: Any) -> Search:
    return body_search({"type": "Query", **members}, "", CORE, False, MOST)


# --- the query string ----------------------------------------------------------------------------


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="additionalParam"):
        asked("type=Building&additionalParam=1")
    with pytest.raises(InvalidRequest, match="invalidParams"):
        check_known("invalidParams=x", frozenset())


def test_values_are_decoded_once() -> None:
    found = check_known("q=name%3D%3D%22a+b%2525%22", frozenset({"q"}))
    assert found == {"q": 'name=="a b%25"'}


def test_a_semicolon_parts_no_parameters() -> None:
    assert check_known("q=a;b", frozenset({"q"})) == {"q": "a;b"}


@pytest.mark.parametrize("query", ["type=A&type=B", "type=%FF"])
def test_a_query_string_that_means_two_things_or_nothing_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        asked(query)


def test_booleans_are_lowercase() -> None:
    assert flag({"details": "true"}, "details")
    assert not flag({}, "details")
    with pytest.raises(BadRequestData, match="details"):
        flag({"details": "True"}, "details")


@given(st.sampled_from(sorted(ALLOWED)), st.text(max_size=40))
def test_no_query_string_breaks_the_parser(operation: str, query: str) -> None:
    with contextlib.suppress(NgsiError):
        write(operation, query, CORE)
    with contextlib.suppress(NgsiError):
        asked(query)


@given(st.dictionaries(st.sampled_from(sorted(ALLOWED["queryEntities"])), st.text(max_size=12)))
def test_no_value_of_a_parameter_breaks_the_query(values: dict[str, str]) -> None:
    query = "&".join(
        f"{name}={value.replace('%', '').replace('&', '')}" for name, value in values.items()
    )
    with contextlib.suppress(NgsiError):
        asked(query)


# --- pages ---------------------------------------------------------------------------------------


def test_a_page_has_a_default_and_a_maximum() -> None:
    assert page({}, MOST) == (20, 0, False)
    assert page({"limit": "5", "offset": "3", "count": "true"}, MOST) == (5, 3, True)
    with pytest.raises(BadRequestData, match="from 1 to 1000"):
        page({"limit": "1001"}, MOST)


@pytest.mark.parametrize(
    "values",
    [{"limit": "-5"}, {"limit": "0"}, {"limit": "x"}, {"limit": "1.5"}, {"offset": "-3"},
     {"offset": "٣"}, {"offset": "9" * 30}, {"limit": ""}, {"count": "yes"}],
)  # fmt: skip
def test_pages_that_cannot_be_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(BadRequestData):
        page(values, MOST)


def test_a_count_alone_may_be_asked_for() -> None:
    assert page({"limit": "0", "count": "true"}, MOST) == (0, 0, True)


def test_links_to_other_pages_keep_the_parameters_in_their_order() -> None:
    links = page_links("/ngsi-ld/v1/entities/", "offset=1&type=Building&limit=1&q=a", 1, 1, True)
    assert links == [
        '</ngsi-ld/v1/entities?type=Building&q=a&limit=1&offset=0>;rel="prev";type="application/ld+json"',
        '</ngsi-ld/v1/entities?type=Building&q=a&limit=1&offset=2>;rel="next";type="application/ld+json"',
    ]


def test_there_are_links_only_to_pages_that_are() -> None:
    assert page_links("/p", "", 20, 0, False) == []
    assert page_links("/p", "count=true&limit=0", 0, 0, True) == []
    assert [link.split(">")[0] for link in page_links("/p", "", 2, 1, False)] == [
        "</p?limit=2&offset=0"
    ]


# --- views ---------------------------------------------------------------------------------------


def test_format_wins_over_options() -> None:
    assert (
        retrieval("format=keyValues&options=normalized,sysAttrs", CORE).view.format == "simplified"
    )
    assert retrieval("options=concise,sysAttrs", CORE).view.sys_attrs


@pytest.mark.parametrize(
    "query",
    ["options=invalid", "options=keyValues,invalid", "format=invalid", "format=keyValues&options=x",
     "options=", "format=sysAttrs", "format=concise,normalized", "options=temporalValues"],
)  # fmt: skip
def test_unknown_words_in_options_or_format_are_refused(query: str) -> None:
    with pytest.raises(InvalidRequest):
        retrieval(query, CORE)


def test_names_are_expanded_with_the_context_of_the_request() -> None:
    view = retrieval("attrs=speed,name", CITY).view
    assert view.attrs == {"https://example.org/speed", "name"}


@pytest.mark.parametrize(
    "query",
    ["pick=name&omit=name", "pick=name&attrs=x", "omit=name&attrs=x", "pick=id;name", "pick=",
     "pick=id,locatedAt{name", "pick=id,locatedAt{{name}", "pick=id,,name", "pick=a||b",
     "pick=id,locatedAt{,name}", "pick=id,locatedAt{}", "pick=owner{name}",
     "pick=a{b{c}}&join=inline&joinLevel=1", "omit=a{b{c}}&join=inline",
     "geometryProperty=location", "attrs=a,,b", "lang=", "datasetId=x", "join=outline",
     "joinLevel=0", "joinLevel=11&join=inline", "containedBy=x", "local=True", "type=("],
)  # fmt: skip
def test_what_a_view_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadRequestData):
        retrieval(query, CORE)


def test_projection_reaches_as_far_as_the_join() -> None:
    found = retrieval("pick=a{b{c}}&join=inline&joinLevel=2", CORE)
    assert found.join == Join(level=2)
    assert found.view.pick is not None
    eleven = "a{" * 11 + "x" + "}" * 11
    with pytest.raises(BadRequestData):
        retrieval(f"pick={eleven}&join=inline&joinLevel={DEEPEST_JOIN}", CORE)


def test_geometry_property_goes_with_geojson() -> None:
    assert retrieval("geometryProperty=area", CORE, True).view.geometry == "area"


def test_join_may_be_switched_off_by_name() -> None:
    assert retrieval("join=@none", CORE).join is None
    join = retrieval("join=flat&containedBy=urn:a:1,urn:a:2", CORE).join
    assert join == Join(flat=True, contained_by=frozenset({"urn:a:1", "urn:a:2"}))


def test_the_same_query_string_is_worked_out_once() -> None:
    assert asked("type=Car&limit=7") is asked("type=Car&limit=7")


# --- queries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["", "id=urn:x:1", "idPattern=.*", "scopeQ=/A", "attrs=createdAt", "attrs=id,type",
     'q=modifiedAt>"2020-01-01T00:00:00Z"', "limit=5", "local=false", "orderBy=id"],
)  # fmt: skip
def test_a_query_that_asks_for_nothing_is_too_wide(query: str) -> None:
    with pytest.raises(BadRequestData):
        asked(query)


@pytest.mark.parametrize(
    "query",
    ["type=A", "type=*", "attrs=a", "q=a", "local=true",
     "georel=within&geometry=Point&coordinates=[1,2]", "id=urn:x:1&local=true"],
)  # fmt: skip
def test_a_query_that_asks_for_something_is_enough(query: str) -> None:
    assert asked(query).query.limit == 20


def test_the_parts_of_a_query_are_parsed() -> None:
    query = asked("type=A,B&id=urn:x:1&idPattern=x&attrs=a&scopeQ=/S/%23&count=true").query
    assert query.selectors == (Selector(Or((HasType("A"), HasType("B"))), ("urn:x:1",)),)
    assert query.attributes == ("a",)
    assert query.scope == InScope(("S",), True)
    assert query.count


def test_any_type_is_asked_for_locally() -> None:
    assert asked("type=*").query.selectors == ()
    with pytest.raises(BadRequestData, match="local"):
        asked("type=*&local=false")


@pytest.mark.parametrize(
    "query",
    ["type=A&q=speed>", "type=A&csf=))bad((", "type=A&idPattern=[", "type=A&id=x y",
     "type=A&georel=near", "type=A&georel=near;maxDistance==inf&geometry=Point&coordinates=[1,2]",
     "type=A&scopeQ=A;;B", 'type=A&q=owner{name}=="x"',
     'type=A&q=owner{works{name}}=="x"&join=inline', "type=A&orderBy=location;dist-asc",
     "type=A&orderBy=name&collation=!!nope", "type=A&splitEntities=1"],
)  # fmt: skip
def test_what_a_query_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(BadRequestData):
        asked(query)


def test_purge_drops_or_keeps() -> None:
    assert purge("type=A&drop=speed", CITY).drop == {"https://example.org/speed"}
    assert purge("local=true&keep=a,b", CORE).keep == {"a", "b"}
    for query in ("type=A&drop=a&keep=b", "type=A&drop=a{b}", "", "id=urn:x:1"):
        with pytest.raises(BadRequestData):
            purge(query, CORE)
    with pytest.raises(InvalidRequest):
        purge("type=A&limit=5", CORE)


# --- bodies --------------------------------------------------------------------------------------


def test_a_body_asks_the_same_as_a_query_string() -> None:
    body = posted(
        entities=[{"type": "A"}],
        q='name=="x"',
        scopeQ="/S",
        pick=["id", "to{a,b}"],
        join="inline",
        joinLevel=1,
        lang="fr",
        datasetId=["@none", "urn:d:1"],
        geoQ={"georel": "near;maxDistance==5", "geometry": "Point", "coordinates": [1, 2]},
        ordering={"orderBy": ["id;desc"]},
    )
    string = asked(
        'type=A&q=name=="x"&scopeQ=/S&pick=id,to{a,b}&join=inline&joinLevel=1&lang=fr'
        "&datasetId=@none,urn:d:1&georel=near;maxDistance==5&geometry=Point&coordinates=[1,2]"
        "&orderBy=id;desc"
    )
    assert body == string


def test_a_body_has_alternatives_and_its_query_string_the_page() -> None:
    body = {"type": "Query", "entities": [{"type": "A", "id": "urn:x:1"}, {"type": "B"}]}
    found = body_search(body, "limit=5&options=sysAttrs", CORE, False, MOST)
    assert found.query.selectors == (
        Selector(HasType("A"), ("urn:x:1",)),
        Selector(HasType("B")),
    )
    assert found.query.limit == 5
    assert found.view.sys_attrs


def test_an_id_takes_precedence_over_a_pattern() -> None:
    found = posted(entities=[{"type": "A", "id": ["urn:x:1"], "idPattern": "2$"}])
    assert found.query.selectors == (Selector(HasType("A"), ("urn:x:1",)),)


def test_the_q_of_a_body_may_still_be_percent_encoded() -> None:
    assert posted(q="name==%22x%22") == posted(q='name=="x"')


BAD_BODIES: list[Any] = [
    [],
    {"type": "NotQuery", "entities": [{"type": "A"}]},
    {"entities": [{"type": "A"}]},
    {"type": "Query"},
    {"type": "Query", "entities": []},
    {"type": "Query", "entities": {"type": "A"}},
    {"type": "Query", "entities": [{"id": "urn:x:1"}]},
    {"type": "Query", "entities": [{"type": "A", "id": "not a uri"}]},
    {"type": "Query", "entities": [{"type": "A", "id": ["urn:x:1", 5]}]},
    {"type": "Query", "entities": [{"type": "A", "id": []}]},
    {"type": "Query", "entities": [{"type": "A"}], "attrs": []},
    {"type": "Query", "entities": [{"type": "A"}], "q": 42},
    {"type": "Query", "entities": [{"type": "A"}], "join": "inline", "joinLevel": 0},
    {"type": "Query", "entities": [{"type": "A"}], "joinLevel": "1"},
    {"type": "Query", "entities": [{"type": "A"}], "temporalQ": {}},
    {"type": "Query", "entities": [{"type": "A"}], "nothing": 1},
    {"type": "Query", "entities": [{"type": "A"}], "geoQ": {}},
    {"type": "Query", "entities": [{"type": "A"}], "geoQ": []},
    {"type": "Query", "entities": [{"type": "A"}], "ordering": {"orderBy": ["location;dist-asc"]}},
    {
        "type": "Query",
        "entities": [{"type": "A"}],
        "ordering": {"orderBy": ["location;dist-asc"], "coordinates": "8,40"},
    },
    {"type": "Query", "entities": [{"type": "A"}], "ordering": {"orderBy": ["id"], "geometry": 5}},
    {
        "type": "Query",
        "entities": [{"type": "A"}],
        "ordering": {"orderBy": ["id"], "collation": "!"},
    },
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_what_a_query_body_cannot_be_is_refused(body: Any) -> None:
    with pytest.raises(BadRequestData):
        body_search(body, "", CORE, False, MOST)


# --- writes --------------------------------------------------------------------------------------


def test_writes_have_their_own_words() -> None:
    assert write("appendAttributes", "options=noOverwrite", CORE).no_overwrite
    assert write("upsertBatch", "options=update", CORE).update
    assert not write("upsertBatch", "options=replace", CORE).update
    assert write("mergeEntity", "format=simplified", CORE).simplified
    assert write("mergeEntity", "options=keyValues", CORE).simplified
    assert write("deleteAttribute", "deleteAll=true", CORE).delete_all
    assert write("deleteAttribute", "datasetId=urn:d:1", CORE).dataset == "urn:d:1"
    assert write("replaceEntity", "type=A", CORE).types == HasType("A")


@pytest.mark.parametrize(
    ("operation", "query"),
    [("createEntity", "additionalParam=x"), ("upsertBatch", "options=noOverwrite"),
     ("appendAttributes", "options=update"), ("mergeEntity", "format=x"), ("deleteEntity", "q=a")],
)  # fmt: skip
def test_words_and_parameters_of_other_operations_are_refused(operation: str, query: str) -> None:
    with pytest.raises(InvalidRequest):
        write(operation, query, CORE)


@pytest.mark.parametrize("query", ["observedAt=2020-01-01", "lang=!", "type=("])
def test_bad_values_of_a_merge_are_refused(query: str) -> None:
    with pytest.raises(BadRequestData):
        write("mergeEntity", query, CORE)
