"""Measures history as a client sees it: answers of the temporal API of a hub with many rows.

``python bench/temporal.py [--rows 100000000]``: the lake of ``bench/lake.py`` with a tenth of the
rows and with all of them, and one sensor more that has 100,000 values. Each question is asked by
one client, one after the other, over one connection; the server has core 0.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from rich.console import Console

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from bench.lake import ENTITY, PART, QUANTITIES, SENSORS, T0, backfill, show
from bench.report import Value
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.store.engine import stem
from tests.e2e.server import API, Server

RESULT = Path(__file__).parent / "results" / "temporal.json"
POINTS = 100_000
LONG = "urn:ngsi-ld:WeatherObserved:long"
ASKED = 200
BETWEEN = "timerel=between&timeAt=2026-01-02T00:00:00Z&endTimeAt=2026-01-03T00:00:00Z"
ALL = f"{API}/temporal/entities"
SINCE = "timerel=after&timeAt=2026-01-01T00:00:00Z"
HOURLY = "options=aggregatedValues&aggrMethods=avg,max&aggrPeriodDuration=PT1H"
LATEST = f"{API}/entities?type=AirQualityObserved&pick=id,quantity3&options=simplified&limit=1000"

QUESTIONS: dict[str, tuple[list[str], float | None, float | None]] = {
    "hourly mean and maximum of 100,000 values, by id": (
        [f"{ALL}/{LONG}?{HOURLY}&{SINCE}"], None, 60),
    "hourly mean and maximum of 100,000 values, by type": (
        [f"{ALL}?type=WeatherObserved&{HOURLY}&{SINCE}"], None, 60),
    "one sensor's day, every value": (
        [f"{ALL}/{ENTITY.format(777)}?attrs=quantity3&{BETWEEN}"], 50, None),
    "one sensor's day, hourly": (
        [f"{ALL}/{ENTITY.format(777)}?attrs=quantity3&{BETWEEN}&{HOURLY}"], 50, None),
    "latest value of every sensor": ([LATEST, f"{LATEST}&offset=1000"], 100, None),
}  # fmt: skip
"""Paths asked one after the other, and the bars of their median and 95th percentile. [ms]"""

_LONG = f"""
COPY (
    SELECT '{LONG}' AS entity, 'WeatherObserved' AS type, 'temperature' AS attribute,
           make_timestamp({T0} + k * 60000000) AS time,
           round(12 + 8 * sin((k % 1440) / 1440.0 * 6.283) + random(), 1) AS number, 'CEL' AS unit
    FROM range({POINTS}) t(k)
) TO '{{file}}'
"""


def fill(data: Path, rows: int) -> None:
    """Put so many rows into the lake of a hub that has not been started yet."""
    engine = Engine(data / "scratch")
    lake = DuckLake(engine, SqliteCatalog(data / "lake" / stem("")))
    file = data / "long.parquet"
    engine.cursor().execute(_LONG.format(file=file))
    lake.load(file, created=T0)
    file.unlink()
    backfill(engine, lake, data, rows)
    lake.maintain()  # as a hub does within a minute, beside what is asked
    lake.close()
    engine.close()


def sensors() -> Iterator[list[dict[str, object]]]:
    """Yield the sensors as they are now, some at a time."""
    for first in range(0, SENSORS, 500):
        yield [
            {"id": ENTITY.format(n), "type": "AirQualityObserved"}
            | {
                f"quantity{q}": {"type": "Property", "value": 20 + q, "unitCode": "GQ"}
                for q in range(QUANTITIES)
            }
            for n in range(first, first + 500)
        ]


def asked(server: Server, paths: list[str]) -> list[float]:
    """Return how long each asking took. [ms]"""
    line = http.client.HTTPConnection("127.0.0.1", server.port)
    took = []
    for turn in range(ASKED + 10):
        began = time.perf_counter()
        for path in paths:
            line.request("GET", path)
            answer = line.getresponse()
            body = answer.read()
            if answer.status not in (200, 206) or len(body) < 100:
                raise SystemExit(f"{path}: {answer.status} {body[:200]!r}")
        if turn >= 10:  # the first ones open files
            took.append((time.perf_counter() - began) * 1000)
    line.close()
    return took


def measure(data: Path, rows: int) -> dict[str, list[float]]:
    """Return the answer times of each question of a hub with so many rows. [ms]"""
    data.mkdir()
    fill(data, rows)
    with Server(data, "--no-demo", core=machine.server_core()) as server:
        for some in sensors():
            answer = server.request("POST", f"{API}/entityOperations/upsert", some)
            if answer.status not in (201, 204):
                raise SystemExit(f"sensors were not written: {answer.status}")
        machine.settle((server.pid,))
        return {name: asked(server, paths) for name, (paths, _, _) in QUESTIONS.items()}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/temporal.py", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--folder", type=Path, help="where to work; temporary if not given")
    given = parser.parse_args()
    few = max(given.rows // 10, SENSORS * QUANTITIES * PART)
    values = []
    with TemporaryDirectory(dir=given.folder) as name:
        before = measure(Path(name) / "few", few)
        for question, took in measure(Path(name) / "many", given.rows).items():
            _, middle, slow = QUESTIONS[question]
            values += [
                Value(f"{question}: median", median(took), "ms", middle),
                Value(f"{question}: 95 of 100 within", quantiles(took, n=20)[-1], "ms", slow),
                Value(
                    f"{question}: median, times that of {few:,} rows",
                    median(took) / median(before[question]), "", 1.5,
                ),
            ]  # fmt: skip
    show(values, Console())
    about = {**machine.described(), "rows": given.rows}
    found = {"machine": about, "values": [asdict(value) for value in values]}
    machine.keep(RESULT, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
