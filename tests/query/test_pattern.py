"""Patterns: what is found, and what is refused for the work it could make."""

from __future__ import annotations

import pytest

from madang.model.errors import BadRequestData
from madang.query import pattern


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("^Eiffel", "Eiffel Tower"),
        ("Tower", "Eiffel Tower"),
        ("urn:ngsi-ld:Building:42.*", "urn:ngsi-ld:Building:42x"),
        (r"^(\d{1,3}\.){3}\d{1,3}$", "10.0.0.1"),
        ("(foo|bar)+$", "xfoobar"),
        ("[A-Z][a-z]+-[0-9]+", "Seoul-12"),
    ],
)
def test_a_pattern_is_searched_anywhere(text: str, whole: str) -> None:
    assert pattern.found(text, whole)
    assert not pattern.found(text, "nothing of the kind")


@pytest.mark.parametrize(
    "text",
    [
        "(", "[", "a**", "(a+)+$", "(a*)*", "(a|aa)*b", "(a?a)*", "(x+){16}", "(a{0,16}){16}",
        r"(a)\1", "a*a*a*b", "^a*a*a*a*b",
        ".*.*.*.*b", "(?P<n>a)(?P=n)", "a" * 600, "((((a{16}){16}){16}?){0,16}){0,16}",
    ],
)  # fmt: skip
def test_what_is_no_pattern_or_could_take_too_long_is_refused(text: str) -> None:
    with pytest.raises(BadRequestData):
        pattern.compiled(text)


@pytest.mark.parametrize("text", ["a*a*b", "^.*.*.*b", "x.*y.*z.*", "^a.*b.*c.*d.*"])
def test_the_heaviest_patterns_that_are_allowed_come_to_an_end(text: str) -> None:
    assert not pattern.found(text, "a" * 100_000)
