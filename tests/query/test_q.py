"""What texts of ``q`` mean, and how wrong ones are refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query import q
from madang.query.tree import (
    And,
    Boolean,
    Compare,
    Condition,
    Date,
    DateTime,
    Exists,
    Link,
    Not,
    Or,
    Path,
    Range,
    Scalar,
    Time,
    Uri,
    Values,
)

IRI = "https://city.example/terms#"
MOMENT = DateTime(1_767_225_600_000_000, "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("speed", Exists(Path("speed"))),
        ("!speed", Not(Exists(Path("speed")))),
        ("speed>100", Compare(Path("speed"), ">", 100)),
        ("speed>=-1.5e2", Compare(Path("speed"), ">=", -150.0)),
        ("speed<1", Compare(Path("speed"), "<", 1)),
        ("speed<=1", Compare(Path("speed"), "<=", 1)),
        ('name=="Eiffel Tower"', Compare(Path("name"), "==", "Eiffel Tower")),
        ('name=="a;b|c)(,\\"d\\" \\u00e9"', Compare(Path("name"), "==", 'a;b|c)(,"d" é')),
        ("open==true", Compare(Path("open"), "==", Boolean(True))),
        ("open!=false", Compare(Path("open"), "!=", Boolean(False))),
        ("seen>2026-01-01T00:00:00Z", Compare(Path("seen"), ">", MOMENT)),
        ('seen>"2026-01-01T00:00:00Z"', Compare(Path("seen"), ">", MOMENT)),
        ("day==2026-01-01", Compare(Path("day"), "==", Date("2026-01-01"))),
        ("at<12:00:00.5Z", Compare(Path("at"), "<", Time("12:00:00.5Z"))),
        ("ref==urn:ngsi-ld:B:1", Compare(Path("ref"), "==", Uri("urn:ngsi-ld:B:1"))),
        ("word==commercial", Compare(Path("word"), "==", "commercial")),
        ("level==4..5", Compare(Path("level"), "==", Range(4, 5))),
        ('name!="a".."b"', Compare(Path("name"), "!=", Range("a", "b"))),
        (
            "day==2026-01-01..2026-02-01",
            Compare(Path("day"), "==", Range(Date("2026-01-01"), Date("2026-02-01"))),
        ),
        ('name=="a",1,true', Compare(Path("name"), "==", Values(("a", 1, Boolean(True))))),
        ('name~="^\\d+\\""', Compare(Path("name"), "~=", '^\\d+"')),
        ('name!~="^E"', Compare(Path("name"), "!~=", "^E")),
        ("name~=^E.*", Compare(Path("name"), "~=", "^E.*")),
        ("speed.observedAt", Exists(Path("speed", ("observedAt",)))),
        ("a.b.c==1", Compare(Path("a", ("b", "c")), "==", 1)),
        ('address[city]=="B"', Compare(Path("address", (), ("city",)), "==", "B")),
        ("a.b[c d.e]", Exists(Path("a", ("b",), ("c d", "e")))),
        ('color[*]=="red"', Compare(Path("color", (), ("*",)), "==", "red")),
        ("category", Exists(Path(IRI + "category"))),
        ("ex:a.b", Exists(Path(IRI + "a", ("b",)))),
        (
            "https://schema.org/x.y#speed.observedAt>1",
            Compare(Path("https://schema.org/x.y#speed", ("observedAt",)), ">", 1),
        ),
        ('type=="Building"', Compare(Path("type"), "==", Uri(IRI + "Building"))),
        (
            "type==Building,Car",
            Compare(Path("type"), "==", Values((Uri(IRI + "Building"), Uri("Car")))),
        ),
    ],
)
def test_a_term_becomes_a_node(text: str, condition: Condition, names: Names) -> None:
    assert q.parse(text, names) == condition


def test_and_binds_tighter_than_or_and_parentheses_group(names: Names) -> None:
    a, b, c = (Exists(Path(name)) for name in "abc")
    assert q.parse("a|b;c", names) == Or((a, And((b, c))))
    assert q.parse("(a|b);c", names) == And((Or((a, b)), c))
    assert q.parse("((a))", names) == a


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("owner{name}", Path("name", links=(Link("owner"),))),
        ("owner{Building:name}", Path("name", links=(Link("owner", (IRI + "Building",)),))),
        ("owner{ex:name}", Path(IRI + "name", links=(Link("owner"),))),
        ("owner{ex:T:ex:name}", Path(IRI + "name", links=(Link("owner", (IRI + "T",)),))),
        (
            "owner{Car,Building:a.b}",
            Path("a", ("b",), (), (Link("owner", ("Car", IRI + "Building")),)),
        ),
        (
            "owner{works{T:at[city]}}",
            Path("at", (), ("city",), (Link("owner"), Link("works", ("T",)))),
        ),
    ],
)
def test_a_path_follows_relationships(text: str, path: Path, names: Names) -> None:
    assert q.parse(text, names, max_links=2) == Exists(path)


@pytest.mark.parametrize(("text", "links"), [("a{b}", 0), ("a{b{c}}", 1)])
def test_relationships_are_followed_only_as_far_as_join_reaches(
    text: str, links: int, names: Names
) -> None:
    with pytest.raises(BadRequestData, match="joinLevel"):
        q.parse(text, names, max_links=links)


def test_expand_values_makes_names_of_values(names: Names) -> None:
    expected = Compare(Path(IRI + "category"), "==", Uri(IRI + "Building"))
    for value in ("Building", '"Building"'):
        assert q.parse(f"category=={value}", names, expand_values=["category"]) == expected
    mixed = q.parse('category=="no name!",3', names, expand_values=["category"])
    assert mixed == Compare(Path(IRI + "category"), "==", Values((Uri("no name!"), 3)))


def test_an_iri_among_members_is_the_term_unless_keys_are_raw_json(names: Names) -> None:
    text = f"a[{IRI.replace('.', '_')}x]"
    assert q.parse(text, names) == Exists(Path("a", (), (IRI.replace(".", "_") + "x",)))
    assert q.parse("a[ex:x]", names) == Exists(Path("a", (), ("x",)))
    assert q.parse("a[ex:x]", names, json_keys=["a"]) == Exists(Path("a", (), ("ex:x",)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "((",
        "))bad((",
        "speed>",
        "speed==",
        "speed=1",
        "speed>4..5",
        "speed>1,2",
        "speed>true",
        "speed>word",
        "ref>urn:a",
        'speed=="open',
        'speed=="bad\\q"',
        "speed==1e400",
        "speed==01",
        'speed==1.."a"',
        "speed==1..",
        "speed==1,",
        "speed==1..2,3",
        "speed==2026-02-30",
        "speed;",
        "|speed",
        "a..b",
        ".a",
        "a[",
        "a[]",
        "a[b..c]",
        "a{b",
        "a{}",
        "a.b{c}",
        "a{:b}",
        "!speed>1",
        "1speed>1",
        "speed > 1",
        'name~="("',
        'name~="(a+)+$"',
        "name~=",
        "a;b)",
        "\ud800",
    ],
)
def test_a_wrong_query_is_refused_with_a_reason(text: str, names: Names) -> None:
    with pytest.raises(BadRequestData) as refused:
        q.parse(text, names, max_links=1)
    assert len(refused.value.detail) > 10


def test_an_error_says_where_and_what_was_expected(names: Names) -> None:
    with pytest.raises(
        BadRequestData, match=r"expected a number, .* at character 7, the text ends"
    ):
        q.parse("speed>", names)
    with pytest.raises(BadRequestData, match=r"a pattern in quotes.* at character 11, found"):
        q.parse("a;b;name~=(", names)


def test_size_and_depth_are_bounded(names: Names) -> None:
    assert q.parse("(" * 32 + "a" + ")" * 32, names) == Exists(Path("a"))
    for text in ("(" * 33 + "a" + ")" * 33, "a;" * 600 + "a", "a" * 20_000, "(" * 10_000):
        with pytest.raises(BadRequestData):
            q.parse(text, names)


def test_a_number_beyond_64_bits_is_a_float(names: Names) -> None:
    condition = q.parse("a==99999999999999999999", names)
    assert isinstance(condition, Compare)
    assert isinstance(condition.value, float)


def test_a_text_may_still_be_percent_encoded() -> None:
    assert q.decoded('name=="Eiffel%20Tower"') == 'name=="Eiffel Tower"'
    assert q.decoded("a==100%") == "a==100%"
    assert q.decoded("a==%ff") == "a==%ff"


def test_the_attributes_a_query_names_are_those_of_the_entity_itself(names: Names) -> None:
    condition = q.parse('a>1|!b;createdAt>2026-01-01T00:00:00Z|c{d}|id=="x"', names, max_links=1)
    assert q.attributes(condition) == {"a", "b", "c"}
    assert q.attributes(q.parse("modifiedAt", names)) == frozenset()


@settings(max_examples=300)
@given(st.text(alphabet='ab:/.1-"\\[]{}();|,<>=!~*%é \x00T', max_size=40))
def test_any_text_is_parsed_or_refused(names: Names, text: str) -> None:
    with suppress(BadRequestData):
        q.parse(text, names, max_links=2)


# --- round trip -------------------------------------------------------------------------------

words = st.from_regex(r"[a-z]\w{0,4}", fullmatch=True).filter(lambda word: word not in ("type",))
scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters='\\"'), max_size=10),
    st.booleans().map(Boolean),
    st.just(MOMENT),
    st.just(Date("2026-01-01")),
    st.just(Time("12:00:00Z")),
    st.just(Uri("urn:a:b")),
)
orderable = scalars.filter(lambda value: not isinstance(value, Boolean | Uri))
paths = st.builds(
    lambda name, subs, members, links: Path(name, subs, members, tuple(map(Link, links))),
    words,
    st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=2).map(tuple),
    st.lists(words, max_size=2),
)
terms: st.SearchStrategy[Condition] = st.one_of(
    st.builds(Exists, paths),
    st.builds(lambda path: Not(Exists(path)), paths),
    st.builds(Compare, paths, st.sampled_from([">", ">=", "<", "<="]), orderable),
    st.builds(
        Compare,
        paths,
        st.sampled_from(["==", "!="]),
        st.one_of(
            scalars,
            st.lists(scalars, min_size=2, max_size=3).map(lambda items: Values(tuple(items))),
            st.builds(Range, st.integers(0, 9), st.integers(0, 9)),
        ),
    ),
)
conditions = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(lambda items: And(tuple(items)), st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda items: Or(tuple(items)), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=6,
)


def written(item: Condition | Scalar | Range | Values | Path) -> str:
    """Write a node as the text it is parsed from."""
    match item:
        case And(items):
            return "(" + ";".join(map(written, items)) + ")"
        case Or(items):
            return "(" + "|".join(map(written, items)) + ")"
        case Not(inner):
            return "!" + written(inner)
        case Exists(path):
            return written(path)
        case Compare(path, operator, value):
            return written(path) + operator + written(value)
        case Path():
            text = ".".join((item.attribute, *item.subs))
            text += f"[{'.'.join(item.members)}]" if item.members else ""
            for link in reversed(item.links):
                text = f"{link.relationship}{{{text}}}"
            return text
        case Range(low, high):
            return f"{written(low)}..{written(high)}"
        case Values(items):
            return ",".join(map(written, items))
        case Boolean(value):
            return str(value).lower()
        case DateTime() | Date() | Time() | Uri():
            return item.text
        case str():
            return f'"{item}"'
        case int() | float():
            return repr(item)
    raise AssertionError(item)


@settings(max_examples=300)
@given(conditions)
def test_what_is_written_is_read_back(names: Names, condition: Condition) -> None:
    assert q.parse(written(condition), names, max_links=2) == condition
