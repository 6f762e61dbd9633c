from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.feeds.declaration import parse, seconds
from madang.sense.feeds.errors import BadFeed
from tests.sense.publisher import HEAD

GOOD = f'kind = "plain"\nurl = "https://example.org/a.csv"\n{HEAD}'
EXAMPLES = sorted((Path(__file__).parents[2] / "src/madang/sense/feeds/examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_used(path: Path) -> None:
    feed = parse(path.read_text("utf-8"), path.stem)
    assert feed.declaration.title
    assert feed.every_s >= 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("plain", "gbsf"), "did you mean 'gbfs'"),
        (('every = "5min"', 'every = "often"'), "every: 'often' is no span of time"),
        (('every = "5min"', 'every = "1s"'), "every:"),
        (("provider", "povider"), "provider: is missing"),
        (("https://example.org", "ftp://example.org"), "url: 'ftp://example.org/a.csv' is no http"),
        (("https://", "https://me:secret@"), "put it into feed_keys"),
        (("a.csv", "a.csv?k={key}"), "{key} is used, so key must name"),
        (("example.org", "{key}.org"), "cannot be part of a host"),
        (("https://example.org/a.csv", "https://"), "url:"),
        (('kind = "plain"', 'kind = "plain'), "not valid TOML"),
        (("every", "evry = 1\nevery"), "did you mean 'every'"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(change: tuple[str, str], said: str) -> None:
    with pytest.raises(BadFeed) as caught:
        parse(GOOD.replace(*change), "trees")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[parameters]\nformta = "csv"\n', "parameters.formta: there is no such member"),
        ('[parameters]\nformat = "csv"\nrecords = "a"\n', "records is for JSON"),
        ('[headers]\nHost = "x"\n', "no header that a feed may set"),
        ("[limits.height]\nfail_bellow = 1\n", "limits.height"),
        ("[mapping]\n", "mapping.entity: is missing"),
    ],
)
def test_a_mistake_in_a_table_is_told(more: str, said: str) -> None:
    with pytest.raises(BadFeed) as caught:
        parse(GOOD + more, "trees")
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", "Trees", "a b", "../a", "-a", "a" * 65])
def test_names_that_are_no_names_are_refused(name: str) -> None:
    with pytest.raises(BadFeed):
        parse(GOOD, name)


@pytest.mark.parametrize(
    ("kind", "url", "more", "said"),
    [
        ("seoul", "http://a.kr", '[parameters]\nservice = "bikeList"\n', "key is missing"),
        (
            "seoul",
            "http://a.kr",
            'key = "s"\n[parameters]\nservice = "x"\n',
            "needs a \\[mapping\\]",
        ),
        ("openaq", "https://a.org/v3", "", "exactly one of locations, bbox, country"),
        ("socrata", "https://a.org/resource/x", "", "must end in .json"),
        ("ogc-features", "https://a.org/collections", "", "items of a collection"),
        (
            "ckan",
            "https://a.org",
            '[parameters]\nresource = "r"\nsource = "file"\nsort = "a"\n',
            "datastore",
        ),
    ],
)
def test_a_kind_says_what_it_needs(kind: str, url: str, more: str, said: str) -> None:
    with pytest.raises(BadFeed, match=said):
        parse(f'kind = "{kind}"\nurl = "{url}"\n{HEAD}{more}', "test")


@given(number=st.integers(0, 999_999), unit=st.sampled_from(["s", "min", "h", "d"]))
def test_spans_of_time_are_as_long_as_they_say(number: int, unit: str) -> None:
    assert seconds(f"{number}{unit}") == number * {"s": 1, "min": 60, "h": 3600, "d": 86_400}[unit]


@given(text=st.text(max_size=300))
def test_any_text_is_a_feed_or_a_mistake(text: str) -> None:
    with pytest.raises(BadFeed):
        parse(text, "test")
