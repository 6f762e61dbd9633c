"""Commands by HTTP: posted to the device, which says in its answer what came of it."""

from __future__ import annotations

import time as clocks
from typing import Final, cast, get_args

import aiohttp
import orjson

from madang.act.commands import words
from madang.act.commands.equipment import Answer, Letter, OutOfReach, Word

LONGEST_S: Final = 10.0
"""How long a device may take to answer."""
LONGEST_ANSWER: Final = 64 * 1024  # bytes
LONGEST_REASON: Final = 300  # characters
_LATER: Final = (429, 500, 502, 503, 504)
_ACCEPTED: Final = 202


class Poster:
    """Posts to devices over connections that it keeps."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(self, letter: Letter) -> Answer:
        """Post a command; return what the device says.

        A status of 2xx means that it is done, 202 that it will be, unless a JSON body has another
        ``status``; 429 and 5xx that it may be asked again, under the same ``Idempotency-Key``.

        Raises:
            OutOfReach: it cannot be reached, or wants to be asked later.
        """
        left_s = letter.until / 1e6 - clocks.time()
        timeout = aiohttp.ClientTimeout(total=min(LONGEST_S, max(left_s, 0.1)))
        is_json = letter.body[:1] == b"{"
        headers = {
            "Content-Type": "application/json" if is_json else "text/plain; charset=utf-8",
            "Idempotency-Key": letter.id,  # draft-ietf-httpapi-idempotency-key-header
        }
        try:
            async with self._opened().post(
                letter.address,
                data=letter.body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            ) as answer:
                body = await answer.content.read(LONGEST_ANSWER)
        except TimeoutError:
            why = f"no answer in {timeout.total:.1f} s"
            raise OutOfReach(words.no_answer(letter.address, why)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
            raise OutOfReach(words.no_answer(letter.address, why)) from None
        if answer.status in _LATER:
            raise OutOfReach(words.no_answer(letter.address, f"it answers {answer.status}"))
        return _said(answer.status, body)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "madang"},
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def _said(status: int, body: bytes) -> Answer:
    """Return what an answer says of a command.

    >>> _said(200, b""), _said(202, b"{}"), _said(200, b'{"status": "failed", "reason": "stuck"}')
    (Answer(status='done', reason=''), Answer(status='acknowledged', reason=''), \
Answer(status='failed', reason='stuck'))
    >>> _said(400, b"no such lamp")
    Answer(status='failed', reason='the device answers 400: no such lamp')
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    told = found if isinstance(found, dict) else {}
    reason = told.get("reason")
    reason = reason[:LONGEST_REASON] if isinstance(reason, str) else ""
    if not 200 <= status < 300:
        text = reason or body.decode("utf-8", "replace")[:LONGEST_REASON]
        return Answer("failed", f"the device answers {status}" + (f": {text}" if text else ""))
    if told.get("status") in get_args(Word):
        return Answer(cast("Word", told["status"]), reason)
    return Answer("acknowledged" if status == _ACCEPTED else "done", reason)
