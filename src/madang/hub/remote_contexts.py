"""Remote @contexts kept at hand: fetched once, looked after, bounded. Shared by all tenants.

Source: ETSI GS CIM 009 clauses 5.5.6 (not available, invalid) and 5.13.1 (kind Cached).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import orjson
import structlog

from madang.model.context import check, context_in
from madang.model.errors import BadRequestData, LdContextNotAvailable, NgsiError

MOST_BYTES = 64 * 1024 * 1024  # of all documents together
MOST_FAILURES = 1000
FORGIVEN_AFTER = 2_000_000  # a failure is repeated without asking the host for so long [us]
RETRIED_AFTER = 60_000_000  # an old document whose host does not answer serves so much longer [us]
_SECOND = 1_000_000  # [us]

log = structlog.get_logger("madang.contexts")


@dataclass(slots=True)
class Remote:
    """A fetched document that holds an @context."""

    url: str
    body: bytes
    created: int  # [us since 1970]
    due: int
    """When it is old enough to be asked for again. [us since 1970]"""

    def document(self) -> object:
        return _parsed(self.url, self.body)


def now_us() -> int:
    return time.time_ns() // 1000


class RemoteContexts:
    """The cache of fetched @contexts."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[bytes]],
        *,
        entries: int = 500,
        age_s: float = 86_400.0,
        now: Callable[[], int] = now_us,
    ) -> None:
        """Make an empty cache.

        Args:
            fetch: gets the bytes of a URL.
            entries: how many documents are kept; the one longest unused gives way.
            age_s: when a document is asked for again. [s]
            now: the time. [us since 1970]
        """
        self.now = now
        self.revision = 0
        """Counts the documents that changed or went; what was built before may be out of date."""
        self._fetch = fetch
        self._entries = entries
        self._age = int(age_s * _SECOND)
        self._documents: OrderedDict[str, Remote] = OrderedDict()
        self._bytes = 0
        self._flights: dict[str, asyncio.Task[Remote]] = {}
        self._failures: dict[str, tuple[int, NgsiError]] = {}

    def __iter__(self) -> Iterator[Remote]:
        return iter(list(self._documents.values()))

    def get(self, url: str) -> Remote | None:
        """Return a document that is here already."""
        found = self._documents.get(url)
        if found is not None:
            self._documents.move_to_end(url)
        return found

    async def obtain(self, url: str) -> Remote:
        """Return a document, fetched if it is not here.

        Raises:
            LdContextNotAvailable: it cannot be fetched.
            BadRequestData: it is no JSON, or holds no valid @context.
        """
        found = self.get(url)
        if found is not None:
            return found
        until, failure = self._failures.get(url, (0, None))
        if failure is not None and self.now() < until:
            raise type(failure)(failure.detail)
        return await asyncio.shield(self._flight(url))

    async def reload(self, url: str) -> None:
        """Fetch a document again; on failure the old one stays (clause 5.13.5.4).

        Raises:
            LdContextNotAvailable: it cannot be fetched, or is not valid any more.
        """
        try:
            await asyncio.shield(self._flight(url))
        except BadRequestData as error:
            raise LdContextNotAvailable(error.detail) from error
        finally:
            self._failures.pop(url, None)

    def renew(self, url: str) -> None:
        """Fetch a document again in the background if it is old; the old one serves meanwhile."""
        found = self._documents.get(url)
        if found is not None and found.due <= self.now():
            found.due = self.now() + RETRIED_AFTER
            self._flight(url)

    def remove(self, url: str) -> bool:
        """Forget a document; tell whether there was one."""
        found = self._documents.pop(url, None)
        if found is None:
            return False
        self._bytes -= len(found.body)
        self.revision += 1
        return True

    async def close(self) -> None:
        """Give up what is being fetched."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _flight(self, url: str) -> asyncio.Task[Remote]:
        """Return the one fetch of a URL that is under way, begun if there is none."""
        flight = self._flights.get(url)
        if flight is None:
            flight = asyncio.create_task(self._load(url))
            self._flights[url] = flight
            flight.add_done_callback(lambda done: self._land(url, done))
        return flight

    def _land(self, url: str, flight: asyncio.Task[Remote]) -> None:
        del self._flights[url]
        if flight.cancelled():
            return
        error = flight.exception()
        if isinstance(error, NgsiError):
            if len(self._failures) >= MOST_FAILURES:
                self._failures.clear()
            self._failures[url] = (self.now() + FORGIVEN_AFTER, error)
            log.info("context.unavailable", url=url, reason=error.detail)
        elif error is not None:
            log.error("context.failed", url=url, exc_info=error)

    async def _load(self, url: str) -> Remote:
        body = await self._fetch(url)
        check(context_in(_parsed(url, body), url), url)
        return self._keep(url, body)

    def _keep(self, url: str, body: bytes) -> Remote:
        now = self.now()
        old = self._documents.get(url)
        if old is not None and old.body == body:
            old.due = now + self._age
            return old
        self.remove(url)
        found = Remote(url, body, now, now + self._age)
        self._documents[url] = found
        self._bytes += len(body)
        while len(self._documents) > self._entries or self._bytes > MOST_BYTES:
            _, oldest = self._documents.popitem(last=False)
            self._bytes -= len(oldest.body)
        return found


def _parsed(url: str, body: bytes) -> object:
    try:
        return orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"the @context {url} is no JSON: {error}") from error
