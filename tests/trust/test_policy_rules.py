"""Policies that cannot be used are refused with what is wrong, where, and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.query.tree import And, HasId, HasType, InScope, Not, Or
from madang.trust import book, rules
from madang.trust.parts import WIDEST, all_of, any_of, condition_of, opposite
from madang.trust.rules import BadPolicy, read

READ = 'permit (principal, action == Madang::Action::"readEntity", resource)'


def refused(text: str) -> str:
    """Return what is said of a policy that cannot be added."""
    with pytest.raises(BadPolicy) as caught:
        list(map(book.compiled, read("water", text)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("permit (principal, resource);", "policy water, line 1"),
        (f'// One.\n\n{READ}\nwhen {{ resource.typs == "x" }};', "line 4: attribute `typs`"),
        (f"{READ} when {{ resource.typs }};", "it has tenant, types, within, id, public"),
        ('permit (principal, action == Madang::Action::"read", resource);', "such as readEntity"),
        (f"{READ};\n{READ}\nwhen {{ 1 }};", "policy water, line 2"),
        (f"{READ} when {{ resource.types }}", "expected `;`"),
        ("// nothing", "it is empty"),
        ('permit (principal == ?principal, action, resource) when { true };', "?principal"),
        (f'@id("a") {READ};\n@id("a") {READ};', "there is an @id 'water/a' already"),
        (f'{READ} when {{ "" }};' + " " * rules.LONGEST_TEXT, "longer than 64 KiB"),
    ],
)  # fmt: skip
def test_a_policy_that_is_no_good_is_refused_by_name_and_line(text: str, said: str) -> None:
    message = refused(text)
    assert "policy water" in message
    assert said in message


@pytest.mark.parametrize(
    "condition",
    [
        'resource.id like "urn:*"',
        "resource.types == principal.reads",
        "principal.reads.containsAll(resource.types)",
        "resource.types.isEmpty()",
        'resource in Madang::Entity::"urn:1"',
        "[resource.public].contains(true)",
        'resource.within.contains(resource.id)',
        "resource.types.containsAny(resource.within)",
        "resource.public == true",
        "1 + 1 < 3",
    ],
)  # fmt: skip
def test_what_no_query_can_ask_for_is_refused_with_what_can_be_said(condition: str) -> None:
    message = refused(f"{READ} when {{ {condition} }};")
    assert "of an entity can be said resource.types and resource.within with contains" in message


def test_conditions_on_other_things_than_entities_may_be_any_cedar() -> None:
    (rule,) = read(
        "x",
        """permit (principal, action == Madang::Action::"readAttribute", resource)
        when { resource.name like "tele*" && resource.types == ["Person"] };""",
    )
    assert not any(book.compiled(rule).tests.values())


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 20_000 + "true" + ")" * 20_000,
        "if true then " * 3000 + "true" + " else false" * 3000,
        "true" + " && true" * 6000,
        "1" + "+1" * 20_000 + " > 0",
        "!(" * 10_000,
        "true // \r" + "(" * 20_000,
        '"\\" && ' + "[" * 20_000,
        "resource.types.contains(" + '["a"]' * 200 + ")",
        "a" + "::a" * 20_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_policy_too_deep_for_the_parser_is_refused_before_it_gets_there(condition: str) -> None:
    assert "policy water" in refused(f"{READ} when {{ {condition} }};")


WORDS = r"""
permit forbid ( ) principal action resource , ; when unless { } [ ] == in is has like . && || ! if
then else - + 1 true "a" " \ // :: @id("x") ?principal .types .id
"""
soups = st.lists(st.sampled_from(WORDS.split()) | st.text(max_size=3), max_size=40)


@settings(max_examples=100, deadline=None)
@given(soups, st.sampled_from([1, 1, 60]))
def test_any_text_is_a_policy_or_is_refused_in_few_words(words: list[str], times: int) -> None:
    soup = " ".join(words) * times
    for text in (soup, f"{READ} when {{ {soup} }};"):
        try:
            list(map(book.compiled, read("water", text)))
        except BadPolicy as error:
            assert len(str(error)) < 1000  # noqa: PT017


def test_nested_ifs_are_refused_where_they_would_come_to_too_many_conditions() -> None:
    nested = "resource.public"
    for _ in range(12):
        nested = f"(if {nested} then !resource.public else resource.public)"
    assert "2,000 conditions" in refused(f"{READ} when {{ {nested} }};")


def test_a_long_list_is_no_deep_one() -> None:
    types = ", ".join(f'"Type{number}"' for number in range(3000))
    (rule,) = read("x", f"{READ} when {{ resource.types.containsAny([{types}]) }};")
    assert book.compiled(rule).rule.effect == "permit"


def test_a_policy_keeps_the_comment_above_it_but_not_the_title_of_its_file() -> None:
    text = f'// The water works.\n\n// They read.\n{READ};\n\n// Title again\n\n@id("b")\n{READ};'
    first, second = read("water", text)
    assert first.text.startswith("// They read.\npermit")
    assert (first.id, first.line, second.id, second.line) == ("water/1", 3, "water/b", 8)


@pytest.mark.parametrize("name", ["", "Water", "a b", "../x", "x" * 65, "operator"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(BadPolicy):
        rules.check_name(name)


# --- what is left of the entities --------------------------------------------------------------

A, B = HasType("A"), HasType("B")


def test_parts_are_as_simple_as_can_be() -> None:
    assert any_of([False, A, Or((A, B)), False]) == Or((A, B))
    assert any_of([A, True]) is True
    assert any_of([False]) is False
    assert any_of([HasId(("x",)), HasId(("a", "x"))]) == HasId(("a", "x"))
    assert all_of([True, A, True]) == A
    assert all_of([A, And((A, B))]) == And((A, B))
    assert all_of([A, False]) is False
    assert opposite(opposite(A)) == A
    assert opposite(A) == Not(A)
    assert condition_of(True) is None
    assert condition_of(False) == Or(())


def test_very_many_alternatives_are_lists_of_lists_for_the_sake_of_sqlite() -> None:
    many = any_of(HasType(f"T{number}") for number in range(2 * WIDEST + 1))
    condition = condition_of(opposite(many))
    assert isinstance(condition, Not)
    assert isinstance(condition.item, Or)
    assert [len(inner.items) for inner in condition.item.items if isinstance(inner, Or)] == [
        WIDEST, WIDEST, 1,
    ]  # fmt: skip
    few = any_of(InScope((f"S{number}",), True) for number in range(WIDEST))
    assert condition_of(few) == few


def test_the_policies_in_the_guide_can_be_added() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "policies.md").read_text("utf-8")
    found = re.findall(r"^```cedar\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [one.rule.id for text in found for one in map(book.compiled, read("guide", text))] == [
        "guide/benches",
        "guide/palace-commands",
        "guide/care-visits",
    ]
    said = re.findall(r"^\| `(resource[^`]*|principal[^`]*)` \|", page, re.MULTILINE)
    assert len(said) == 8
    for condition in said:
        assert read("guide", f"{READ} when {{ {condition} }};")
