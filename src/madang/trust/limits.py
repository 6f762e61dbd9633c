"""How many requests a second one may make: a token bucket for each principal and surface.

The headers are those of draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from madang.model.errors import TooManyRequests
from madang.settings import Settings
from madang.trust.principal import Kind, Principal

BURST_S = 5.0
"""Seconds' worth of requests that may come at once."""
_MOST = 20_000  # buckets kept; the longest unused go first


class Bucket:
    """Holds what one may still do at once; fills steadily."""

    __slots__ = ("_filled", "_left", "burst", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        """Requests a second, in the long run."""
        self.burst = max(1.0, rate * BURST_S)
        self._left = self.burst
        self._filled = 0.0

    def take(self, now: float) -> None:
        """Take one request out.

        Args:
            now: a clock that never goes back. [s]

        Raises:
            TooManyRequests: nothing is left.
        """
        left = min(self.burst, self._left + (now - self._filled) * self.rate)
        self._filled = now
        if left < 1.0:
            self._left = left
            wait = math.ceil((1.0 - left) / self.rate)
            raise TooManyRequests(
                f"{self.rate:g} requests a second are allowed here; try again in {wait} s",
                wait,
                self.headers(),
            )
        self._left = left - 1.0

    def headers(self) -> list[tuple[str, str]]:
        """Return what a client should know of its limit."""
        window = max(1, round(BURST_S))
        return [
            ("ratelimit-policy", f'"requests";q={int(self.burst)};w={window}'),
            ("ratelimit", f'"requests";r={int(self._left)};t={window}'),
        ]


class Limits:
    """The buckets of all who ask. Who has not signed in is told apart by address."""

    def __init__(self, settings: Settings) -> None:
        self._rates: dict[Kind, float] = {
            "public": settings.limit_public_per_s,
            "person": settings.limit_person_per_s,
            "device": settings.limit_device_per_s,
            "app": settings.limit_app_per_s,
            "city": settings.limit_app_per_s,
            "service": 0.0,
        }
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()

    def bucket(self, principal: Principal, address: str, surface: str) -> Bucket | None:
        """Return the bucket to take from; None where there is no limit."""
        rate = self._rates[principal.kind]
        if rate <= 0:
            return None
        key = (address if principal.kind == "public" else principal.id, surface)
        found = self._buckets.get(key)
        if found is None:
            found = self._buckets[key] = Bucket(rate)
            if len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return found
