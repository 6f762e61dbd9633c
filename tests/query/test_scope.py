"""The scope query language."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData
from madang.query import scope
from madang.query.tree import And, InScope, Or


def test_scopes_are_parsed_into_levels() -> None:
    assert scope.parse("/Madrid/Gardens") == InScope(("Madrid", "Gardens"))
    assert scope.parse("Madrid/+/North") == InScope(("Madrid", "+", "North"))
    assert scope.parse("/Madrid/#") == InScope(("Madrid",), True)
    assert scope.parse("/#") == InScope((), True)
    a, b, c = InScope(("A",)), InScope(("B",)), InScope(("C",))
    assert scope.parse("(/A;/B)|/C") == scope.parse("/A;/B,/C") == Or((And((a, b)), c))


@pytest.mark.parametrize(
    "text", ["", "/", "//A", "/A/", "/A//B", "/1A", "/A-B", "/#/A", "/A#", "/A;", "#A"]
)
def test_what_is_no_scope_query_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData):
        scope.parse(text)


@pytest.mark.parametrize(
    ("wanted", "scopes", "others"),
    [
        ("/A/B", ["/A/B", "A/B"], ["/A", "/A/B/C", "/a/B", "/A/BC"]),
        ("/A/+", ["/A/B", "A/x"], ["/A", "/A/B/C"]),
        ("/A/#", ["/A", "/A/B", "A/B/C"], ["/AB", "/B/A"]),
        ("/A/+/#", ["/A/B", "/A/B/C"], ["/A", "/B/B"]),
        ("/+/B", ["/A/B"], ["/A", "/B"]),
        ("/#", ["/A", "x"], []),
    ],
)
def test_a_scope_matches_by_its_levels(wanted: str, scopes: list[str], others: list[str]) -> None:
    condition = scope.parse(wanted)
    assert isinstance(condition, InScope)
    test = scope.matcher(condition)
    assert all(map(test, scopes))
    assert not any(map(test, others))


@given(st.text(alphabet="/AB+#;,|()1 é", max_size=20))
def test_any_scope_text_is_parsed_or_refused(text: str) -> None:
    with suppress(BadRequestData):
        scope.parse(text)
