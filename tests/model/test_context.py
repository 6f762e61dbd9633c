"""What an @context makes of names, and what it refuses."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.context import CORE, DEEPEST, Context, build, check, context_in, missing
from madang.model.core_context import (
    CORE_URL,
    CORE_URLS,
    DEFAULT_VOCABULARY,
    TERMS,
    canonical,
    iri_of,
    is_core,
)
from madang.model.errors import BadRequestData
from madang.model.names import check_name, check_uri, is_uri, is_word

CITY = "https://city.example.org/model#"


def of(source: object, **documents: object) -> Context:
    """Build a context; documents are named by the last part of their URL."""
    loaded = {
        f"https://city.example.org/{name}": {"@context": doc} for name, doc in documents.items()
    }
    assert not missing(source, loaded, "https://city.example.org/")
    return build(source, loaded.__getitem__, "https://city.example.org/")


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "urn:ngsi-ld:Sensor:1",
        "https://example.org/a?b=c#d",
        "urn:도시:센서",
        "a:b",
        "urn:x:%41()'=;",
    ],
)
def test_a_uri_may_hold_what_rfc_3986_and_3987_let_be_seen(text: str) -> None:
    assert is_uri(text)
    assert check_uri(text, "id") == text


@pytest.mark.parametrize(
    "text", ["", "sensor", "urn:", ":x", "1a:b", "_:blank", "urn:a b", "urn:a\n"]
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    assert not is_uri(text)
    with pytest.raises(BadRequestData, match="id must be a URI"):
        check_uri(text, "id")


@pytest.mark.parametrize(
    "code",
    [
        *(0x00, 0x7F, 0x85, 0xA0, 0xAD, 0x2028, 0x200B, 0x202E, 0x61C, 0xFEFF),  # controls, spaces
        *(0x22, 0x3C, 0x5C, 0x7B),  # quoting and markup
        *(0xFE0F, 0xE0100, 0x180B, 0xFDD0, 0xFFFE, 0x1FFFF, 0xE000),
        *(0x115F, 0x3164, 0xFFA0, 0x2800),  # fillers that are letters to Unicode
    ],
)
def test_a_character_that_cannot_be_seen_is_in_no_uri_and_no_name(code: int) -> None:
    assert not is_uri(f"urn:ngsi-ld:Vehicle:A{chr(code)}B")
    assert not is_word(f"speed{chr(code)}")


@pytest.mark.parametrize(
    "name", ["speed", "속도", "été2", "NO2_mean", "schema:name", "https://a.b/c"]
)
def test_letters_of_any_script_make_a_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "2speed", "_speed", "a-b", "a b", "..", "a(b", "a.b", "é\u200b"]
)
def test_other_characters_make_no_name(name: str) -> None:
    with pytest.raises(BadRequestData, match="letter"):
        check_name(name)
    with pytest.raises(BadRequestData, match="letter"):
        CORE.expand(name)


# --- the core ----------------------------------------------------------------------------------


def test_every_version_of_the_core_is_known_and_ours_is_1_9() -> None:
    assert CORE_URL.endswith("core-context-v1.9.jsonld")
    assert all(is_core(url) for url in CORE_URLS)
    assert not is_core("https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-non-existing.jsonld")
    assert not is_core(["x"])


def test_the_core_leaves_its_terms_and_unknown_words_short() -> None:
    for name in ("location", "observedAt", "Property", "speed", "온도"):
        assert CORE.expand(name) == name
        assert CORE.compact(name) == name


@pytest.mark.parametrize(
    ("term", "name"),
    [
        ("https://uri.etsi.org/ngsi-ld/location", "location"),
        ("ngsi-ld:location", "location"),
        ("https://uri.etsi.org/ngsi-ld/hasValue", "value"),
        ("https://uri.etsi.org/ngsi-ld/default-context/speed", "speed"),
        ("ngsi-ld:default-context/speed", "speed"),
        ("https://purl.org/geojson/vocab#Point", "Point"),
        # A word that the core uses otherwise cannot be short.
        ("https://uri.etsi.org/ngsi-ld/default-context/status", "ngsi-ld:default-context/status"),
        ("https://schema.org/name", "https://schema.org/name"),
        ("unknown:name", "unknown:name"),
    ],
)
def test_the_canonical_name_is_what_the_core_would_call_it(term: str, name: str) -> None:
    assert CORE.expand(term) == name
    assert CORE.compact(name) == name


def test_every_core_term_is_canonical_and_goes_back_to_its_iri() -> None:
    for term, iri in TERMS.items():
        assert canonical(iri) == term
        assert iri_of(term) == iri


@pytest.mark.parametrize("source", [CORE_URL, [CORE_URL], [], {}, {"@vocab": CITY}, {"id": "@id"}])
def test_a_context_that_adds_nothing_is_core_only(source: object) -> None:
    context = of(source)
    assert context.is_core_only
    assert context.source == source
    assert context.expand("speed") == "speed"


# --- terms, prefixes, precedence ---------------------------------------------------------------


def test_a_term_expands_to_its_iri_and_back() -> None:
    context = of({"speed": CITY + "speed"})
    assert not context.is_core_only
    assert context.expand("speed") == CITY + "speed"
    assert context.expand(CITY + "speed") == CITY + "speed"
    assert context.compact(CITY + "speed") == "speed"
    assert context.compact(CITY + "other") == CITY + "other"


def test_a_short_name_the_context_maps_elsewhere_is_served_with_the_core_prefix() -> None:
    context = of({"almostFull": CITY + "almostFull"})
    assert context.compact("almostFull") == "ngsi-ld:default-context/almostFull"
    assert context.expand("ngsi-ld:default-context/almostFull") == "almostFull"


def test_core_terms_are_protected_wherever_the_core_stands() -> None:
    for source in (
        [{"location": CITY + "place"}, CORE_URL],
        [CORE_URL, {"location": CITY + "place"}],
    ):
        context = of(source)
        assert context.expand("location") == "location"
        assert context.compact("location") == "location"
        assert context.compact(CITY + "place") == CITY + "place"


def test_core_prefixes_are_protected_too() -> None:
    context = of({"ngsi-ld": CITY})
    assert context.expand("ngsi-ld:location") == "location"


def test_another_word_for_a_core_term_is_understood_but_not_served() -> None:
    context = of({"geo": "https://uri.etsi.org/ngsi-ld/location"})
    assert context.expand("geo") == "location"
    assert context.compact("location") == "location"


def test_the_vocabulary_of_a_user_context_gives_way_to_the_default_one() -> None:
    context = of({"@vocab": CITY, "name": {"@type": "@id"}})
    assert context.expand("speed") == "speed"
    # It completed the definition of a term all the same.
    assert context.expand("name") == CITY + "name"


def test_prefixes_work_in_definitions_in_names_and_in_compaction() -> None:
    context = of({"name": "schema:name", "schema": "https://schema.org/"})
    assert context.expand("name") == "https://schema.org/name"
    assert context.expand("schema:address") == "https://schema.org/address"
    assert context.compact("https://schema.org/name") == "name"
    assert context.compact("https://schema.org/address") == "schema:address"


def test_only_a_term_whose_iri_ends_in_a_delimiter_or_that_says_so_is_a_prefix() -> None:
    context = of({"road": CITY + "road", "way": {"@id": CITY + "way", "@prefix": True}})
    assert context.expand("road:x") == "road:x"
    assert context.expand("way:x") == CITY + "wayx"


def test_the_shortest_and_then_the_first_word_is_served() -> None:
    iri = CITY + "t"
    assert of({"temperature": iri, "temp": iri, "tmp2": iri}).compact(iri) == "temp"
    long = "https://city.example.org/model/roads/"
    prefixes = of({"b": "https://city.example.org/model/", "c": long, "d": long})
    assert prefixes.compact(long + "lane") == "c:lane"


def test_the_later_context_wins_and_null_takes_a_term_away() -> None:
    first, second = (
        {"speed": CITY + "a", "lane": CITY + "lane"},
        {"speed": CITY + "b", "lane": None},
    )
    context = of([first, second])
    assert context.expand("speed") == CITY + "b"
    assert context.expand("lane") == "lane"


def test_keyword_aliases_and_reverse_terms_are_left_out() -> None:
    context = of({"kind": "@type", "part": {"@reverse": CITY + "whole"}, "@foo": "x", "a/b": "x:y"})
    assert context.is_core_only


def test_a_term_that_is_no_valid_name_serves_vocab_values_only() -> None:
    context = of({"out-of-order": CITY + "OutOfOrder"})
    assert context.expand_value("out-of-order") == CITY + "OutOfOrder"
    assert context.compact_value(CITY + "OutOfOrder") == "out-of-order"
    assert context.compact(CITY + "OutOfOrder") == CITY + "OutOfOrder"
    with pytest.raises(BadRequestData):
        context.expand("out-of-order")
    for text in ("non commercial", "a: b", "", "speed", "id", "x" * 300):
        assert context.compact_value(context.expand_value(text)) == text


def test_a_term_with_a_broken_iri_fails_only_where_it_is_used() -> None:
    context = of({"bad": "https://a b/c", "good": CITY + "good"})
    assert context.expand("good") == CITY + "good"
    with pytest.raises(BadRequestData, match="'bad' stands for"):
        context.expand("bad")


# --- arrays, remote contexts, imports ----------------------------------------------------------


def test_remote_contexts_are_found_one_inside_the_other() -> None:
    source = ["https://a.example/1", {"x": CITY + "x"}]
    documents: dict[str, object] = {}
    assert missing(source, documents) == {"https://a.example/1"}
    documents["https://a.example/1"] = {"@context": ["2.jsonld", CORE_URL]}
    assert missing(source, documents) == {"https://a.example/2.jsonld"}
    documents["https://a.example/2.jsonld"] = {"@context": {"y": CITY + "y"}}
    assert missing(source, documents) == set()
    context = build(source, documents.__getitem__)
    assert context.expand("x") == CITY + "x"
    assert context.expand("y") == CITY + "y"
    assert context.source is source


def test_an_import_lies_under_the_terms_that_import_it() -> None:
    context = of(
        {"@import": "/base", "speed": CITY + "mine"}, base={"speed": CITY + "a", "b": CITY + "b"}
    )
    assert context.expand("speed") == CITY + "mine"
    assert context.expand("b") == CITY + "b"
    with pytest.raises(BadRequestData, match="one object"):
        of({"@import": "/base"}, base=[])


def test_the_link_names_the_context_if_it_is_one_url() -> None:
    url = "https://city.example.org/one"
    for source in (url, [url]):
        context = of(source, one={})
        assert context.url == url
        assert context.link is not None
        assert context.link.startswith(f"<{url}>; rel=")
    assert of([url, {}], one={}).link is None


@pytest.mark.parametrize(
    "source",
    [
        None,
        42,
        True,
        ["https://city.example.org/one", 7],
        [None],
        "no url",
        "ftp://city.example.org/x",
        "http://[::1/x",
        {"speed": 1},
        {"speed": {"@id": 1}},
        {"speed": {"@id": CITY, "@context": {}}},
        {"location": {"@id": CITY, "@context": {}}},
        {"a": "b:x", "b": "a:y"},
        {"a": "b", "b": "a"},
        {"@vocab": 1},
        {"@import": 1},
        {f"t{i}": f"t{i + 1}" for i in range(5000)},
    ],
)
def test_what_is_no_context_or_one_that_ngsi_ld_rules_out_is_refused(source: object) -> None:
    with pytest.raises(BadRequestData):
        check(source)


def test_a_document_without_context_is_refused() -> None:
    documents: list[object] = [{"note": 1}, [], "text", None]
    for document in documents:
        with pytest.raises(BadRequestData, match="no member @context"):
            context_in(document, "https://a.example/1")


def test_contexts_that_never_end_are_refused() -> None:
    url = "https://a.example/"
    with pytest.raises(BadRequestData, match="includes itself"):
        build(url, lambda _: {"@context": url})
    with pytest.raises(BadRequestData, match="deep"):
        build(url + "0", lambda at: {"@context": url + str(int(at.removeprefix(url)) + 1)})
    with pytest.raises(BadRequestData, match="parts"):  # each names one four times, for nothing
        build(url, lambda at: {"@context": [at + "0"] * 4 if len(at) < 25 else []})
    with pytest.raises(BadRequestData, match="more than"):
        missing([f"{url}{i}" for i in range(100)], {})
    nested: object = {}
    for _ in range(DEEPEST + 2):
        nested = [nested]
    with pytest.raises(BadRequestData, match="deep"):
        check(nested)


def test_strangers_names_do_not_make_a_context_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("madang.model.context.MOST_NAMES", 10)
    context = of({"speed": CITY + "speed"})
    for i in range(100):
        assert context.expand(f"name{i}") == f"name{i}"
    remembered = context.expand.__self__  # type: ignore[attr-defined]
    assert len(remembered) <= 10


# --- there and back ----------------------------------------------------------------------------

words = st.text(string.ascii_letters, min_size=1, max_size=4)
bases = st.sampled_from([CITY, CITY + "a/", "https://schema.org/", DEFAULT_VOCABULARY, "urn:x:"])
iris = st.builds(str.__add__, bases, st.text("abc/:#", max_size=4))
targets = iris | words.map(lambda word: "p:" + word) | words | st.none()
parts = st.dictionaries(words | st.sampled_from(sorted(TERMS)), targets, max_size=8)
sources = st.lists(parts | parts.map(lambda part: {"@vocab": CITY, **part}), max_size=3)


@given(sources, iris | words | st.sampled_from(sorted(TERMS)))
@settings(max_examples=300)
def test_what_a_context_calls_a_name_means_that_name(source: list[object], term: str) -> None:
    try:
        context = of(source)
        name = context.expand(term)
    except BadRequestData:
        return  # a cycle of definitions, or a name that is none
    scheme = name.partition(":")[0]
    if ":" in name and any(scheme in part for part in source):  # type: ignore[operator]
        return  # JSON-LD calls this an IRI confused with a prefix: no text could mean it
    assert context.expand(context.compact(name)) == name
    assert CORE.expand(name) == name
    assert CORE.compact(name) == name
    assert canonical(iri_of(name)) == name
    assert context.expand_value(context.compact_value(name)) == name


keys = st.text(max_size=6) | st.sampled_from(["@id", "@context", "@vocab", "@import", "@prefix"])
json = st.recursive(
    st.none() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(json)
@settings(max_examples=300)
def test_any_json_is_a_context_or_refused(source: object) -> None:
    with suppress(BadRequestData):
        check(source)
