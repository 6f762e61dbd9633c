"""Measures history: rows a second into the lake, bytes a row, answer times over many rows, memory.

``python bench/lake.py [--rows 100000000]`` prints a table with the bars and writes
bench/results/lake.json. Rows are those of 2,000 sensors with ten quantities every ten minutes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import machine
from bench.report import Value
from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine
from madang.lake.periods import parse
from madang.lake.questions import Series, Wanted
from madang.query.tree import Geo, Query, Selector, Temporal

RESULT = Path(__file__).parent / "results" / "lake.json"
SENSORS, QUANTITIES = 2_000, 10
PART = 500  # steps of ten minutes in one file of the backfill
T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000
ENTITY = "urn:ngsi-ld:AirQualityObserved:{:06d}"
REPEATS = 7

_PART = """
COPY (
    SELECT printf('urn:ngsi-ld:AirQualityObserved:%06d', s) AS entity,
           'AirQualityObserved' AS type, 'quantity' || q AS attribute,
           make_timestamp({t0} + k * 600000000) AS time,
           round(20 + q + 8 * sin((k % 144) / 144.0 * 6.283 + s) + 2 * random(), 1) AS number,
           'GQ' AS unit
    FROM range({first}, {last}) t(k), range({sensors}) u(s), range({quantities}) v(q)
) TO '{file}'
"""
_PLACES = """
COPY (
    SELECT printf('urn:ngsi-ld:AirQualityObserved:%06d', s) AS entity,
           'AirQualityObserved' AS type, 'location' AS attribute, 'GeoProperty' AS kind,
           make_timestamp({t0}) AS time, (s % 50) / 50.0 AS longitude, (s // 50) / 40.0 AS latitude,
           format('{{{{"type":"Point","coordinates":[{{}},{{}}]}}}}', longitude, latitude) AS json
    FROM range({sensors}) u(s)
) TO '{file}'
"""
_DISTRICTS = """
WITH place AS (
    SELECT entity, arg_max(longitude, time) AS x, arg_max(latitude, time) AS y
    FROM history WHERE attribute = 'location' GROUP BY entity
)
SELECT floor(x * 5), floor(y * 5), epoch_us(time) // 3600000000 AS hour, avg(number)
FROM history JOIN place USING (entity)
WHERE attribute = 'quantity3' AND x BETWEEN 0.1 AND 0.9 AND y BETWEEN 0.1 AND 0.9
GROUP BY ALL
"""


def blocks(count: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield outbox blocks as the hub writes them: 500 entities with ten attributes each."""
    random = Random(1)
    last = 0
    for step in range(count):
        at = T0 + step * 1_000_000
        seen = f"2026-01-01T{step // 3600 % 24:02d}:{step // 60 % 60:02d}:{step % 60:02d}Z"
        changes = [
            {
                "kind": "updated",
                "at": at,
                "id": ENTITY.format((step * 500 + n) % SENSORS),
                "type": "AirQualityObserved",
                "entity": {
                    f"quantity{q}": {
                        "type": "Property",
                        "value": round(20 + random.random() * 9, 1),
                        "unitCode": "GQ",
                        "observedAt": seen,
                    }
                    for q in range(QUANTITIES)
                },
            }
            for n in range(500)
        ]
        last += len(changes)
        yield last, len(changes), orjson.dumps(changes)


def drain(engine: Engine, folder: Path) -> list[Value]:
    """Measure taking and draining what a hub has written, while somebody reads."""
    lake = DuckLake(engine, SqliteCatalog(folder / "drained"))
    waiting = list(blocks(200))
    done = threading.Event()
    reads = []

    def read() -> None:
        wanted = one_day("quantity1")
        while not done.is_set():
            began = time.perf_counter()
            lake.aggregates(wanted, ["avg"], parse("PT1H"))
            reads.append(time.perf_counter() - began)

    reader = threading.Thread(target=read)
    reader.start()
    began = time.perf_counter()
    for start in range(0, len(waiting), 20):
        lake.take(waiting[start : start + 20])
        lake.drain()
    took = time.perf_counter() - began
    done.set()
    reader.join()
    lake.maintain()
    rows = lake.figures().rows
    size = _bytes(folder / "drained") / rows
    lake.close()
    return [
        Value(f"drain with {len(reads)} reads beside it", rows / took, "rows/s"),
        Value("bytes a row after a merge, from the hub", size, "B", 4),
    ]


def backfill(engine: Engine, lake: DuckLake, folder: Path, rows: int) -> float:
    """Load so many rows; return rows a second."""
    steps = rows // (SENSORS * QUANTITIES)
    cursor = engine.cursor()
    file = folder / "part.parquet"
    fill: dict[str, Any] = {"t0": T0, "sensors": SENSORS, "file": file}
    cursor.execute(_PLACES.format(**fill))
    lake.load(file, created=T0)
    took = 0.0
    for first in range(0, steps, PART):
        last = min(first + PART, steps)
        cursor.execute(_PART.format(first=first, last=last, quantities=QUANTITIES, **fill))
        began = time.perf_counter()
        lake.load(file, created=T0)
        took += time.perf_counter() - began
        file.unlink()
    return steps * SENSORS * QUANTITIES / took


def answers(lake: DuckLake) -> dict[str, float]:
    """Return the middle answer time of each question. [ms]"""
    area = Query(geo=Geo("within", orjson.dumps(_box(0.1, 0.9)).decode()))
    hour = parse("PT1H")
    return {
        "one sensor's day, instances": _ms(lambda: lake.pasts(one_day("quantity3"))),
        "one sensor's day, hourly": _ms(
            lambda: lake.aggregates(one_day("quantity3"), ["avg", "max"], hour)
        ),
        "hourly mean of all sensors": _ms(
            lambda: lake.frame(Series(("quantity3",), every=hour, together=True))
        ),
        "hourly mean within an area": _ms(
            lambda: lake.frame(Series(("quantity3",), area, every=hour, together=True))
        ),
        "mean by district and hour within an area": _ms(lambda: _sql(lake, _DISTRICTS)),
    }


BARS = {
    "one sensor's day, instances": 50,
    "one sensor's day, hourly": 50,
    "hourly mean of all sensors": 1000,
    "hourly mean within an area": 2000,
    "mean by district and hour within an area": 2000,
}


def one_day(attribute: str) -> Wanted:
    query = Query(selectors=(Selector(ids=(ENTITY.format(777),)),))
    return Wanted(query, (attribute,), temporal=Temporal("between", T0 + DAY, T0 + 2 * DAY))


def _box(low: float, high: float) -> dict[str, Any]:
    ring = [[low, low], [high, low], [high, high], [low, high], [low, low]]
    return {"type": "Polygon", "coordinates": [ring]}


def _sql(lake: DuckLake, sql: str) -> list[Any]:
    with lake.reading() as cursor:
        return cursor.execute(sql).fetchall()


def _ms(question: Callable[[], Any]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        question()
        times.append(time.perf_counter() - began)
    return median(times) * 1000


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/lake.py", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--smoke", action="store_true", help="only the way into the lake")
    parser.add_argument("--folder", type=Path, help="where to work; temporary if not given")
    given = parser.parse_args()
    console = Console()
    with TemporaryDirectory(dir=given.folder) as name:
        if given.smoke:
            engine = Engine(Path(name) / "scratch")
            show(drain(engine, Path(name)), console)
            engine.close()
            return 0
        values = measure(Path(name), given.rows, console)
    about = {**machine.described(), "rows": given.rows}
    machine.keep(RESULT, {"machine": about, "values": [asdict(value) for value in values]})
    return 0


def show(values: list[Value], console: Console) -> None:
    """Print a table of what was measured."""
    table = Table("history", "", "at most")
    for value in values:
        bar = "" if value.at_most is None else f"{value.at_most:g} {value.unit}"
        table.add_row(value.name, f"{value.value:,.1f} {value.unit}", bar)
    console.print(table)


def measure(folder: Path, rows: int, console: Console) -> list[Value]:
    """Measure everything and print it."""
    engine = Engine(folder / "scratch")
    console.print("drain", highlight=False)
    values = drain(engine, folder)
    lake = DuckLake(engine, SqliteCatalog(folder / "lake"))
    few = max(rows // 10, SENSORS * QUANTITIES * PART)  # so that the day asked for is there
    console.print(f"backfill of {few:,}", highlight=False)
    values.append(Value(f"backfill of {few:,}", backfill(engine, lake, folder, few), "rows/s"))
    console.print("questions", highlight=False)
    before = answers(lake)
    lake.close()
    lake = DuckLake(engine, SqliteCatalog(folder / "large"))
    console.print(f"backfill of {rows:,}", highlight=False)
    values.append(Value(f"backfill of {rows:,}", backfill(engine, lake, folder, rows), "rows/s"))
    values.append(Value("bytes a row", _bytes(folder / "large") / rows, "B", 4))
    for name, took in answers(lake).items():
        values.append(Value(name, took, "ms", BARS[name]))
        if name.startswith("one sensor"):
            values.append(Value(f"{name}: times that of {few:,}", took / before[name], "", 1.5))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    values.append(Value("memory, largest", peak, "MB", 1000))
    lake.close()
    engine.close()
    show(values, console)
    return values


if __name__ == "__main__":
    sys.exit(main())
