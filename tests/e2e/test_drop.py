"""The drop folder of a running hub: files of all makes are loaded, moved, and told of."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import xlsxwriter  # type: ignore[import-untyped]

from tests.e2e.server import API, Server

WAIT_S = 30.0
LOOK_S = 0.2  # between two looks at the folder, where it is not a matter of the time between them
MAPPING = """
[observed]
columns = "when"
[[entity]]
id = "urn:ngsi-ld:Bench:{no}"
type = "Bench"
[entity.attributes]
load = { column = "load", unit = "KGM" }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    paces = {"madang.sense.files.drop.POLL_S": LOOK_S}
    with Server(tmp_path_factory.mktemp("drop") / "data", paces=paces) as running:
        yield running


@pytest.fixture
def drop(server: Server) -> Path:
    folder = server.data / "drop"
    folder.mkdir(exist_ok=True)
    return folder


def wait_for(found: Callable[[], Any]) -> Any:
    ends = time.monotonic() + WAIT_S
    while not (result := found()):
        assert time.monotonic() < ends, "nothing happened in the drop folder"
        time.sleep(0.05)
    return result


def report_of(drop: Path, name: str, kind: str = "done") -> Any:
    """Return the report of a file, once it has been moved."""
    wait_for(lambda: list(drop.glob(f"{kind}/*/{name}")))
    return json.loads(next(drop.glob(f"{kind}/*/{name}.report.json")).read_bytes())


def get(server: Server, path: str) -> Any:
    answer = server.request("GET", path)
    assert answer.status == 200, answer.body
    return answer.json()


def test_a_korean_table_is_loaded_as_what_it_seems_to_be(server: Server, drop: Path) -> None:
    text = "측정소,측정일시,미세먼지(㎍/㎥)\n종로,2026-01-31 10:00,31\n중구,2026-01-31 10:00,28\n"
    (drop / "대기질.csv").write_bytes(text.encode("cp949"))
    report = report_of(drop, "대기질.csv")
    assert (report["rows"], report["loaded"], report["failed"]) == (2, 2, 0)
    assert "pm10" in report["mapping"]
    id = "urn:ngsi-ld:AirQualityObserved:종로"
    found = get(server, f"{API}/entities/{quote(id)}")
    assert found["pm10"]["value"] == 31
    assert found["pm10"]["observedAt"] == "2026-01-31T01:00:00Z"
    assert not (drop / "대기질.csv").exists()


def test_a_mapping_beside_the_file_is_used_and_bad_rows_are_dead_letters(
    server: Server, drop: Path
) -> None:
    (drop / "benches.toml").write_text(MAPPING)
    rows = "no,when,load\n1,2026-01-31T10:00:00Z,70\n2,2026-01-31T10:00:00Z,heavy\n"
    (drop / "benches.csv").write_text(rows)
    report = report_of(drop, "benches.csv")
    assert (report["loaded"], report["failed"]) == (1, 1)
    assert report["mapping"] == "benches.toml"
    assert report["failures"] == [{"row": 3, "column": "load", "reason": "'heavy' is no number"}]
    letters = get(server, "/sense/letters")["letters"]
    letter = next(one for one in letters if one["address"] == "file:benches.csv")
    assert letter["reason"] == "badRow"
    body = get(server, f"/sense/letters/{letter['id']}")
    assert "heavy" in json.dumps(body)
    assert (drop / "benches.toml").exists()


def test_a_file_loaded_twice_changes_nothing(server: Server, drop: Path) -> None:
    for folder in range(2):
        (drop / "twice.toml").write_text(MAPPING)
        (drop / "twice.csv").write_text("no,when,load\n7,2026-01-31T10:00:00Z,70\n")
        name = "twice.csv" if folder == 0 else "2-twice.csv"
        assert report_of(drop, name)["loaded"] == 1
    path = f"{API}/temporal/entities/urn:ngsi-ld:Bench:7?timerel=after&timeAt=2020-01-01T00:00:00Z"
    history = get(server, path)
    instances = history["load"]
    assert len(instances if isinstance(instances, list) else [instances]) == 1


