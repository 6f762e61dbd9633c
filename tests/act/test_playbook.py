"""Playbooks: what is good, what is refused and how that is said, which one is taken."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.act.incidents.incident import new
from madang.act.incidents.playbook import LONGEST, chosen, parse
from madang.model.errors import BadRequestData
from madang.services.records import Severity

TITLE = 'title = { en = "A", ko = "가" }\n'
ESCALATE = '[[escalate]]\nafter_minutes = {}\nto = "a"\n'
ASK = 'ask = {{ question = {{ en = "?", ko = "?" }}, {} }}'
STEP = '[[steps]]\nname = "a"\ntitle = { en = "A", ko = "가" }\n'
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "handle-incidents.md"


def test_the_playbook_of_the_documentation_is_good() -> None:
    (text,) = (one for one in re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.S)
               if "applies_to" in one)  # fmt: skip
    playbook = parse(text)
    assert playbook.contacts == ["control-room", "duty", "lee"]
    assert [step.name for step in playbook.steps] == ["barrier", "depth"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = ", "no TOML"),
        ("", "title: Field required"),
        ('title = { en = "A" }', "title.ko: Field required"),
        (TITLE + "colour = 1", "colour: Extra inputs"),
        (TITLE + 'from_severity = "awful"', "from_severity: Input should be"),
        (TITLE + 'notify = ["Kim Jin"]', "notify.0: String should match"),
        (TITLE + STEP + STEP, "two steps are named 'a'"),
        (TITLE + ESCALATE.format(9) + ESCALATE.format(5), "in the order of after_minutes"),
        (TITLE + ESCALATE.format(0), "greater than 0"),
        (TITLE + STEP + ASK.format('kind = "choice"'), "needs them"),
        (TITLE + STEP + ASK.format("min = 1"), "belong to kind"),
        (TITLE + STEP + ASK.format('kind = "number", min = 2, max = 1'), "swap them"),
        ("#" * (LONGEST + 1), "at most 65,536 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, says: str) -> None:
    with pytest.raises(BadRequestData, match=re.escape(says)):
        parse(text)


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    with suppress(BadRequestData):
        parse(text)


@pytest.mark.parametrize(
    ("severity", "category", "kind", "name"),
    [
        ("high", "weather", "flood", "kind"),
        ("high", "weather", "storm", "category"),
        ("high", "fire", "fire", "any"),
        ("low", "fire", "fire", ""),
        ("critical", "fire", "fire", "grave"),
    ],
)
def test_the_playbook_is_the_one_that_is_most_about_the_incident(
    severity: Severity, category: str, kind: str, name: str
) -> None:
    books = [
        ("any", parse(TITLE + 'from_severity = "medium"')),
        ("category", parse(TITLE + 'applies_to = ["weather"]')),
        ("grave", parse(TITLE + 'from_severity = "critical"')),
        ("kind", parse(TITLE + 'applies_to = ["flood"]')),
    ]
    incident = new("urn:ngsi-ld:Incident:1", "2026-03-02T09:00:00Z", category, severity, {})
    incident["kind"] = kind
    found = chosen(books, incident)
    assert (found[0] if found else "") == name
