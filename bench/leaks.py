"""Plays two years of L-TOWN with the recorded leaks of BattLeDIM; prints what the service finds.

EPANET makes what 33 pressure sensors, three flow meters, a tank and the meters of area C tell every
half hour (``tests/services/ltown.py``); the service is told of it as of any change, and knows
nothing of later. An alarm is of a leak that flows then, has none yet, and lies within 600 m along
the pipes of where the alarm puts it, at first or at last. Other alarms are ``again`` if some leak
has begun or grown within three weeks before, and ``false`` otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from madang.services.city import moment
from tests.recorded import DATA
from tests.services.ltown import Leak, Play, instant, leaks, play
from tests.services.ltown_told import Found, Streets, watched

NEAR_M = 600.0
AGAIN = timedelta(days=21)
GROWN = 1.0  # [m3/h]


class Match(NamedTuple):
    """A leak and the alarm that is its."""

    leak: Leak
    found: Found
    days: float
    first_m: float
    last_m: float
    size: float
    """At the alarm, as it was told. [m3/h]"""
    true: float
    """Mean of the day before. [m3/h]"""


def node(found: Found, last: bool) -> str:
    return str((found.last if last else found.first)["refJunction"]).rpartition(":")[2]


def matched(data: Path, some: list[Leak], all: list[Found], played: Play) -> list[Match | None]:
    """Return for each leak the first alarm that is near it."""
    streets, used, matches = Streets(data), set[str](), list[Match | None]()
    for number, leak in enumerate(some):
        match = None
        for found in all:
            at = moment(found.told)
            if found.name in used or not leak.start <= at <= leak.end + timedelta(days=2):
                continue
            first, last = (streets.metres(node(found, one), leak.pipe) for one in (False, True))
            if min(first, last) <= NEAR_M:
                row = round((at - played.start) / timedelta(minutes=30))
                true = float(played.leaking[row - 48 : row, number].mean())
                days = (at - leak.start) / timedelta(days=1)
                match = Match(leak, found, days, first, last, found.first["flow"], true)
                used.add(found.name)
                break
        matches.append(match)
    return matches


def is_again(found: Found, played: Play) -> bool:
    """Tell whether some leak has begun or grown shortly before an alarm."""
    row = round((moment(found.told) - played.start) / timedelta(minutes=30))
    before = max(row - AGAIN // timedelta(minutes=30), 0)
    return bool((played.leaking[row - 1] - played.leaking[before] > GROWN).any())


def report(data: Path, all: list[Found], played: Play) -> None:
    """Print a line for each leak, and what they come to."""
    some = leaks(data)
    matches = matched(data, some, all, played)
    table = Table("pipe", "kind", "began", "days until told", "m away at first", "m away at last",
                  "told m3/h", "true m3/h")  # fmt: skip
    for leak, match in zip(some, matches, strict=True):
        kind, began = "abrupt" if leak.abrupt else "grows", f"{leak.start:%Y-%m-%d}"
        if match is None:
            table.add_row(leak.pipe, kind, began, "not found")
            continue
        table.add_row(leak.pipe, kind, began, f"{match.days:.1f}", f"{match.first_m:.0f}",
                      f"{match.last_m:.0f}", f"{match.size:.1f}", f"{match.true:.1f}")  # fmt: skip
    Console().print(table)
    known = [one for one in matches if one is not None]
    names = {one.found.name for one in known}
    rest = [one for one in all if one.name not in names]
    again = sum(is_again(one, played) for one in rest)
    sudden = [one for one in known if one.leak.abrupt]
    for label, few in (("all", known), ("abrupt", sudden)):
        if few:
            print(
                f"{label}: {len(few)} found, median {median(one.days for one in few):.1f} days, "
                f"{median(one.first_m for one in few):.0f} m at first, "
                f"{median(one.last_m for one in few):.0f} m at last, size off by "
                f"{median(abs(one.size - one.true) for one in few):.1f} m3/h"
            )
    print(f"{len(all)} alarms: {len(known)} first, {again} again, {len(rest) - again} false")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="start", type=instant, default=datetime(2017, 11, 27))
    parser.add_argument("--to", dest="end", type=instant, default=datetime(2020, 1, 1))
    given = parser.parse_args()
    data, began = DATA / "water", time.perf_counter()
    start, end = instant(given.start.isoformat()[:19]), instant(given.end.isoformat()[:19])
    with tempfile.TemporaryDirectory() as folder:
        played = play(data, start, end, Path(folder))
    print(f"played {(end - start).days} days in {time.perf_counter() - began:.0f} s")
    report(data, asyncio.run(watched(data, played)), played)
    print(f"{time.perf_counter() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
