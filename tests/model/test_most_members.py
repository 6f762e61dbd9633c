"""An entity has a largest number of attributes."""

from __future__ import annotations

import pytest

from madang.model.context import CORE
from madang.model.errors import BadRequestData
from madang.model.normalize import MOST_MEMBERS, entity


def body(attributes: int) -> dict[str, object]:
    values = {f"a{n}": {"type": "Property", "value": 1} for n in range(attributes)}
    return {"id": "urn:ngsi-ld:T:1", "type": "T", **values}


def test_as_many_attributes_as_allowed_are_taken() -> None:
    assert len(entity(body(MOST_MEMBERS - 2), CORE).names) == MOST_MEMBERS - 2


def test_more_are_refused_with_the_number_that_is_allowed() -> None:
    with pytest.raises(BadRequestData, match="10,000 attributes at most"):
        entity(body(MOST_MEMBERS + 1), CORE)
