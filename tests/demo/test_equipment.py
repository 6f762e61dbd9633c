"""The devices of the demo city: they end when they are told to."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from madang.demo.equipment import _publish


async def test_a_device_ends_though_its_message_is_confirmed_at_that_moment() -> None:
    confirmed = asyncio.Event()

    async def publish(*_words: Any, **_options: Any) -> None:
        await asyncio.wait_for(confirmed.wait(), 10)  # as aiomqtt does

    client: Any = SimpleNamespace(publish=publish)
    telling = asyncio.create_task(_publish(client, "v1/devices/x/up", b"{}"))
    await asyncio.sleep(0.01)
    confirmed.set()
    await asyncio.sleep(0)  # what is waited for is there, but who waits has not been woken yet
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
