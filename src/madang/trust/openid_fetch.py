"""Requests to an OpenID provider: small answers, short waits, no redirects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

TIMEOUT = 10.0  # [s]
LARGEST = 1024 * 1024  # [bytes]


class Unreachable(Exception):
    """The provider did not give a usable answer; the text says why."""


class Fetcher:
    """A client for the providers that the settings name; their addresses are trusted."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(self, address: str) -> dict[str, Any]:
        """Return a JSON object.

        Raises:
            Unreachable: there is none within the limits.
        """
        status, found = await self._ask("GET", address, {"Accept": "application/json"}, "")
        if status != 200:
            raise Unreachable(f"{address} answered {status}")
        return found

    async def post(
        self, address: str, headers: Mapping[str, str], body: str
    ) -> tuple[int, dict[str, Any]]:
        """Send a form; return status and JSON object, also of a refusal."""
        return await self._ask("POST", address, headers, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, address: str, headers: Mapping[str, str], body: str
    ) -> tuple[int, dict[str, Any]]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        try:
            async with self._session.request(
                method,
                URL(address, encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
            ) as answer:
                content = await answer.content.read(LARGEST + 1)
                while len(content) <= LARGEST and (more := await answer.content.read(LARGEST)):
                    content += more
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{address}: {error or type(error).__name__}") from error
        if len(content) > LARGEST:
            raise Unreachable(f"{address} sent more than {LARGEST:,} bytes")
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise Unreachable(f"{address} answered {answer.status} without JSON") from error
        if not isinstance(found, dict):
            raise Unreachable(f"{address} answered {answer.status} without a JSON object")
        return answer.status, found
