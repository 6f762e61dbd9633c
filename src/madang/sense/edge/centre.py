"""The centre as an edge node sees it: somewhere else, over HTTP, and not always there."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import aiohttp
import orjson
import structlog

from madang.model.errors import MadangError
from madang.sense.edge.configuration import LARGEST, BadConfiguration

log = structlog.get_logger("madang.edge")

PUSH = "/sense/up/ngsi-ld"
CONFIGURATION = "/sense/edge/configuration"
BEHIND = "Madang-Behind"
"""Header in which a node says how many changes its centre has not acknowledged."""
TIMEOUT_S = 60.0
ASK_TIMEOUT_S = 10.0  # for a configuration; forwarding begins without it then
SMALL = 1024  # [bytes] not worth compressing
_ANSWER = 64 * 1024  # bytes of an answer that are read
_ABOUT_THE_BODY = frozenset((400, 413, 415, 422))
_NOT_FOUND = "/ResourceNotFound"


class CutOff(MadangError):
    """The centre cannot be reached, or takes nothing for now; try again later."""

    def __init__(self, detail: str, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Refused(MadangError):
    """The centre cannot use this body, however often it comes."""


class Centre:
    """One centre.

    Args:
        url: its address.
        key: that this node shows to it.
        name: of this node, for the centre's logs.
    """

    def __init__(self, url: str, key: str, name: str) -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": f"madang-edge ({name})" if name else "madang-edge"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def push(self, body: bytes) -> None:
        """Send entities, a JSON array; when this returns they are durable there.

        Raises:
            CutOff: nothing is known of them; send them again.
            Refused: the centre cannot use this body.
        """
        headers = {"Content-Type": "application/json"}
        if len(body) > SMALL:
            body = await asyncio.to_thread(gzip.compress, body, 1)
            headers["Content-Encoding"] = "gzip"
        status, answer, retry_s = await self._ask("POST", PUSH, headers, body)
        if 200 <= status < 300:
            return
        if status == 400 and (letter := _letter(answer)) is not None:
            # It is durable there, what is good of it in force; a person has to look at the rest.
            log.warning("edge.letter", centre=self.url, letter=letter)
            return
        detail = _told(status, answer)
        if status in _ABOUT_THE_BODY:
            raise Refused(detail)
        raise CutOff(detail, retry_s)

    async def configuration(self, has: str, behind: int) -> bytes | None:
        """Return what the centre says of this node; empty: nothing; None: what the node has.

        Args:
            has: version of what the node has; empty: nothing.
            behind: how much waits on the node, for who looks after it at the centre.

        Raises:
            CutOff: it does not say.
            BadConfiguration: it says too much.
        """
        headers = {BEHIND: str(behind)} | ({"If-None-Match": f'"{has}"'} if has else {})
        status, answer, retry_s = await self._ask(
            "GET", CONFIGURATION, headers, most=LARGEST, timeout_s=ASK_TIMEOUT_S
        )
        if status == 304:
            return None
        if status == 200:
            if len(answer) > LARGEST:
                raise BadConfiguration(
                    f"the centre hands out a configuration of more than {LARGEST // 2**20} MiB"
                )
            return answer
        # Only Madang itself says that there is none; a 404 of anything between says nothing.
        if status == 404 and str(_members(answer).get("type")).endswith(_NOT_FOUND):
            return b""
        raise CutOff(_told(status, answer), retry_s)

    async def _ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None = None,
        most: int = _ANSWER,
        timeout_s: float = TIMEOUT_S,
    ) -> tuple[int, bytes, float]:
        """Return status, the body up to a byte more than ``most``, and how long to wait. [s]"""
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with self._session.request(
                method,
                self.url + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                content = await _beginning(answer.content, most + 1)
                return answer.status, content, _seconds(answer.headers.get("Retry-After"))
        except TimeoutError as error:
            raise CutOff(f"no answer in {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CutOff(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def _beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    """Return the first bytes of an answer, however small the pieces are that it comes in."""
    found = bytearray()
    while len(found) < most and (piece := await content.read(most - len(found))):
        found += piece
    return bytes(found)


def _told(status: int, answer: bytes) -> str:
    return f"the centre answers {status}: {answer[:300].decode('utf-8', 'replace')}"


def _members(answer: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; none if it is no such thing."""
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _letter(answer: bytes) -> int | None:
    """Return the number of the dead letter that the centre has kept of a body."""
    letter = _members(answer).get("letter")
    return letter if isinstance(letter, int) else None


def _seconds(text: str | None) -> float:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= 4
    return float(text) if is_number and text is not None else 0.0
