"""Connections without an end: who may stay on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from madang.api.guarded import _Guard
from madang.api.surface import Surface
from madang.model.errors import Forbidden, NgsiError, TooManyRequests


@pytest.mark.parametrize(
    ("error", "stays"), [(None, True), (TooManyRequests(), True), (Forbidden(), False)]
)
async def test_who_asks_too_much_is_not_taken_for_somebody_whose_key_has_ended(
    error: NgsiError | None, stays: bool
) -> None:
    tenant, refusals = object(), list[NgsiError | None]([None, error])

    class Gate:
        async def known(self, *_: object) -> None: ...
        def admit(self, *_: object) -> None: ...
        async def enter(self, *_: object) -> Any:
            refusal = refusals.pop(0)
            if refusal is not None:
                raise refusal
            return SimpleNamespace(tenant=tenant)

    async def handler(_: object) -> Any: ...

    state = SimpleNamespace(address="::1")
    connection = SimpleNamespace(state=state, headers={}, scope={"type": "http"})
    guard = _Guard(cast("Any", Gate()), cast("Any", None))
    surface = Surface("GET", "/x", handler, "observe", "x", "Devices")
    await guard._enter(cast("Any", connection), surface, "key")
    assert await state.holds() is stays
