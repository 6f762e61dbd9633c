"""Periodic subscriptions whose telling is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from madang.hub import subscription as subscriptions
from madang.hub.matching import Rendered
from madang.hub.periodic import Periodic
from madang.hub.subscription import Subscription
from madang.model.context import CORE
from madang.model.entity import Entity
from tests.hub.web_receiver import until

SEATS = {"type": "Property", "value": 1}
ENTITY = Entity({"id": "urn:a:1", "type": "Bench", "seats": SEATS}, 0, 0, 0)
GIVEN = {
    "type": "Subscription",
    "entities": [{"type": "Bench"}],
    "timeInterval": 0.01,
    "notification": {"endpoint": {"uri": "http://a.example/"}},
}


@pytest.mark.parametrize(("asking_s", "storing_s"), [(0.1, 0.0), (0.0, 0.1)])
async def test_a_telling_is_not_begun_before_the_last_one_is_stored(
    asking_s: float, storing_s: float
) -> None:
    at_once, most, stored = 0, 0, list[str]()

    async def ask(_: Subscription) -> AsyncIterator[list[Entity]]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(asking_s)
        yield [ENTITY]

    async def store(some: list[Rendered]) -> None:
        nonlocal at_once
        await asyncio.sleep(storing_s)
        stored.extend(id for id, _, _ in some)
        at_once -= 1

    periodic = Periodic(ask, store, lambda _: False, lambda: 0)
    periodic.put(subscriptions.create(GIVEN, CORE, CORE, 0, "urn:s:1"))
    await until(lambda: len(stored) == 3)
    await periodic.close()
    assert most == 1
