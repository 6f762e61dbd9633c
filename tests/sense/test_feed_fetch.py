from __future__ import annotations

import gzip
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.feeds.declaration import parse
from madang.sense.feeds.errors import FeedError, Refused, Unavailable, Unusable
from madang.sense.feeds.fetch import ATTEMPTS, Fetch, Fetcher
from madang.sense.feeds.kept import Kept
from madang.sense.feeds.unpack import Unpacker
from tests.sense.publisher import HEAD, Publisher, publishing, settings

TEXT = f'kind = "plain"\nurl = "{{url}}/data"\n{HEAD}'


class Reader:
    """One feed that is fetched again and again."""

    def __init__(self, publisher: Publisher, folder: Path, text: str = TEXT, **changed: object):
        self.url = f"{publisher.url}/data"
        self.fetcher = Fetcher(settings(**changed))
        self.feed = parse(text.replace("{url}", publisher.url), "test")
        self.kept = Kept(folder / "kept")

    def fetch(self, **how: Any) -> Fetch:
        return Fetch(self.fetcher, self.feed, self.kept, **how)

    async def once(self, url: str = "", **how: bool) -> tuple[bytes, bool]:
        fetch = self.fetch(**how)
        answer = await fetch(url or self.url)
        found = answer.read(), answer.changed
        await fetch.settle()
        return found

    async def fails(self, url: str = "") -> FeedError:
        with pytest.raises(FeedError) as caught:
            await self.once(url)
        return caught.value


