"""Entities on their way to the hub: batches, order, patience, blame."""

from __future__ import annotations

import json
from collections import defaultdict

import pytest
from aiohttp import web

from madang.commands import upload
from madang.commands.client import HubError, connect
from madang.commands.upload import BATCH_ENTITIES, Uploader
from madang.sense.files.entities import Failure, Loadable
from tests.commands.fake_hub import FakeHub, fake_hub


def item(row: int, identifier: str, *, has_context: bool = False, size: int = 0) -> Loadable:
    entity = {"id": identifier, "type": "T", "row": row, "x": "x" * size}
    return Loadable(row, identifier, json.dumps(entity).encode(), has_context)


async def send(hub: FakeHub, items: list[Loadable]) -> tuple[int, list[Failure]]:
    """Send items; return how many were loaded, and the failures."""
    failures: list[Failure] = []
    async with connect(hub.url) as client:
        uploader = Uploader(client, failures.append)
        async with uploader:
            for one in items:
                await uploader.put(one)
    return uploader.loaded, failures


def problem(status: int, **headers: str) -> web.Response:
    return web.json_response(
        {"title": "No", "detail": "not now"}, status=status, headers=headers or None
    )


def partly(*errors: tuple[str, str]) -> web.Response:
    body = {
        "success": [],
        "errors": [{"entityId": name, "error": {"detail": why}} for name, why in errors],
    }
    return web.json_response(body, status=207)


async def test_everything_arrives_once_and_each_entity_in_order() -> None:
    items = [item(row, f"urn:a:{row % 37}") for row in range(5000)]
    async with fake_hub() as hub:
        loaded, failures = await send(hub, items)
    assert (loaded, failures) == (5000, [])
    rows: dict[str, list[int]] = defaultdict(list)
    for batch in hub.batches:
        assert len(batch) <= BATCH_ENTITIES
        for entity in batch:
            rows[entity["id"]].append(entity["row"])
    assert rows == {f"urn:a:{n}": list(range(n, 5000, 37)) for n in range(37)}


async def test_attributes_that_a_file_has_not_stay() -> None:
    async with fake_hub() as hub:
        await send(hub, [item(1, "urn:a")])
    assert hub.requests[0].query == {"options": "update"}


async def test_entities_with_and_without_context_travel_apart() -> None:
    items = [item(1, "urn:a"), item(2, "urn:a", has_context=True), item(3, "urn:a")]
    async with fake_hub() as hub:
        await send(hub, items)
    kinds = [request.content_type for request in hub.requests]
    assert kinds == ["application/json", "application/ld+json", "application/json"]


async def test_large_entities_make_small_batches() -> None:
    async with fake_hub() as hub:
        await send(hub, [item(row, "urn:a", size=1_500_000) for row in range(5)])
    assert [len(batch) for batch in hub.batches] == [2, 2, 1]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_hub_is_asked_again(status: int) -> None:
    async with fake_hub() as hub:
        hub.answers = [problem(status, **{"Retry-After": "0"}) for _ in range(3)]
        loaded, failures = await send(hub, [item(1, "urn:a")])
    assert (loaded, failures, len(hub.requests)) == (1, [], 4)


async def test_a_hub_that_stays_busy_ends_the_load_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "GIVE_UP_S", 0.1)
    async with fake_hub() as hub:
        hub.answers = [problem(503, **{"Retry-After": "0"}) for _ in range(1000)]
        with pytest.raises(HubError, match=r"takes nothing.*503 \(not now\).*near row"):
            await send(hub, [item(row, f"urn:a:{row}") for row in range(1, 20_000)])


async def test_a_failure_is_traced_back_to_its_row() -> None:
    async with fake_hub() as hub:
        hub.answers = [partly(("urn:a", "bad value"))]
        loaded, failures = await send(hub, [item(7, "urn:a")])
    assert loaded == 0
    assert failures == [Failure(7, "", "bad value")]


async def test_several_rows_of_one_entity_share_the_blame_when_it_cannot_be_told() -> None:
    async with fake_hub() as hub:
        hub.answers = [partly(("urn:a", "bad value"))]
        loaded, failures = await send(hub, [item(row, "urn:a") for row in (3, 4, 5)])
    assert loaded == 2
    assert failures == [Failure(3, "", "bad value (urn:a, one of the rows 3, 4, 5)")]


async def test_all_rows_of_one_entity_failing_are_each_told() -> None:
    async with fake_hub() as hub:
        hub.answers = [partly(("urn:a", "one"), ("urn:a", "two"))]
        loaded, failures = await send(hub, [item(3, "urn:a"), item(4, "urn:a")])
    assert loaded == 0
    assert failures == [Failure(3, "", "one"), Failure(4, "", "two")]


async def test_a_refused_batch_fails_all_its_rows() -> None:
    async with fake_hub() as hub:
        hub.answers = [problem(400)]
        loaded, failures = await send(hub, [item(1, "urn:a"), item(2, "urn:a")])
    assert loaded == 0
    assert [failure.reason for failure in failures] == ["the hub answers 400: not now"] * 2


@pytest.mark.parametrize("status", [401, 403])
async def test_who_is_turned_away_is_told_once_and_not_for_each_row(status: int) -> None:
    async with fake_hub() as hub:
        hub.answers = [problem(status) for _ in range(1000)]
        with pytest.raises(HubError, match=rf"refuses \({status}\): not now$"):
            await send(hub, [item(row, f"urn:a:{row}") for row in range(1, 20_000)])
