"""Changes that one hub makes, told to those who follow them at another one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from madang.hub.operations import Append, Create, Delete, Operation, Upsert
from madang.hub.shared_tenant import SharedTenant
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, NgsiError, ResourceNotFound
from madang.model.normalize import entity as normalized
from madang.store.protocol import Block, Change
from madang.store.rows import entity_of
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


def lamp(seats: int = 1) -> Any:
    return normalized({"id": "urn:lamp:1", "type": "Lamp", "seats": seats}, CORE)


async def test_what_another_hub_has_deleted_can_be_created_again_before_word_of_it(
    tenants: list[SharedTenant],
) -> None:
    one, other = tenants
    for _ in range(3):
        (made,) = await one.write([Create("urn:lamp:1", lamp())])
        assert not isinstance(made, NgsiError)
        (gone,) = await other.write([Delete("urn:lamp:1")])
        assert not isinstance(gone, NgsiError)


async def test_a_refusal_goes_by_what_is_there_now(tenants: list[SharedTenant]) -> None:
    one, other = tenants
    await one.write([Create("urn:lamp:1", lamp())])
    await other.write([Delete("urn:lamp:1")])
    many: list[Operation] = [Create(f"urn:lamp:{number}", lamp()) for number in (2, 1, 3)]
    refused: list[Operation] = [Append("urn:lamp:1", lamp()), Delete("urn:lamp:1")]
    for operation in refused:
        (found,) = await one.write([operation])
        assert isinstance(found, ResourceNotFound)
        await other.write([Create("urn:lamp:1", lamp())])
        (exists,) = await one.write([Create("urn:lamp:1", lamp())])
        assert isinstance(exists, AlreadyExists)
        await other.write([Delete("urn:lamp:1")])
    assert not any(isinstance(one, NgsiError) for one in await one.write(many))
    assert await other.get("urn:lamp:1") is not None


async def test_what_another_hub_has_made_anew_is_not_taken_for_what_it_was(
    tenants: list[SharedTenant],
) -> None:
    one, other = tenants
    await one.write([Create("urn:lamp:1", lamp(1))])
    await other.write([Delete("urn:lamp:1")])
    await other.write([Create("urn:lamp:1", lamp(2))])
    colour = normalized({"colour": "red"}, CORE, entity_id="urn:lamp:1", fragment=True)
    (found,) = await one.write([Append("urn:lamp:1", colour)])
    assert not isinstance(found, NgsiError)
    row = await other.get("urn:lamp:1")
    assert row is not None
    document = entity_of(row).document
    assert (document["seats"]["value"], document["colour"]["value"]) == (2, "red")
