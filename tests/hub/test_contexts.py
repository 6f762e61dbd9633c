"""The contexts of a tenant against a real web server on this machine."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from madang.hub.context_fetch import Fetcher, Policy
from madang.hub.contexts import PATH, Contexts
from madang.hub.hosts import is_public
from madang.hub.remote_contexts import RemoteContexts
from madang.model.context import CORE
from madang.model.core_context import CORE_URL
from madang.model.errors import (
    BadRequestData,
    LdContextNotAvailable,
    OperationNotSupported,
    ResourceNotFound,
)

CITY = "https://city.example.org/model#"
SECOND = 1_000_000  # [us]


class Site:
    """A web server whose pages a test sets, and which remembers what was asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.asked: list[str] = []
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(application)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        page = self.pages.get(request.path)
        return web.Response(status=404) if page is None else await page(request)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.port}{path}"

    def put(self, path: str, content: object, **more: Any) -> str:
        """Serve JSON, or text as it is; return its URL."""
        body = content if isinstance(content, bytes) else orjson.dumps(content)

        async def page(request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, **{"content_type": "application/ld+json", **more})

        self.pages[path] = page
        return self.url(path)

    def redirect(self, path: str, target: str) -> str:
        async def page(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": target})

        self.pages[path] = page
        return self.url(path)


class Time:
    def __init__(self) -> None:
        self.now = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.now


class Names(AbstractResolver):
    """Resolves every name to the addresses a test gives, and counts how often."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.count = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.count += 1
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in self.addresses
        ]

    async def close(self) -> None: ...


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start_server()
    yield site
    await site.server.close()


class Place:
    """One hub's contexts: a fetcher that may reach this machine, a cache and a tenant."""

    def __init__(self, policy: Policy) -> None:
        self.time = Time()
        self.fetcher = Fetcher(policy)
        self.remote = RemoteContexts(self.fetcher, age_s=3600, now=self.time)
        self.saved: dict[str, bytes] = {}
        self.contexts = self.tenant()

    async def save(self, id: str, body: bytes | None) -> None:
        if body is None:
            del self.saved[id]
        else:
            self.saved[id] = body

    def tenant(self) -> Contexts:
        items = list(self.saved.items())
        return Contexts(self.remote, self.save, items, base_url="http://hub.example.org:8080/")

    async def settle(self) -> None:
        """Let what runs in the background come to its end."""
        await asyncio.gather(*self.remote._flights.values(), return_exceptions=True)


POLICY = Policy(allow_private=True, timeout_s=2.0, max_bytes=10_000)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    place = Place(POLICY)
    yield place
    await place.remote.close()
    await place.fetcher.close()


async def fetched(policy: Policy, url: str, resolver: AbstractResolver | None = None) -> bytes:
    fetcher = Fetcher(policy, resolver)
    try:
        return await fetcher(url)
    finally:
        await fetcher.close()


# --- contexts for requests ---


async def test_the_core_needs_no_fetch(place: Place) -> None:
    assert place.contexts.known(None) is CORE
    for version in range(3, 10):
        url = CORE_URL.replace("1.9", f"1.{version}")
        context = place.contexts.known(url)
        assert context is not None
        assert context.is_core_only
        assert context.source == url
    assert place.contexts.catalogue() == []


async def test_a_remote_context_is_fetched_once_and_then_known(place: Place, site: Site) -> None:
    url = site.put("/city", {"@context": {"speed": CITY + "speed"}})
    assert place.contexts.known(url) is None
    context = await place.contexts.resolve(url)
    assert context.expand("speed") == CITY + "speed"
    assert place.contexts.known(url) is context
    assert place.contexts.known([url]) is context
    assert site.asked == ["/city"]


async def test_nested_contexts_are_fetched_and_listed_too(place: Place, site: Site) -> None:
    inner = site.put("/inner.jsonld", {"@context": {"speed": CITY + "speed"}})
    outer = site.put("/outer.jsonld", {"@context": ["inner.jsonld", CORE_URL]})
    context = await place.contexts.resolve([outer, {"lane": CITY + "lane"}])
    assert context.expand("speed") == CITY + "speed"
    assert context.expand("lane") == CITY + "lane"
    assert {item["URL"] for item in place.contexts.catalogue("Cached")} == {inner, outer}


async def test_an_inline_context_is_known_by_its_content(place: Place) -> None:
    first = place.contexts.known({"speed": CITY + "speed"})
    assert first is not None
    assert place.contexts.known({"speed": CITY + "speed"}) is first
    assert place.contexts.known({"speed": CITY + "other"}) is not first


async def test_strangers_inline_contexts_do_not_pile_up(place: Place) -> None:
    for i in range(500):
        place.contexts.known({"speed": f"{CITY}{i}"})
    assert len(place.contexts._known) <= 200


async def test_requests_at_the_same_time_share_one_fetch(place: Place, site: Site) -> None:
    url = site.put("/city", {"@context": {}})
    contexts = await asyncio.gather(*(place.contexts.resolve(url) for _ in range(20)))
    assert site.asked == ["/city"]
    assert len({context.source for context in contexts if isinstance(context.source, str)}) == 1


async def test_a_client_that_goes_away_does_not_end_the_fetch_of_others(
    place: Place, site: Site
) -> None:
    url = site.put("/city", {"@context": {}})
    first = asyncio.create_task(place.contexts.resolve(url))
    second = asyncio.create_task(place.contexts.resolve(url))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).source == url


