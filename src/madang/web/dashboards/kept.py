"""What was worked out for a reader, for a short while, so that many who look cost little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

MOST = 400  # answers kept for one reader


class Answers:
    """Answers by what was asked; who asks while one is worked out waits for it."""

    def __init__(self) -> None:
        self._found: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, age_s: float, ask: Callable[[], Awaitable[T]]) -> T:
        """Return an answer that is not older than so.

        Args:
            key: what is asked.
            age_s: how old it may be. [s]
            ask: works it out.
        """
        now = time.monotonic()
        found = self._found.get(key)
        if found is None or found[0] < now or _has_failed(found[1]):
            if len(self._found) >= MOST:
                self._found.clear()
            found = (now + age_s, asyncio.ensure_future(ask()))
            self._found[key] = found
        # One who goes away does not take it from the others.
        answer: T = await asyncio.shield(found[1])
        return answer


def _has_failed(answer: asyncio.Future[Any]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)


class Readers:
    """The answers of each reader; they go with the reader's view when policies change."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Any, Answers] = WeakKeyDictionary()

    def of(self, reader: object) -> Answers:
        """Return the answers of a tenant as somebody sees it."""
        found = self._of.get(reader)
        if found is None:
            found = self._of[reader] = Answers()
        return found
