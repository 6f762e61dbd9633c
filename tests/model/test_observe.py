"""What a sender measured goes into the state only if it is newer than what is there."""

from __future__ import annotations

from typing import Any

import pytest

from madang.model import merge, normalize
from madang.model.context import CORE
from madang.model.entity import Entity, path_of
from madang.model.normalize import Normalized

ID = "urn:ngsi-ld:Device:1"


def told(**attributes: Any) -> Normalized:
    return normalize.entity({"id": ID, "type": "Room", **attributes}, CORE)


def value(value: Any, at: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **({"observedAt": at} if at else {}), **more}


def state(**attributes: Any) -> Entity:
    made = merge.create(told(**attributes), 1_000).entity
    assert made is not None
    return made


def observe(old: Entity, **attributes: Any) -> merge.Outcome:
    return merge.observe(old, told(**attributes), 2_000)


def test_a_newer_value_takes_the_place_of_the_one_before() -> None:
    old = state(t=value(1, "2026-01-01T00:00:00Z"))
    outcome = observe(old, t=value(2, "2026-01-01T00:00:00.001Z"))
    assert outcome.entity is not None
    assert outcome.entity.document["t"]["value"] == 2
    assert (outcome.updated, outcome.not_updated) == (("t",), [])


@pytest.mark.parametrize("at", ["2025-12-31T23:59:59Z", "2025-12-31T23:59:59.999Z"])
def test_an_older_value_leaves_the_state_alone(at: str) -> None:
    old = state(t=value(1, "2026-01-01T00:00:00Z"))
    outcome = observe(old, t=value(2, at))
    assert outcome.entity is old
    assert outcome.not_updated == [("t", merge.LATE)]


@pytest.mark.parametrize("at", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"])
def test_what_is_told_again_is_known_however_its_time_is_written(at: str) -> None:
    old = state(t=value(1, "2026-01-01T00:00:00Z"))
    outcome = observe(old, t=value(1, at, quality=value("suspect")))
    assert outcome.entity is old
    assert outcome.not_updated == [("t", merge.KNOWN)]


@pytest.mark.parametrize("other", [value(2, "2026-01-01T00:00:00Z"), value(1, unitCode="CEL")])
def test_another_value_of_the_same_time_corrects_it(other: dict[str, Any]) -> None:
    old = state(t=value(1, "2026-01-01T00:00:00Z"))
    assert observe(old, t={"observedAt": "2026-01-01T00:00:00Z", **other}).updated == ("t",)


def test_what_has_no_time_is_news_only_if_it_differs() -> None:
    old = state(name=value("Gate"))
    assert observe(old, name=value("Gate")).entity is old
    assert observe(old, name=value("Gates")).updated == ("name",)


def test_each_attribute_is_judged_alone() -> None:
    old = state(a=value(1, "2026-01-01T00:00:00Z"), b=value(1, "2026-01-01T00:00:00Z"))
    new = "2026-01-02T00:00:00Z"
    outcome = observe(old, a=value(2, new), b=value(2, "2025-01-01T00:00:00Z"), c=value(3, new))
    assert outcome.entity is not None
    assert {n: outcome.entity.document[n]["value"] for n in "abc"} == {"a": 2, "b": 1, "c": 3}
    assert set(outcome.updated) == {"a", "c"}
    assert outcome.not_updated == [("b", merge.LATE)]


def test_another_dataset_is_another_series() -> None:
    old = state(t=value(1, "2026-01-01T00:00:00Z"))
    one = value(2, "2025-01-01T00:00:00Z", datasetId="urn:d:1")
    assert observe(old, t=one).updated == ("t",)


def test_of_several_instances_each_is_judged_alone() -> None:
    one, two, three = ({"datasetId": f"urn:d:{n}"} for n in (1, 2, 3))
    noon, one_o_clock = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"
    old = state(t=[value(1, noon), value(1, one_o_clock, **one), value(1, noon, **two)])
    outcome = observe(
        old,
        t=[
            value(2, one_o_clock),
            value(2, noon, **one),
            value(1, noon, **two),
            value(2, noon, **three),
        ],
    )
    assert outcome.entity is not None
    found = {each.get("datasetId"): each["value"] for each in outcome.entity.document["t"]}
    assert found == {None: 2, "urn:d:1": 1, "urn:d:2": 1, "urn:d:3": 2}
    assert outcome.not_updated == [
        (path_of("t", one), merge.LATE),
        (path_of("t", two), merge.KNOWN),
    ]
