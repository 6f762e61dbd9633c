"""Measures how soon sensors that drift are found, on recorded stations in Beijing.

A known error is multiplied into one station at a time, at four times in four years.
"""

from __future__ import annotations

import sys
from math import inf
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from madang.services.air.drift import WARM_UP
from madang.services.air.service import LEAST
from tests.services.test_air import beijing, found_on

WITHIN = 120  # days in which an error must be found
ERRORS = {"half": 0.5, "30 % less": 0.7, "50 % more": 1.5, "1 % a day": None, "0.3 % a day": None}
A_DAY = {"1 % a day": -0.01, "0.3 % a day": -0.003}


def main() -> int:
    alarms = years = 0.0
    delays: dict[str, list[float]] = {name: [] for name in ERRORS}
    for pollutant in ("pm25", "no2", "o3", "co"):
        means = beijing(pollutant)
        count = means.shape[1]
        for sensor in range(len(means)):
            days = found_on(means, sensor, np.ones(count), LEAST[pollutant])
            alarms += int((days[1:] & ~days[:-1]).sum())
            years += (count - WARM_UP) / 365
            for start in range(200, 1300, 330):
                for name, after in ERRORS.items():
                    factor, late = np.ones(count), np.arange(count - start)
                    factor[start:] = np.exp(A_DAY[name] * late) if after is None else after
                    days = found_on(means, sensor, factor, LEAST[pollutant])
                    seen = np.nonzero(days[start : start + WITHIN])[0]
                    delays[name].append(float(seen[0]) if len(seen) else inf)
    table = Table("error", f"found within {WITHIN} days", "days until found, median")
    for name, found in delays.items():
        share = sum(one < inf for one in found) / len(found)
        table.add_row(name, f"{share:.0%}", f"{median(found):.0f}")
    Console().print(table, f"{alarms / years:.2f} false alarms a sensor and year")
    return 0


if __name__ == "__main__":
    sys.exit(main())
