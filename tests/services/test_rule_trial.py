"""A trial over history finds what the rule would have done, value by value, on the live city."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.model import time
from madang.services.played import Played, at
from madang.services.rules import service as rules
from tests.services.rule_past import TYPE, PastInMemory, Row, tried

START = at("2026-03-01 00:00")
SECOND = 1_000_000
DAY = 86_400 * SECOND
IDS = [f"urn:ngsi-ld:Sensor:{n}" for n in range(3)]
ALERT: dict[str, Any] = {"alert": {}}
SPANS = ["1m", "20m", "3h", "1d"]


def number() -> st.SearchStrategy[float]:
    return st.integers(-4, 4).map(float)


CONDITIONS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.builds(lambda x: {"above": x}, number()),
    st.builds(lambda x, y: {"above": max(x, y), "back": min(x, y)}, number(), number()),
    st.builds(lambda x, y: {"below": min(x, y), "back": max(x, y)}, number(), number()),
    st.builds(lambda x: {"is": x}, number()),
    st.builds(lambda x, y: {"is_not": [x, y]}, number(), number()),
    st.builds(
        lambda kind, x, span: {kind: x, "within": span},
        st.sampled_from(["rises", "falls", "changes"]), st.integers(1, 6).map(float),
        st.sampled_from(SPANS),
    ),
    st.builds(lambda span: {"silent": span}, st.sampled_from(SPANS)),
    st.builds(lambda x: {"above": {"attribute": "b", "plus": x}}, number()),
    st.builds(
        lambda id, x: {"below": {"attribute": "b", "entity": id, "plus": x}},
        st.sampled_from(IDS), number(),
    ),
    st.just({}),
]  # fmt: skip
AREA = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A rule of any kind."""
    spec: dict[str, Any] = {"type": TYPE, **ALERT, **draw(st.one_of(CONDITIONS))}
    has_condition = len(spec) > 2
    if has_condition:
        spec["attribute"] = "a"
    if not has_condition or draw(st.booleans()):
        spec |= draw(
            st.sampled_from([{"area": AREA}, {"near": {"point": [5, 5], "metres": 100_000}}])
        )
    if "silent" not in spec and draw(st.booleans()):
        spec["for"] = draw(st.sampled_from(SPANS))
    if draw(st.booleans()):
        spec["together"] = draw(st.sampled_from(["all", "any", 1, 2, 3]))
    if draw(st.booleans()):
        spec["hours"] = draw(st.sampled_from(["06:00-18:00", "22:00-03:00", "12:00-12:30"]))
    if draw(st.booleans()):
        spec["days"] = draw(st.sampled_from(["mon-fri", "sun", "sat"]))
    if "silent" not in spec and draw(st.integers(0, 3)) == 0:
        spec["ids"] = IDS[:2]
        if isinstance(spec.get("together"), int):
            spec["together"] = min(spec["together"], 2)
    return spec


def rows() -> st.SearchStrategy[list[Row]]:
    value = st.tuples(st.sampled_from(["a", "a", "a", "b"]), number())
    place = st.tuples(
        st.just("location"),
        st.sampled_from([5.0, 5.5, 20.0]).map(
            lambda lon: {"type": "Point", "coordinates": [lon, 5.0]}
        ),
    )
    times = st.one_of(st.integers(1, 3 * 86_400), st.integers(1, 144).map(lambda n: n * 1_800))
    row = st.tuples(times, st.sampled_from(IDS), st.one_of(value, value, place))
    return st.lists(row, max_size=60, unique_by=lambda one: one[0]).map(
        lambda found: [(START + t * SECOND, id, name, v) for t, id, (name, v) in found]
    )


async def lived(past: list[Row], spec: dict[str, Any], until: int, restarts: int = 0) -> list[Any]:
    """Return when a rule begins and ends, about whom, if the live city is told value by value."""
    played = Played(rules.service, START, rules={"one": spec})
    found: list[Any] = []
    for n, (now, id, name, value) in enumerate(sorted(past)):
        kind = "GeoProperty" if name == "location" else "Property"
        attribute = {"type": kind, "value": value, "observedAt": time.render(now)}
        await played.put(now, id, TYPE, **{name: attribute})
        if restarts and n % restarts == 0:
            played.restart()
    await played.until(until)
    for document in played.written:
        if document["type"] == "Alert":
            begins = document["status"]["value"] == "open"
            about = document["id"].partition("one%3A")[2].replace("%3A", ":")
            found.append((document["status"]["observedAt"], about, begins))
    return sorted(found)


