"""Feeds of a real hub on a store in a folder, with a publisher on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from madang.hub.hub import Hub
from madang.hub.tenants import Tenants
from madang.model.errors import AlreadyExists, BadRequestData, ResourceNotFound
from madang.sense.feeds.errors import FeedError
from madang.sense.feeds.progress import Progress
from madang.sense.feeds.schedule import Feeds
from madang.sense.message import Message, Reading, Reason
from madang.store.engine import SqliteEngine
from madang.trust.principal import Principal
from tests.sense.publisher import Publisher, publishing, settings

ALERT = "urn:ngsi-ld:Alert:feedFailing:trees"


def text(publisher: Publisher, every: str = "1h", path: str = "/trees") -> str:
    return (
        f'kind = "plain"\nurl = "{publisher.url}{path}"\nevery = "{every}"\nprovider = "P"\n'
        'licence = "CC0-1.0"\n[parameters]\nrecords = "trees"\ntype = "Tree"\n'
    )


def trees(*heights: float) -> dict[str, Any]:
    return {"trees": [{"id": str(n), "height": height} for n, height in enumerate(heights)]}


class Sink:
    """Remembers what was put and kept."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.letters: list[tuple[bytes, str]] = []
        self.principals: set[Principal] = set()

    async def put(
        self, tenant: str, readings: Sequence[Reading], principal: Principal, source: str
    ) -> object:
        self.batches.append([reading.entity["id"] for reading in readings])
        self.principals.add(principal)
        return None

    async def keep(self, message: Message, reason: Reason, detail: str) -> int:
        self.letters.append((message.body, detail))
        return len(self.letters)


@asynccontextmanager
async def running(folder: Path, sink: Sink, **changed: Any) -> AsyncIterator[tuple[Feeds, Hub]]:
    """Run feeds over a hub."""
    chosen = settings(data=folder, **changed)
    engine = SqliteEngine(folder / "state", 10.0)
    tenants = Tenants(chosen)
    hub = Hub(engine, tenants.make)
    await hub.start()
    feeds = Feeds(chosen, hub, sink)
    await feeds.start()
    try:
        yield feeds, hub
    finally:
        await feeds.close()
        await hub.close()
        await tenants.close()


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def read_once(feeds: Feeds, name: str = "trees") -> None:
    entry = (await feeds.book("")).get(name)
    await until(lambda: bool(entry.state.tried) and not entry.turn.locked())


async def test_a_feed_is_read_when_it_is_added_and_not_again_after_a_restart(
    tmp_path: Path,
) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1, 2)
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await read_once(feeds)
        async with running(tmp_path, sink) as (feeds, _):
            entry = (await feeds.book("")).get("trees")
            assert (entry.state.readings, entry.state.entities) == (1, 2)
            await asyncio.sleep(0.2)
            assert entry.state.next - entry.state.good > 3400 * 1_000_000
    assert len(publisher.asked) == 1
    assert sink.batches == [["urn:ngsi-ld:Tree:0", "urn:ngsi-ld:Tree:1"]]


async def test_only_entities_that_differ_are_written_again(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1, 2, 3)
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await read_once(feeds)
            publisher.pages["/trees"] = trees(1, 2, 4)
            entry = await feeds.switch("", "trees", True)  # it is due now
            await until(lambda: entry.state.readings == 2)
            progress = await feeds.run("", "trees", Progress())
    assert sink.batches[1] == ["urn:ngsi-ld:Tree:2"]
    assert progress.written == 3  # what a person runs is written anew
    (principal,) = sink.principals
    assert principal.roles == {"app"}
    assert principal.tenants == {""}


