"""Projections: pick and omit."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query import projection
from madang.query.projection import Projection

IRI = "https://city.example/terms#"


def test_members_are_separated_by_commas_or_bars(names: Names) -> None:
    found = projection.parse("id,name|category", names, "pick")
    assert found.leaves == found.members == {"id", "name", IRI + "category"}
    assert projection.parse(["id", "name", "category"], names, "pick") == found


def test_braces_reach_into_linked_entities(names: Names) -> None:
    found = projection.parse("id,locatedAt{id,isIn{name}}", names, "pick", 2)
    assert found.leaves == {"id"}
    assert found.members == {"id", "locatedAt"}
    below = found.below("locatedAt")
    assert below is not None
    assert below.members == {"id", "isIn"}
    inmost = below.below("isIn")
    assert inmost == Projection(frozenset({"name"}), (), frozenset({"name"}))
    assert found.below("id") is None


def test_braces_of_one_relationship_are_joined(names: Names) -> None:
    assert projection.parse("a{b},a{c},a{d{e}},a{d{f}}", names, "pick", 2) == projection.parse(
        "a{b,c,d{e,f}}", names, "pick", 2
    )


@pytest.mark.parametrize(
    "text",
    [
        "", ",a", "a,", "a,,b", "a||b", "id;name", "a{", "a{b", "a}b", "a{}", "a{{b}", "a{,b}",
        "a b", "1a", [], ["a", ""], ["a", 3],
    ],
)  # fmt: skip
def test_what_is_no_projection_is_refused(text: str | list[str], names: Names) -> None:
    with pytest.raises(BadRequestData):
        projection.parse(text, names, "pick", 3)


@pytest.mark.parametrize(
    ("text", "links"), [("a{b}", 0), ("a{b{c}}", 1), ("a{" * 11 + "b" + "}" * 11, 99)]
)
def test_braces_reach_no_deeper_than_join(text: str, links: int, names: Names) -> None:
    with pytest.raises(BadRequestData, match="joinLevel"):
        projection.parse(text, names, "omit", links)


def test_pick_and_omit_must_not_name_the_same_member(names: Names) -> None:
    for pick, omit in (("name", "name"), ("a{b}", "a"), ("a{b,c}", "a{c}")):
        with pytest.raises(BadRequestData, match="both"):
            projection.pair(pick, omit, names, max_links=1)
    both = projection.pair("a{b}", "c,a{d}", names, max_links=1)
    assert both.pick is not None
    assert both.omit is not None
    assert projection.pair(None, None, names) == (None, None)


def test_attrs_goes_with_neither(names: Names) -> None:
    for pick, omit in (("name", None), (None, "name")):
        with pytest.raises(BadRequestData, match="attrs"):
            projection.pair(pick, omit, names, attrs=True)


@given(st.text(alphabet="ab{},|;1 é", max_size=20))
def test_any_projection_text_is_parsed_or_refused(names: Names, text: str) -> None:
    with suppress(BadRequestData):
        projection.parse(text, names, "pick", 3)
