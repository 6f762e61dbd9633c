from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData
from madang.model.language import choose, in_language, ranges

PLACE = {"fr": "Grand Place", "nl": "Grote Markt"}


def test_weights_outrank_the_order_of_the_list() -> None:
    assert in_language(PLACE, "fr;q=0.2,nl;q=0.9") == ("nl", "Grote Markt")


def test_equal_weights_keep_the_clients_order() -> None:
    assert ranges("nl,fr,de;q=0.9") == ("nl", "fr", "de")


def test_tags_are_compared_without_case() -> None:
    assert in_language(PLACE, "FR") == ("fr", "Grand Place")


def test_a_longer_range_falls_back_to_a_shorter_tag() -> None:
    assert choose(("fr", "nl"), "nl-BE") == "nl"


def test_a_shorter_range_takes_a_longer_tag() -> None:
    assert choose(("de", "en-US"), "en") == "en-US"


def test_a_relative_serves_only_when_no_range_finds_its_own() -> None:
    assert choose(("en-US", "fr"), "en-GB") == "en-US"
    assert choose(("en-US", "fr"), "en-GB,fr") == "fr"


def test_without_a_match_any_language_is_served_the_neutral_text_first() -> None:
    assert in_language(PLACE, "pt") == ("fr", "Grand Place")
    assert choose(("fr", "@none"), "pt") == "@none"
    assert choose(("fr", "@none"), "*") == "@none"


def test_a_refused_language_is_not_looked_for() -> None:
    assert choose(("fr", "nl"), "nl;q=0,fr") == "fr"


def test_a_malformed_weight_counts_as_one() -> None:
    assert ranges("fr;q=x,nl;q=0.5") == ("fr", "nl")


@pytest.mark.parametrize("text", ["", "fr,,nl", "français", "fr_FR", ";q=1"])
def test_what_is_no_language_range_is_refused_by_name(text: str) -> None:
    with pytest.raises(BadRequestData, match="lang must be"):
        ranges(text)


TAGS = st.from_regex(r"[a-z]{2}(-[A-Z]{2})?", fullmatch=True)


@given(st.lists(TAGS, min_size=1, max_size=5, unique=True), st.lists(TAGS, min_size=1, max_size=4))
def test_some_language_of_the_map_is_always_served(tags: list[str], wanted: list[str]) -> None:
    chosen = choose(tuple(tags), ",".join(wanted))
    assert chosen in tags
    if wanted[0] in tags:
        assert chosen.lower() == wanted[0].lower()
