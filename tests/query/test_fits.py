"""A condition as a quick test says what evaluating it would say."""

from __future__ import annotations

import pytest

from madang.model.entity import Entity
from madang.query.evaluate import matches
from madang.query.fits import fits
from madang.query.reach import NOTHING
from madang.query.tree import And, Condition, HasId, HasType, Not, Or

BENCH, TREE = HasType("Bench"), HasType("Tree")


@pytest.mark.parametrize(
    "condition",
    [
        BENCH,
        Or((BENCH, TREE)),
        Or((BENCH, HasId(("urn:a:1",)))),
        And((BENCH, TREE)),
        And((BENCH,)),
        And(()),
        Not(BENCH),
        NOTHING,
    ],
)
@pytest.mark.parametrize("kind", ["Bench", "Tree", "Lamp", ["Bench", "Tree"], ["Lamp", "Tree"]])
@pytest.mark.parametrize("id", ["urn:a:1", "urn:a:2"])
def test_it_agrees_with_evaluation(condition: Condition, kind: str | list[str], id: str) -> None:
    entity = Entity({"id": id, "type": kind}, 1, 1, 1)
    test = fits(condition)
    assert test is not None
    assert test(entity) is matches(condition, entity)


def test_no_condition_needs_no_test() -> None:
    assert fits(None) is None
