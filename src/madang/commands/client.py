"""Talking to a running hub over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
from yarl import URL

from madang import settings_sources
from madang.model.errors import MadangError
from madang.settings_types import is_loopback
from madang.trust import local

API = "/ngsi-ld/v1"
_CONNECT_TIMEOUT_S = 10.0
_NO_KEY = (
    "it wants to know who asks; run this in the folder where `madang up` runs, or set MADANG_DATA"
    " to its data folder, or put a key (`madang key create`) into MADANG_KEY"
)


class HubError(MadangError):
    """The hub does not answer, or refuses."""


class HubClient:
    """A hub at an address, seen as one tenant."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    def address(self, path: str, parameters: dict[str, str] | None = None) -> URL:
        """Return the full address; the parameters may hold any characters."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        return URL(self.url + path + query, encoded=True)

    async def get(self, path: str, parameters: dict[str, str] | None = None) -> Any:
        """Return the JSON of an answer, and raise HubError for anything but a 200."""
        body, _ = await self.get_with_headers(path, parameters)
        return body

    async def get_with_headers(
        self, path: str, parameters: dict[str, str] | None = None
    ) -> tuple[Any, Any]:
        """Return the JSON of an answer and its headers."""
        return await self._ask("GET", path, parameters)

    async def send(
        self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None
    ) -> Any:
        """Send JSON; return that of the answer, None if it has none.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        content = None if body is None else orjson.dumps(body)
        found, _ = await self._ask(method, path, parameters, content)
        return found

    async def lines(self, method: str, path: str, body: Any = None) -> AsyncIterator[Any]:
        """Send JSON; yield the lines of JSON of an answer as they come.

        Raises:
            HubError: the hub does not answer, or refuses.
        """
        content = None if body is None else orjson.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        address = self.address(path)
        try:
            async with self.session.request(
                method, address, data=content, headers=headers
            ) as answer:
                if answer.status != 200:
                    text = await answer.read()
                    raise HubError(f"the hub refuses ({answer.status}): {detail_of(text)}")
                rest = b""
                async for piece in answer.content.iter_any():  # a line may be of any length
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        yield orjson.loads(line)
        except aiohttp.ClientConnectionError as error:
            raise HubError(self.unreachable()) from error
        except orjson.JSONDecodeError as error:
            raise HubError(f"what answers at {self.url} is no Madang hub") from error
        except aiohttp.ClientError as error:
            raise HubError(f"the answer of {self.url} broke off: {error}") from error

    async def _ask(
        self, method: str, path: str, parameters: dict[str, str] | None, body: bytes | None = None
    ) -> tuple[Any, Any]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        address = self.address(path, parameters)
        try:
            async with self.session.request(method, address, data=body, headers=headers) as answer:
                text = await answer.read()
                if answer.status not in (200, 201, 202, 204):  # 202: it will be done
                    raise HubError(f"the hub refuses ({answer.status}): {detail_of(text)}")
                return orjson.loads(text) if text or method == "GET" else None, answer.headers
        except aiohttp.ClientConnectionError as error:
            raise HubError(self.unreachable()) from error
        except orjson.JSONDecodeError as error:
            raise HubError(f"what answers at {self.url} is no Madang hub") from error
        except aiohttp.ClientError as error:
            raise HubError(f"the answer of {self.url} broke off: {error}") from error
        except TimeoutError as error:
            raise HubError(f"the hub at {self.url} does not answer in time") from error

    def unreachable(self) -> str:
        return (
            f"no hub answers at {self.url}; start one with `madang up`, "
            "or name another with --url or MADANG_URL"
        )


def detail_of(body: bytes) -> str:
    """Return what a problem document says, or the answer itself."""
    try:
        problem = orjson.loads(body)
        text = str(problem.get("detail") or problem["title"])
        is_keyless = problem.get("status") == 401 and "Authorization" in text
        return _NO_KEY if is_keyless else text
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        return body[:200].decode("utf-8", "replace") or "no reason given"


@asynccontextmanager
async def connect(
    url: str, tenant: str = "", timeout_s: float | None = 60.0
) -> AsyncIterator[HubClient]:
    """Open a client; ``timeout_s`` is for each whole request, None for streams without an end."""
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
    headers = {"NGSILD-Tenant": tenant} if tenant else {}
    try:
        address = URL(url)
        is_web = address.scheme in ("http", "https") and address.host
    except ValueError:
        is_web = None
    if not is_web:
        raise HubError(f"{url!r} is no address of a hub such as http://127.0.0.1:8080")
    key = credential(address)
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
        yield HubClient(session, url.rstrip("/"))


def credential(address: URL) -> str | None:
    """Return the key to use: ``MADANG_KEY``, or that of the hub that runs on this data folder.

    Raises:
        HubError: a key would go over the network unencrypted.
    """
    key = os.environ.get("MADANG_KEY")
    if not key:
        return local.find(settings_sources.data_folder(), address)
    if address.scheme == "http" and not is_loopback(address.host or ""):
        raise HubError(
            f"MADANG_KEY would go to {address} unencrypted; use https, or unset MADANG_KEY"
        )
    return key
