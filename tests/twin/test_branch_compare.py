"""Differences of paired runs: intervals, verdicts, streets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.twin.branch.compare import compared, interval, streets
from madang.twin.branch.indicators import INDICATORS, verdict
from madang.twin.branch.measured import STREET, Measured

NAMES = [("가", "A"), ("나", "B")]
values = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20)


def measured(delay: float, **figures: list[float]) -> Measured:
    told = {one.name: 1.0 for one in INDICATORS} | {"delay": delay}
    by_edge: dict[str, Any] = {name: np.array(figures.get(name, [0.0, 0.0])) for name in STREET}
    shapes = [[(0.0, 0.0), (1.0, 0.0)], [(1.0, 0.0), (0.0, 0.0)]]
    return Measured(told, by_edge, ["a", "b"], NAMES, shapes, 10, 0)


def test_the_interval_is_students() -> None:
    # R: t.test(c(1, 2, 3, 4, 5))$conf.int
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((1.036757, 4.963243), abs=1e-6)


def test_one_pair_has_no_interval_and_no_verdict() -> None:
    assert interval([3.0]) is None
    assert verdict(INDICATORS[0], None) == "unclear"


@given(values)
def test_the_mean_lies_within_its_interval(differences: list[float]) -> None:
    bounds = interval(differences)
    assert bounds is not None
    mean = sum(differences) / len(differences)
    assert bounds[0] - 1e-3 <= mean <= bounds[1] + 1e-3


@given(values, st.floats(-1e3, 1e3))
def test_an_interval_moves_with_its_differences(differences: list[float], by: float) -> None:
    before, after = interval(differences), interval([one + by for one in differences])
    assert before is not None
    assert after is not None
    assert after == pytest.approx((before[0] + by, before[1] + by), abs=1e-2)


def test_chance_that_falls_on_both_alike_does_not_blur_a_difference() -> None:
    base = [measured(delay) for delay in (10.0, 50.0, 90.0)]
    runs = [measured(delay) for delay in (8.0, 48.1, 87.9)]
    (found,) = [one for one in compared(base, [runs]) if one["name"] == "delay"]
    (then,) = found["policies"]
    assert then["difference"] == pytest.approx(-2.0)
    assert then["interval"][1] < 0
    assert then["verdict"] == "better"
    assert found["now"]["mean"] == 50


def test_a_figure_that_should_be_high_is_worse_when_it_falls() -> None:
    (arrived,) = [one for one in INDICATORS if one.name == "arrived"]
    assert verdict(arrived, (-9.0, -1.0)) == "worse"
    assert verdict(arrived, (1.0, 9.0)) == "better"
    assert verdict(arrived, (-1.0, 9.0)) == "unclear"


def test_only_streets_that_change_are_told_and_whether_it_may_be_chance() -> None:
    nan = float("nan")
    base = [measured(0, flow=[100.0, 10.0], speed=[30.0, nan]) for _ in range(3)]
    runs = [measured(0, flow=[flow, 10.0], speed=[20.0, 40.0]) for flow in (148.0, 150.0, 152.0)]
    found = streets(NAMES, base[0].shapes, base, runs)
    (street,) = found["features"]
    assert street["properties"]["edge"] == "a"
    assert street["properties"]["flow"] == {
        "now": 100,
        "then": 150,
        "difference": 50,
        "clear": True,
    }
    assert street["properties"]["speed"]["difference"] == -10
    assert street["geometry"]["coordinates"] == [[0, 0], [1, 0]]


def test_with_one_seed_no_street_is_sure() -> None:
    found = streets(NAMES, measured(0).shapes, [measured(0)], [measured(0, flow=[99.0, 0.0])])
    assert not found["features"][0]["properties"]["flow"]["clear"]