async def test_what_has_not_changed_is_not_sent_again(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = "one"
        reader = Reader(publisher, tmp_path)
        assert await reader.once() == (b"one", True)
        assert await reader.once() == (b"one", False)
        assert await reader.once(everything=True) == (b"one", True)
        publisher.pages["/data"] = "two"
        assert await reader.once() == (b"two", True)
        assert "If-None-Match" in publisher.asked[1].headers
        await reader.fetcher.close()


async def test_what_was_not_written_is_asked_for_again(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = "one"
        reader = Reader(publisher, tmp_path)
        fetch = reader.fetch()
        await fetch(reader.url)
        await fetch.discard()  # the reading failed
        assert await reader.once() == (b"one", True)
        assert "If-None-Match" not in publisher.asked[1].headers
        await reader.fetcher.close()


async def test_the_last_good_answer_stays_when_the_next_ones_are_bad(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = "good"
        reader = Reader(publisher, tmp_path)
        await reader.once()
        publisher.pages["/data"] = lambda request: web.Response(status=500)
        await reader.fails()
        assert await reader.once(only_kept=True) == (b"good", True)
        await reader.fetcher.close()


async def test_if_modified_since_is_sent_where_there_is_no_etag(tmp_path: Path) -> None:
    stamp = "Sat, 21 Nov 2026 09:00:00 GMT"

    def page(request: web.Request) -> web.Response:
        if request.headers.get("If-Modified-Since") == stamp:
            return web.Response(status=304)
        return web.Response(text="x", headers={"Last-Modified": stamp})

    async with publishing() as publisher:
        publisher.pages["/data"] = page
        reader = Reader(publisher, tmp_path)
        assert [await reader.once(), await reader.once()] == [(b"x", True), (b"x", False)]
        await reader.fetcher.close()


async def test_a_publisher_that_says_how_long_it_is_good_is_not_asked_before(
    tmp_path: Path,
) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = "x"
        reader = Reader(publisher, tmp_path)
        fetch = reader.fetch()
        (await fetch(reader.url)).fresh_for(60)
        await fetch.settle()
        assert await reader.once() == (b"x", False)
        assert len(publisher.asked) == 1
        await reader.fetcher.close()


async def test_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    answers = [web.Response(status=503), web.Response(status=500), web.Response(text="x")]
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: answers.pop(0)
        reader = Reader(publisher, tmp_path)
        assert await reader.once() == (b"x", True)
        await reader.fetcher.close()


async def test_what_does_not_pass_fails_after_some_attempts(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(status=500)
        reader = Reader(publisher, tmp_path)
        assert isinstance(await reader.fails(), Unavailable)
        assert len(publisher.asked) == ATTEMPTS
        await reader.fetcher.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_a_no_is_not_asked_for_again(tmp_path: Path, status: int) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(status=status)
        reader = Reader(publisher, tmp_path)
        error = await reader.fails()
        assert isinstance(error, Refused)
        assert str(status) in str(error)
        assert len(publisher.asked) == 1
        await reader.fetcher.close()


async def test_a_short_wait_is_waited_and_a_long_one_is_left_to_the_schedule(
    tmp_path: Path,
) -> None:
    wait = ["1", "3600"]
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(
            status=429, headers={"Retry-After": wait.pop(0)}
        )
        reader = Reader(publisher, tmp_path)
        began = time.monotonic()
        error = await reader.fails()
        assert time.monotonic() - began >= 1
        assert isinstance(error, Unavailable)
        assert error.retry_after_s == 3600
        again = await reader.fails()  # the host is left alone, by every feed
        assert isinstance(again, Unavailable)
        assert again.retry_after_s > 3500
        assert len(publisher.asked) == 2
        await reader.fetcher.close()


async def test_a_redirect_into_the_network_is_refused(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(
            status=302, headers={"Location": "http://10.0.0.1/secret"}
        )
        reader = Reader(publisher, tmp_path)
        error = await reader.fails()
        assert isinstance(error, Refused)
        assert "feed_hosts" in str(error)
        await reader.fetcher.close()


async def test_this_machine_is_not_asked_unless_it_is_named(tmp_path: Path) -> None:
    async with publishing() as publisher:
        reader = Reader(publisher, tmp_path, feed_hosts=["*"])
        assert isinstance(await reader.fails(), Refused)
        local = publisher.url.replace("127.0.0.1", "localhost") + "/data"
        assert isinstance(await reader.fails(local), Refused)
        assert not publisher.asked
        await reader.fetcher.close()


async def test_only_hosts_that_the_settings_name_are_asked(tmp_path: Path) -> None:
    async with publishing() as publisher:
        reader = Reader(publisher, tmp_path, feed_hosts=["*.example.org"])
        assert "feed_hosts" in str(await reader.fails())
        await reader.fetcher.close()


async def test_redirects_do_not_go_round_for_ever(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(
            status=307, headers={"Location": "/data"}
        )
        reader = Reader(publisher, tmp_path)
        assert "redirects more than" in str(await reader.fails())
        await reader.fetcher.close()


async def test_a_bomb_is_put_down_before_it_is_large(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(
            body=bomb, headers={"Content-Encoding": "gzip"}
        )
        reader = Reader(publisher, tmp_path, feed_max_bytes=1_000_000)
        assert "feed_max_bytes" in str(await reader.fails())
        sizes = [path.stat().st_size for path in (tmp_path / "kept").iterdir()]
        assert sum(sizes) <= 1_300_000
        await reader.fetcher.close()


async def test_what_is_cut_off_is_not_taken_for_whole(tmp_path: Path) -> None:
    packed = gzip.compress(b"many words " * 1000)
    async with publishing() as publisher:
        publisher.pages["/data"] = lambda request: web.Response(
            body=packed[:-9], headers={"Content-Encoding": "gzip"}
        )
        reader = Reader(publisher, tmp_path)
        assert isinstance(await reader.fails(), Unusable)
        await reader.fetcher.close()


KEYED = (
    f'kind = "plain"\nurl = "{{url}}/data"\nkey = "city"\nheaders = {{ X-Key = "{{key}}" }}\n{HEAD}'
)


async def test_a_key_goes_to_its_hosts_only_and_is_never_shown(tmp_path: Path) -> None:
    keys = {"city": {"key": "s3cret/+", "hosts": ["127.0.0.1"]}}
    async with publishing() as publisher:
        publisher.pages["/data"] = "x"
        reader = Reader(publisher, tmp_path, KEYED, feed_keys=keys)
        await reader.once()
        await reader.once(f"{publisher.url}/data?k={{key}}")
        assert publisher.asked[0].headers["X-Key"] == "s3cret/+"
        assert publisher.asked[1].query["k"] == "s3cret/+"
        error = await reader.fails(f"{publisher.url}/none?k=s3cret%2F%2B")
        assert "s3cret" not in str(error)
        kept = b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())
        assert b"s3cret" not in kept
        await reader.fetcher.close()


async def test_a_key_of_another_host_is_refused(tmp_path: Path) -> None:
    keys = {"city": {"key": "s3cret", "hosts": ["api.example.org"]}}
    async with publishing() as publisher:
        reader = Reader(publisher, tmp_path, KEYED, feed_keys=keys)
        assert "not for 127.0.0.1" in str(await reader.fails())
        assert not publisher.asked
        await reader.fetcher.close()


async def test_the_user_agent_says_who_asks(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/data"] = "x"
        reader = Reader(publisher, tmp_path, feed_contact="mailto:data@city.example")
        await reader.once()
        agent = publisher.asked[0].headers["User-Agent"]
        assert agent.startswith("madang/")
        assert "mailto:data@city.example" in agent
        await reader.fetcher.close()


@given(content=st.binary(max_size=5000), cut=st.integers(1, 700), packed=st.booleans())
def test_any_answer_comes_out_as_it_was_packed(content: bytes, cut: int, packed: bool) -> None:
    body = gzip.compress(content) if packed else zlib.compress(content)
    unpacker = Unpacker("gzip" if packed else "deflate", 10_000, "here")
    pieces = [body[i : i + cut] for i in range(0, len(body), cut)]
    assert b"".join(made for piece in pieces for made in unpacker.take(piece)) == content
    unpacker.end()


async def test_a_name_that_leads_into_the_network_is_refused_when_it_is_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: object, host: str, port: int, family: int = 0) -> list[dict[str, Any]]:
        return [
            {
                "hostname": host,
                "host": "10.0.0.7",
                "port": port,
                "family": 2,
                "proto": 6,
                "flags": 0,
            }
        ]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", resolve)
    async with publishing() as publisher:
        reader = Reader(publisher, tmp_path)
        error = await reader.fails("http://inner.example.org/data")
        assert isinstance(error, Refused)
        assert "10.0.0.7" not in str(error)
        await reader.fetcher.close()
