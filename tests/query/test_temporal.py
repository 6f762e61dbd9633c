"""Temporal queries."""

from __future__ import annotations

import pytest

from madang.model import time
from madang.model.errors import BadRequestData
from madang.query import temporal
from madang.query.tree import Temporal

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
START, END = time.parse(EARLY), time.parse(LATE)


def test_parameters_become_an_interval() -> None:
    assert temporal.parse() is None
    assert temporal.parse("before", EARLY) == Temporal("before", START)
    assert temporal.parse("after", EARLY, None, "modifiedAt") == Temporal(
        "after", START, None, "modifiedAt"
    )
    between = {"timerel": "between", "timeAt": EARLY, "endTimeAt": LATE}
    assert temporal.from_object(between) == Temporal("between", START, END)


@pytest.mark.parametrize(
    "parameters",
    [
        (None, EARLY),
        (None, None, None, "createdAt"),
        ("after",),
        ("during", EARLY),
        ("between", EARLY),
        ("before", EARLY, LATE),
        ("before", "2026-01-01"),
        ("between", EARLY, "soon"),
        ("before", EARLY, None, "seenAt"),
        (["before"], EARLY),
        ("before", 5),
    ],
)
def test_what_makes_no_interval_is_refused(parameters: tuple[object, ...]) -> None:
    with pytest.raises(BadRequestData):
        temporal.parse(*parameters)


@pytest.mark.parametrize("value", [{}, [], "after", {"timeAt": EARLY}])
def test_a_body_without_a_temporal_query_is_refused(value: object) -> None:
    with pytest.raises(BadRequestData):
        temporal.from_object(value)


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    before, after = Temporal("before", START), Temporal("after", START)
    between = Temporal("between", START, END)
    assert [temporal.holds(before, at) for at in (START - 1, START)] == [True, False]
    assert [temporal.holds(after, at) for at in (START - 1, START)] == [False, True]
    found = [temporal.holds(between, at) for at in (START - 1, START, END - 1, END)]
    assert found == [False, True, True, False]
