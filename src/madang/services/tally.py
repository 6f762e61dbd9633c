"""Counts of a service over the last days, for its indicators."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from madang.services.city import City

DAYS = 28  # four weeks, so that every day of the week counts the same


def add(city: City, **counts: float) -> dict[str, float]:
    """Add to the counts of today; return the sums of the last 28 days, by name.

    They are kept in the state of the service, under ``tally``; days are those of the city.

    Args:
        city: of the service.
        **counts: what to add, by name; nothing only lets old days go.
    """
    days: dict[str, dict[str, float]] = city.state.setdefault("tally", {})
    today = city.local.date()
    first = (today - timedelta(DAYS - 1)).isoformat()
    for day in [day for day in days if day < first]:
        del days[day]
    if counts:
        here = days.setdefault(today.isoformat(), {})
        for name, count in counts.items():
            here[name] = here.get(name, 0) + count
    sums: dict[str, float] = {}
    for one in days.values():
        for name, count in one.items():
            sums[name] = sums.get(name, 0) + count
    return sums
