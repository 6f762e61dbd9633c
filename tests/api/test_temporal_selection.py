"""What the parameters of the temporal API ask for."""

from __future__ import annotations

from typing import Any

import pytest

from madang.api.temporal_selection import History, body_search, retrieval, search
from madang.lake.questions import Period
from madang.model.context import CORE
from madang.model.errors import BadRequestData, InvalidRequest
from madang.model.time import parse
from madang.query.tree import HasType, Selector, Temporal

ID = "urn:ngsi-ld:Vehicle:1"
WINDOW = "timerel=after&timeAt=2026-01-01T00:00:00Z"
SINCE = parse("2026-01-01T00:00:00Z")


def found(query: str) -> History:
    return search(query, CORE, 1000, 15)


def one(query: str = "") -> History:
    return retrieval(ID, query, CORE, 15)


def posted(query: str = "", **members: Any) -> History:
    body = {"type": "Query", "entities": [{"type": "Vehicle"}], **members}
    return body_search(body, query, CORE, 1000, 15)


# --- which instances ---------------------------------------------------------------------------


def test_nothing_given_means_all_there_is() -> None:
    history = one()
    assert history.wanted.query.selectors == (Selector(None, (ID,)),)
    assert history.wanted.temporal is None
    assert (history.shape, history.by, history.wanted.most) == ("normalized", "observedAt", 15)


def test_a_window_is_a_temporal_query() -> None:
    query = "timerel=between&timeAt=2026-01-01T00:00:00Z&endTimeAt=2026-01-02T00:00:00Z"
    until = parse("2026-01-02T00:00:00Z")
    assert found(f"type=V&{query}").wanted.temporal == Temporal("between", SINCE, until)


def test_a_time_property_alone_means_all_that_have_it() -> None:
    window = one("timeproperty=deletedAt").wanted.temporal
    assert window is not None
    assert (window.property, window.relation) == ("deletedAt", "before")
    assert one("timeproperty=deletedAt").by == "deletedAt"
    assert one("timeproperty=observedAt").wanted.temporal is None


@pytest.mark.parametrize(
    ("query", "attributes", "omitted"),
    [
        ("attrs=speed,fuel", ("fuel", "speed"), ()),
        ("pick=speed", ("speed",), ()),
        ("pick=id,speed", (), ()),
        ("omit=type,speed", (), ("speed",)),
        ("", (), ()),
    ],
)
def test_only_what_will_be_shown_is_looked_for(
    query: str, attributes: tuple[str, ...], omitted: tuple[str, ...]
) -> None:
    wanted = one(query).wanted
    assert (wanted.attributes, wanted.omitted) == (attributes, omitted)


def test_datasets_may_name_the_default_instance() -> None:
    assert one("datasetId=urn:d:1,@none").wanted.datasets == ("urn:d:1", None)
    assert one().wanted.datasets is None


def test_entities_are_chosen_as_in_other_queries() -> None:
    query = found(f"type=Bus&q=speed>5&limit=2&offset=4&count=true&{WINDOW}").wanted.query
    assert query.selectors == (Selector(HasType("Bus")),)
    assert query.q is not None
    assert (query.limit, query.offset, query.count) == (2, 4, True)


def test_ids_may_fall_but_nothing_else_gives_an_order() -> None:
    assert found("type=V&orderBy=id").wanted.query.order == ()
    (order,) = found("type=V&orderBy=id;desc").wanted.query.order
    assert order.descending
    for other in ("name", "createdAt", "name.sub", "id,name", "location;dist-asc&orderFrom=[1,2]"):
        with pytest.raises(BadRequestData, match="ordered by id"):
            found(f"type=V&orderBy={other}")


# --- how they are shown ------------------------------------------------------------------------


def test_format_wins_over_options() -> None:
    assert one("options=temporalValues").shape == "temporalValues"
    assert one("format=normalized&options=temporalValues").shape == "normalized"
    both = one("format=temporalValues&options=aggregatedValues&aggrMethods=sum")
    assert (both.shape, both.methods) == ("temporalValues", ())
    assert one("options=temporalValues,sysAttrs").view.sys_attrs


def test_aggregates_have_methods_and_periods() -> None:
    history = one("options=aggregatedValues&aggrMethods=max,avg&aggrPeriodDuration=PT1H")
    assert history.methods == ("max", "avg")
    assert history.every == Period(0, 3_600_000_000)
    assert history.wanted.most is None, "an aggregate is never cut"
    whole = one("options=aggregatedValues&aggrMethods=avg&aggrPeriodDuration=PT0S")
    assert whole.every is None


