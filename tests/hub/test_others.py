"""Changes that one hub makes, told to those who follow them at another one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from madang.hub.operations import Upsert
from madang.hub.shared_tenant import SharedTenant
from madang.model.context import CORE
from madang.model.normalize import entity as normalized
from madang.store.protocol import Block, Change
from madang.store.word import Word
from tests.hub import two_hubs
from tests.hub.web_receiver import until

tenants = two_hubs.tenants


async def write(tenant: SharedTenant, type: str, value: int) -> Word:
    """Write an entity; return the word by which other hubs hear of it."""
    content = normalized({"id": f"urn:{type}:1", "type": type, "seats": value}, CORE)
    await tenant.write([Upsert(f"urn:{type}:1", content)])
    return Word("", tenant.store.last_change, 0, 0)


class Follower:
    """Follows the changes of a tenant from when it is made."""

    def __init__(self, tenant: SharedTenant, types: Collection[str] | None) -> None:
        self.seen: list[tuple[str, int]] = []
        self._stream = tenant.follow(None, types)
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async for change in self._stream:
            self.seen.append(_told(change))


def _told(change: Change) -> tuple[str, int]:
    assert change.after is not None
    seats: Any = change.after.document["seats"]
    return str(change.after.document["type"]), int(seats["value"])


async def test_who_follows_one_type_is_sent_nothing_of_others(tenants: list[SharedTenant]) -> None:
    one, other = tenants
    follower = Follower(one, ["Bench"])
    await asyncio.sleep(0)
    for value, type in enumerate(("Chair", "Bench", "Stool", "Bench")):
        word = await write(other, type, value)
    blocks = await one.store.news(0, 100, ["Bench"])
    assert [bool(block.body) for block in blocks] == [False, True, False, True]
    one.hear(word)
    await until(lambda: follower.seen == [("Bench", 1), ("Bench", 3)])


async def test_who_begins_to_follow_more_in_the_middle_of_a_read_misses_nothing(
    tenants: list[SharedTenant], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tenants
    early = Follower(one, ["Bench"])
    await asyncio.sleep(0)
    words = [await write(other, "Chair", value) for value in range(2)]
    late: list[Follower] = []
    read = one.store.news

    async def news(after: int, limit: int, types: Collection[str] | None) -> list[Block]:
        blocks = await read(after, limit, types)
        if not late:
            late.append(Follower(one, None))
            await asyncio.sleep(0)  # it follows from here on
            one.hear(words[1])  # of what has been read already, without its body
        return blocks

    monkeypatch.setattr(one.store, "news", news)
    one.hear(words[0])
    await until(lambda: bool(late) and ("Chair", 1) in late[0].seen)
    assert early.seen == []
