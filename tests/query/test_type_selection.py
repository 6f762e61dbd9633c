"""Entity type selection."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query import types
from madang.query.tree import And, HasType, Or

IRI = "https://city.example/terms#"


def test_types_are_joined_by_or_and_and(names: Names) -> None:
    building, car, bus = HasType(IRI + "Building"), HasType("Car"), HasType("Bus")
    assert types.parse("Building", names) == building
    assert types.parse("Building,Car", names) == Or((building, car))
    assert types.parse("Building|Car", names) == Or((building, car))
    assert types.parse("(Building;Car),Bus", names) == Or((And((building, car)), bus))
    assert types.parse("https://a.b/c#D", names) == HasType("https://a.b/c#D")


def test_a_star_is_any_type(names: Names) -> None:
    assert types.parse("*", names) is None


@pytest.mark.parametrize("text", ["", ",A", "A,", "A;;B", "(A", "A)", "A B", "1A", "A,*", '"A"'])
def test_what_is_no_type_selection_is_refused(text: str, names: Names) -> None:
    with pytest.raises(BadRequestData):
        types.parse(text, names)


@given(st.text(alphabet="AB:;,|()*1 é", max_size=20))
def test_any_type_text_is_parsed_or_refused(names: Names, text: str) -> None:
    with suppress(BadRequestData):
        types.parse(text, names)
