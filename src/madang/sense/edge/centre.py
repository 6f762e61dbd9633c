"""The centre as an edge node sees it: somewhere else, over HTTP, and not always there."""

from __future__ import annotations

import asyncio
import gzip

import aiohttp
import orjson
import structlog

from madang.model.errors import MadangError

log = structlog.get_logger("madang.edge")

PUSH = "/sense/up/ngsi-ld"
TIMEOUT_S = 60.0
SMALL = 1024  # [bytes] not worth compressing
_ANSWER = 64 * 1024  # bytes of an answer that are read
_ABOUT_THE_BODY = frozenset((400, 413, 415, 422))


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
        detail = f"the centre answers {status}: {answer[:300].decode('utf-8', 'replace')}"
        if status in _ABOUT_THE_BODY:
            raise Refused(detail)
        raise CutOff(detail, retry_s)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[int, bytes, float]:
        """Return status, the beginning of the body, and how long to wait. [s]"""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            )
        try:
            async with self._session.request(
                method, self.url + path, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = await answer.content.read(_ANSWER)
                return answer.status, content, _seconds(answer.headers.get("Retry-After"))
        except TimeoutError as error:
            raise CutOff(f"no answer in {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CutOff(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _letter(answer: bytes) -> int | None:
    """Return the number of the dead letter that the centre has kept of a body."""
    try:
        letter = orjson.loads(answer)["letter"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return letter if isinstance(letter, int) else None


def _seconds(text: str | None) -> float:
    is_number = text is not None and text.isascii() and text.isdecimal() and len(text) <= 4
    return float(text) if is_number and text is not None else 0.0
