"""Doors that stand open: closed for everybody who remembers them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from madang.hub.tenant import Tenant
from tests.sense.small_town import town


async def test_doors_opened_at_the_same_time_are_all_closed(tmp_path: Path) -> None:
    async with town(tmp_path, open=False) as city:
        gate, found = city.trust.gate, await city.hub.tenant("", create=False)
        gate.local_key = "k"

        async def find() -> Tenant:
            await asyncio.sleep(0)
            return found

        doors = await asyncio.gather(
            *[
                gate.enter("Bearer k", "k", "::1", "", "", ("readEntity",), find, now=1.0)
                for _ in range(3)
            ]
        )
        gate.close_doors()
        assert not any(door.is_open_for(("readEntity",), 1.0) for door in doors)