async def test_a_failing_feed_delays_no_other_and_raises_one_alarm(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/good"] = trees(1)
        async with running(tmp_path, sink) as (feeds, hub):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await feeds.add("", "good", text(publisher, path="/good"), "person:1", False)
            await read_once(feeds)
            await read_once(feeds, "good")
            entry = (await feeds.book("")).get("trees")
            assert (entry.state.trouble, entry.state.alarm) == ("refused", True)
            tenant = await hub.tenant("", create=False)
            row = await tenant.get(ALERT)
            assert row is not None
            assert b"404" in row.document
            assert b"validTo" not in row.document
            publisher.pages["/trees"] = trees(1)
            await feeds.run("", "trees", Progress())
            row = await tenant.get(ALERT)
            assert row is not None
            assert b"validTo" in row.document
            await feeds.remove("", "trees")
            assert await tenant.get(ALERT) is None
    assert len(sink.batches) == 2


async def test_a_bad_record_becomes_one_dead_letter_however_often_it_comes(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = {"trees": [7, {"id": "1", "height": 1}]}
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await read_once(feeds)
            progress = await feeds.run("", "trees", Progress())
    assert progress.bad == 1
    assert sink.letters == [(b"7", "record 1 is no object")]


async def test_broken_answers_keep_the_feed_as_it_was(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1)
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await read_once(feeds)
            publisher.pages["/trees"] = '{"trees": ['
            with pytest.raises(FeedError, match="no valid JSON"):
                await feeds.run("", "trees", Progress())
            state = (await feeds.book("")).get("trees").state
            assert (state.trouble, state.readings, state.entities) == ("unusable", 1, 1)
            kept = await feeds.attempt("", text(publisher), "trees", True, Progress())
            assert kept.progress.entities == 1


async def test_a_trial_writes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1, 2)
        async with running(tmp_path, sink) as (feeds, _):
            trial = await feeds.attempt("", text(publisher), "trees", False, Progress())
            assert not list(await feeds.book(""))
    assert trial.types["Tree"]["entities"] == 2
    assert trial.types["Tree"]["attributes"]["height"]["example"] == 1
    assert not sink.batches
    assert not list((tmp_path / "feeds").iterdir())


async def test_a_feed_that_is_off_is_not_read(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1)
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher, "5s"), "person:1", False)
            await read_once(feeds)
            await feeds.switch("", "trees", False)
        async with running(tmp_path, sink) as (feeds, _):
            entry = (await feeds.book("")).get("trees")
            assert not entry.is_due
            asked = len(publisher.asked)
            await feeds.switch("", "trees", True)
            await until(lambda: len(publisher.asked) > asked)


async def test_names_are_taken_once_and_feeds_stay_in_their_tenants(tmp_path: Path) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1)
        async with running(tmp_path, sink) as (feeds, hub):
            await hub.tenant("busan", create=True)
            await feeds.add("", "trees", text(publisher), "person:1", False)
            with pytest.raises(AlreadyExists):
                await feeds.add("", "trees", text(publisher), "person:1", False)
            await feeds.add("", "trees", text(publisher, "2h"), "person:1", True)
            assert (await feeds.book("")).get("trees").feed.every_s == 7200  # type: ignore[union-attr]
            with pytest.raises(ResourceNotFound):
                (await feeds.book("busan")).get("trees")
            with pytest.raises(BadRequestData, match="tenant"):
                await feeds.add("", "b", 'tenant = "busan"\n' + text(publisher), "person:1", False)


async def test_a_changed_file_takes_effect_though_the_publisher_has_nothing_new(
    tmp_path: Path,
) -> None:
    sink = Sink()
    async with publishing() as publisher:
        publisher.pages["/trees"] = trees(1)
        async with running(tmp_path, sink) as (feeds, _):
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await read_once(feeds)
            changed = text(publisher).replace('"Tree"', '"Oak"')
            entry = await feeds.add("", "trees", changed, "person:1", True)
            await until(lambda: entry.state.readings == 2)
    assert sink.batches == [["urn:ngsi-ld:Tree:0"], ["urn:ngsi-ld:Oak:0"]]
    assert "If-None-Match" in publisher.asked[1].headers


async def test_a_slow_publisher_holds_up_only_itself(tmp_path: Path) -> None:
    sink = Sink()

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.Response(text="{}")

    async with publishing() as publisher, publishing() as sluggard:
        publisher.pages["/trees"] = trees(1)
        sluggard.slow = slow
        async with running(tmp_path, sink, feed_timeout_s=0.2) as (feeds, _):
            await feeds.add("", "slow", text(sluggard), "person:1", False)
            await feeds.add("", "trees", text(publisher), "person:1", False)
            await asyncio.wait_for(read_once(feeds), 2)
            await read_once(feeds, "slow")
            state = (await feeds.book("")).get("slow").state
            assert state.trouble == "unavailable"
            assert "in time" in state.error