async def foreseen(past: list[Row], spec: dict[str, Any], until: int) -> list[Any]:
    """Return the same of a trial."""
    result = await tried(PastInMemory(past), spec, START, until)
    found = []
    for one in result["firings"]:
        found.append((one["at"], one["entity"] or "", True))
        if one["ended"] is not None:
            found.append((one["ended"], one["entity"] or "", False))
    assert result["fired"] == len(result["firings"])
    assert sum(day["fired"] for day in result["perDay"]) == sum(result["perHour"])
    return sorted(found)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows(), specs(), st.integers(0, 9))
def test_a_trial_finds_what_the_live_rule_does(
    past: list[Row], spec: dict[str, Any], restarts: int
) -> None:
    until = START + 3 * DAY + 3600 * SECOND
    live = asyncio.run(lived(past, spec, until, restarts))
    assert asyncio.run(foreseen(past, spec, until)) == live


async def test_a_trial_tells_how_often_when_and_with_which_values() -> None:
    id = IDS[0]
    hour = 3600 * SECOND
    past: list[Row] = [
        (START + n * hour, id, "a", 9.0 if n % 24 in (7, 8) else 1.0) for n in range(72)
    ]
    spec = {"type": TYPE, "attribute": "a", "above": 5, "back": 2, **ALERT}
    result = await tried(PastInMemory(past), spec, START, START + 3 * DAY, "Asia/Seoul")
    assert (result["fired"], result["entities"], result["values"]) == (3, 1, 72)
    assert (result["aDay"], result["meanSeconds"], result["stillOn"]) == (1.0, 7200.0, 0)
    assert [one["shown"] for one in result["firings"]] == ["9", "9", "9"]
    assert result["firings"][0]["at"] == "2026-03-01T07:00:00Z"
    assert result["perHour"][16] == 3  # in Seoul
    assert [day["fired"] for day in result["perDay"]] == [1, 1, 1, 0]
    assert result["most"] == [{"entity": id, "fired": 3}]
    assert result["does"] == ["alert"]


async def test_a_trial_begins_with_what_was_known_before() -> None:
    id, other = IDS[:2]
    place = {"type": "Point", "coordinates": [5.0, 5.0]}
    past: list[Row] = [
        (START - 9 * DAY, id, "location", place),
        (START - 8 * DAY, other, "b", 3.0),
        (START - DAY, id, "a", 1.0),
        (START + DAY, id, "a", 9.0),
    ]
    base = {"type": TYPE, "attribute": "a", **ALERT}
    end = START + 2 * DAY
    for condition, fired in (
        ({"above": 5, "area": AREA}, 1),
        ({"above": 5, "inside": {"id": "urn:ngsi-ld:District:none", "type": "District"}}, 0),
        ({"above": {"attribute": "b", "entity": other, "plus": 5}}, 1),
        ({"above": {"attribute": "b", "entity": other, "plus": 6}}, 0),
        ({"silent": "10h"}, 2),
        ({"silent": "12h", "ids": ["urn:ngsi-ld:Sensor:never"]}, 1),
    ):
        result = await tried(PastInMemory(past), {**base, **condition}, START, end)
        assert result["fired"] == fired, condition


async def test_only_the_newest_firings_are_told_one_by_one() -> None:
    past: list[Row] = [(START + n * 60 * SECOND, IDS[0], "a", float(n % 2)) for n in range(3_000)]
    spec = {"type": TYPE, "attribute": "a", "above": 0.5, **ALERT}
    result = await tried(PastInMemory(past), spec, START, START + 3 * DAY)
    assert (result["fired"], len(result["firings"])) == (1_500, 1_000)
    assert sum(day["fired"] for day in result["perDay"]) == 1_500
