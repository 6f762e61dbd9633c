"""Recorded data of real cities: every aggregate equals what Polars computes from the files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from madang.lake.catalog import SqliteCatalog
from madang.lake.ducklake import DuckLake
from madang.lake.engine import Engine, extension
from madang.lake.periods import parse
from madang.lake.questions import Method, Series, Wanted
from madang.query.tree import HasType, Query, Selector, Temporal
from tests.recorded import recorded

pytestmark = pytest.mark.slow

T0 = 1_790_000_000_000_000
METHODS: list[Method] = [
    "totalCount",
    "distinctCount",
    "sum",
    "avg",
    "min",
    "max",
    "stddev",
    "sumsq",
]

City = Callable[[], tuple[str, pl.DataFrame]]


def narrow(wide: pl.DataFrame, kind: str, names: list[str]) -> pl.DataFrame:
    """Return rows of history from columns ``entity``, ``time`` and one for each attribute."""
    rows = wide.unpivot(names, index=["entity", "time"], variable_name="attribute")
    rows = rows.rename({"value": "number"}).drop_nulls("number")
    return rows.with_columns(type=pl.lit(kind), number=pl.col("number").cast(pl.Float64))


def beijing() -> tuple[str, pl.DataFrame]:
    parts = [
        pl.read_csv(file, null_values="NA", infer_schema_length=None)
        for file in recorded("iot/air_prsa_beijing/PRSA_Data_*.csv.gz")
    ]
    names = {"PM2.5": "pm25", "PM10": "pm10", "NO2": "no2", "TEMP": "temperature"}
    wide = (
        pl.concat(parts, how="vertical_relaxed")
        .with_columns(
            entity="urn:ngsi-ld:AirQualityObserved:" + pl.col("station"),
            time=pl.datetime("year", "month", "day", "hour") - pl.duration(hours=8),
        )
        .rename(names)
    )
    return "AirQualityObserved", narrow(wide, "AirQualityObserved", list(names.values()))


def los_angeles() -> tuple[str, pl.DataFrame]:
    (file,) = recorded("mobility/traffic_metr_la/los_speed.csv.gz")
    table = pl.read_csv(file)
    start = pl.datetime(2012, 3, 1, 8, time_unit="us")
    wide = table.with_row_index("step").unpivot(table.columns, index="step", value_name="speed")
    wide = wide.with_columns(
        entity="urn:ngsi-ld:TrafficFlowObserved:" + pl.col("variable"),
        time=start + pl.duration(minutes=5) * pl.col("step"),
    )
    return "TrafficFlowObserved", narrow(wide, "TrafficFlowObserved", ["speed"])


def aberdeen() -> tuple[str, pl.DataFrame]:
    parts = [
        pl.read_csv(file, separator=";", try_parse_dates=True, infer_schema_length=None)
        for file in recorded("iot/air_sensor_community_aberdeen/sds011_*.csv.gz")
    ]
    wide = pl.concat([p.select("sensor_id", "timestamp", "P1", "P2") for p in parts])
    wide = wide.with_columns(
        entity="urn:ngsi-ld:AirQualityObserved:" + pl.col("sensor_id").cast(pl.String),
        time=pl.col("timestamp"),
    ).rename({"P1": "pm10", "P2": "pm25"})
    return "AirQualityObserved", narrow(wide, "AirQualityObserved", ["pm10", "pm25"])


CITIES = [pytest.param(beijing, marks=pytest.mark.slow), los_angeles, aberdeen]


def computed(rows: pl.DataFrame, every: str) -> pl.DataFrame:
    """Return the aggregates that Polars computes straight from the rows."""
    v = pl.col("number")
    return (
        rows.with_columns(pl.col("time").cast(pl.Datetime("us")).dt.truncate(every))
        .group_by("entity", "attribute", "time")
        .agg(
            totalCount=pl.len(),
            distinctCount=v.n_unique(),
            sum=v.sum(),
            avg=v.mean(),
            min=v.min(),
            max=v.max(),
            stddev=v.std(ddof=0),
            sumsq=(v * v).sum(),
        )
        .sort("entity", "attribute", "time")
    )


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.__name__)
def test_aggregates_of_real_cities_equal_those_of_their_files(lake: DuckLake, city: City) -> None:
    kind, rows = city()
    assert lake.load(rows, created=T0) == rows.height
    query = Query((Selector(types=HasType(kind)),), limit=1000)
    wanted = Wanted(query, temporal=Temporal("after", 0))
    told = lake.aggregates(wanted, METHODS, parse("P1D")).rows
    expected = computed(rows, "1d")
    assert len(told) == expected.height
    for one, row in zip(told, expected.iter_rows(named=True), strict=True):
        assert (one.entity, one.attribute) == (row["entity"], row["attribute"])
        for method in METHODS:
            assert one.values[method] == pytest.approx(row[method], rel=1e-9, abs=1e-6), method


@pytest.mark.parametrize("city", CITIES, ids=lambda city: city.__name__)
def test_hourly_frames_of_real_cities_equal_those_of_their_files(
    lake: DuckLake, city: City
) -> None:
    _, rows = city()
    lake.load(rows, created=T0)
    names = sorted(rows["attribute"].unique())
    frame = lake.frame(Series(tuple(names), every=parse("PT1H")))
    expected = computed(rows, "1h").pivot("attribute", index=["entity", "time"], values="avg")
    expected = expected.sort("entity", "time").select("entity", "time", *names)
    expected = expected.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
    assert_frame_equal(frame, expected, check_dtypes=False)


OUTSIDE = """
import duckdb, sys
ducklake, sqlite, catalog, files = sys.argv[1:]
c = duckdb.connect(config={"autoinstall_known_extensions": "false"})
c.execute(f"LOAD '{ducklake}'; LOAD '{sqlite}'")
where = f"READ_ONLY, DATA_PATH '{files}/', OVERRIDE_DATA_PATH true"
c.execute(f"ATTACH 'ducklake:sqlite:{catalog}' AS lake ({where})")
sql = "SELECT count(*), sum(number) FROM lake.instance WHERE attribute = 'speed'"
print(*c.execute(sql).fetchone())
"""


def test_other_programs_read_the_files(duckdb_engine: Engine, tmp_path: Path) -> None:
    _, rows = los_angeles()
    lake = DuckLake(duckdb_engine, SqliteCatalog(tmp_path / "lake"))
    lake.load(rows, created=T0)
    lake.close()
    folder = tmp_path / "lake"
    command = [sys.executable, "-c", OUTSIDE, str(extension("ducklake"))]
    command += [str(extension("sqlite_scanner")), str(folder / "catalog.sqlite")]
    done = subprocess.run(
        [*command, str(folder / "files")], capture_output=True, text=True, check=True, timeout=60
    )
    count, total = done.stdout.split()
    assert int(count) == rows.height
    assert float(total) == pytest.approx(rows["number"].sum())
    scanned = pl.scan_parquet(sorted(folder.rglob("*.parquet")))
    mean = scanned.filter(pl.col("attribute") == "speed").select(pl.mean("number")).collect()
    assert mean.item() == pytest.approx(rows["number"].mean())