async def test_a_failure_is_remembered_for_a_moment(place: Place, site: Site) -> None:
    url = site.url("/gone")
    for _ in range(3):
        with pytest.raises(LdContextNotAvailable, match="status 404"):
            await place.contexts.resolve(url)
    assert site.asked == ["/gone"]
    site.put("/gone", {"@context": {}})
    place.time.now += 3 * SECOND
    assert (await place.contexts.resolve(url)).is_core_only


@pytest.mark.parametrize(
    "content",
    [
        b"this is { not json",
        b"",
        {"note": "no context"},
        [],
        {"@context": 42},
        {"@context": ["http://a.example/", 7]},
        {"@context": {"speed": {"@id": CITY, "@context": {}}}},
    ],
)
async def test_what_is_fetched_must_be_a_context(place: Place, site: Site, content: object) -> None:
    with pytest.raises(BadRequestData):
        await place.contexts.resolve(site.put("/city", content))
    assert place.contexts.catalogue() == []


async def test_a_byte_order_mark_and_gzip_are_understood(place: Place, site: Site) -> None:
    body = gzip.compress(b'\xef\xbb\xbf{"@context": {}}')
    url = site.put("/city", body, headers={"Content-Encoding": "gzip"})
    assert (await place.contexts.resolve(url)).source == url


async def test_an_old_context_serves_on_while_it_is_fetched_again(place: Place, site: Site) -> None:
    url = site.put("/city", {"@context": {"speed": CITY + "old"}})
    await place.contexts.resolve(url)
    site.put("/city", {"@context": {"speed": CITY + "new"}})
    place.time.now += 3601 * SECOND
    old = place.contexts.known(url)
    assert old is not None
    assert old.expand("speed") == CITY + "old"
    await place.settle()
    new = place.contexts.known(url)
    assert new is not None
    assert new.expand("speed") == CITY + "new"
    assert site.asked == ["/city", "/city"]


async def test_a_host_that_is_gone_does_not_take_its_context_along(
    place: Place, site: Site
) -> None:
    url = site.put("/city", {"@context": {"speed": CITY + "old"}})
    context = await place.contexts.resolve(url)
    del site.pages["/city"]
    for _ in range(3):
        place.time.now += 3601 * SECOND
        assert place.contexts.known(url) is context
        await place.settle()
    assert len(site.asked) == 4


async def test_the_cache_is_bounded(site: Site) -> None:
    fetcher = Fetcher(POLICY)
    remote = RemoteContexts(fetcher, entries=3)
    for i in range(5):
        await remote.obtain(site.put(f"/{i}", {"@context": {}}))
    assert [document.url for document in remote] == [site.url(f"/{i}") for i in (2, 3, 4)]
    await fetcher.close()


# --- where from, how much, how long ---


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"),  # IPv4 in disguise
    ],
)
def test_addresses_of_no_public_host_are_told_apart(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


GUARDED = replace(POLICY, allow_private=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "[::1]"])
async def test_this_machine_is_refused_however_it_is_written(site: Site, host: str) -> None:
    site.put("/city", {"@context": {}})
    with pytest.raises(LdContextNotAvailable):
        await fetched(GUARDED, site.url("/city", host))
    assert site.asked == []


