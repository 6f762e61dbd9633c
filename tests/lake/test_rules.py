"""Policies and legal holds as JSON."""

from __future__ import annotations

import pytest

from madang.lake.questions import Hold, Period, Policy
from madang.lake.rules import Rules, dump, parse
from madang.model.errors import BadRequestData

RULES = Rules(
    (
        Policy("raw", Period(24, 0), types=("Room",)),
        Policy("thin", Period(0, 90 * 86_400_000_000), (), ("noise",), Period(0, 3_600_000_000)),
    ),
    (Hold("case 7", "court order", ids=("urn:x:1",)),),
)


def test_rules_survive_being_written_and_read() -> None:
    assert parse(dump(RULES)) == RULES
    assert parse(b"{}") == Rules()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "must be an object"),
        (b"{", "no JSON"),
        (b'{"policy": []}', "no 'policy'"),
        (b'{"policies": [{"name": "a"}]}', "age of a policy"),
        (b'{"policies": [{"name": "a", "age": "soon"}]}', "ISO 8601"),
        (b'{"policies": [{"name": "a", "age": "PT0S"}]}', "longer than nothing"),
        (b'{"policies": [{"name": "a", "age": "P1D", "types": "Room"}]}', "types must be a list"),
        (b'{"holds": [{"name": "a"}]}', "reason of a hold"),
    ],
)
def test_what_is_wrong_with_rules_is_said(body: bytes, message: str) -> None:
    with pytest.raises(BadRequestData, match=message):
        parse(body)
