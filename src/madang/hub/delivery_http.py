"""Notifications over HTTP: one shared session, kept-alive connections, no redirects.

Source: ETSI GS CIM 009 clause 6.3.8 (HTTP notification binding).
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

import aiohttp
from yarl import URL

from madang.hub.endpoint import Endpoint
from madang.hub.message import Message, Refused, SendFailed
from madang.model.context import link_header

# Answers that speak about this body; everything else speaks about the endpoint as a whole.
_ABOUT_THE_BODY = frozenset((400, 406, 409, 411, 412, 413, 414, 415, 422, 431))
_BUSY = (429, 503)
_ANSWER = 64 * 1024  # bytes of an answer that are read so that the connection can be used again
_KEPT_ALIVE_S = 30.0
_DNS_S = 60

_url = lru_cache(maxsize=4096)(URL)


class HttpSender:
    """Posts notifications; any 2xx is a success."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, message: Message, tenant: str) -> None:
        """Post one notification.

        Raises:
            Refused: the endpoint does not want this body.
            SendFailed: no answer in time, or one that is no success.
        """
        session = self._session or self._open()
        wait_s = endpoint.timeout or self._timeout_s
        try:
            async with session.post(
                _url(endpoint.uri, encoded=True),
                data=message.body,
                headers=_headers(endpoint, message.content_type, message.link, tenant),
                allow_redirects=False,
                timeout=_timeout(wait_s),
            ) as answer:
                await answer.content.read(_ANSWER)
        except TimeoutError as error:
            raise SendFailed(f"no answer in {wait_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SendFailed(_reason(error)) from error
        if not 200 <= answer.status < 300:
            raise _failure(answer)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEPT_ALIVE_S, ttl_dns_cache=_DNS_S
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": "madang"},
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
            await asyncio.sleep(0)  # transports close in the loop's next round


@lru_cache(maxsize=4096)
def _headers(
    endpoint: Endpoint, content_type: str, link: str | None, tenant: str
) -> dict[str, str]:
    headers = {"Content-Type": content_type}
    if link is not None:
        headers["Link"] = link_header(link)
    if tenant:
        headers["NGSILD-Tenant"] = tenant
    headers.update(endpoint.receiver_info)
    return headers


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
