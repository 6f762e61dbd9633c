"""Asking publishers: conditional, one at a time, within bounds, and never again and again.

Source: RFC 9110 sections 10.2.3 (Retry-After) and 13 (conditional requests); RFC 9111; OWASP
Application Security Verification Standard 4.0.3, 12.6.1 (SSRF).
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import structlog
from yarl import URL

from madang import __version__
from madang.hub.hosts import BoundedResolver, Bounds, is_named
from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import KEY, Feed
from madang.sense.feeds.errors import Refused, Unavailable, Unusable
from madang.sense.feeds.kept import Kept, Meta
from madang.sense.feeds.progress import Progress
from madang.sense.feeds.turns import PATIENCE_S, Turns
from madang.sense.feeds.unpack import Unpacker

if TYPE_CHECKING:
    from madang.settings import Settings

log = structlog.get_logger("madang.feeds")

ATTEMPTS = 3
REDIRECTS = 5
MOST_REQUESTS = 2_000  # of one reading
_CHUNK = 64 * 1024
_CONNECT_S = 10.0
_TEMPORARY = frozenset((408, 425, 429))
_LONGEST_REST_S = 86_400.0


class Fetcher:
    """What all feeds of the process share: connections, turns, bounds and keys."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.turns = Turns(settings.feed_pause_s)
        named = tuple(host for host in settings.feed_hosts if host != "*")
        self._bounds = Bounds(named, urlsplit(settings.url).hostname or "")
        place = f"+{settings.base_url}" if settings.base_url else ""
        who = "; ".join(filter(None, [place, settings.feed_contact]))
        self._agent = f"madang/{__version__}" + (f" ({who})" if who else "")
        self._session: aiohttp.ClientSession | None = None

    @property
    def pause_s(self) -> float:
        return self._settings.feed_pause_s

    @property
    def most_bytes(self) -> int:
        return self._settings.feed_max_bytes

    def session(self) -> aiohttp.ClientSession:
        """Return the session that all requests use."""
        if self._session is None:
            bounds = self._bounds
            resolver = BoundedResolver(bounds.trusts, out_of_bounds, bounds.allows)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, keepalive_timeout=15.0),
                timeout=aiohttp.ClientTimeout(
                    total=self._settings.feed_timeout_s, sock_connect=_CONNECT_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a small answer may be a large one in disguise
                headers={"User-Agent": self._agent, "Accept-Encoding": "gzip, deflate"},
            )
        return self._session

    def check(self, url: URL) -> None:
        """Raise Refused if a URL must not be asked for."""
        host = (url.host or "").lower()
        if url.scheme not in ("http", "https") or not host:
            raise Refused(f"{str(url)[:200]} is no http or https URL")
        hosts = self._settings.feed_hosts
        if "*" not in hosts and not is_named(host, tuple(hosts)):
            raise Refused(f"the setting feed_hosts does not name {host}; nothing is fetched there")
        if not self._bounds.admits(host):
            raise out_of_bounds(host)

    def key(self, name: str, host: str) -> str:
        """Return a key of the settings, if it is meant for a host.

        Raises:
            Refused: there is no such key, or it is for other hosts.
        """
        found = self._settings.feed_keys.get(name)
        if found is None:
            raise Refused(f"the settings have no [feed_keys.{name}]; add one with key and hosts")
        if not is_named(host.lower(), tuple(found.hosts)):
            raise Refused(
                f"the key {name} is for {', '.join(found.hosts)}, not for {host}; add the host to"
                f" [feed_keys.{name}] in the settings if it may have the key"
            )
        return found.key.get_secret_value()

    def secret(self, name: str) -> str:
        """Return a key, whatever it is for; empty if there is none."""
        found = self._settings.feed_keys.get(name)
        return "" if found is None else found.key.get_secret_value()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class Fetch:
    """Asks for what one reading of one feed needs."""

    def __init__(
        self,
        fetcher: Fetcher,
        feed: Feed[Any],
        kept: Kept,
        notes: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        *,
        only_kept: bool = False,
        everything: bool = False,
    ) -> None:
        """Take the feed and where its answers are kept.

        Args:
            fetcher: what all feeds share.
            feed: whose key and headers are sent.
            kept: its last good answers.
            notes: see :attr:`notes`.
            progress: what is counted.
            only_kept: ask nobody, read the last good answers again.
            everything: take also what has not changed as new.
        """
        self._fetcher = fetcher
        self._feed = feed
        self._kept = kept
        self._only_kept = only_kept
        self.everything = everything
        self.notes: dict[str, Any] = dict(notes or {})
        """What the kind wants to know in the next reading: a little JSON, kept with the state."""
        self.progress = progress or Progress()
        self._answers: dict[str, Answer] = {}

    async def __call__(
        self,
        url: str,
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return what a URL answers; unchanged answers are the kept ones.

        Args:
            url: may hold ``{key}``; never shown or kept with the key in it.
            parameters: added to its query.
            headers: besides those of the feed.

        Raises:
            Unavailable: no answer, or one that says: not now.
            Refused: an answer that says no, or a URL out of bounds.
            Unusable: it is not encoded as it says.
        """
        asked = self._masked(_with_query(url, parameters or {}))
        if asked in self._answers:
            return self._answers[asked]
        kept = await asyncio.to_thread(self._kept.find, asked)
        if self._only_kept:
            if kept is None:
                raise Unavailable(f"no answer of {asked} is kept; fetch it first")
            answer = Answer(asked, *kept, changed=True)
        elif kept is not None and kept[1].fresh_until > _now():
            answer = Answer(asked, *kept, changed=False)
        else:
            wanted = {**self._feed.declaration.headers, **(headers or {})}
            answer = await self._patiently(asked, wanted, kept)
        answer.changed |= self.everything
        self._answers[asked] = answer
        self.progress.changed |= answer.changed
        return answer

    async def settle(self) -> None:
        """What was read has been written: keep its answers as the last good ones."""
        if not self._only_kept:
            metas = {url: answer.meta for url, answer in self._answers.items()}
            await asyncio.to_thread(self._kept.settle, metas)

    async def discard(self) -> None:
        """What was read has not been written: forget it."""
        await asyncio.to_thread(self._kept.discard)

    async def _patiently(self, url: str, headers: Mapping[str, str], kept: Any) -> Answer:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(url, headers, kept)
            except Unavailable as error:
                if attempt == ATTEMPTS or error.retry_after_s > PATIENCE_S:
                    raise
                backoff = self._fetcher.pause_s * 2**attempt * random.uniform(0.5, 1.5)
                log.debug("feed.again", feed=self._feed.name, url=url, reason=str(error))
                await asyncio.sleep(max(backoff, error.retry_after_s))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, shown: str, headers: Mapping[str, str], kept: Any) -> Answer:
        """Ask, following redirects; each hop is checked as the first one was."""
        url, sent = self._with_key(shown, headers)
        first = url.origin()
        for _ in range(REDIRECTS + 1):
            self._fetcher.check(url)
            # Headers may hold a key, which is not for where others send us.
            own = sent if url.origin() == first else {}
            found = await self._ask(url, shown, own, kept)
            if isinstance(found, Answer):
                return found
            url = found
        raise Refused(f"{shown} redirects more than {REDIRECTS} times")

    async def _ask(
        self, url: URL, shown: str, headers: Mapping[str, str], kept: Any
    ) -> Answer | URL:
        """Send one request; return its answer, or where it says to go."""
        if self.progress.requests >= MOST_REQUESTS:
            raise Refused(f"one reading may make {MOST_REQUESTS:,} requests; ask for less")
        host = f"{url.host}:{url.port}"
        async with self._fetcher.turns.turn(host):
            self.progress.requests += 1
            try:
                async with self._fetcher.session().get(
                    url, headers=_conditional(headers, kept), allow_redirects=False
                ) as answer:
                    return await self._answer(answer, url, shown, host, kept)
            except aiohttp.ClientConnectorDNSError:
                raise Unavailable(str(out_of_bounds(url.host or ""))) from None
            except TimeoutError:
                raise Unavailable(f"{shown} did not answer in time") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # The text of the error may name the URL with the key in it.
                raise Unavailable(f"{shown} cannot be fetched ({type(error).__name__})") from None

    async def _answer(
        self, answer: aiohttp.ClientResponse, url: URL, shown: str, host: str, kept: Any
    ) -> Answer | URL:
        status = answer.status
        if status == 304 and kept is not None:
            body, meta = kept
            return Answer(shown, body, replace(meta, received=_now()), changed=False)
        if status in (301, 302, 303, 307, 308) and "location" in answer.headers:
            return url.join(URL(answer.headers["location"]))
        if status == 200:
            return await self._body(answer, shown)
        raise self._failure(answer, shown, host)

    async def _body(self, answer: aiohttp.ClientResponse, shown: str) -> Answer:
        encoding = answer.headers.get("content-encoding", "").strip().lower()
        if not encoding and urlsplit(shown).path.endswith(".gz"):
            encoding = "gzip"  # a packed file is as good as a packed answer
        unpacker = Unpacker(encoding, self._fetcher.most_bytes, shown)
        path = await asyncio.to_thread(self._kept.new, shown)
        with path.open("wb") as file:
            async for data in answer.content.iter_chunked(_CHUNK):
                self.progress.bytes += len(data)
                for made in unpacker.take(data):
                    file.write(made)
                    await asyncio.sleep(0)  # others get their turn while much is decompressed
        unpacker.end()
        meta = Meta(
            url=shown,
            size=unpacker.size,
            etag=answer.headers.get("etag", "")[:1000],
            last_modified=answer.headers.get("last-modified", "")[:100],
            content_type=answer.headers.get("content-type", "")[:200],
            received=_now(),
        )
        return Answer(shown, path, meta, changed=True)

    def _failure(
        self, answer: aiohttp.ClientResponse, shown: str, host: str
    ) -> Unavailable | Refused:
        said = f"{shown} answers {answer.status} {answer.reason or ''}".rstrip()
        rest = _retry_after(answer.headers.get("retry-after", ""))
        if answer.status in _TEMPORARY or answer.status >= 500:
            if rest:
                self._fetcher.turns.rest(host, rest)
                said += f", and asks to wait {rest:.0f} s"
            return Unavailable(said, rest)
        return Refused(said)

    def _masked(self, url: str) -> str:
        """Take the key out of a URL: publishers repeat what they were asked in links to pages."""
        key = self._fetcher.secret(self._feed.declaration.key)
        return _spelled(key).sub(KEY, url) if key else url

    def _with_key(self, shown: str, headers: Mapping[str, str]) -> tuple[URL, dict[str, str]]:
        """Put the key where the declaration wants it."""
        sent = dict(headers)
        if KEY not in shown and not any(KEY in value for value in sent.values()):
            return URL(shown, encoded=True), sent
        name = self._feed.declaration.key
        if not name:
            raise Refused(f"the feed {self._feed.name}: {KEY} is used, but key names none")
        key = self._fetcher.key(name, urlsplit(shown).hostname or "")
        url = URL(shown.replace(KEY, quote(key, safe="")), encoded=True)
        return url, {header: value.replace(KEY, key) for header, value in sent.items()}


def out_of_bounds(host: str) -> Refused:
    """Return the error for a host that is not asked. It tells nothing of which hosts there are."""
    return Refused(
        f"{host} cannot be found, or is at an address inside this city's network; name a public"
        " host, or have it named in the setting feed_hosts"
    )


def _with_query(url: str, parameters: Mapping[str, str]) -> str:
    """Return a URL, encoded, with parameters in its query; ``{key}`` stays as it is."""
    try:
        made = URL(url).extend_query(parameters) if parameters else URL(url)
    except ValueError as error:
        raise Unusable(f"{url[:200]!r} is no URL: {error}") from None
    return str(made).replace("%7Bkey%7D", KEY)


@lru_cache(maxsize=256)
def _spelled(key: str) -> re.Pattern[str]:
    """Return what finds a key in a URL, whichever of its characters are escaped."""
    escaped = ("".join(f"%{byte:02X}" for byte in mark.encode()) for mark in key)
    marks = zip(key, escaped, strict=True)
    pattern = "".join(f"(?:{re.escape(mark)}|{code})" for mark, code in marks)
    return re.compile(pattern, re.IGNORECASE)


def _conditional(headers: Mapping[str, str], kept: Any) -> dict[str, str]:
    wanted = dict(headers)
    if kept is not None:
        meta: Meta = kept[1]
        if meta.etag:
            wanted["If-None-Match"] = meta.etag
        if meta.last_modified:
            wanted["If-Modified-Since"] = meta.last_modified
    return wanted


def _retry_after(text: str) -> float:
    """Return the seconds that a Retry-After asks for: a number or a date."""
    if text.isascii() and text.isdigit() and len(text) < 8:
        return min(float(text), _LONGEST_REST_S)
    try:
        return min(max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0), _LONGEST_REST_S)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _now() -> int:
    return time.time_ns() // 1000
