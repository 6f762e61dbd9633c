"""SQL for analysts: what tables say, what is refused, and what no question gets at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import polars
import pytest

from madang.lake import sql_job, sql_run
from madang.lake.ducklake import DuckLake
from madang.lake.sql_job import Format, Outcome
from madang.lake.sql_views import tables
from madang.model.errors import BadRequestData, TooComplexQuery
from madang.query.reach import WHOLE, Hidden, Reach
from madang.query.tree import Compare, HasId, HasType, InScope, Not, Or
from madang.query.tree import Path as Attribute
from tests.lake.outbox import Outbox, entity

pytestmark = pytest.mark.slow

SECRET = "urn:secret"


@pytest.fixture
def city(lake: DuckLake) -> DuckLake:
    """Two stations with values loaded from a file, a lamp, and somebody's flat."""
    rows = [
        {"entity": f"urn:s:{n}", "type": "Station", "attribute": name, "time": hour * 3_600_000_000}
        | {"number": float(n * 100 + hour), "unit": "GQ"}
        for n in (1, 2)
        for hour in range(4)
        for name in ("pm25", "no2")
    ]
    frame = polars.DataFrame(rows).with_columns(polars.col("time").cast(polars.Datetime("us")))
    lake.load(frame, created=1)
    outbox = Outbox()
    lake.take(
        [
            outbox.put(entity("urn:l:1", "Lamp", on=True, name="north")),
            outbox.put(entity(SECRET, "Flat", rooms=3, scope="/Seoul/Mapo")),
        ]
    )
    return lake


def ask(
    lake: DuckLake,
    folder: Path,
    sql: str,
    reach: Reach = WHOLE,
    *,
    form: Format = "json",
    limit: int = 100,
    seconds: float = 30.0,
    apart: bool = False,
) -> tuple[Any, Outcome]:
    """Answer a question here, or apart, in a process of its own as a hub does."""
    now = sql_run.moment(lake, reach, folder)
    output = folder / "answer"
    job = sql_run.job(now, sql, form, output, limit=limit, seconds=seconds)
    outcome = sql_run.run(job) if apart else sql_job.run(job)
    if outcome.refused:
        raise BadRequestData(outcome.refused)
    content = output.read_bytes()
    return (orjson.loads(content) if form == "json" else content), outcome


def rows(lake: DuckLake, folder: Path, sql: str, reach: Reach = WHOLE) -> list[list[Any]]:
    found, _ = ask(lake, folder, sql, reach)
    return [list(row.values()) for row in found]


# --- tables -------------------------------------------------------------------------------------


def test_a_type_has_a_row_for_each_time_and_a_column_for_each_attribute(
    city: DuckLake, tmp_path: Path
) -> None:
    found, outcome = ask(city, tmp_path, "SELECT * FROM station ORDER BY entity, time LIMIT 1")
    assert found == [
        {"entity": "urn:s:1", "time": "1970-01-01T00:00:00.000000", "no2": 100.0, "pm25": 100.0}
    ]
    assert dict(outcome.columns)["pm25"] == "DOUBLE"


def test_columns_tell_their_unit(city: DuckLake) -> None:
    station = tables(city.kinds(), WHOLE).named("Station")
    assert station is not None
    assert {column.name: column.unit for column in station.columns}["pm25"] == "GQ"


def test_what_is_not_in_files_yet_is_there(city: DuckLake, tmp_path: Path) -> None:
    assert city.waiting > 0
    assert rows(city, tmp_path, 'SELECT "on", name FROM Lamp') == [[True, "north"]]


def test_each_row_is_there_once_after_the_drain(city: DuckLake, tmp_path: Path) -> None:
    before = rows(city, tmp_path, "SELECT count(*), count(DISTINCT entity) FROM history")
    city.drain()
    assert rows(city, tmp_path, "SELECT count(*), count(DISTINCT entity) FROM history") == before


def test_what_was_deleted_for_good_is_gone(city: DuckLake, tmp_path: Path) -> None:
    city.remove("urn:s:1", "pm25")
    assert rows(
        city,
        tmp_path,
        "SELECT entity, count(*) FROM history WHERE attribute = 'pm25' GROUP BY ALL ORDER BY 1",
    ) == [["urn:s:2", 4]]


def test_the_latest_record_of_a_time_counts(lake: DuckLake, tmp_path: Path) -> None:
    frame = polars.DataFrame(
        {"entity": ["urn:a"], "type": ["A"], "attribute": ["x"], "time": [0], "number": [1.0]}
    ).with_columns(polars.col("time").cast(polars.Datetime("us")))
    lake.load(frame.with_columns(number=2.0), created=2)
    lake.load(frame, created=1)
    assert rows(lake, tmp_path, "SELECT x FROM A WHERE x IS NOT NULL") == [[2.0]]


