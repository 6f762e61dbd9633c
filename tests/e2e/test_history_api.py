"""History as analysts and programs use it, on the server as a user runs it."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import polars
import pytest

from tests.e2e.server import API, Server

MAPPING = """
[observed]
columns = ["time"]
[location]
longitude = "lon"
latitude = "lat"
[[entity]]
id = "urn:s:{station}"
type = "Station"
[entity.attributes]
name = { column = "station", observed = false }
level = { column = "level", unit = "MTR" }
state = { column = "state", kind = "text" }
"""
CSV = """station,time,lon,lat,level,state
han,2026-01-01T00:00:00Z,126.9,37.5,1.5,calm
han,2026-01-01T01:00:00Z,126.9,37.5,2.5,high
han,2026-01-01T02:00:00Z,126.9,37.5,full,high
nak,2026-01-01T00:00:00Z,129.0,35.1,4,calm
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("history") / "data") as running:
        yield running


def madang(server: Server, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return server.madang(*words, cwd=folder, timeout_s=120)


@pytest.fixture(scope="module")
def folder(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an analyst, who has loaded a file into history."""
    folder = tmp_path_factory.mktemp("analyst")
    (folder / "levels.csv").write_text(CSV)
    (folder / "levels.toml").write_text(MAPPING)
    done = madang(server, folder, "load", "--history", "levels.csv", "--mapping", "levels.toml")
    assert done.returncode == 1, "one row is bad"
    assert "row 4, column level: 'full' is no number" in done.stdout
    assert "10 new instances of 10 from 4 rows, 1 rows failed" in done.stdout
    return folder


def ask(server: Server, sql: str) -> object:
    answer = server.request("POST", "/history/sql", {"sql": sql})
    assert answer.status == 200, answer.body
    return answer.json()


def test_loading_history_changes_no_current_entity(server: Server, folder: Path) -> None:
    assert server.request("GET", f"{API}/entities?type=Station").json() == []


def test_loading_the_same_again_changes_nothing(server: Server, folder: Path) -> None:
    before = ask(server, "SELECT count(*) AS n FROM history")
    done = madang(server, folder, "load", "--history", "levels.csv", "--mapping", "levels.toml")
    assert "0 new instances of 10" in done.stdout
    assert ask(server, "SELECT count(*) AS n FROM history") == before


def test_sql_answers_over_a_table_for_each_type(server: Server, folder: Path) -> None:
    found = ask(server, "SELECT entity, max(level) AS m FROM Station GROUP BY ALL ORDER BY 1")
    assert found == [{"entity": "urn:s:han", "m": 2.5}, {"entity": "urn:s:nak", "m": 4.0}]


def test_sql_prints_a_table_and_lists_what_there_is(server: Server, folder: Path) -> None:
    sql = "SELECT entity, level FROM Station ORDER BY ALL"
    done = madang(server, folder, "sql", sql)
    assert done.returncode == 0, done.stderr
    assert [word for word in ("entity", "urn:s:han", "2.5") if word not in done.stdout] == []
    listed = madang(server, folder, "sql", "--tables").stdout
    assert "Station" in listed
    assert "MTR" in listed


def test_sql_that_is_wrong_is_told_in_a_sentence(server: Server, folder: Path) -> None:
    done = madang(server, folder, "sql", "SELECT * FROM Statoin")
    assert done.returncode == 2
    assert "there is no table 'Statoin'; did you mean 'Station'?" in done.stderr
    assert server.request("POST", "/history/sql", {"sql": "DROP TABLE x"}).status == 400
    assert server.request("POST", "/history/sql", {"query": "SELECT 1"}).status == 400


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow", "geoparquet"])
def test_an_export_has_every_row_of_a_type(server: Server, folder: Path, form: str) -> None:
    target = folder / f"out.{form}"
    done = madang(server, folder, "export", "--type", "Station", "--attrs", "level", target.name)
    assert done.returncode == 0, done.stderr
    read = {"csv": polars.read_csv, "arrow": polars.read_ipc}.get(form, polars.read_parquet)
    frame = read(target)
    assert frame["level"].sort().to_list() == [1.5, 2.5, 4.0]
    if form == "geoparquet":
        geo = orjson.loads(polars.read_parquet_metadata(target)["geo"])
        assert geo["version"] == "1.1.0"
        assert frame["geometry"].null_count() == 0


def test_the_city_at_an_instant_is_what_had_been_observed(server: Server, folder: Path) -> None:
    path = "/history/state?type=Station&format=simplified&attrs=level&at="
    assert server.request("GET", f"{path}2026-01-01T00:30:00Z").json() == [
        {"id": "urn:s:han", "type": "Station", "level": 1.5},
        {"id": "urn:s:nak", "type": "Station", "level": 4},
    ]
    later = server.request("GET", f"{path}2026-01-01T01:30:00Z&q=level<3").json()
    assert later == [{"id": "urn:s:han", "type": "Station", "level": 2.5}]
    assert server.request("GET", f"{path}2025-01-01T01:30:00Z").json() == []
    assert server.request("GET", "/history/state?type=Station").status == 400


def test_a_difference_has_values_before_and_after(server: Server, folder: Path) -> None:
    times = "from=2026-01-01T00:30:00Z&to=2026-01-01T01:30:00Z"
    path = f"/history/diff?type=Station&format=simplified&{times}"
    found = orjson.loads(server.request("GET", path).body)
    assert (found["created"], found["deleted"], found["more"]) == ([], [], False)
    assert found["changed"] == [
        {
            "id": "urn:s:han",
            "type": "Station",
            "attributes": {
                "level": {"before": 1.5, "after": 2.5},
                "state": {"before": "calm", "after": "high"},
            },
        }
    ]


def events(server: Server, query: str, count: int, **headers: str) -> list[dict[str, object]]:
    """Return the first events of the stream of changes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    found: list[dict[str, object]] = []
    try:
        connection.request("GET", f"/changes{query}", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200
        while len(found) < count:
            line = answer.readline()
            if line.startswith(b"data: "):
                found.append(orjson.loads(line[6:]))
    finally:
        connection.close()
    return found


def test_changes_resume_after_a_position_over_a_restart(server: Server) -> None:
    for number in range(3):
        body = {"id": f"urn:c:{number}", "type": "Car", "speed": number}
        assert server.request("POST", f"{API}/entities", body).status == 201
    first = events(server, "?after=0&type=Car", 3)
    assert [event["id"] for event in first] == ["urn:c:0", "urn:c:1", "urn:c:2"]
    server.stop()
    server.start()
    again = events(server, "?type=Car", 2, **{"Last-Event-ID": str(first[0]["position"])})
    assert again == first[1:]


def test_a_position_that_is_none_is_refused(server: Server) -> None:
    for after in ("soon", "-1", "999999999"):
        assert server.request("GET", f"/changes?after={after}").status == 400
