"""Policies are read from TOML, or refused with the place and what was expected."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData
from madang.twin.branch.policy import LARGEST, MEASURES, body, given_as, read

TEMPLATES = sorted(
    files("madang.twin.branch").joinpath("templates").iterdir(), key=lambda file: file.name
)
places = st.tuples(st.floats(-180, 180), st.floats(-90, 90))
words = st.text(min_size=1, max_size=20)
somewhere = st.one_of(
    st.fixed_dictionaries({"place": places}, optional={"radius_m": st.floats(1, 5000)}),
    st.fixed_dictionaries({"area": st.lists(places, min_size=3, max_size=6)}),
    st.fixed_dictionaries({"streets": st.lists(words, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"edges": st.lists(words, min_size=1, max_size=3)}),
)


def at(more: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda where, rest: where | rest, somewhere, st.fixed_dictionaries(more))


policies = st.fixed_dictionaries(
    {},
    optional={
        "title": words,
        "signals": st.fixed_dictionaries(
            {"control": st.sampled_from(["fixed", "actuated", "max_pressure", "cognitive"])}
        ),
        "closure": st.lists(at({"from_min": st.floats(0, 1440)}), max_size=3),
        "superblock": st.lists(at({"speed_kmh": st.floats(5, 120)}), max_size=3),
        "price": st.lists(
            at({"amount": st.floats(1, 1e6), "value_of_time": st.floats(1, 1e6)}), max_size=3
        ),
        "speed_limit": st.lists(at({"speed_kmh": st.floats(5, 130)}), max_size=3),
        "bus_line": st.lists(
            st.fixed_dictionaries({"stops": st.lists(places, min_size=2, max_size=5)}), max_size=2
        ),
        "bicycles": st.lists(st.fixed_dictionaries({"share": st.floats(0, 1)}), max_size=2),
    },
)


@given(policies)
def test_a_policy_that_is_written_out_reads_the_same(values: dict[str, Any]) -> None:
    policy = given_as(values)
    assert given_as(body(policy)) == policy


@given(st.text(max_size=300))
def test_whatever_is_written_it_is_a_policy_or_a_sentence_says_why_not(text: str) -> None:
    told = "a policy"
    try:
        read(text)
    except BadRequestData as error:
        told = str(error)
    assert told
    assert len(told) <= 500


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("closures = 1", "closures: is not known here; a policy has title, signals, closure"),
        ("[[closure]]\nlanes = 2", "closure[0]: say where"),
        ("[[closure]]\nedges = ['a']\nlanes = 0", "closure[0].lanes"),
        ("[[closure]]\nedges = ['a']\nfrom_min = 9\nto_min = 3", "to_min must be later"),
        ("[[superblock]]\narea = [[1, 2], [3, 4]]", "area needs three corners"),
        ("[signals]\ncontrol = 'clever'", "signals.control"),
        ("[[price]]\nplace = [1, 2]\namount = 3", "price[0].value_of_time"),
        ("[[bus_line]]\nstops = [[1, 2]]", "bus_line[0].stops"),
        ("[[bus_line]]\nstops = [[1, 200], [1, 2]]", "bus_line[0].stops[0][1]"),
        ("[[closure]]\nedges = ['a']\nwidth = 3", "closure[0].width: is not known here"),
        ("title = ", "the policy is no TOML"),
        ("title = 'x'\n" + "[[speed_limit]]\nedges = ['a']\nspeed_kmh = 30\n" * 21, "speed_limit"),
        ("x" * (LARGEST + 1), "a policy may have 65,536 characters"),
    ],
)
def test_what_is_wrong_is_named(text: str, told: str) -> None:
    with pytest.raises(BadRequestData, match=re.escape(told)):
        read(text)


def test_a_policy_tells_its_measures() -> None:
    found = read("[signals]\ncontrol='fixed'\n" + "[[closure]]\nedges=['a']\n" * 2)
    assert found.measures == ["signals: fixed", "closure × 2"]
    assert read("title = 'nothing'").measures == []


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_every_template_is_a_policy(file: Any) -> None:
    text = re.sub(r"\{l\w+\}", "12.5", file.read_text("utf-8"))
    assert read(text).measures


def test_templates_show_every_measure() -> None:
    shown = {
        name.partition(":")[0]
        for file in TEMPLATES
        for name in read(re.sub(r"\{l\w+\}", "12.5", file.read_text("utf-8"))).measures
    }
    assert shown == {"signals", *MEASURES}