def test_methods_alone_ask_for_aggregates() -> None:
    assert one("aggrMethods=avg").shape == "aggregatedValues"


@pytest.mark.parametrize(
    "query",
    [
        "timerel=after", "timerel=during&timeAt=2026-01-01T00:00:00Z",
        "timeAt=2026-01-01T00:00:00Z",
        "timerel=after&timeAt=2026-01-01", "timerel=between&timeAt=2026-01-01T00:00:00Z",
        "timeproperty=seenAt", "lastN=0", "lastN=1.5", "lastN=-1", "lastN=9999999999999",
        "pick=speed&omit=speed", "pick=speed&attrs=fuel", "omit=speed&attrs=fuel",
        "pick=owner{name}",
        "options=aggregatedValues", "aggrMethods=mode", "aggrMethods=avg&aggrPeriodDuration=hourly",
        "aggrMethods=", "datasetId=no uri", "lang=;", "local=maybe", "attrs=",
    ],
)  # fmt: skip
def test_wrong_values_are_bad_data(query: str) -> None:
    with pytest.raises(BadRequestData):
        one(query)


@pytest.mark.parametrize(
    "query",
    [
        "", "id=urn:a:1", "idPattern=x", "attrs=createdAt", "scopeQ=/A", WINDOW,
        "type=V&q=owner{name}==%22x%22", "type=V&id=not a uri", "type=V&csf=))bad((",
        "type=V&limit=0", "type=V&offset=-1", "type=V&limit=100000",
    ],
)  # fmt: skip
def test_queries_that_are_too_wide_or_wrong_are_bad_data(query: str) -> None:
    with pytest.raises(BadRequestData):
        found(query)


@pytest.mark.parametrize(
    "query",
    [
        "options=keyValues", "options=temporalValues,other", "format=concise", "join=inline",
        "format=temporalValues,normalized", "geometryProperty=location", "unknown=1",
        "format=temporalValues&options=aggregatedValues,other",
    ],
)  # fmt: skip
def test_what_the_operation_does_not_have_is_an_invalid_request(query: str) -> None:
    with pytest.raises(InvalidRequest):
        one(query)


# --- a Query as the body -----------------------------------------------------------------------


def test_a_body_may_hold_the_whole_question() -> None:
    history = posted(
        "limit=5&options=sysAttrs",
        q="speed>5",
        temporalQ={"timerel": "after", "timeAt": "2026-01-01T00:00:00Z", "lastN": 3},
    )
    assert history.wanted.temporal == Temporal("after", SINCE)
    assert history.wanted.last_n == 3
    assert history.wanted.query.limit == 5
    assert history.view.sys_attrs


@pytest.mark.parametrize("methods", [["avg", "max"], "avg,max"])
@pytest.mark.parametrize("where", ["temporalQ", "aggrParams"])
def test_a_body_may_ask_for_aggregates(methods: object, where: str) -> None:
    members: dict[str, Any] = {where: {"aggrMethods": methods, "aggrPeriodDuration": "P1D"}}
    history = posted(**members)
    assert (history.shape, history.methods) == ("aggregatedValues", ("avg", "max"))


@pytest.mark.parametrize(
    "members",
    [
        {"temporalQ": "after"}, {"temporalQ": {"timerel": "after"}}, {"temporalQ": {"since": 1}},
        {"temporalQ": {"lastN": 0}}, {"temporalQ": {"lastN": 1.5}}, {"temporalQ": {"lastN": True}},
        {"temporalQ": {"timerel": "after", "timeAt": 5}}, {"aggrParams": []},
        {"aggrParams": {"lastN": 1}}, {"aggrParams": {"aggrMethods": ["mode"]}},
        {"aggrParams": {"aggrMethods": ["avg"], "aggrPeriodDuration": "soon"}},
        {"aggrParams": {"aggrMethods": ["avg"], "aggrPeriodDuration": 5}},
        {"aggrParams": {"aggrPeriodDuration": "P1D", "aggrMethods": []}},
        {"join": "inline"}, {"joinLevel": 1}, {"containedBy": ["urn:a:1"]}, {"type": "Other"},
        {"entities": []}, {"pick": ["owner{name}"]}, {"ordering": {"orderBy": ["name"]}},
    ],
)  # fmt: skip
def test_bad_bodies_are_bad_data(members: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData):
        posted(**members)


@pytest.mark.parametrize("body", [None, [], "Query", 5])
def test_what_is_no_query_is_bad_data(body: object) -> None:
    with pytest.raises(BadRequestData):
        body_search(body, "", CORE, 1000, 15)
