"""What is measured, and the bars that the figures are held against.

Source of the bars: one and a half times what a C broker that keeps everything in memory does with
10,000 entities on one core of such a machine (18,700 / 3,600 / 6,000 / 600 / 9,500 requests a
second); batches of 100 are held to its figure once, because a batch here is on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of request."""

    name: str
    """Of the script in bench/wrk."""
    title: str
    bar: float | None = None
    """At least so many requests a second with 16 connections."""
    alone_ms: float | None = None
    """Asked one at a time, 99 of 100 answers take no longer."""
    least: int = 0
    """Makes sense only with so many entities."""
    writes: bool = False


# In the order of running: a case that changes entities comes after those that depend on them.
CASES = (
    Case("get", "get one by id", 28_050),
    Case("page", "page of 20 by type", 5_400),
    Case("value", "20 by value (speed>120)"),
    Case("radius", "20 within 500 m"),
    Case("count", "exact count of a type", alone_ms=50),
    Case("deep_page", "page 1,000 of a type", alone_ms=50, least=20_020),
    Case("patch", "PATCH one attribute", 14_250, writes=True),
    Case("upsert", "upsert, batches of 100", 600, writes=True),
    Case("create", "create one", 9_000, writes=True),
)

SIZES = (100, 10_000, 1_000_000)
GROWTH_FROM, GROWTH_TO = 10_000, 1_000_000
GROWTH_BAR = 1.5
"""The cost of an operation grows no more than so many times between these two sizes."""
LARGE = 1_000_000

START_BAR_S = 5.0  # with LARGE entities
MEMORY_BAR_MB = 1536.0  # with LARGE entities
IDLE_BAR_MB = 250.0  # empty
NOTIFY_BAR_MS = 20.0  # p99 at NOTIFY_RATE
NOTIFY_RATE = 2_000  # [changes/s]


def chosen(names: str) -> list[Case]:
    """Return the cases of a comma list, in the order of running; empty means all.

    Raises:
        ValueError: there is no case of a name.
    """
    wanted = {name for name in names.split(",") if name}
    if unknown := wanted - {case.name for case in CASES}:
        known = ", ".join(case.name for case in CASES)
        raise ValueError(f"there is no case {', '.join(sorted(unknown))}; there are {known}")
    return [case for case in CASES if not wanted or case.name in wanted]