def test_names_that_differ_in_case_only_are_told_apart(lake: DuckLake) -> None:
    frame = polars.DataFrame(
        {"entity": "urn:a", "type": "A", "attribute": ["x", "X", "time"], "time": 0, "number": 1.0}
    ).with_columns(polars.col("time").cast(polars.Datetime("us")))
    lake.load(frame, created=1)
    table = tables(lake.kinds(), WHOLE).named("A")
    assert table is not None
    assert [c.name for c in table.columns] == ["entity", "time", "X", "time_2", "x_2"]


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_all_forms_say_the_same(city: DuckLake, tmp_path: Path, form: Format) -> None:
    sql = "SELECT entity, pm25 FROM Station ORDER BY ALL"
    expected = rows(city, tmp_path, sql)
    ask(city, tmp_path, sql, form=form)
    read: dict[str, Any] = {
        "csv": polars.read_csv,
        "parquet": polars.read_parquet,
        "arrow": polars.read_ipc_stream,
    }
    frame: polars.DataFrame = read[form](tmp_path / "answer")
    assert [list(row) for row in frame.iter_rows()] == expected


def test_an_answer_has_no_more_rows_than_the_limit_and_says_so(
    city: DuckLake, tmp_path: Path
) -> None:
    found, outcome = ask(city, tmp_path, "SELECT * FROM Station", limit=3, apart=True)
    assert (len(found), outcome.rows, outcome.more) == (3, 3, True)


# --- who sees what ------------------------------------------------------------------------------


def test_a_reader_of_one_type_finds_no_other(city: DuckLake, tmp_path: Path) -> None:
    reach = Reach(HasType("Station"))
    assert rows(city, tmp_path, "SELECT DISTINCT type FROM history", reach) == [["Station"]]
    with pytest.raises(BadRequestData, match="no table 'Flat'"):
        ask(city, tmp_path, "SELECT * FROM Flat", reach)


def test_a_reader_of_one_entity_finds_no_other(city: DuckLake, tmp_path: Path) -> None:
    reach = Reach(HasId(("urn:s:2",)))
    for table in ("history", "Station"):
        assert rows(city, tmp_path, f"SELECT DISTINCT entity FROM {table}", reach) == [["urn:s:2"]]
    assert rows(city, tmp_path, "SELECT count(*) FROM Flat", reach) == [[0]]


def test_a_reader_of_a_scope_finds_what_was_in_it(city: DuckLake, tmp_path: Path) -> None:
    reach = Reach(InScope(("Seoul",), below=True))
    assert rows(city, tmp_path, "SELECT DISTINCT entity FROM history", reach) == [[SECRET]]
    assert rows(city, tmp_path, "SELECT rooms FROM Flat", reach) == [[3.0]]
    assert rows(city, tmp_path, "SELECT count(*) FROM Flat", Reach(Not(reach.condition))) == [[0]]  # type: ignore[arg-type]


def test_hidden_attributes_are_in_no_table(city: DuckLake, tmp_path: Path) -> None:
    reach = Reach(None, hidden=(Hidden("pm25", frozenset({"Station"})),))
    assert rows(city, tmp_path, "SELECT DISTINCT attribute FROM history ORDER BY 1", reach) == [
        ["name"], ["no2"], ["on"], ["rooms"], ["scope"], ["type"],
    ]  # fmt: skip
    for sql in ("SELECT pm25 FROM Station", "SELECT COLUMNS('pm.*') FROM Station"):
        with pytest.raises(BadRequestData):
            ask(city, tmp_path, sql, reach)


def test_personal_attributes_are_left_out_and_the_answer_says_so(city: DuckLake) -> None:
    found = tables(city.kinds(), Reach(None, personal=(Hidden("rooms", subject=""),)))
    flat = found.named("Flat")
    assert flat is not None
    assert "rooms" not in [column.name for column in flat.columns]
    assert any("Flat.rooms" in sentence for sentence in found.left_out)


def test_a_type_seen_by_its_values_is_left_out_and_the_answer_says_so(city: DuckLake) -> None:
    dear = Compare(Attribute("rooms"), ">", 2)
    found = tables(city.kinds(), Reach(Or((HasType("Lamp"), dear))))
    assert found.named("Flat") is None
    assert found.named("Lamp") is not None
    assert any(sentence.startswith("Flat:") for sentence in found.left_out)


# --- attacks ------------------------------------------------------------------------------------

