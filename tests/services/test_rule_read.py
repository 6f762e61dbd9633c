"""Rules as people write them: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.services.rules import text as rule_text
from madang.services.rules.read import MOST_RULES, Problem, read, read_toml, schema

DOCS = Path(__file__).parents[2] / "docs"
GOOD: dict[str, Any] = {"type": "Room", "attribute": "co2", "above": 1000.0, "alert": {}}


def problems(**changes: Any) -> list[str]:
    """Return what is wrong with a good rule after some changes; None takes a field away."""
    spec = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return [f"{one.field}: {one.message}" for one in read({"one": spec}).problems]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"back": 800},
        {"above": None, "below": 4, "back": 6, "for": "10m"},
        {"above": {"attribute": "limit", "plus": 3}},
        {"above": {"attribute": "co2", "entity": "urn:ngsi-ld:Room:2"}},
        {"above": None, "is": "closed"},
        {"above": None, "is_not": ["free", "occupied", 3, True]},
        {"above": None, "rises": 5, "within": "1d"},
        {"above": None, "silent": "31d"},
        {"together": "all", "ids": ["urn:a:1", "urn:a:2"], "hours": "22:00-24:00"},
        {"hours": ["06:00-09:00", "16:00-19:00"], "days": ["mon-fri", "sun"]},
        {"near": {"point": [127, 37.5], "metres": 500}},
        {"inside": {"id": "urn:ngsi-ld:District:1", "type": "District"}},
        {"attribute": None, "above": None, "near": {"point": [127, 37.5], "metres": 500}},
        {"title": {"en": "Bad air", "ko": "나쁜 공기"}, "on": False},
        {"alert": None, "notify": {"to": "duty", "text": "{name} has {value} {unit}"}},
        {"alert": None, "command": {"name": "open", "parameters": {"by": 3}}},
        {"alert": None, "set": {"attribute": "air", "value": "bad", "after": "good"}},
    ],
    ids=str,
)
def test_good_rules_are_read_and_kept_as_they_were_written(changes: dict[str, Any]) -> None:
    assert problems(**changes) == []
    spec = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    reading = read({"one": spec})
    assert reading.specs == {"one": spec}
    assert all(rule_text.about(reading.rules["one"]))
    assert all(rule_text.title(reading.rules["one"]))


def test_what_toml_says_is_told_right_or_wrong() -> None:
    reading = read_toml("[a]\ntype = 'Room'\nabov = 3\nsince = 2026-01-31\n[b]\nbig = 1e999")
    assert reading.given == {
        "a": {"type": "Room", "abov": 3, "since": "2026-01-31"}, "b": {"big": None}
    }  # fmt: skip
    assert {(one.rule, one.field, one.line) for one in reading.problems} >= {("a", "abov", 3)}
    assert read_toml(f"[a]\nbig = {2**70}").given == {}
    assert read_toml("[a").given == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"typ": "x"}, "typ: is not known here; did you mean type?"),
        ({"type": None}, "type: is missing"),
        ({"above": "high"}, "above: must be a number, or another attribute"),
        ({"above": True}, "above: must be a number, or another attribute"),
        ({"above": float("inf")}, "above: must be a number"),
        ({"above": None}, "condition: is missing; name one of above, below"),
        ({"below": 3}, "below: stands beside above"),
        ({"attribute": None}, "attribute: is missing; it is what above looks at"),
        ({"back": 1200}, "back: must not be greater than above, 1000"),
        ({"above": None, "below": 5, "back": 3}, "back: must not be less than below"),
        ({"above": None, "is": 5, "back": 3}, "back: goes with a number in above or below"),
        ({"for": "soon"}, "for: must be a span such as 90s"),
        ({"for": "90d"}, "for: must be a span such as 90s"),
        ({"within": "5m"}, "within: goes with rises, falls or changes only"),
        ({"above": None, "rises": 5}, "within: is missing"),
        ({"above": None, "rises": -5, "within": "5m"}, "rises: "),
        ({"above": None, "rises": 5, "within": "2d"}, "within: must be 1d at most"),
        ({"above": None, "silent": "1h", "for": "1h"}, "for: is not needed beside silent"),
        ({"together": 0}, 'together: must be "all", "any" or a whole number'),
        ({"together": 3, "ids": ["urn:a:1"]}, "together: is 3, but there are 1 ids"),
        ({"ids": ["one"]}, "ids: must be"),
        ({"hours": "9-17"}, "hours: must be like 22:00-06:00"),
        ({"hours": "09:00-09:00"}, "hours: begins when it ends"),
        ({"days": "monday"}, "days: must be like sat or mon-fri"),
        ({"area": {"type": "Point", "coordinates": [1, 2]}}, "area: must be a GeoJSON Polygon"),
        ({"near": {"point": [1], "metres": 5}}, "near.point: "),
        ({"near": {"point": [1, 2], "metres": 0}}, "near.metres: "),
        ({"near": {"point": [1, 2], "metres": 5}, "inside": {"id": "urn:a:1", "type": "A"}},
         "inside: stands beside near"),
        ({"alert": None}, "alert: is missing; a rule does one of alert, notify, command, set"),
        ({"alert": {"severity": "bad"}}, "alert.severity: must be 'informational'"),
        ({"alert": {"titel": "x"}}, "alert.titel: is not known here; did you mean title?"),
        ({"alert": {"text": "{valeu}"}}, "alert.text: "),
        ({"notify": {}}, "notify.to: is missing"),
        ({"set": {"attribute": "air", "value": [1]}}, "set.value: must be a text, number"),
        ({"set": {"attribute": "air", "value": 1, "id": "urn:a:1"}}, "set.type: of it is missing"),
        ({"set": {"attribute": "co2", "value": 1}}, "set.attribute: is what itself looks at"),
        ({"set": {"attribute": "type", "value": 1}}, "set.attribute: "),
        ({"set": {"attribute": "x", "value": 1, "id": "urn:a:1", "type": "Command"}}, "set.type: "),
        ({"command": {"name": "open"}, "together": "any"}, "command.target: is missing"),
        ({"type": "Decision"}, "type: is Decision"),
        ({"type": "Alert"}, "type: is Alert"),
        ({"set": {"attribute": "location", "value": "x"}}, "set.value: cannot be written"),
        ({"above": {"attribute": "co2"}}, "above: compares the attribute with itself"),
        ({"above": {"attribut": "co2"}}, "above.attribut: is not known here"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_told_by_field_in_one_sentence(changes: dict[str, Any], told: str) -> None:
    found = problems(**changes)
    assert any(one.startswith(told) for one in found), found
    assert len(found) == len({one.partition(":")[0] for one in found})


TOML = """
# noise at night
[night-noise]
type = "NoiseLevelObserved"
attribute = "LAeq"
abov = 70
hours = "22-06"