async def test_a_name_that_leads_inside_is_refused(site: Site) -> None:
    for addresses in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"]):
        with pytest.raises(LdContextNotAvailable, match="private"):
            await fetched(GUARDED, site.url("/city", "city.example.org"), Names(*addresses))
    assert site.asked == []


async def test_a_stranger_does_not_learn_which_names_there_are_inside(site: Site) -> None:
    class Unknown(Names):
        async def resolve(self, *args: Any, **kwargs: Any) -> Any:
            raise OSError("Name or service not known")

    answers = []
    for names in (Names("10.0.0.1"), Unknown()):
        with pytest.raises(LdContextNotAvailable) as refused:
            await fetched(GUARDED, site.url("/city", "db.example.org"), names)
        answers.append(str(refused.value))
    assert answers[0] == answers[1]


async def test_the_address_that_was_checked_is_the_one_connected_to(site: Site) -> None:
    site.put("/city", {"@context": {}})
    names = Names("127.0.0.1")
    await fetched(POLICY, site.url("/city", "city.example.org"), names)
    assert names.count == 1


async def test_a_host_named_in_the_settings_may_be_private(site: Site) -> None:
    site.put("/city", {"@context": {}})
    named = replace(GUARDED, hosts=("City.example.org",))
    assert await fetched(named, site.url("/city", "city.example.org"), Names("127.0.0.1"))
    pattern = replace(GUARDED, hosts=("*.example.org",))
    with pytest.raises(LdContextNotAvailable, match="private"):
        await fetched(pattern, site.url("/city", "city.example.org"), Names("127.0.0.1"))
    with pytest.raises(LdContextNotAvailable, match="settings allow no"):
        await fetched(named, site.url("/city", "other.example.org"), Names("8.8.8.8"))


async def test_a_redirect_is_followed_but_not_to_where_it_must_not_lead(site: Site) -> None:
    site.put("/city", {"@context": {"speed": CITY + "speed"}})
    assert b"speed" in await fetched(POLICY, site.redirect("/moved", "/city"))
    start = site.redirect("/in", site.url("/city")).replace("127.0.0.1", "city.example.org")
    trusted = replace(GUARDED, hosts=("*", "city.example.org"))
    with pytest.raises(LdContextNotAvailable, match="private"):
        await fetched(trusted, start, Names("127.0.0.1"))
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/", "//", "http://[", "http://"):
        with pytest.raises(LdContextNotAvailable):
            await fetched(POLICY, site.redirect("/out", target))


async def test_redirects_come_to_an_end(site: Site) -> None:
    with pytest.raises(LdContextNotAvailable, match="more than 5 times"):
        await fetched(POLICY, site.redirect("/round", "/round"))
    assert len(site.asked) == 6


async def test_the_alternate_of_a_web_page_is_the_context(site: Site) -> None:
    site.put("/city.jsonld", {"@context": {}})
    link = '</city.jsonld>; rel="alternate"; type="application/ld+json"'
    url = site.put("/", b"<html>", content_type="text/html", headers={"Link": link})
    assert await fetched(POLICY, url) == b'{"@context":{}}'


async def test_an_answer_too_large_is_given_up(site: Site) -> None:
    large = b" " * 20_000
    with pytest.raises(LdContextNotAvailable, match="more than 10000 bytes"):
        await fetched(POLICY, site.put("/large", large))
    packed = site.put("/bomb", gzip.compress(large), headers={"Content-Encoding": "gzip"})
    with pytest.raises(LdContextNotAvailable, match="more than 10000 bytes"):
        await fetched(POLICY, packed)
    with pytest.raises(LdContextNotAvailable, match="encoding"):
        await fetched(POLICY, site.put("/br", b"x", headers={"Content-Encoding": "br"}))


async def test_a_slow_host_is_given_up(site: Site) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    site.pages["/slow"] = drip
    with pytest.raises(LdContextNotAvailable, match=r"within 0\.5 s"):
        await fetched(replace(POLICY, timeout_s=0.5), site.url("/slow"))


async def test_a_host_that_refuses_is_not_available() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LdContextNotAvailable, match="cannot be fetched"):
        await fetched(POLICY, f"http://127.0.0.1:{port}/")


# --- stored contexts ---


