"""Notifications over HTTP: shared sessions, kept-alive connections, no redirects.

What administrators name and what others name have a session each, so that a connection into the
city's own network is never used for a stranger.

Source: ETSI GS CIM 009 clause 6.3.8 (HTTP notification binding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from madang.hub.endpoint import Endpoint, is_subscribers
from madang.hub.hosts import BoundedResolver, Bounds, out_of_bounds
from madang.hub.message import Message, Refused, SendFailed
from madang.model.context import link_header

# Answers that speak about this body; everything else speaks about the endpoint as a whole.
_ABOUT_THE_BODY = frozenset((400, 406, 409, 411, 412, 413, 414, 415, 422, 431))
_BUSY = (429, 503)
_ANSWER = 64 * 1024  # bytes of an answer that are read so that the connection can be used again
_KEPT_ALIVE_S = 30.0
_DNS_S = 60

_url = lru_cache(maxsize=4096)(URL)


Bodies = Callable[[Message, Endpoint], Sequence[bytes]]
"""Returns what tells an endpoint of a notification in another form: a body for each request."""


class HttpSender:
    """Posts notifications; any 2xx is a success.

    Args:
        timeout_s: how long an endpoint may take that does not say so itself. [s]
        bounds: what others than administrators may name.
        forms: other forms of notifications; an endpoint chooses one by its name, under ``Body`` in
            its notifierInfo.
    """

    def __init__(
        self,
        timeout_s: float = 5.0,
        bounds: Bounds | None = None,
        forms: Mapping[str, Bodies] | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._bounds = bounds or Bounds()
        self._forms = forms or {}
        self._anywhere: aiohttp.ClientSession | None = None
        self._bounded: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Post one notification.

        Raises:
            Refused: the endpoint does not want this body.
            SendFailed: no answer in time, or one that is no success.
        """
        if endpoint.notifier_info:
            form = self._forms.get(dict(endpoint.notifier_info).get("Body", ""))
            if form is not None:
                for body in form(message, endpoint):
                    await self._post(endpoint, message._replace(body=body, link=None), tenant)
                return
        await self._post(endpoint, message, tenant)

    async def _post(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        wait_s = endpoint.timeout or self._timeout_s
        try:
            async with self._session(endpoint).post(
                _url(endpoint.uri, encoded=True),
                data=message.body,
                headers=headers(endpoint, message.content_type, message.link, tenant),
                allow_redirects=False,
                timeout=_timeout(wait_s),
            ) as answer:
                await answer.content.read(_ANSWER)
        except aiohttp.ClientConnectorDNSError as error:
            if not endpoint.inside:  # a stranger should not learn which names there are inside
                raise _out_of_bounds(endpoint.host) from None
            raise SendFailed(_reason(error)) from error
        except TimeoutError as error:
            raise SendFailed(f"no answer in {wait_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SendFailed(_reason(error)) from error
        if not 200 <= answer.status < 300:
            raise _failure(answer)

    def _session(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        """Return the session for an endpoint.

        Raises:
            SendFailed: the endpoint is an address that must not be connected to.
        """
        if endpoint.inside:
            if self._anywhere is None:
                self._anywhere = self._open(None)
            return self._anywhere
        bounds = self._bounds
        # The host as the client reads it: two parsers may read one URL in two ways.
        if not bounds.admits(_url(endpoint.uri, encoded=True).host or ""):
            raise _out_of_bounds(endpoint.host)
        if self._bounded is None:
            resolver = BoundedResolver(bounds.trusts, _out_of_bounds, bounds.allows)
            self._bounded = self._open(resolver)
        return self._bounded

    @staticmethod
    def _open(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_KEPT_ALIVE_S,
                ttl_dns_cache=_DNS_S,
                resolver=resolver,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "madang"},
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    async def close(self) -> None:
        """Close the connections."""
        for session in (self._anywhere, self._bounded):
            if session is not None:
                await session.close()
        self._anywhere = self._bounded = None
        await asyncio.sleep(0)  # transports close in the loop's next round


@lru_cache(maxsize=4096)
def headers(endpoint: Endpoint, content_type: str, link: str | None, tenant: str) -> dict[str, str]:
    """Return the headers of a notification (clause 6.3.8), with those its endpoint asks for."""
    found = {"Content-Type": content_type}
    if link is not None:
        found["Link"] = link_header(link)
    if tenant:
        found["NGSILD-Tenant"] = tenant
    # An older subscription may have headers that none could have now.
    found.update(pair for pair in endpoint.receiver_info if is_subscribers(pair[0]))
    return found


def _out_of_bounds(host: str) -> SendFailed:
    return SendFailed(out_of_bounds(host))


@lru_cache(maxsize=256)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=seconds)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _failure(answer: aiohttp.ClientResponse) -> SendFailed:
    reason = f"the endpoint answered {answer.status} {answer.reason or ''}".rstrip()
    if answer.status in _ABOUT_THE_BODY:
        return Refused(reason)
    wait = answer.headers.get("Retry-After", "") if answer.status in _BUSY else ""
    return SendFailed(reason, float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0)