[night-noise.alert]
severity = "loud"

[Loud]
type = "x"
"""


def test_what_is_wrong_in_toml_is_told_by_line() -> None:
    found = {(one.rule, one.field): one.line for one in read_toml(TOML).problems}
    assert found["night-noise", "abov"] == 6
    assert found["night-noise", "hours"] == 7
    assert found["night-noise", "alert.severity"] == 10
    assert found["Loud", ""] == 12
    (broken,) = read_toml("[a]\nb = \n").problems
    assert broken.line == 2
    assert str(broken).startswith("line 2, is no TOML") or "is no TOML" in str(broken)
    assert "table" in str(read_toml("night = 3").problems[0])
    assert str(Problem("a", "for", "is wrong", 3)) == "line 3, a.for: is wrong"


def test_rules_that_answer_one_another_are_refused() -> None:
    def of(attribute: str, sets: str) -> dict[str, Any]:
        return {
            "type": "Lamp",
            "attribute": attribute,
            "is": 1,
            "set": {"attribute": sets, "value": 1},
        }

    assert read({"a": of("x", "y"), "b": of("y", "z")}).problems == []
    found = read({"a": of("x", "y"), "b": of("y", "z"), "c": of("z", "x")}).problems
    assert found
    assert "set.attribute" in {one.field for one in found}


def test_there_is_a_limit_to_rules() -> None:
    (found,) = read({f"r{n}": GOOD for n in range(MOST_RULES + 1)}).problems
    assert "5,000" in str(found)
    (found,) = read({"schema": GOOD}).problems
    assert "no name" in str(found)


def test_the_schema_in_the_documentation_is_that_of_the_rules() -> None:
    file = DOCS / "reference" / "rules.schema.json"
    assert orjson.loads(file.read_bytes()) == orjson.loads(orjson.dumps(schema()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)  # fmt: skip
FIELDS = ["type", "attribute", "above", "is", "ids", "area", "near", "inside", "alert", "set",
          "hours", "days", "for", "together", "command", "title"]  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON), st.text(max_size=30))
def test_nonsense_is_told_and_never_breaks(changes: dict[str, Any], text: str) -> None:
    reading = read({"one": {**GOOD, **changes}})
    assert bool(reading.problems) != bool(reading.rules)
    read_toml(text)