ATTACKS = [
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('{files}')",
    "SELECT * FROM '{files}'",
    "SELECT * FROM parquet_metadata('{files}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM lake.instance",
    "SELECT * FROM memory.lake.instance",
    "SELECT * FROM temp.reach_0",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_views",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_views",
    "SELECT * FROM sqlite_master",
    "WITH duckdb_views AS (SELECT 1) SELECT * FROM duckdb_views",
    "WITH a AS (WITH pg_views AS (SELECT 1) FROM pg_views) SELECT * FROM pg_views",
    "WITH \"/etc/passwd\" AS (SELECT 1) SELECT * FROM '/etc/passwd'",
    "SELECT (SELECT count(*) FROM duckdb_tables())",
    "SELECT * FROM Station WHERE entity IN (SELECT path FROM duckdb_databases())",
    "SELECT * FROM query('SELECT * FROM lake.instance')",
    "SELECT * FROM query_table('lake.instance')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT current_setting('temp_directory')",
    "SELECT main.current_setting('temp_directory')",
    "SELECT system.main.current_setting('temp_directory')",
    "SELECT list_transform(['temp_directory'], lambda x: current_setting(x))",
    "SELECT pg_get_viewdef(1)",
    "SELECT pg_catalog.pg_get_viewdef(1)",
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "SELECT sleep_ms(100000)",
    "SELECT 1; DROP VIEW Station",
    "SELECT 1; SELECT 2",
    "COPY Station TO '/tmp/stolen.csv'",
    "COPY (SELECT 1) TO '/tmp/stolen.csv'",
    "ATTACH '/tmp/other.db'",
    "INSTALL httpfs",
    "LOAD '/tmp/evil.so'",
    "PRAGMA database_list",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "CREATE TABLE x AS SELECT 1",
    "DELETE FROM history",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE SELECT * FROM Station",
    "DESCRIBE lake.instance",
    "FROM (DESCRIBE lake.instance)",
    "FROM (SHOW ALL TABLES)",
    "SUMMARIZE lake.instance",
    "EXECUTE x",
    "EXPORT DATABASE '/tmp/x'",
    "VACUUM",
    "SELECT * FROM Station AT (VERSION => 1), duckdb_secrets()",
    "SELECT * FROM (VALUES (1)) v JOIN duckdb_columns() ON true",
    "PIVOT (FROM duckdb_tables()) ON table_name IN ('a') USING count(*)",
    "SELECT x FROM (SELECT unnest([1]) x) UNION ALL SELECT 1 FROM read_blob('/etc/passwd')",
    "",
    "-- nothing",
    "SELECT " + "1+" * 20_000 + "1",
    "SELECT '" + "x" * 200_000 + "'",
]


def test_no_question_gets_at_anything_but_its_tables(city: DuckLake, tmp_path: Path) -> None:
    city.drain()
    files = sql_run.moment(city, WHOLE, tmp_path).files[0]
    let_in = []
    for sql in ATTACKS:
        try:
            ask(city, tmp_path, sql.replace("{files}", files))
        except BadRequestData:
            continue
        let_in.append(sql)
    assert not let_in


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT max(length(repeat('x', 2000000000)))",
        "SELECT list(i) FROM range(3000000000) t(i)",
        "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
        "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 3",
        "WITH RECURSIVE r AS (SELECT 1 x UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r",
        "SELECT count(*) FROM generate_series(1, 1000000000000) g(i) WHERE i % 7 = 3",
    ],
)
def test_a_question_without_measure_is_ended(city: DuckLake, tmp_path: Path, sql: str) -> None:
    with pytest.raises(TooComplexQuery, match=r"took more than 1 s|more than 256 MB"):
        ask(city, tmp_path, sql, seconds=1, apart=True)


def test_what_is_wrong_is_told_without_our_own_names(city: DuckLake, tmp_path: Path) -> None:
    with pytest.raises(BadRequestData, match='"pm26" not found') as caught:
        ask(city, tmp_path, "SELECT *\nFROM Station WHERE pm26 > 1")
    assert str(tmp_path) not in str(caught.value)
    assert "LINE 2: FROM Station WHERE pm26 > 1" in str(caught.value)


def test_with_and_common_functions_are_let_through(city: DuckLake, tmp_path: Path) -> None:
    sql = """
        WITH hourly AS (
            SELECT entity, date_trunc('hour', time) AS h, avg(pm25) AS v FROM Station GROUP BY ALL)
        SELECT entity, round(regr_slope(v, epoch(h)) * 3600, 3), list_sum([1, 2]),
               CASE WHEN max(v) > 200 THEN 'high' ELSE 'low' END
        FROM hourly JOIN (SELECT DISTINCT entity FROM history) USING (entity)
        GROUP BY entity ORDER BY entity
    """
    assert rows(city, tmp_path, sql) == [["urn:s:1", 1.0, 3, "low"], ["urn:s:2", 1.0, 3, "high"]]
