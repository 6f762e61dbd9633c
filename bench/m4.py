"""Measures the forecast service on the 414 hourly series of the M4 competition.

``python bench/m4.py`` forecasts the 48 hours that were kept back, with the code that the service
uses, and prints the competition's figures beside the published ones. ``--hold-back`` takes the last
48 hours of the training part instead: what is tried is tried there, never on the test part.

Source: S. Makridakis, E. Spiliotis and V. Assimakopoulos, The M4 Competition: 100,000 time series
and 61 forecasting methods, International Journal of Forecasting 36 (2020) 54-74.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from madang.services.forecast.models import outlooks

Values = NDArray[np.float64]

HERE = Path(__file__).parents[1]
DATA = Path(os.environ.get("MADANG_TEST_DATA") or HERE.parent / "shared" / "data")
FOLDER = DATA / "benchmarks" / "m4_hourly"
HORIZON, SEASON = 48, 24
BAR = 10.0  # sMAPE


def read(name: str) -> list[Values]:
    """Return the series of a file; its rows have a name first and empty cells at the end."""
    with gzip.open(FOLDER / f"Hourly-{name}.csv.gz", "rt") as file:
        rows = list(csv.reader(file))[1:]
    return [np.array([float(cell) for cell in row[1:] if cell]) for row in rows]


def smape(came: Values, made: Values) -> float:
    """Return the symmetric mean absolute percentage error, as in M4. [%]

    >>> smape(np.array([[100.0, 50.0]]), np.array([[50.0, 50.0]])).__round__(3)
    33.333
    """
    return float(200 * np.mean(np.abs(came - made) / (np.abs(came) + np.abs(made))))


def mase(came: Values, made: Values, past: list[Values]) -> float:
    """Return the mean absolute error over that of the seasonal naive forecast in the past.

    >>> mase(np.array([[3.0]]), np.array([[5.0]]), [np.arange(25.0)]).__round__(3)
    0.083
    """
    scale = [np.abs(one[SEASON:] - one[:-SEASON]).mean() for one in past]
    return float(np.mean(np.abs(came - made).mean(axis=1) / np.array(scale)))


def published() -> dict[str, tuple[float, float]]:
    """Return sMAPE and MASE by who sent a forecast in."""
    with (FOLDER / "published_scores_hourly.csv").open() as file:
        return {
            row["method_or_user_id"]: (float(row["smape_hourly"]), float(row["mase_hourly"]))
            for row in csv.DictReader(file)
            if row["smape_hourly"] and row["mase_hourly"]
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold-back", action="store_true", help="on the end of the training part")
    parser.add_argument("--series", type=int, default=414, help="only the first so many")
    parser.add_argument("--coverage", type=int, default=95, help="of the intervals [%%]")
    given = parser.parse_args()
    past, came = read("train")[: given.series], read("test")[: given.series]
    if given.hold_back:
        came, past = [one[-HORIZON:] for one in past], [one[:-HORIZON] for one in past]
    true = np.array(came)
    clock, cpu = time.perf_counter(), time.process_time()
    named = {str(n): one for n, one in enumerate(past)}
    found = list(outlooks(named, 3600, HORIZON, given.coverage / 100).values())
    took, cpu = time.perf_counter() - clock, time.process_time() - cpu
    made, low, high = (
        np.array(one)
        for one in ([f.mean for f in found], [f.low for f in found], [f.high for f in found])
    )
    others = published()
    table = Table("on M4 hourly", "sMAPE", "MASE", "OWA")
    ours = smape(true, made), mase(true, made, past)
    seasonal = np.array([np.tile(one[-SEASON:], HORIZON // SEASON) for one in past])
    rows = {
        "Madang": ours,
        "seasonal naive, computed here": (smape(true, seasonal), mase(true, seasonal, past)),
        "published: best (Doornik, Castle & Hendry)": others["238"],
        "published: winner over all (Smyl)": others["118"],
        "published: seasonal naive": others["sNaive"],
    }
    for name, (percent, scaled) in rows.items():
        owa = (percent / others["Naive2"][0] + scaled / others["Naive2"][1]) / 2
        table.add_row(name, f"{percent:.3f}", f"{scaled:.3f}", f"{owa:.3f}")
    console = Console(width=110)
    console.print(table)
    inside = 100 * np.mean((true >= low) & (true <= high))
    methods = ", ".join(
        f"{name} {count}" for name, count in Counter(f.method for f in found).items()
    )
    console.print(
        f"{given.coverage} % intervals hold {inside:.1f} % of the values; bar: sMAPE {BAR}"
    )
    console.print(f"{len(found)} series in {took:.0f} s ({cpu:.0f} s of processor); {methods}")
    return 0 if ours[0] <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
