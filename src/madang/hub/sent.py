"""What became of notifications: figures of each subscription and of the whole tenant.

Source: ETSI GS CIM 009 clause 5.2.14 (NotificationParams: timesSent, timesFailed, lastNotification,
lastSuccess, lastFailure, status).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from madang.model import time

LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0)  # [s]


@dataclass(slots=True)
class Statistics:
    """How the notifications of one subscription have fared. Times are microseconds since 1970."""

    times_sent: int = 0
    times_failed: int = 0
    last_notification: int | None = None
    last_success: int | None = None
    last_failure: int | None = None
    ok: bool = True

    def sending(self, now: int) -> None:
        self.times_sent += 1
        self.last_notification = now

    def succeeded(self, now: int) -> None:
        self.last_success = now
        self.ok = True

    def failed(self, now: int) -> None:
        self.times_failed += 1
        self.last_failure = now
        self.ok = False

    def members(self) -> dict[str, Any]:
        """Return the read-only members of ``notification``; none before the first one was sent."""
        if not self.times_sent:
            return {}
        members: dict[str, Any] = {
            "status": "ok" if self.ok else "failed",
            "timesSent": self.times_sent,
        }
        if self.times_failed:
            members["timesFailed"] = self.times_failed
        for name, instant in (
            ("lastNotification", self.last_notification),
            ("lastSuccess", self.last_success),
            ("lastFailure", self.last_failure),
        ):
            if instant is not None:
                members[name] = time.render(instant)
        return members

    def stored(self) -> dict[str, Any]:
        """Return the statistics as JSON, for :meth:`restored`."""
        return asdict(self)

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> Statistics:
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


@dataclass(slots=True)
class Counters:
    """Figures of a tenant's delivery, for ``/metrics``."""

    sent: int = 0
    failed: int = 0
    """Attempts that failed, each of a retried notification."""
    refused: int = 0
    """Notifications put aside because the endpoint does not want them."""
    dropped: int = 0
    """Notifications given up: too old, or their subscription is gone or expired."""
    waiting: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(LATENCIES) + 1))
    """How many first attempts took up to each of LATENCIES from change to answer, and longer."""
    latency_s: float = 0.0
    """The sum of those times. [s]"""

    def success(self, latency: int | None) -> None:
        """Count a notification that was taken; ``latency`` [us] if it was the first attempt."""
        self.sent += 1
        if latency is not None:
            seconds = max(0, latency) / 1e6
            self.latencies[bisect_left(LATENCIES, seconds)] += 1
            self.latency_s += seconds