async def test_a_hosted_context_is_used_by_its_url_without_http(place: Place, site: Site) -> None:
    id = await place.contexts.add({"speed": CITY + "speed"})
    urls = [place.contexts.url_of(id), PATH + id, site.url(PATH + id)]
    for url in urls:
        context = place.contexts.known(url)
        assert context is not None
        assert context.expand("speed") == CITY + "speed"
    assert site.asked == []
    await place.contexts.delete(id)
    for url in urls:
        assert place.contexts.known(url) is None


async def test_stored_contexts_outlive_a_restart_and_belong_to_their_tenant(place: Place) -> None:
    id = await place.contexts.add({"speed": CITY + "speed"})
    again = place.tenant()
    assert again.content(id) == {"speed": CITY + "speed"}
    assert again.details(id) == place.contexts.details(id)
    other = Contexts(place.remote, place.save)
    with pytest.raises(ResourceNotFound):
        other.details(id)
    assert other.known(place.contexts.url_of(id)) is None
    assert other.catalogue() == []
    await again.delete(id)
    assert place.saved == {}


async def test_what_is_known_of_a_context(place: Place, site: Site) -> None:
    id = await place.contexts.add({})
    assert place.contexts.details(id) == {
        "URL": f"http://hub.example.org:8080/ngsi-ld/v1/jsonldContexts/{id}",
        "localId": id,
        "kind": "Hosted",
        "createdAt": "2023-11-14T22:13:20Z",
    }
    url = site.put("/city", {"@context": {}})
    await place.contexts.resolve(url)
    assert place.contexts.details(url)["kind"] == "Cached"
    with pytest.raises(OperationNotSupported):
        place.contexts.content(url)
    for name in ("unknown", "http://[::1/x", ""):
        with pytest.raises(ResourceNotFound):
            place.contexts.content(name)


async def test_an_inline_context_gets_a_url_that_equal_ones_share(place: Place) -> None:
    source = [{"speed": CITY + "speed"}, CORE_URL]
    url = await place.contexts.implicit(source)
    assert await place.contexts.implicit(list(source)) == url
    assert await place.contexts.implicit([CORE_URL]) == CORE_URL
    assert [item["URL"] for item in place.contexts.catalogue("ImplicitlyCreated")] == [url]
    assert place.contexts.catalogue("Hosted") == []
    context = place.contexts.known(url)
    assert context is not None
    assert context.link is not None
    assert url in context.link


async def test_an_invalid_context_is_not_stored(place: Place) -> None:
    sources: list[object] = [42, True, ["https://example.org/c", 7], {"a": {"@context": {}}}]
    for source in sources:
        with pytest.raises(BadRequestData):
            await place.contexts.add(source)
    assert place.saved == {}


async def test_a_cached_context_is_reloaded_or_stays(place: Place, site: Site) -> None:
    url = site.put("/city", {"@context": {"speed": CITY + "old"}})
    outer = site.put("/outer", {"@context": url})
    await place.contexts.resolve(outer)
    site.put("/city", {"@context": {"speed": CITY + "new"}})
    await place.contexts.reload(url)
    assert (await place.contexts.resolve(outer)).expand("speed") == CITY + "new"
    for broken in (b"{", b'{"@context": 1}'):
        site.put("/city", broken)
        with pytest.raises(LdContextNotAvailable):
            await place.contexts.reload(url)
    del site.pages["/city"]
    with pytest.raises(LdContextNotAvailable):
        await place.contexts.reload(url)
    assert (await place.contexts.resolve(url)).expand("speed") == CITY + "new"
    await place.contexts.delete(url)
    with pytest.raises(ResourceNotFound):
        place.contexts.details(url)
    site.put("/city", {"@context": {}})  # a failed reload does not stand in the way
    assert (await place.contexts.resolve(url)).is_core_only


async def test_what_was_not_fetched_cannot_be_reloaded(place: Place) -> None:
    id = await place.contexts.add({})
    for name in (id, place.contexts.url_of(id), "unknown"):
        with pytest.raises(BadRequestData):
            await place.contexts.reload(name)


async def test_the_core_can_be_reloaded_but_not_deleted(place: Place) -> None:
    old = CORE_URL.replace("1.9", "1.6")
    assert place.contexts.details(old)["kind"] == "Cached"
    await place.contexts.reload(old)
    with pytest.raises(BadRequestData, match="core"):
        await place.contexts.delete(old)
