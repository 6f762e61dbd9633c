"""Fetching @contexts from strangers' hosts without being led to our own network.

A user names the URL, so it may point anywhere (see :mod:`madang.hub.hosts`), or at a service that
never ends. Redirects are followed, each checked as the first URL was.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from fnmatch import fnmatchcase

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from madang.hub.hosts import BoundedResolver, is_outside
from madang.model.errors import BadRequestData, LdContextNotAvailable

REDIRECTS = 5
CONNECTIONS = 20
_CHUNK = 65536  # [bytes]
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_HEADERS = {
    "accept": "application/ld+json, application/json;q=0.9, */*;q=0.1",
    "accept-encoding": "gzip",
    "user-agent": "madang",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Where @contexts may come from, and how much of them."""

    hosts: tuple[str, ...] = ("*",)
    """Names, ``*.example.org``, or ``*`` for every public host; a name in full may be private."""
    allow_private: bool = False
    timeout_s: float = 5.0
    max_bytes: int = 1024 * 1024

    def permits(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern.lower()) for pattern in self.hosts)

    def may_be_private(self, host: str) -> bool:
        return self.allow_private or any(host == name.lower() for name in self.hosts)


class Fetcher:
    """Gets the bytes of remote @contexts."""

    def __init__(self, policy: Policy, resolver: AbstractResolver | None = None) -> None:
        self._policy = policy
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: str) -> bytes:
        """Return what a URL answers.

        Raises:
            LdContextNotAvailable: it is out of bounds, or does not answer well and in time.
        """
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                return await self._follow(URL(url))
        except TimeoutError:
            raise LdContextNotAvailable(
                f"the @context {url} did not come within {self._policy.timeout_s:g} s"
            ) from None
        except aiohttp.ClientConnectorDNSError as error:
            raise _private(error.host) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise LdContextNotAvailable(f"the @context {url} cannot be fetched: {error}") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _follow(self, url: URL) -> bytes:
        for _ in range(REDIRECTS + 1):
            self._check(url)
            async with self._open().get(url, allow_redirects=False) as response:
                onward = _onward(response)
                if onward is None:
                    return await self._body(response)
            url = url.join(onward)
        raise LdContextNotAvailable(f"the @context redirects more than {REDIRECTS} times, to {url}")

    def _check(self, url: URL) -> None:
        host = (url.host or "").lower()
        if url.scheme not in ("http", "https") or not self._policy.permits(host):
            raise LdContextNotAvailable(f"the settings allow no @context from {url}")
        try:
            outside = is_outside(host)
        except ValueError:
            return  # a name, which the resolver checks
        if not outside and not self._policy.may_be_private(host):
            raise _private(host)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = BoundedResolver(
                self._policy.may_be_private, _private, resolver=self._resolver
            )
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,  # a small answer may be a large one in disguise
            )
        return self._session

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != 200:
            raise LdContextNotAvailable(
                f"the @context {response.url} is answered with status {response.status}"
            )
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._policy.max_bytes:
                raise self._too_large(response)
        return self._plain(bytes(body), response)

    def _plain(self, body: bytes, response: aiohttp.ClientResponse) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding == "identity":
            return body
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise LdContextNotAvailable(
                f"the @context {response.url} comes in the encoding {encoding!r}, not gzip"
            )
        unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            body = unpacking.decompress(body, self._policy.max_bytes)
        except zlib.error as error:
            raise BadRequestData(f"the @context {response.url} is no valid {encoding}") from error
        if not unpacking.eof:
            raise self._too_large(response)
        return body

    def _too_large(self, response: aiohttp.ClientResponse) -> LdContextNotAvailable:
        return LdContextNotAvailable(
            f"the @context {response.url} has more than {self._policy.max_bytes} bytes, or was cut"
        )


def _onward(response: aiohttp.ClientResponse) -> URL | None:
    """Return where the @context really is: by redirection, or as the alternate of a web page."""
    if response.status in (301, 302, 303, 307, 308) and "location" in response.headers:
        return URL(response.headers["location"])
    if response.status == 200 and "json" not in response.content_type:
        for link in response.links.getall("alternate", ()):
            if link.get("type") == "application/ld+json":
                return URL(str(link["url"]))
    return None


def _private(host: str) -> LdContextNotAvailable:
    """Return one error for names that lead inside and for names that do not exist.

    A stranger should not learn which names there are inside.
    """
    return LdContextNotAvailable(
        f"the @context host {host} cannot be found, or is at a private address, which the settings"
        " do not allow"
    )
