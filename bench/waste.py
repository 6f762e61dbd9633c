"""Measures rounds by forecast against fixed rounds, on the recorded litter bins of Edinburgh.

Each bin fills as it was recorded; who empties it when is up to the rounds. Takes some minutes for
each risk.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.recorded import DATA
from tests.services import edinburgh
from tests.services.edinburgh import Outcome

RECORDS = DATA / "waste/edinburgh_bins/collections_2016-06-03_07-22.csv.gz"


def row(table: Table, name: str, found: Outcome) -> None:
    full, spilt = f"{found.full_share:.2%}", f"{found.spilt / 1000:.1f}"
    table.add_row(name, f"{found.km:.0f}", f"{found.visits:,}", full, spilt)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=21)
    parser.add_argument("--every", type=int, default=1, help="of so many bins one is taken")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--risk", type=float, nargs="*", default=[0.2, 0.5])
    given = parser.parse_args()
    bins = edinburgh.bins(RECORDS)[:: given.every]
    table = Table("rounds", "way [km]", "stops", "bins full, of the time", "spilt [m3]")
    a_day = 0.0
    for risk in given.risk:
        found, played = asyncio.run(
            edinburgh.forecast_rounds(bins, given.days, 4, risk=risk, iterations=given.iterations)
        )
        a_day = played.kept.state["fixed_km"] * edinburgh.OPTIONS["fixed_days"]
        row(table, f"by forecast, risk {risk:g}", found)
    for every in (1, 2, 3):
        fixed = edinburgh.fixed_rounds(bins, given.days, every, a_day / every)
        row(table, f"to all, every {every} days", fixed)
    Console().print(f"{len(bins)} bins, {given.days} days", table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
