"""Replays of dead letters: as whom they are done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from madang.api.sense_letters import _Pages
from madang.sense.dead_letters import Letter
from madang.trust.principal import LOCAL, Principal

OPERATOR = Principal("person:o", "person", "o", frozenset({"operator"}))
SENSOR = Principal("device:d", "device", "d", frozenset({"device"}))
LETTER = Letter(1, 0, "http", "/", "json", "d", "d", "device:d", "", "badValue", "-", 1, b"")


@pytest.mark.parametrize(
    ("sender", "reason", "is_there", "as_whom"),
    [
        ("device:d", "forbidden", True, SENSOR),
        ("device:d", "badValue", False, OPERATOR),
        ("device:d", "forbidden", False, None),
        (LOCAL.id, "forbidden", False, LOCAL),
    ],
)
def test_what_a_sender_was_refused_is_not_done_with_the_rights_of_another(
    sender: str, reason: str, is_there: bool, as_whom: Principal | None
) -> None:
    pages = _Pages(cast("Any", None), lambda _: SENSOR if is_there else None)
    assert pages._sender(replace(LETTER, sender=sender, reason=reason), OPERATOR) == as_whom