def test_a_workbook_with_titles_above_its_header_is_loaded(server: Server, drop: Path) -> None:
    path = drop / ".parking.xlsx.part"
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("주차장")
    sheet.merge_range("A1:D1", "공영주차장 현황")
    sheet.write_row("A3", ["관리번호", "주차장명", "총주차면수", "위도", "경도"])
    sheet.write_row("A4", ["P-1", "시청", 120, 37.5663, 126.9779])
    book.close()
    path.rename(drop / "parking.xlsx")
    assert report_of(drop, "parking.xlsx")["loaded"] == 1
    found = get(server, f"{API}/entities/urn:ngsi-ld:OffStreetParking:P-1")
    assert found["totalSpotNumber"]["value"] == 120
    assert found["location"]["value"]["coordinates"] == [126.9779, 37.5663]


def test_what_cannot_be_used_is_moved_and_told(server: Server, drop: Path) -> None:
    (drop / "broken.parquet").write_bytes(b"PAR1 not really")
    (drop / "letter.docx").write_bytes(b"PK")
    assert "Parquet" in report_of(drop, "broken.parquet", "failed")["error"]
    assert "ending is unknown" in report_of(drop, "letter.docx", "failed")["error"]
    status = get(server, "/sense/drop")
    assert status["watched"] is True
    assert {"broken.parquet", "letter.docx"} <= {one["file"] for one in status["reports"]}


def test_links_and_unfinished_files_are_left_alone(
    server: Server, drop: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("id,n\na,1\n")
    (drop / "link.csv").symlink_to(secret)
    (drop / "later.csv.part").write_text("id,n\na,1\n")
    status = wait_for(lambda: (s := get(server, "/sense/drop"))["refused"] and s)
    assert "symbolic link" in status["refused"]["link.csv"]
    assert status["waiting"] == []
    (drop / "link.csv").unlink()
    (drop / "later.csv.part").unlink()


def test_a_file_that_still_grows_is_waited_for(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:  # looks each two seconds, as in a city
        drop = server.data / "drop"
        drop.mkdir()
        with (drop / "growing.jsonl").open("w") as stream:
            for n in range(8):
                stream.write(json.dumps({"id": f"urn:ngsi-ld:Slow:{n}", "type": "Slow"}) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
                time.sleep(0.7)
        assert report_of(drop, "growing.jsonl")["loaded"] == 8


def test_a_file_that_cannot_be_moved_away_is_not_loaded_again(server: Server, drop: Path) -> None:
    today = drop / "done" / datetime.now(UTC).date().isoformat()
    if today.exists():  # from the tests before
        today.rename(today.with_name("2000-01-01"))
    today.parent.mkdir(exist_ok=True)
    today.write_text("in the way")
    (drop / "stays.jsonl").write_text('{"id": "urn:ngsi-ld:Stay:1", "type": "Stay", "n": 1}\n')
    told = wait_for(lambda: get(server, "/sense/drop")["refused"].get("stays.jsonl"))
    assert "cannot be moved away" in told
    path = f"{API}/entities/urn:ngsi-ld:Stay:1?options=sysAttrs"
    before = get(server, path)
    time.sleep(5 * LOOK_S)  # some looks at the folder
    assert get(server, path) == before
    today.unlink()
    assert report_of(drop, "stays.jsonl")["loaded"] == 1


def test_a_kill_in_the_middle_loses_no_row(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", paces={"madang.sense.files.drop.POLL_S": LOOK_S})
    server.start()
    drop = tmp_path / "data" / "drop"
    drop.mkdir()
    rows = "".join(f"{n},2026-01-31T10:00:00Z,{n}\n" for n in range(30_000))
    (drop / "many.toml").write_text(MAPPING)
    (drop / "many.csv").write_text("no,when,load\n" + rows)
    wait_for(lambda: (get(server, "/sense/drop")["loading"] or {}).get("loaded", 0) > 1000)
    server.kill()
    assert (drop / "many.csv").exists()
    server.start()
    try:
        report = report_of(drop, "many.csv")
        assert (report["loaded"], report["failed"]) == (30_000, 0)
        answer = server.request("GET", f"{API}/entities?type=Bench&limit=1&count=true")
        assert answer.headers["ngsild-results-count"] == "30000"
    finally:
        server.stop()
