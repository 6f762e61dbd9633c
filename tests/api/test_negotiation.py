from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.api.negotiation import (
    GEO_JSON,
    JSON,
    LD_JSON,
    NotAcceptable,
    UnsupportedMediaType,
    accepted,
    content_type,
    preferences,
)


@pytest.mark.parametrize("header", [None, "", " ", "*/*", "application/*"])
def test_a_client_without_a_wish_gets_json(header: str | None) -> None:
    assert accepted(header, geo=True) == JSON


@pytest.mark.parametrize(
    ("header", "media"),
    [
        ("application/ld+json, application/json", JSON),
        ("application/geo+json, application/json", JSON),
        ("application/json;q=0.1, application/ld+json;q=0.9", LD_JSON),
        ("application/json;q=0, */*", LD_JSON),
        ("*/*;q=0.9, application/ld+json;q=0.8", JSON),
        ("application/ld+json;q=notanumber", LD_JSON),
        ("APPLICATION/LD+JSON ; Q=0.3", LD_JSON),
        ("application/geo+json", GEO_JSON),
        ('application/ld+json;profile="http://www.w3.org/ns/json-ld#compacted"', LD_JSON),
    ],
)
def test_weights_decide_and_then_the_order_of_the_standard(header: str, media: str) -> None:
    assert accepted(header, geo=True) == media


def test_geojson_where_there_is_none_gives_way_to_what_there_is() -> None:
    assert accepted("application/geo+json;q=0.9, application/ld+json;q=0.1") == LD_JSON
    with pytest.raises(NotAcceptable):
        accepted("application/geo+json")


@pytest.mark.parametrize("header", ["text/html", "*/*;q=0", "application/json;q=0.0"])
def test_a_client_that_accepts_no_choice_is_told_so(header: str) -> None:
    with pytest.raises(NotAcceptable):
        accepted(header)


@given(st.text(max_size=60))
def test_any_accept_header_has_an_answer(header: str) -> None:
    with contextlib.suppress(NotAcceptable):
        assert accepted(header, geo=True) in (JSON, LD_JSON, GEO_JSON)


def test_bodies_are_json_or_linked_data() -> None:
    assert content_type("application/json; charset=utf-8") == JSON
    assert content_type("Application/LD+JSON") == LD_JSON
    assert content_type("application/merge-patch+json", patch=True) == JSON


@pytest.mark.parametrize("header", [None, "text/plain", "application/merge-patch+json"])
def test_other_bodies_are_refused(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        content_type(header)


@pytest.mark.parametrize(
    "header",
    ["ngsi-ld=1.0", "NGSI-LD=1.0", 'ngsi-ld="1.0"', "ngsi-ld=1.0;q=0.1", "wait=1, ngsi-ld=1.0"],
)
def test_the_version_preference_is_found_however_it_is_written(header: str) -> None:
    assert preferences(header).applied == "ngsi-ld=1.0"


def test_a_version_is_applied_up_to_our_own() -> None:
    assert preferences("ngsi-ld=1.9").applied == "ngsi-ld=1.9"
    assert preferences("ngsi-ld=2.3").applied == "ngsi-ld=1.9"


@pytest.mark.parametrize("header", [None, "respond-async", "ngsi-ld", "ngsi-ld=new", "ngsi-ld=1"])
def test_other_preferences_apply_no_version(header: str | None) -> None:
    assert preferences(header).applied is None


def test_a_plain_body_is_asked_for_by_name() -> None:
    assert preferences("body=json").plain_body
    assert not preferences("body=ld+json").plain_body
