"""What a dashboard may be: whatever is taken comes back as it was, and what is not is named."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.errors import BadRequestData
from madang.web.dashboards.book import TEMPLATES, shipped
from madang.web.dashboards.tiles import KINDS, MOST_TILES, body, dashboard, tiles

WORDS = st.fixed_dictionaries({"en": st.text(min_size=1, max_size=20)})
NAMES = st.text("abcXYZ0:/.#", min_size=1, max_size=12)
LIMITS = st.lists(st.floats(-1e6, 1e6), max_size=4, unique=True).map(sorted)
KIND = st.sampled_from(["good", "warn", "bad"])
PLACE = {"title": WORDS}
SIZES = {"width": st.integers(1, 12), "height": st.integers(1, 8)}


@st.composite
def bands(draw: st.DrawFn) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"upto": one, "kind": draw(KIND)} for one in draw(LIMITS)]
    return [*found, {"kind": draw(KIND)}] if draw(st.booleans()) else found


MEASURING = {
    "of": st.sampled_from(["avg", "median", "min", "max", "sum", "count"]),
    "by": NAMES,
    "period": st.sampled_from(["hour", "day", "week", "month"]),
    "unit": st.text(max_size=20),
    "digits": st.integers(0, 6),
    "bands": bands(),
    "guideline": st.booleans(),
    **SIZES,
}
ASKING = {**PLACE, "type": NAMES}
TILES = st.one_of(
    *(
        st.fixed_dictionaries(
            {"kind": st.just(kind), **ASKING, "attribute": NAMES}, optional=MEASURING
        )
        for kind in ("number", "chart")
    ),
    st.fixed_dictionaries(
        {
            "kind": st.just("table"), **ASKING,
            "columns": st.lists(NAMES, min_size=1, max_size=8),
        },
        optional={"order": NAMES, "descending": st.booleans(), "limit": st.integers(1, 100)},
    ),
    st.fixed_dictionaries(
        {"kind": st.just("map"), **ASKING}, optional={"attribute": NAMES, "bands": bands()}
    ),
    st.fixed_dictionaries({"kind": st.just("text"), **PLACE, "text": WORDS}, optional=SIZES),
    st.fixed_dictionaries({"kind": st.sampled_from(["incidents", "services"]), **PLACE}),
)  # fmt: skip
BOARDS = st.fixed_dictionaries(
    {"title": WORDS, "tiles": st.lists(TILES, max_size=5)},
    optional={"lead": WORDS, "visibility": st.sampled_from(["private", "signedIn", "public"])},
)


@settings(max_examples=100)
@given(BOARDS)
def test_a_dashboard_that_is_kept_comes_back_as_it_was(given_: dict[str, Any]) -> None:
    found = dashboard(given_)
    again = dashboard(orjson.loads(orjson.dumps(body(found))))
    assert again == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["title", "tiles", "kind", "type", "bands", "en", "q"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(JSON)
def test_whatever_is_sent_is_taken_or_refused_with_a_sentence(given_: Any) -> None:
    detail = "taken: "
    try:
        dashboard(given_)
    except BadRequestData as error:
        detail = error.detail
    assert ": " in detail
    assert len(detail) <= 500


NUMBER = {"kind": "number", "title": {"en": "N"}, "type": "A", "attribute": "a"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attribute": ""}, "tiles[0]: attribute is missing"),
        ({"width": 13}, "tiles[0].width: input should be less than or equal to 12"),
        ({"q": "a>>1"}, "tiles[0]: q is wrong"),
        ({"colour": "red"}, "tiles[0].colour: extra inputs are not permitted"),
        ({"title": {}}, "tiles[0].title: a text is needed, in en or in ko"),
        ({"bands": [{"kind": "bad"}, {"upto": 1, "kind": "bad"}]}, "only the last of the bands"),
        ({"bands": [{"upto": 2, "kind": "bad"}, {"upto": 1, "kind": "bad"}]}, "must rise by upto"),
        ({"kind": "film"}, "tiles[0]: input tag 'film' found using 'kind' does not match"),
    ],
)
def test_what_is_wrong_with_a_tile_is_named_with_its_place(
    change: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadRequestData) as refused:
        dashboard({"title": {"en": "D"}, "tiles": [NUMBER | change]})
    assert says in refused.value.detail


def test_a_dashboard_has_a_limit_of_tiles() -> None:
    assert len(tiles([NUMBER] * MOST_TILES)) == MOST_TILES
    with pytest.raises(BadRequestData, match="at most 50 items"):
        tiles([NUMBER] * (MOST_TILES + 1))


def test_a_number_without_an_attribute_counts() -> None:
    (tile,) = tiles([{**NUMBER, "attribute": "", "of": "count"}])
    assert body(tile)["of"] == "count"


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_comes_with_madang_speaks_both_languages(name: str) -> None:
    content = shipped(name).content
    assert content.title.en
    assert content.title.ko
    assert {tile.kind for tile in content.tiles} <= set(KINDS)
    assert all(tile.title.en and tile.title.ko for tile in content.tiles)
